//! `tcp-chat-cli`: the terminal and script client of `tcp-chatd`.
//!
//! | module | what |
//! | --- | --- |
//! | [`args`] | the command line; man page and completions are made from it |
//! | [`settings`], [`layers`], [`profile`], [`files`] | the options, and how command line, environment and `config.toml` are combined |
//! | `credentials` | whom to trust, and what proves who somebody is |
//! | [`connect`], [`state`] | a session within the time; what is saved between two runs |
//! | [`enrol`], [`ask`] | the first time of a registered user: a password or a certificate |
//! | [`tui`] | the full-screen chat |
//! | [`line_mode`], [`worker`] | the chat without a screen |
//! | [`scripts`] | `send`, `tail`, `history`, `search`, `wait`, `who`, `rooms` |
//! | [`web`] | the page on loopback, and the relay behind it |
//! | [`terminal_kind`] | what the terminal can show |
//! | [`neutralise`], [`style`], [`output`] | how things look, and the only way to the terminal |
//! | [`suggest`], [`misread`](mod@misread) | "did you mean"; what clap would say of another thing |
//! | [`exit`], [`signals`] | how it ends |
//!
//! The connection itself is the crate `tcp-chat-client`'s.

pub mod args;
pub mod ask;
pub mod connect;
mod credentials;
pub mod enrol;
pub mod exit;
pub mod files;
mod input;
pub mod layers;
pub mod line_mode;
pub mod misread;
pub mod neutralise;
pub mod output;
pub mod profile;
pub mod scripts;
pub mod settings;
pub mod signals;
pub mod state;
pub mod style;
pub mod suggest;
pub mod terminal_kind;
pub mod tui;
mod typed;
pub mod web;
pub mod worker;

use args::Command;
use output::Stop;
use settings::Settings;

/// Does what was asked for.
///
/// # Errors
/// What it failed with, and how the program is to end.
pub async fn run(mut settings: Settings, command: Option<Command>) -> Result<(), Stop> {
    if let Some(join) = settings.join.take() {
        enrol::enrol(&mut settings, join).await?;
    }
    match command {
        None if !settings.line && !settings.json && tui::is_wanted() => tui::run(&settings).await,
        None => line_mode::run(&settings).await,
        Some(command) => scripts::run(&settings, command).await,
    }
}
