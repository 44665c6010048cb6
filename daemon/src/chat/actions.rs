//! Owns how often each user may moderate: each act is a line of the audit log, which is kept. It counts for the
//! user, and where nobody proved to be one for the network; so a new session has no new burst. Called by the
//! chat for each act over the wire. Never asked about operators.

use super::party::Party;
use super::rate::{Bucket, Rate};
use std::collections::HashMap;

/// By hand nobody is so fast.
const A_MINUTE: Rate = Rate { per_second: 30, burst: 300 };
/// Users and networks that are remembered before those go that have all of it left.
const REMEMBERED: usize = 1_024;

fn rate(who: Party) -> Rate {
    let times = who.times();
    Rate { per_second: A_MINUTE.per_second * times, burst: A_MINUTE.burst * times }
}

/// What is left to each.
#[derive(Debug, Default)]
pub(super) struct Actions {
    all: HashMap<Party, Bucket>,
    /// At how many of them the next look is taken at which may go.
    look_at: usize,
}

impl Actions {
    /// Takes out one act, at the moment `now`, in milliseconds.
    ///
    /// # Errors
    /// How many milliseconds to wait until there is one.
    pub(super) fn take(&mut self, who: Party, now: u64) -> Result<(), u64> {
        // With a sixtieth of the time, a rate a second is a rate a minute.
        let minutes = now / 60;
        if self.all.len() >= self.look_at.max(REMEMBERED) {
            self.all.retain(|who, left| !left.is_full(rate(*who), minutes));
            // The next look costs no more than those that came since.
            self.look_at = 2 * self.all.len();
        }
        let left = self.all.entry(who).or_insert_with(|| Bucket::full(rate(who), minutes));
        left.take(rate(who), 1, minutes).map_err(|wait| wait * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::UserId;

    #[test]
    fn a_network_is_one_and_this_host_is_four() {
        let mut actions = Actions::default();
        let mut taken = |who| (0..2_000).take_while(|_| actions.take(who, 0).is_ok()).count();
        let at = |address: &str| Party::at(address.parse().unwrap());
        assert_eq!((taken(at("2001:db8::1")), taken(at("2001:db8::2"))), (300, 0));
        assert_eq!((taken(at("2001:db8:1::1")), taken(Party::User(UserId(1)))), (300, 300));
        assert_eq!((taken(at("127.0.0.1")), taken(at("::ffff:127.0.0.1"))), (1_200, 0));
    }

    #[test]
    fn who_has_all_of_it_left_is_forgotten() {
        let mut actions = Actions::default();
        for n in 0..4_000 {
            actions.take(Party::User(UserId(n)), n.unsigned_abs() * 10_000).unwrap();
        }
        assert!(actions.all.len() <= REMEMBERED, "{}", actions.all.len());
    }
}
