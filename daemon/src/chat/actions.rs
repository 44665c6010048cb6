//! Owns how often each user may moderate: each act is a line of the audit log, which is kept. It counts for the
//! user, and where nobody proved to be one for the network; so a new session has no new burst. Called by the
//! chat for each act over the wire. Never asked about operators.

use super::UserId;
use super::rate::{Bucket, Rate};
use super::shares::{THIS_HOST_IS, is_this_host, network};
use std::collections::HashMap;
use std::net::IpAddr;

/// By hand nobody is so fast.
const A_MINUTE: Rate = Rate { per_second: 30, burst: 300 };
/// The same for this host, behind which there may be many networks, by a tunnel.
const OF_THIS_HOST: Rate = Rate {
    per_second: A_MINUTE.per_second * THIS_HOST_IS as u32,
    burst: A_MINUTE.burst * THIS_HOST_IS as u32,
};
/// Users and networks that are remembered before those go that have all of it left.
const REMEMBERED: usize = 1_024;

/// For whom an act counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    /// A registered user.
    User(UserId),
    /// All of a network whose names are not proven.
    Network(IpAddr),
}

impl Actor {
    /// All from the network of that address.
    pub(super) fn at(address: IpAddr) -> Self {
        Self::Network(network(address))
    }

    fn rate(self) -> Rate {
        match self {
            Self::Network(address) if is_this_host(address) => OF_THIS_HOST,
            Self::User(_) | Self::Network(_) => A_MINUTE,
        }
    }
}

/// What is left to each.
#[derive(Debug, Default)]
pub(super) struct Actions {
    all: HashMap<Actor, Bucket>,
    /// At how many of them the next look is taken at which may go.
    look_at: usize,
}

impl Actions {
    /// Takes out one act, at the moment `now`, in milliseconds.
    ///
    /// # Errors
    /// How many milliseconds to wait until there is one.
    pub(super) fn take(&mut self, who: Actor, now: u64) -> Result<(), u64> {
        // With a sixtieth of the time, a rate a second is a rate a minute.
        let minutes = now / 60;
        if self.all.len() >= self.look_at.max(REMEMBERED) {
            self.all.retain(|who, left| !left.is_full(who.rate(), minutes));
            // The next look costs no more than those that came since.
            self.look_at = 2 * self.all.len();
        }
        let left = self.all.entry(who).or_insert_with(|| Bucket::full(who.rate(), minutes));
        left.take(who.rate(), 1, minutes).map_err(|wait| wait * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_and_this_host_is_four() {
        let mut actions = Actions::default();
        let mut taken = |who| (0..2_000).take_while(|_| actions.take(who, 0).is_ok()).count();
        let at = |address: &str| Actor::at(address.parse().unwrap());
        assert_eq!((taken(at("2001:db8::1")), taken(at("2001:db8::2"))), (300, 0));
        assert_eq!((taken(at("2001:db8:1::1")), taken(Actor::User(UserId(1)))), (300, 300));
        assert_eq!((taken(at("127.0.0.1")), taken(at("::ffff:127.0.0.1"))), (1_200, 0));
    }

    #[test]
    fn who_has_all_of_it_left_is_forgotten() {
        let mut actions = Actions::default();
        for n in 0..4_000 {
            actions.take(Actor::User(UserId(n)), n.unsigned_abs() * 10_000).unwrap();
        }
        assert!(actions.all.len() <= REMEMBERED, "{}", actions.all.len());
    }
}
