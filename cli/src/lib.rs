//! `tcp-chat-cli`: the terminal and script client of `tcp-chatd`.
//!
//! | module | content |
//! | --- | --- |
//! | [`args`] | the command line; man page and completions are made from it |
//! | [`settings`], [`layers`], [`profile`], [`files`] | the options, and the combination of command line,
//! environment and `config.toml` |
//! | `credentials` | the trust, and the user's credentials |
//! | [`connect`], [`state`], `known` | a session within the time; the state between two runs; the servers of a chat |
//! | [`hints`] | what a user can do about a failed login |
//! | [`enrol`], [`ask`] | the enrolment of a registered user: a password or a certificate |
//! | [`tui`] | the full-screen chat |
//! | [`line_mode`], [`worker`] | the chat without a screen |
//! | [`scripts`] | `send`, `tail`, `history`, `search`, `wait`, `who`, `rooms` |
//! | [`doctor`] | why a connection fails, step by step |
//! | [`web`] | the page on loopback, and the relay behind it |
//! | [`terminal_kind`] | the capabilities of the terminal |
//! | [`neutralise`], [`style`], [`output`] | the form of lines, and the only way to the terminal |
//! | [`suggest`], [`misread`](mod@misread) | "did you mean"; replacements for misleading errors of clap |
//! | [`exit`], [`signals`] | the end of the program |
//!
//! The crate `tcp-chat-client` owns the connection.

pub mod args;
pub mod ask;
pub mod connect;
mod credentials;
pub mod doctor;
pub mod enrol;
pub mod exit;
pub mod files;
pub mod hints;
mod input;
mod known;
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

/// Runs the command.
///
/// # Errors
/// The failure, with its exit code.
pub async fn run(mut settings: Settings, command: Option<Command>) -> Result<(), Stop> {
    if let Some(Command::Doctor(_)) = command {
        return doctor::run(&settings).await;
    }
    if let Some(join) = settings.join.take() {
        enrol::enrol(&mut settings, join).await?;
    }
    match command {
        None if !settings.line && !settings.json && tui::is_wanted() => tui::run(&settings).await,
        None => line_mode::run(&settings).await,
        Some(command) => scripts::run(&settings, command).await,
    }
}
