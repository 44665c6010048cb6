//! Owns the limits of connections and handshakes, in total and per network. The accept loop takes a permit before
//! it spends anything on a connection. The drop of the permit returns it.

use crate::rate::{Buckets, Limit};
use crate::settings::Limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
pub(super) use tcp_chat_state::network;

/// Connections over the limit that receive SERVER_FULL at the same time. Beyond this number they are closed
/// without a reply.
const OVER_LIMIT: usize = 64;

/// The counters of open connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    max_connections: usize,
    max_per_network: usize,
    max_handshakes: usize,
    all: usize,
    handshakes: usize,
    over_limit: usize,
    by_network: HashMap<IpAddr, usize>,
    /// The rate limit of handshakes per network.
    rate: Limit,
    begun: Buckets<IpAddr>,
    /// The times in `begun` count from here.
    since: Instant,
}

/// A network may use this many seconds of its rate at once: an office reconnects together after a restart.
const BURST_SECONDS: u64 = 4;

/// Why a connection is closed before anything is read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The peer address is banned.
    Banned,
    /// The limit of connections is reached, in total or for the network, and so is the limit of SERVER_FULL
    /// replies.
    Full,
    /// Too many handshakes are running.
    Handshakes,
    /// The network starts handshakes faster than its rate limit.
    TooFast,
}

impl Rejection {
    /// The label for metrics, one of [`crate::metrics::TURNED_AWAY`].
    #[must_use]
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Full => "full",
            Self::Handshakes => "handshakes",
            Self::TooFast => "too_fast",
        }
    }

    /// The reason for the log.
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

/// The right to one connection. Its drop makes room for another one.
#[derive(Debug)]
pub struct Permit {
    counts: Permits,
    address: IpAddr,
    /// The connection is over the limit: it only receives SERVER_FULL.
    pub(super) is_over_limit: bool,
    in_handshake: bool,
}

impl Permit {
    /// Stops counting the connection as a running handshake.
    pub(super) fn handshake_done(&mut self) {
        if std::mem::take(&mut self.in_handshake) {
            self.counts.with(|counts| counts.handshakes -= 1);
        }
    }
}

