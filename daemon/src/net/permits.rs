//! Owns how many connections and handshakes there may be, in all and from one address. A permit is
//! taken before anything is spent on a connection, and given back by being dropped.

pub(super) use crate::chat::network;
use crate::rate::{Buckets, Limit};
use crate::settings::Limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Connections over the limit that are still told so; beyond them they are closed at once.
const SPARE: usize = 64;

/// The count of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    most: usize,
    most_per_address: usize,
    most_handshakes: usize,
    all: usize,
    handshakes: usize,
    spare: usize,
    by_address: HashMap<IpAddr, usize>,
    /// How fast each address may begin handshakes.
    pace: Limit,
    begun: Buckets<IpAddr>,
    /// The moments of `begun` are counted from here.
    since: Instant,
}

/// So many seconds of the rate may be used at once: an office comes back together after a restart.
const BURST_SECONDS: u64 = 4;

/// Why a connection is not let in, before anything was read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotLetIn {
    /// Its address is banned.
    Banned,
    /// No more connections, in all or from its address, and too many that were to be told so.
    Full,
    /// Too many handshakes are under way.
    Handshakes,
    /// Its address begins too many handshakes.
    TooFast,
}

impl NotLetIn {
    /// The word for metrics, of [`crate::metrics::TURNED_AWAY`].
    #[must_use]
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Full => "full",
            Self::Handshakes => "handshakes",
            Self::TooFast => "too_fast",
        }
    }

    /// The word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Full => "server full",
            Self::Handshakes => "too many handshakes",
            Self::TooFast => "too fast",
        }
    }
}

/// Leave for one connection. Dropped, it makes room for another.
#[derive(Debug)]
pub struct Permit {
    counts: Permits,
    address: IpAddr,
    /// Only to be told that there is no room.
    pub(super) is_spare: bool,
    is_shaking: bool,
}

impl Permit {
    /// Its handshake is done.
    pub(super) fn has_shaken(&mut self) {
        if std::mem::take(&mut self.is_shaking) {
            self.counts.with(|counts| counts.handshakes -= 1);
        }
    }
}

