//! Owns the errors for an invalid command line or environment where clap's would mislead: a mistyped verb, which
//! clap takes for the server, and a variable, which clap names by its option. Called by `main` and `settings`.
//! Never ends the program.

use crate::args;
use crate::exit::Failure;
use crate::profile::ConfigFile;
use crate::suggest::nearest;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use std::error::Error;
use tcp_chat_client::protocol::DEFAULT_PORT;

/// The real cause of clap's error. `None`: clap's own text is right.
#[must_use]
pub fn misread(e: &clap::Error) -> Option<Failure> {
    match e.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument => mistyped_verb(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => in_the_environment(e),
        _ => None,
    }
}

/// A mistyped verb, which was taken for the server: `sned hello`.
fn mistyped_verb() -> Option<Failure> {
    let matches = args::command().ignore_errors(true).try_get_matches().ok()?;
    if matches.value_source("server") != Some(ValueSource::CommandLine) || matches.subcommand().is_some() {
        return None;
    }
    mistyped(matches.get_one::<String>("server")?, &ConfigFile::load(None).unwrap_or_default())
}

/// A word in the place of the server that is nearly a verb. Not if the server is known or is clearly an address.
pub(crate) fn mistyped(server: &str, file: &ConfigFile) -> Option<Failure> {
    let plain = server.contains(['.', ':', '/']) || server.eq_ignore_ascii_case("localhost");
    let known = !matches!(file.profile(server, None), Ok((_, None)));
    if plain || known {
        return None;
    }
    let command = args::command();
    let verb = nearest(server, command.get_subcommands().map(clap::Command::get_name))?;
    Some(
        Failure::usage(format!("there is no command {server:?}: did you mean `{verb}`?"))
            .hint(format!("If {server} is a server, write it with its port: {server}:{DEFAULT_PORT}")),
    )
}

/// The value of a variable that its option does not accept.
fn in_the_environment(e: &clap::Error) -> Option<Failure> {
    let Some(ContextValue::String(option)) = e.get(ContextKind::InvalidArg) else { return None };
    let Some(ContextValue::String(value)) = e.get(ContextKind::InvalidValue) else { return None };
    let mut command = args::command();
    command.build();
    let arg = command.get_arguments().find(|arg| arg.to_string() == *option)?;
    let variable = arg.get_env()?;
    // If the option is given, too, the option is at fault: clap reads it first.
    let id = arg.get_id().clone();
    let given = command.clone().ignore_errors(true).try_get_matches().ok();
    let is_given = given.is_some_and(|m| m.value_source(id.as_str()) == Some(ValueSource::CommandLine));
    if is_given || std::env::var_os(variable).as_deref() != Some(value.as_ref()) {
        return None;
    }
    let why = match (e.source(), e.get(ContextKind::ValidValue)) {
        (Some(why), _) => why.to_string(),
        (None, Some(ContextValue::Strings(words))) => format!("write one of these: {}", words.join(", ")),
        (None, _) => "it is not a value of this option".to_owned(),
    };
    Some(Failure::usage(format!("{}={value:?}: {why}", variable.display())))
}
