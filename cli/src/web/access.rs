//! Owns the access of tabs to the relay: the one-use ticket in the address that the browser opens, and the bearer that a
//! tab gets for it. Called by `host`. Pure: the time is an argument. Never keeps a secret in plain text: it holds the
//! SHA-256 of each.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The lifetime of a ticket.
pub(crate) const TICKET: Duration = Duration::from_secs(60);
/// The largest number of bearers. Beyond it, the one whose last use is the oldest is removed.
const BEARERS: usize = 32;
/// The lifetime of a bearer after its last use, in seconds.
const BEARER_SECONDS: u64 = 24 * 60 * 60;

/// 256 random bits as 64 hexadecimal digits: a ticket or a bearer.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// A new secret. `None`: the system has no random numbers.
    pub(crate) fn new() -> Option<Self> {
        let mut bits = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *bits).ok()?;
        Some(Self(Zeroizing::new(hex(&*bits))))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The SHA-256 of a secret, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest(String);

impl Digest {
    pub(crate) fn of(secret: &str) -> Self {
        Self(hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}"); // Writing into a string cannot fail.
        out
    })
}

/// A tab with a bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tab {
    /// The digest of its bearer.
    pub(crate) bearer: Digest,
    /// The SERVER line that it has chosen. `None`: that of the command line.
    pub(crate) server: Option<String>,
    /// The last use of its bearer, in seconds since 1970.
    pub(crate) used: u64,
    /// The number of its open WebSockets. While there is one, the tab is not removed.
    #[serde(skip)]
    open: u32,
}

/// Why a ticket is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such ticket, or it was used already.
    Unknown,
    /// It is older than [`TICKET`].
    Expired,
}

/// The current ticket, and the tabs that have a bearer.
#[derive(Debug, Default)]
pub(crate) struct Access {
    ticket: Option<(Digest, Instant)>,
    tabs: Vec<Tab>,
}

impl Access {
    /// Access for the tabs of an earlier process.
    pub(crate) fn new(tabs: Vec<Tab>, epoch_seconds: u64) -> Self {
        let mut access = Self { ticket: None, tabs };
        access.remove_expired(epoch_seconds);
        access
    }

    /// Makes this ticket the current one, for one use. An earlier ticket becomes invalid.
    pub(crate) fn issue(&mut self, ticket: &Secret, now: Instant) {
        self.ticket = Some((Digest::of(ticket.as_str()), now));
    }

    /// Trades a ticket for a bearer, once.
    ///
    /// # Errors
    /// The ticket is unknown, used or expired.
    pub(crate) fn redeem(
        &mut self,
        ticket: &str,
        bearer: &Secret,
        now: Instant,
        epoch_seconds: u64,
    ) -> Result<(), Refused> {
        let (_, issued) =
            self.ticket.take_if(|(digest, _)| *digest == Digest::of(ticket)).ok_or(Refused::Unknown)?;
        if now.saturating_duration_since(issued) >= TICKET {
            return Err(Refused::Expired);
        }
        self.remove_expired(epoch_seconds);
        if self.tabs.len() >= BEARERS
            && let Some(oldest) =
                (0..self.tabs.len()).min_by_key(|at| (self.tabs[*at].open > 0, self.tabs[*at].used))
        {
            self.tabs.remove(oldest);
        }
        let bearer = Digest::of(bearer.as_str());
        self.tabs.push(Tab { bearer, server: None, used: epoch_seconds, open: 0 });
        Ok(())
    }

    /// The tab with this bearer. This is a use of the bearer.
    pub(crate) fn admit(&mut self, bearer: &str, epoch_seconds: u64) -> Option<&mut Tab> {
        self.remove_expired(epoch_seconds);
        let digest = Digest::of(bearer);
        let tab = self.tabs.iter_mut().find(|tab| tab.bearer == digest)?;
        tab.used = epoch_seconds;
        Some(tab)
    }

    /// Counts a new WebSocket of the tab with this bearer.
    pub(crate) fn opened(&mut self, bearer: &Digest) {
        self.tabs.iter_mut().filter(|tab| tab.bearer == *bearer).for_each(|tab| tab.open += 1);
    }

    /// Counts the end of a WebSocket of the tab. Its last use is now.
    pub(crate) fn closed(&mut self, bearer: &Digest, epoch_seconds: u64) {
        for tab in self.tabs.iter_mut().filter(|tab| tab.bearer == *bearer) {
            tab.open = tab.open.saturating_sub(1);
            tab.used = epoch_seconds;
        }
    }

    /// All tabs, for the state file.
    pub(crate) fn tabs(&self) -> &[Tab] {
        &self.tabs
    }

