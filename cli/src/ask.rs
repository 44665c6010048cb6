//! Owns asking for a password on a terminal, outside of the full screen. What is typed is not shown:
//! the terminal is told so before it is asked, so that a paste that is quick is not shown either.
//! Never keeps what was typed.

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal;
use std::io::{self, IsTerminal, Write};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// So long a password grows without leaving a copy behind.
const USUAL: usize = 256;

/// Does somebody sit there who can be asked?
#[must_use]
pub fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks. `None`: nothing was said, or not in time.
///
/// # Errors
/// The terminal's.
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
            // A line end that was pasted comes as Ctrl-J.
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

/// Puts the terminal back, however the asking ended.
struct AsItWas;

impl Drop for AsItWas {
    fn drop(&mut self) {
        // Where that fails there is no terminal any more.
        let _ = terminal::disable_raw_mode();
    }
}
