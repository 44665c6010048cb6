//! Owns who may use the relay: the one-use ticket of the address that the browser is opened with, and the bearers that
//! tickets are traded for. Called by `host`. A pure part: the time is an argument. Never keeps a secret in the clear: it
//! holds the SHA-256 of each.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long a ticket can be used.
pub(crate) const TICKET: Duration = Duration::from_secs(60);
/// How many bearers there are at most. The one that was used the longest time ago makes room.
const BEARERS: usize = 32;
/// A bearer that was not used for so long is forgotten, in seconds.
const BEARER_SECONDS: u64 = 24 * 60 * 60;

/// 256 random bits as 64 hexadecimal digits: a ticket or a bearer.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// A new one. `None`: the system has no random numbers.
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

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// A tab that was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tab {
    /// Of its bearer.
    pub(crate) bearer: Digest,
    /// The SERVER line that it has chosen. `None`: the program's own.
    pub(crate) server: Option<String>,
    /// When its bearer was used last, in seconds since 1970.
    pub(crate) used: u64,
    /// Its open WebSockets. While there is one, the tab is not forgotten.
    #[serde(skip)]
    open: u32,
}

/// Why a ticket is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such ticket, or it was used already.
    Unknown,
    /// It was not used in time.
    Late,
}

/// The ticket that is out, and the tabs that were let in.
#[derive(Debug, Default)]
pub(crate) struct Door {
    ticket: Option<(Digest, Instant)>,
    tabs: Vec<Tab>,
}

impl Door {
    /// With the tabs of an earlier process.
    pub(crate) fn new(tabs: Vec<Tab>, epoch_seconds: u64) -> Self {
        let mut door = Self { ticket: None, tabs };
        door.forget_old(epoch_seconds);
        door
    }

    /// The ticket is good for one use from now on. An earlier one no longer is.
    pub(crate) fn issue(&mut self, ticket: &Secret, now: Instant) {
        self.ticket = Some((Digest::of(ticket.as_str()), now));
    }

