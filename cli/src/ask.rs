//! Owns the password prompt on a terminal, outside of the full screen. The input is not shown: echo is turned off
//! before the prompt, so a fast paste is not shown either. Called by `connect` and `enrol`. Never keeps the
//! input.

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal;
use std::io::{self, IsTerminal, Write};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The initial capacity for a password, so that it grows without leaving copies.
const USUAL: usize = 256;

/// Whether a user at a terminal can be asked.
#[must_use]
pub fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks. `None`: no input, or not in time.
///
/// # Errors
/// The error of the terminal.
pub fn secret(prompt: &str, until: Option<Instant>) -> io::Result<Option<Zeroizing<String>>> {
    terminal::enable_raw_mode()?;
    let _as_it_was = AsItWas;
    let mut err = io::stderr().lock();
    write!(err, "{prompt}")?;
    err.flush()?;
    let mut typed = Zeroizing::new(String::with_capacity(USUAL));
    let is_said = loop {
        if let Some(until) = until
            && !event::poll(until.saturating_duration_since(Instant::now()))?
        {
            break false;
        }
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            // A pasted line end arrives as Ctrl-J.
            KeyCode::Char('j') if with_control => break true,
            KeyCode::Enter => break true,
            KeyCode::Esc => break false,
            KeyCode::Char('c' | 'd') if with_control => break false,
            KeyCode::Char('u') if with_control => typed.clear(),
            KeyCode::Char(c) if !with_control => typed.push(c),
            KeyCode::Backspace => drop(typed.pop()),
            _ => {}
        }
    };
    write!(err, "\r\n")?;
    err.flush()?;
    Ok(is_said.then_some(typed))
}

/// Restores the terminal in every case.
struct AsItWas;

impl Drop for AsItWas {
    fn drop(&mut self) {
        // If that fails, the terminal is gone.
        let _ = terminal::disable_raw_mode();
    }
}
