//! Owns the syntax of `log.level`. Called when settings are read and when the log starts. Never changes a level.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// A text that is not a level.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a level; write one of off, error, warn, info, debug, trace, or several with their \
     targets, such as \"info,tcp_chatd::net=debug\""
)]
pub struct LevelError(String);

/// Reads a level (`info`), or several with their targets (`info,tcp_chatd::net=debug`).
///
/// # Errors
/// The first part that is not a level. `Targets` alone would accept `inof` as the name of a target.
pub fn parse_level(text: &str) -> Result<Targets, LevelError> {
    let mut targets = Targets::new();
    let bad = |part: &str| LevelError(part.trim().to_owned());
    for part in text.split(',') {
        let (target, level) =
            part.rsplit_once('=').map_or((None, part), |(t, level)| (Some(t.trim()), level));
        let level = level.trim().to_ascii_lowercase();
        // LevelFilter would also accept numbers.
        if !["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
            return Err(bad(part));
        }
        let level: LevelFilter = level.parse().map_err(|_| bad(part))?;
        targets = match target {
            // Libraries say much that is of no use to an operator: they are asked for by name.
            None => targets.with_default(level.min(LevelFilter::WARN)).with_target(PROGRAM, level),
            Some(t) if !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c)) => {
                targets.with_target(t, level)
            }
            Some(_) => return Err(bad(part)),
        };
    }
    Ok(targets)
}

/// The target of all that this program logs.
const PROGRAM: &str = "tcp_chatd";

/// The modules of this crate that log.
const PARTS: [&str; 20] = [
    "admin", "auth", "clock", "cluster", "commands", "daemon", "edge", "http", "hub", "log", "metrics",
    "net", "order", "places", "rate", "settings", "store", "systemd", "tls", "web",
];
/// The libraries that may log.
const LIBRARIES: [&str; 6] = ["async_nats", "hyper", "hyper_util", "mio", "rustls", "tokio"];

/// The targets in a level that no module logs under: a mistyped target would silence the log. Each with a
/// suggestion.
#[must_use]
pub fn unknown_targets(text: &str) -> Vec<String> {
    let targets = text.split(',').filter_map(|part| part.rsplit_once('=')).map(|(target, _)| target.trim());
    let unknown = targets.filter(|target| {
        let mut parts = target.split("::");
        match (parts.next(), parts.next()) {
            (Some("tcp_chatd"), part) => part.is_some_and(|part| !PARTS.contains(&part)),
            (first, _) => first.is_none_or(|first| !LIBRARIES.contains(&first)),
        }
    });
    let sentence = |target: &str| {
        let part = target.trim_start_matches("tcp_chatd").trim_matches(':');
        let near = PARTS.iter().find(|known| strsim::damerau_levenshtein(known, part) <= 1);
        let near = near.map_or("for example tcp_chatd::net".to_owned(), |near| {
            format!("did you mean tcp_chatd::{near}")
        });
        format!("the program has no module {target}, so this target logs nothing: {near}?")
    };
    unknown.map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_a_target_and_others_are_told() {
        let modules = include_str!("../lib.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        assert_eq!(modules.collect::<Vec<_>>(), PARTS);
        for good in ["info", "info,tcp_chatd=debug", "info, tcp_chatd::net::prove=trace", "warn,hyper=debug"]
        {
            assert_eq!(unknown_targets(good), [""; 0], "{good}");
        }
        for (bad, sentence) in [
            (
                "info,tcp_chatd::nett=debug",
                "no module tcp_chatd::nett, so this target logs nothing: did you mean tcp_chatd::net?",
            ),
            ("info,net=debug", "no module net, so this target logs nothing: did you mean tcp_chatd::net?"),
            ("tcp_chat=debug", "no module tcp_chat, so this target logs nothing"),
        ] {
            let found = unknown_targets(bad);
            assert!(found.len() == 1 && found[0].contains(sentence), "{found:?}");
        }
    }

    #[test]
    fn levels() {
        for good in ["info", "DEBUG", "off", "warn,tcp_chatd=debug", "info, tcp_chatd::net=trace"] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
        for bad in ["", "inof", "info,", "tcp_chatd=", "=info", "5", "tcp_chatd[x]=info", "a b=info"] {
            assert!(parse_level(bad).is_err(), "{bad:?}");
        }
        let targets = parse_level("warn,tcp_chatd::net=debug").unwrap();
        assert!(targets.would_enable("tcp_chatd::net::listener", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("tcp_chatd::hub", &tracing::Level::INFO));
    }

    #[test]
    fn libraries_warn_and_say_more_only_if_they_are_named() {
        use tracing::Level;
        let targets = parse_level("debug").unwrap();
        assert!(targets.would_enable("tcp_chatd::hub", &Level::DEBUG));
        assert!(targets.would_enable("async_nats", &Level::WARN));
        assert!(!targets.would_enable("async_nats", &Level::INFO));
        let targets = parse_level("info,async_nats=info").unwrap();
        assert!(targets.would_enable("async_nats::connector", &Level::INFO));
        assert!(!targets.would_enable("hyper", &Level::INFO));
        assert!(!parse_level("error").unwrap().would_enable("hyper", &Level::WARN));
        assert_eq!(unknown_targets("info,async_nats=info"), [""; 0]);
    }
}
