//! Owns the full-screen chat. Three parts: `model` is the state and how it changes (pure), `view`
//! is how the state looks (pure), `shell` is the only one that waits: it owns terminal, session and
//! tasks, hands what happens to the model and does what the model returns. Called by the library's
//! `run` where both ends are a terminal.

mod asks;
mod basic;
#[cfg(unix)]
mod dying;
mod layout;
mod model;
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

/// Are both ends a terminal that can place a cursor? Says so where only that is missing.
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
