//! Owns the check of the system clock: it must not be before the day of the build. Called before the daemon
//! issues anything with a date (a CA, a certificate), and by `check`. Never sets a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the clock of the building machine may have been ahead.
const MARGIN: Duration = Duration::from_secs(24 * 3600);

/// The clock shows a time before the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "clock: it shows {}, which is before the build of this program ({}): certificates and retention depend on the clock, so \
     the daemon does not start until it is right: see `timedatectl`",
    humantime::format_rfc3339_seconds(*now),
    humantime::format_rfc3339_seconds(*made)
)]
pub struct NotSet {
    now: SystemTime,
    made: SystemTime,
}

/// Checks that the clock can be right.
///
/// # Errors
/// The clock is wrong.
pub fn check(now: SystemTime) -> Result<(), NotSet> {
    let made = UNIX_EPOCH + Duration::from_secs(env!("TCP_CHAT_MADE").parse().unwrap_or(0));
    if now + MARGIN < made { Err(NotSet { now, made }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_program_is_wrong_and_every_other_may_be_right() {
        let now = SystemTime::now();
        assert_eq!(check(now), Ok(()));
        assert_eq!(check(now + Duration::from_secs(50 * 365 * 86_400)), Ok(()));
        let said = check(UNIX_EPOCH + Duration::from_secs(100)).unwrap_err().to_string();
        assert!(said.contains("1970-01-01T00:01:40Z") && said.contains("timedatectl"), "{said}");
    }
}