    /// Removes tabs whose bearer has expired. A clock that was set back removes none.
    fn remove_expired(&mut self, epoch_seconds: u64) {
        self.tabs.retain(|tab| tab.open > 0 || epoch_seconds.saturating_sub(tab.used) < BEARER_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = BEARER_SECONDS;

    fn with_ticket() -> (Access, Secret, Instant) {
        let (mut access, ticket, now) = (Access::default(), Secret::new().unwrap(), Instant::now());
        access.issue(&ticket, now);
        (access, ticket, now)
    }

    #[test]
    fn a_secret_has_256_bits_and_is_not_shown() {
        let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_eq!(one.as_str().len(), 64);
        assert_ne!(one.as_str(), other.as_str());
        assert_eq!(format!("{one:?}"), "Secret(…)");
    }

    #[test]
    fn a_ticket_works_once() {
        let (mut access, ticket, now) = with_ticket();
        let (bearer, second) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_eq!(access.redeem("", &bearer, now, 0), Err(Refused::Unknown));
        assert_eq!(
            access.redeem(second.as_str(), &bearer, now, 0),
            Err(Refused::Unknown),
            "a wrong guess does not use up the ticket"
        );
        assert!(access.admit(bearer.as_str(), 0).is_none());
        assert_eq!(access.redeem(ticket.as_str(), &bearer, now, 0), Ok(()));
        assert!(access.admit(bearer.as_str(), 0).is_some());
        assert_eq!(access.redeem(ticket.as_str(), &second, now, 0), Err(Refused::Unknown));
        assert!(access.admit(second.as_str(), 0).is_none());
        assert!(access.admit(ticket.as_str(), 0).is_none(), "a ticket is no bearer");
    }

    #[test]
    fn a_ticket_expires_after_60_seconds() {
        let (mut access, ticket, now) = with_ticket();
        let bearer = Secret::new().unwrap();
        let just = now + TICKET - Duration::from_nanos(1);
        assert_eq!(access.redeem(ticket.as_str(), &bearer, just, 0), Ok(()));
        let (mut access, ticket, now) = with_ticket();
        assert_eq!(access.redeem(ticket.as_str(), &bearer, now + TICKET, 0), Err(Refused::Expired));
        assert_eq!(access.redeem(ticket.as_str(), &bearer, now, 0), Err(Refused::Unknown), "it is used up");
        assert!(access.admit(bearer.as_str(), 0).is_none());
    }

    #[test]
    fn a_tab_with_an_open_websocket_does_not_expire() {
        let (mut access, ticket, now) = with_ticket();
        let bearer = Secret::new().unwrap();
        access.redeem(ticket.as_str(), &bearer, now, 0).unwrap();
        let digest = Digest::of(bearer.as_str());
        access.opened(&digest);
        // Meanwhile as many other tabs get a bearer as there may be.
        for _ in 0..BEARERS {
            let ticket = Secret::new().unwrap();
            access.issue(&ticket, now);
            access.redeem(ticket.as_str(), &Secret::new().unwrap(), now, 2 * DAY).unwrap();
        }
        access.closed(&digest, 3 * DAY);
        assert!(access.admit(bearer.as_str(), 4 * DAY - 1).is_some());
        assert!(access.admit(bearer.as_str(), 5 * DAY).is_none());
    }

    #[test]
    fn a_new_ticket_replaces_the_old_one() {
        let (mut access, old, now) = with_ticket();
        let (new, bearer) = (Secret::new().unwrap(), Secret::new().unwrap());
        access.issue(&new, now);
        assert_eq!(access.redeem(old.as_str(), &bearer, now, 0), Err(Refused::Unknown));
        assert_eq!(access.redeem(new.as_str(), &bearer, now, 0), Ok(()));
    }

    #[test]
    fn a_bearer_expires_a_day_after_its_last_use() {
        let (mut access, ticket, now) = with_ticket();
        let bearer = Secret::new().unwrap();
        access.redeem(ticket.as_str(), &bearer, now, 0).unwrap();
        assert!(access.admit(bearer.as_str(), DAY - 1).is_some());
        let again = Access::new(access.tabs().to_vec(), DAY + 7);
        assert_eq!(again.tabs(), access.tabs(), "it outlives the process");
        assert!(access.admit(bearer.as_str(), 2 * DAY - 2).is_some());
        assert!(access.admit(bearer.as_str(), 3 * DAY - 2).is_none());
    }

    #[test]
    fn the_tab_with_the_oldest_use_is_removed_first() {
        let mut access = Access::default();
        let bearers: Vec<_> = (0..=BEARERS).map(|_| Secret::new().unwrap()).collect();
        for (at, bearer) in bearers.iter().enumerate() {
            let (ticket, now) = (Secret::new().unwrap(), Instant::now());
            access.issue(&ticket, now);
            if at == BEARERS {
                assert!(access.admit(bearers[0].as_str(), 100).is_some());
            }
            access.redeem(ticket.as_str(), bearer, now, at as u64).unwrap();
        }
        assert_eq!(access.tabs().len(), BEARERS);
        assert!(
            access.admit(bearers[0].as_str(), 100).is_some()
                && access.admit(bearers[1].as_str(), 100).is_none()
        );
    }
}