    /// Trades a ticket for a bearer, once.
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
            return Err(Refused::Late);
        }
        self.forget_old(epoch_seconds);
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

    /// The tab that a bearer belongs to. It counts as used now.
    pub(crate) fn admit(&mut self, bearer: &str, epoch_seconds: u64) -> Option<&mut Tab> {
        self.forget_old(epoch_seconds);
        let digest = Digest::of(bearer);
        let tab = self.tabs.iter_mut().find(|tab| tab.bearer == digest)?;
        tab.used = epoch_seconds;
        Some(tab)
    }

    /// A WebSocket of the tab with this bearer begins.
    pub(crate) fn opened(&mut self, bearer: &Digest) {
        self.tabs.iter_mut().filter(|tab| tab.bearer == *bearer).for_each(|tab| tab.open += 1);
    }

    /// A WebSocket of the tab has ended. The tab counts as used until now.
    pub(crate) fn closed(&mut self, bearer: &Digest, epoch_seconds: u64) {
        for tab in self.tabs.iter_mut().filter(|tab| tab.bearer == *bearer) {
            tab.open = tab.open.saturating_sub(1);
            tab.used = epoch_seconds;
        }
    }

    /// All tabs, to be stored.
    pub(crate) fn tabs(&self) -> &[Tab] {
        &self.tabs
    }

    /// A clock that has gone back forgets nobody.
    fn forget_old(&mut self, epoch_seconds: u64) {
        self.tabs.retain(|tab| tab.open > 0 || epoch_seconds.saturating_sub(tab.used) < BEARER_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = BEARER_SECONDS;

    fn opened() -> (Door, Secret, Instant) {
        let (mut door, ticket, now) = (Door::default(), Secret::new().unwrap(), Instant::now());
        door.issue(&ticket, now);
        (door, ticket, now)
    }

    #[test]
    fn a_secret_has_256_bits_and_is_not_shown() {
        let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_eq!(one.as_str().len(), 64);
        assert_ne!(one.as_str(), other.as_str());
        assert_eq!(format!("{one:?}"), "Secret(…)");
    }

    #[test]
    fn a_ticket_is_taken_once() {
        let (mut door, ticket, now) = opened();
        let (bearer, second) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_eq!(door.redeem("", &bearer, now, 0), Err(Refused::Unknown));
        assert_eq!(
            door.redeem(second.as_str(), &bearer, now, 0),
            Err(Refused::Unknown),
            "a guess costs nothing"
        );
        assert!(door.admit(bearer.as_str(), 0).is_none());
        assert_eq!(door.redeem(ticket.as_str(), &bearer, now, 0), Ok(()));
        assert!(door.admit(bearer.as_str(), 0).is_some());
        assert_eq!(door.redeem(ticket.as_str(), &second, now, 0), Err(Refused::Unknown));
        assert!(door.admit(second.as_str(), 0).is_none());
        assert!(door.admit(ticket.as_str(), 0).is_none(), "a ticket is no bearer");
    }

    #[test]
    fn a_ticket_is_late_after_60_seconds() {
        let (mut door, ticket, now) = opened();
        let bearer = Secret::new().unwrap();
        let just = now + TICKET - Duration::from_nanos(1);
        assert_eq!(door.redeem(ticket.as_str(), &bearer, just, 0), Ok(()));
        let (mut door, ticket, now) = opened();
        assert_eq!(door.redeem(ticket.as_str(), &bearer, now + TICKET, 0), Err(Refused::Late));
        assert_eq!(door.redeem(ticket.as_str(), &bearer, now, 0), Err(Refused::Unknown), "it is used up");
        assert!(door.admit(bearer.as_str(), 0).is_none());
    }

    #[test]
    fn a_tab_that_chats_for_longer_than_a_day_is_not_forgotten() {
        let (mut door, ticket, now) = opened();
        let bearer = Secret::new().unwrap();
        door.redeem(ticket.as_str(), &bearer, now, 0).unwrap();
        let digest = Digest::of(bearer.as_str());
        door.opened(&digest);
        // Other tabs come meanwhile, as many as there may be.
        for _ in 0..BEARERS {
            let ticket = Secret::new().unwrap();
            door.issue(&ticket, now);
            door.redeem(ticket.as_str(), &Secret::new().unwrap(), now, 2 * DAY).unwrap();
        }
        door.closed(&digest, 3 * DAY);
        assert!(door.admit(bearer.as_str(), 4 * DAY - 1).is_some());
        assert!(door.admit(bearer.as_str(), 5 * DAY).is_none());
    }

    #[test]
    fn a_new_ticket_takes_the_place_of_the_old_one() {
        let (mut door, old, now) = opened();
        let (new, bearer) = (Secret::new().unwrap(), Secret::new().unwrap());
        door.issue(&new, now);
        assert_eq!(door.redeem(old.as_str(), &bearer, now, 0), Err(Refused::Unknown));
        assert_eq!(door.redeem(new.as_str(), &bearer, now, 0), Ok(()));
    }

    #[test]
    fn a_bearer_lives_as_long_as_it_is_used() {
        let (mut door, ticket, now) = opened();
        let bearer = Secret::new().unwrap();
        door.redeem(ticket.as_str(), &bearer, now, 0).unwrap();
        assert!(door.admit(bearer.as_str(), DAY - 1).is_some());
        let again = Door::new(door.tabs().to_vec(), DAY + 7);
        assert_eq!(again.tabs(), door.tabs(), "it outlives the process");
        assert!(door.admit(bearer.as_str(), 2 * DAY - 2).is_some());
        assert!(door.admit(bearer.as_str(), 3 * DAY - 2).is_none());
    }

    #[test]
    fn the_tab_that_is_used_least_makes_room() {
        let mut door = Door::default();
        let bearers: Vec<_> = (0..=BEARERS).map(|_| Secret::new().unwrap()).collect();
        for (at, bearer) in bearers.iter().enumerate() {
            let (ticket, now) = (Secret::new().unwrap(), Instant::now());
            door.issue(&ticket, now);
            if at == BEARERS {
                assert!(door.admit(bearers[0].as_str(), 100).is_some());
            }
            door.redeem(ticket.as_str(), bearer, now, at as u64).unwrap();
        }
        assert_eq!(door.tabs().len(), BEARERS);
        assert!(
            door.admit(bearers[0].as_str(), 100).is_some() && door.admit(bearers[1].as_str(), 100).is_none()
        );
    }
}
