//! Owns the full-screen chat. Three parts: `model` is the state and how it changes (pure), `view`
//! is how the state looks (pure), `shell` is the only one that waits: it owns terminal, session and
//! tasks, hands what happens to the model and does what the model returns. Called by the library's
//! `run` where both ends are a terminal.

mod asks;
mod layout;
mod model;
mod shell;
mod terminal;
#[cfg(test)]
mod tests;
mod view;
mod wrap;

pub use model::command::{COMMANDS, Notify};
pub use model::keys::KEYS;
pub use shell::run;

/// Can this terminal show it? Both ends have to be one, and it has to know how to place a cursor.
#[must_use]
pub fn fits() -> bool {
    use std::io::IsTerminal;
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb
}
