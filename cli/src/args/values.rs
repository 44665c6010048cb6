//! Owns how the values of options are read: switches, counts, durations. Called by clap and by whoever reads the same value
//! from a file or the environment. Pure.

use std::time::Duration;

/// A switch in the environment. Empty means not set.
///
/// # Errors
/// A sentence with the allowed values.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("write 1, true, yes or on; or 0, false, no or off".into()),
    }
}

/// How many of something.
///
/// # Errors
/// A sentence with the allowed values.
pub fn from_one(text: &str) -> Result<u64, String> {
    text.trim().parse().ok().filter(|n| *n > 0).ok_or_else(|| "write a number from 1 on".into())
}

/// A duration as people write it: `90s`, `2m`, `1h 30m`; a number alone is seconds.
///
/// # Errors
/// A sentence with an example.
pub fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.trim().parse().map(Duration::from_secs);
    match seconds.or_else(|_| humantime::parse_duration(text)) {
        Ok(Duration::ZERO) => Err("in no time nothing can be done; write 90s or 2m".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("write a time, such as 90s or 2m".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        for on in ["1", "true", "YES", "on"] {
            assert_eq!(switch(on), Ok(true), "{on}");
        }
        for off in ["", " ", "0", "False", "no", "off"] {
            assert_eq!(switch(off), Ok(false), "{off}");
        }
        assert!(switch("maybe").is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        for wrong in ["soon", "", "0", "0s", "-1"] {
            assert!(duration(wrong).unwrap_err().contains("90s or 2m"), "{wrong}");
        }
    }
}
