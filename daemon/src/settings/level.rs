//! Owns what `log.level` may say. Called where settings are read and where the log is set up.
//! Never changes a level.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Why a text is no level.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no level; write one of off, error, warn, info, debug, trace, or several with their \
     targets, such as \"info,tcp_chatd::net=debug\""
)]
pub struct LevelError(String);

/// Reads a level (`info`), or several with their targets (`info,tcp_chatd::net=debug`).
///
/// # Errors
/// A part that is neither. `Targets` alone would take `inof` for the name of a target.
pub fn parse_level(text: &str) -> Result<Targets, LevelError> {
    let mut targets = Targets::new();
    let bad = |part: &str| LevelError(part.trim().to_owned());
    for part in text.split(',') {
        let (target, level) =
            part.rsplit_once('=').map_or((None, part), |(t, level)| (Some(t.trim()), level));
        let level = level.trim().to_ascii_lowercase();
        // LevelFilter would also take numbers.
        if !["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
            return Err(bad(part));
        }
        let level: LevelFilter = level.parse().map_err(|_| bad(part))?;
        targets = match target {
            None => targets.with_default(level),
            Some(t) if !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c)) => {
                targets.with_target(t, level)
            }
            Some(_) => return Err(bad(part)),
        };
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
