//! Owns the full-screen chat. Three parts: `model` is the state and its changes (pure), `view` draws the state
//! (pure), `shell` is the only one that waits: it owns terminal, session and tasks, passes events to the model
//! and runs the effects that the model returns. Called by the library's `run` if both ends are a terminal. Never
//! runs without one.

mod basic;
#[cfg(unix)]
mod fatal_signals;
mod layout;
mod model;
mod requests;
mod saves;
mod shell;
mod terminal;
#[cfg(test)]
mod tests;
mod view;
mod wrap;

pub use model::command::{COMMANDS, Notify};
pub use model::keys::KEYS;
pub use shell::run;

/// Whether both ends are a terminal that can place a cursor. Reports it if only the cursor is missing.
#[must_use]
pub fn is_wanted() -> bool {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return false;
    }
    let without = crate::terminal_kind::without_cursor();
    if let Some(why) = without {
        crate::output::say(&format!("* {why}: no full screen, but lines (as with `--line`)"));
    }
    without.is_none()
}