impl Permits {
    /// Counters with these limits; a limit of 0 means no limit.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let counts = Counts {
            max_connections: 0,
            max_per_network: 0,
            max_handshakes: 0,
            all: 0,
            handshakes: 0,
            over_limit: 0,
            by_network: HashMap::new(),
            rate: Limit { per_second: 0, burst: 0 },
            begun: Buckets::default(),
            since: Instant::now(),
        };
        let permits = Self(Arc::new(Mutex::new(counts)));
        permits.set(limits);
        permits
    }

    /// Applies other limits from now on.
    pub fn set(&self, limits: &Limits) {
        self.with(|counts| {
            counts.max_connections = limits.connections;
            counts.max_per_network = limits.connections_per_address;
            counts.max_handshakes = limits.handshakes;
            let per_second = limits.handshakes_per_second.into();
            counts.rate = Limit { per_second, burst: per_second * BURST_SECONDS };
        });
    }

    /// Each change is one step, so the counters are right even after a panic of another thread.
    fn with<T>(&self, act: impl FnOnce(&mut Counts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a permit for a connection from this address; its handshake is running.
    ///
    /// # Errors
    /// The limit that leaves no room, not even for SERVER_FULL.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<Permit, Rejection> {
        let address = network(address);
        self.with(|counts| {
            if counts.max_handshakes > 0 && counts.handshakes >= counts.max_handshakes {
                return Err(Rejection::Handshakes);
            }
            let since = now.saturating_duration_since(counts.since).as_millis();
            let (rate, since) = (counts.rate, u64::try_from(since).unwrap_or(u64::MAX));
            if rate.per_second > 0 && counts.begun.of(address, |_| rate, since).take(rate, 1, since).is_err()
            {
                return Err(Rejection::TooFast);
            }
            let of_network = counts.by_network.get(&address).copied().unwrap_or(0);
            let is_full = (counts.max_connections > 0 && counts.all >= counts.max_connections)
                || (counts.max_per_network > 0 && of_network >= counts.max_per_network);
            if is_full {
                if counts.over_limit >= OVER_LIMIT {
                    return Err(Rejection::Full);
                }
                counts.over_limit += 1;
            } else {
                counts.all += 1;
                *counts.by_network.entry(address).or_insert(0) += 1;
            }
            counts.handshakes += 1;
            Ok(Permit { counts: self.clone(), address, is_over_limit: is_full, in_handshake: true })
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.handshake_done();
        self.counts.with(|counts| {
            if self.is_over_limit {
                counts.over_limit -= 1;
                return;
            }
            counts.all -= 1;
            if let Some(of_network) = counts.by_network.get_mut(&self.address) {
                *of_network -= 1;
                if *of_network == 0 {
                    counts.by_network.remove(&self.address);
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
        fn permit(&self, address: IpAddr) -> Result<Permit, Rejection> {
            self.take(address, Instant::now())
        }
    }

    #[test]
    fn over_the_limit_some_are_answered_and_the_rest_are_closed() {
        let permits = permits(2, 0);
        let a = "127.0.0.1".parse().unwrap();
        let held = [permits.permit(a).unwrap(), permits.permit(a).unwrap()];
        assert!(held.iter().all(|p| !p.is_over_limit));
        let over_limit: Vec<_> = (0..OVER_LIMIT).map(|_| permits.permit(a).unwrap()).collect();
        assert!(over_limit.iter().all(|p| p.is_over_limit));
        assert_eq!(permits.permit(a).unwrap_err(), Rejection::Full);
        drop(held);
        assert!(!permits.permit(a).unwrap().is_over_limit);
    }

    #[test]
    fn one_network_does_not_take_every_connection() {
        let permits = permits(0, 1);
        let [a, b]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "::ffff:10.0.0.1".parse().unwrap()];
        let held = permits.permit(a).unwrap();
        assert!(permits.permit(b).unwrap().is_over_limit, "the same address, mapped");
        assert!(!permits.permit("10.0.0.2".parse().unwrap()).unwrap().is_over_limit);
        let v6 = permits.permit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(permits.permit("2001:db8::2".parse().unwrap()).unwrap().is_over_limit, "the same /64");
        assert!(!permits.permit("2001:db8:0:1::1".parse().unwrap()).unwrap().is_over_limit);
        drop((held, v6));
        assert!(!permits.permit(a).unwrap().is_over_limit);
        assert!(permits.with(|c| c.by_network.len()) <= 1, "no counter is kept of a dropped permit");
    }

    #[test]
    fn handshakes_under_way_are_counted_until_they_are_done() {
        let permits = Permits::new(&Limits { handshakes: 2, ..Limits::default() });
        let a = "10.0.0.1".parse().unwrap();
        let (mut first, second) = (permits.permit(a).unwrap(), permits.permit(a).unwrap());
        assert_eq!(permits.permit(a).unwrap_err(), Rejection::Handshakes);
        first.handshake_done();
        let third = permits.permit(a).unwrap();
        assert_eq!(permits.permit(a).unwrap_err(), Rejection::Handshakes);
        drop((first, second));
        assert!(permits.permit(a).is_ok(), "given back once, by being dropped");
        drop(third);
        permits.set(&Limits { handshakes: 0, ..Limits::default() });
        let all: Vec<_> = (0..100).map(|_| permits.permit(a).unwrap()).collect();
        assert_eq!(permits.with(|counts| counts.handshakes), all.len());
    }

    #[test]
    fn one_network_starts_handshakes_at_its_rate() {
        let permits = Permits::new(&Limits { handshakes_per_second: 1, ..Limits::default() });
        let now = Instant::now();
        let [a, b]: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
        for _ in 0..4 {
            assert!(permits.take(a, now).is_ok());
        }
        assert_eq!(permits.take(b, now).unwrap_err(), Rejection::TooFast, "the same /64");
        assert!(permits.take("2001:db8:0:1::1".parse().unwrap(), now).is_ok());
        permits.set(&Limits { handshakes_per_second: 0, ..Limits::default() });
        assert!(permits.take(a, now).is_ok());
        permits.set(&Limits { handshakes_per_second: 1, ..Limits::default() });
        assert_eq!(permits.take(a, now).unwrap_err(), Rejection::TooFast, "a reload pays nothing back");
    }
}