impl Permits {
    /// Counts that go by these limits; 0 is none.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let counts = Counts {
            most: 0,
            most_per_address: 0,
            most_handshakes: 0,
            all: 0,
            handshakes: 0,
            spare: 0,
            by_address: HashMap::new(),
            pace: Limit { per_second: 0, burst: 0 },
            begun: Buckets::default(),
            since: Instant::now(),
        };
        let permits = Self(Arc::new(Mutex::new(counts)));
        permits.set(limits);
        permits
    }

    /// Goes by other limits from now on.
    pub fn set(&self, limits: &Limits) {
        self.with(|counts| {
            counts.most = limits.connections;
            counts.most_per_address = limits.connections_per_address;
            counts.most_handshakes = limits.handshakes;
            let per_second = limits.handshakes_per_second.into();
            counts.pace = Limit { per_second, burst: per_second * BURST_SECONDS };
        });
    }

    /// Every change is one step, so a panic elsewhere leaves the counts right.
    fn with<T>(&self, act: impl FnOnce(&mut Counts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leave for a connection from this address, which begins with a handshake.
    ///
    /// # Errors
    /// Why there is none: not even to be told.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<Permit, NotLetIn> {
        let address = network(address);
        self.with(|counts| {
            if counts.most_handshakes > 0 && counts.handshakes >= counts.most_handshakes {
                return Err(NotLetIn::Handshakes);
            }
            let since = now.saturating_duration_since(counts.since).as_millis();
            let (pace, since) = (counts.pace, u64::try_from(since).unwrap_or(u64::MAX));
            if pace.per_second > 0 && counts.begun.of(address, |_| pace, since).take(pace, 1, since).is_err()
            {
                return Err(NotLetIn::TooFast);
            }
            let here = counts.by_address.get(&address).copied().unwrap_or(0);
            let is_full = (counts.most > 0 && counts.all >= counts.most)
                || (counts.most_per_address > 0 && here >= counts.most_per_address);
            if is_full {
                if counts.spare >= SPARE {
                    return Err(NotLetIn::Full);
                }
                counts.spare += 1;
            } else {
                counts.all += 1;
                *counts.by_address.entry(address).or_insert(0) += 1;
            }
            counts.handshakes += 1;
            Ok(Permit { counts: self.clone(), address, is_spare: is_full, is_shaking: true })
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.has_shaken();
        self.counts.with(|counts| {
            if self.is_spare {
                counts.spare -= 1;
                return;
            }
            counts.all -= 1;
            if let Some(here) = counts.by_address.get_mut(&self.address) {
                *here -= 1;
                if *here == 0 {
                    counts.by_address.remove(&self.address);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(connections: usize, connections_per_address: usize) -> Permits {
        Permits::new(&Limits { connections, connections_per_address, ..Limits::default() })
    }

    impl Permits {
        fn leave(&self, address: IpAddr) -> Result<Permit, NotLetIn> {
            self.take(address, Instant::now())
        }
    }

    #[test]
    fn full_is_told_and_then_not_even_that() {
        let permits = permits(2, 0);
        let a = "127.0.0.1".parse().unwrap();
        let held = [permits.leave(a).unwrap(), permits.leave(a).unwrap()];
        assert!(held.iter().all(|p| !p.is_spare));
        let spare: Vec<_> = (0..SPARE).map(|_| permits.leave(a).unwrap()).collect();
        assert!(spare.iter().all(|p| p.is_spare));
        assert_eq!(permits.leave(a).unwrap_err(), NotLetIn::Full);
        drop(held);
        assert!(!permits.leave(a).unwrap().is_spare);
    }

    #[test]
    fn one_address_does_not_take_it_all() {
        let permits = permits(0, 1);
        let [a, b]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "::ffff:10.0.0.1".parse().unwrap()];
        let held = permits.leave(a).unwrap();
        assert!(permits.leave(b).unwrap().is_spare, "the same address, mapped");
        assert!(!permits.leave("10.0.0.2".parse().unwrap()).unwrap().is_spare);
        let v6 = permits.leave("2001:db8::1".parse().unwrap()).unwrap();
        assert!(permits.leave("2001:db8::2".parse().unwrap()).unwrap().is_spare, "the same /64");
        assert!(!permits.leave("2001:db8:0:1::1".parse().unwrap()).unwrap().is_spare);
        drop((held, v6));
        assert!(!permits.leave(a).unwrap().is_spare);
        assert!(permits.with(|c| c.by_address.len()) <= 1, "nothing is kept of who is gone");
    }

    #[test]
    fn handshakes_under_way_are_counted_until_they_are_done() {
        let permits = Permits::new(&Limits { handshakes: 2, ..Limits::default() });
        let a = "10.0.0.1".parse().unwrap();
        let (mut first, second) = (permits.leave(a).unwrap(), permits.leave(a).unwrap());
        assert_eq!(permits.leave(a).unwrap_err(), NotLetIn::Handshakes);
        first.has_shaken();
        let third = permits.leave(a).unwrap();
        assert_eq!(permits.leave(a).unwrap_err(), NotLetIn::Handshakes);
        drop((first, second));
        assert!(permits.leave(a).is_ok(), "given back once, by being dropped");
        drop(third);
        permits.set(&Limits { handshakes: 0, ..Limits::default() });
        let all: Vec<_> = (0..100).map(|_| permits.leave(a).unwrap()).collect();
        assert_eq!(permits.with(|counts| counts.handshakes), all.len());
    }

    #[test]
    fn one_address_does_not_begin_handshakes_without_end() {
        let permits = Permits::new(&Limits { handshakes_per_second: 1, ..Limits::default() });
        let now = Instant::now();
        let [a, b]: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
        for _ in 0..4 {
            assert!(permits.take(a, now).is_ok());
        }
        assert_eq!(permits.take(b, now).unwrap_err(), NotLetIn::TooFast, "the same /64");
        assert!(permits.take("2001:db8:0:1::1".parse().unwrap(), now).is_ok());
        permits.set(&Limits { handshakes_per_second: 0, ..Limits::default() });
        assert!(permits.take(a, now).is_ok());
        permits.set(&Limits { handshakes_per_second: 1, ..Limits::default() });
        assert_eq!(permits.take(a, now).unwrap_err(), NotLetIn::TooFast, "a reload pays nothing back");
    }
}
