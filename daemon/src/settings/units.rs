//! Owns the syntax of durations and sizes in a configuration: `"90s"`, `"2m"`, `"30d"`, `"64 KiB"`. Called when
//! values are read and when they are shown. Never decides whether a value is too large.

use std::time::Duration;

/// Reads a duration: a number with its unit, or several one after the other (`"1h 30m"`).
///
/// # Errors
/// A half sentence about the fault.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wanted = r#"a number with a unit, such as "90s", "2m" or "30d""#;
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("{text:?} has no unit; write {wanted}"));
    }
    humantime::parse_duration(text).map_err(|_| format!("{text:?} is not a duration; write {wanted}"))
}

/// Reads a size: a number of bytes, or a number with a unit.
///
/// # Errors
/// A half sentence about the fault.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    text.parse::<bytesize::ByteSize>().map(|size| size.as_u64()).map_err(|_| {
        format!(r#"{text:?} is not a size; write a number of bytes, or one with a unit, such as "64 KiB""#)
    })
}

/// A duration in the largest unit that divides it: `"90d"`, not `"2months 29days"`.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let units: [(u128, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    units
        .iter()
        .find(|(unit, _)| millis.is_multiple_of(*unit))
        .map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

/// A size in the largest binary unit that divides it; `None`: it is written as a number.
pub(super) fn show_size(bytes: u64) -> Option<String> {
    [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map(|(unit, name)| format!("{} {name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_show() {
        for (text, seconds, shown) in [
            ("0", 0, "0s"),
            ("90s", 90, "90s"),
            ("120s", 120, "2m"),
            ("1h 30m", 5_400, "90m"),
            ("30d", 2_592_000, "30d"),
            ("24h", 86_400, "1d"),
        ] {
            let read = duration(text).unwrap();
            assert_eq!((read.as_secs(), show_duration(read).as_str()), (seconds, shown), "{text}");
        }
        assert_eq!(show_duration(Duration::from_millis(1_500)), "1500ms");
        assert!(duration("90").unwrap_err().contains("has no unit"));
        for bad in ["", "x", "-1s", "1.5", "1 fortnight", "s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_read_and_show() {
        for (text, bytes, shown) in [
            ("65536", 65_536, Some("64 KiB")),
            ("64 KiB", 65_536, Some("64 KiB")),
            ("1MiB", 1 << 20, Some("1 MiB")),
            ("1000", 1_000, None),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
            assert_eq!(show_size(bytes).as_deref(), shown, "{text}");
        }
        for bad in ["", "x", "-1", "64 parsecs", "KiB"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }
}
