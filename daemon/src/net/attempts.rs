//! Owns the count of failed logins, by address and by name: whoever fails often has to wait, and
//! waits twice as long each time. Pure: `now` is an argument. Never knows whether a name exists:
//! those that do not are counted just the same.

use super::permits::network;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use tcp_chat_protocol::NameKey;

/// Failures of an address before it has to wait: a whole office may be behind it.
const FREE_ADDRESS: u32 = 20;
/// Failures of a name before it has to wait.
const FREE_NAME: u32 = 10;
/// The first wait, in milliseconds.
const FIRST_MS: u64 = 1_000;
/// The longest one.
const LONGEST_MS: u64 = 60_000;
/// After this time without a failure it is forgotten.
const FORGOTTEN_MS: u64 = 15 * 60_000;
/// Addresses, names, and pairs of them that are remembered, of each.
const REMEMBERED: usize = 16_384;

/// Failed logins. Moments are milliseconds that only go forward.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    addresses: HashMap<IpAddr, Tally>,
    names: HashMap<NameKey, Tally>,
    /// Who has logged in from where: strangers who try that name do not hold these up.
    at_home: HashMap<(NameKey, IpAddr), Tally>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    failures: u32,
    last: u64,
}

impl Tally {
    /// How long the next attempt has to wait, in milliseconds.
    fn wait(self, free: u32, now: u64) -> u64 {
        let Some(over) = self.failures.checked_sub(free) else { return 0 };
        let pause = FIRST_MS.checked_shl(over).unwrap_or(LONGEST_MS).min(LONGEST_MS);
        (self.last + pause).saturating_sub(now)
    }
}

impl Attempts {
    /// How long somebody at this address has to wait before the next attempt, in milliseconds; 0:
    /// not at all. Without a name: for a code.
    pub(super) fn wait(&self, address: IpAddr, name: Option<&NameKey>, now: u64) -> u64 {
        let address = network(address);
        let by_address = self.addresses.get(&address).map_or(0, |tally| tally.wait(FREE_ADDRESS, now));
        let by_name = name.filter(|name| !self.at_home.contains_key(&((*name).clone(), address)));
        let by_name = by_name.and_then(|name| self.names.get(name)).map_or(0, |t| t.wait(FREE_NAME, now));
        by_address.max(by_name)
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, address: IpAddr, name: Option<&NameKey>, now: u64) {
        count(&mut self.addresses, network(address), now);
        if let Some(name) = name {
            count(&mut self.names, name.clone(), now);
        }
    }

    /// An attempt was right. What the address has failed before stays: one good password must not
    /// pay for guessing at others.
    pub(super) fn right(&mut self, address: IpAddr, name: &NameKey, now: u64) {
        count(&mut self.at_home, (name.clone(), network(address)), now);
    }
}

fn count<K: Eq + Hash>(tallies: &mut HashMap<K, Tally>, key: K, now: u64) {
    if tallies.len() >= REMEMBERED && !tallies.contains_key(&key) {
        tallies.retain(|_, tally| now.saturating_sub(tally.last) < FORGOTTEN_MS);
        if tallies.len() >= REMEMBERED {
            // Somebody makes up keys by the thousand: the older half goes.
            let mut moments: Vec<u64> = tallies.values().map(|tally| tally.last).collect();
            let (_, median, _) = moments.select_nth_unstable(REMEMBERED / 2);
            let median = *median;
            tallies.retain(|_, tally| tally.last > median);
        }
    }
    let tally = tallies.entry(key).or_default();
    if now.saturating_sub(tally.last) >= FORGOTTEN_MS {
        tally.failures = 0;
    }
    tally.failures = tally.failures.saturating_add(1);
    tally.last = now;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::Name;

    fn at(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    fn key(name: &str) -> NameKey {
        name.parse::<Name>().unwrap().key()
    }

    #[test]
    fn whoever_fails_often_waits_twice_as_long_each_time() {
        let (mut attempts, ana) = (Attempts::default(), key("ana"));
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..FREE_NAME + 8 {
            attempts.failed(at(1), Some(&ana), now);
            let wait = attempts.wait(at(2), Some(&ana), now);
            waits.push(wait);
            now += wait;
        }
        let free = FREE_NAME as usize - 1;
        assert!(waits[..free].iter().all(|wait| *wait == 0), "{waits:?}");
        assert_eq!(waits[free..], [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|s| s * 1_000));
        assert_eq!(attempts.wait(at(2), Some(&key("bo")), now), 0, "another name from elsewhere");
        assert_eq!(attempts.wait(at(2), Some(&ana), now + FORGOTTEN_MS), 0);
        attempts.failed(at(2), Some(&ana), now + FORGOTTEN_MS);
        assert_eq!(attempts.wait(at(3), Some(&ana), now + FORGOTTEN_MS), 0, "forgotten");
    }

    #[test]
    fn an_address_that_guesses_at_many_names_waits_too() {
        let mut attempts = Attempts::default();
        for n in 0..FREE_ADDRESS {
            attempts.failed(at(1), Some(&key(&format!("n{n}"))), 5);
        }
        assert_eq!(attempts.wait(at(1), Some(&key("other")), 5), FIRST_MS);
        assert_eq!(attempts.wait(at(1), None, 5), FIRST_MS);
        assert_eq!(attempts.wait(at(2), Some(&key("other")), 5), 0);
        attempts.right(at(1), &key("mallory"), 6);
        assert!(attempts.wait(at(1), Some(&key("other")), 6) > 0, "one's own password does not pay for it");
    }

    #[test]
    fn strangers_do_not_hold_up_an_owner_at_home() {
        let (mut attempts, ana) = (Attempts::default(), key("ana"));
        attempts.right(at(7), &ana, 0);
        for n in 0..200 {
            attempts.failed(at(n % 100 + 100), Some(&ana), 1);
        }
        assert_eq!(attempts.wait(at(7), Some(&ana), 1), 0);
        assert!(attempts.wait(at(8), Some(&ana), 1) > 0);
    }

    #[test]
    fn made_up_names_cost_no_more_memory_than_the_bound() {
        let mut attempts = Attempts::default();
        for n in 0..3 * REMEMBERED as u64 {
            attempts.failed(at(1), Some(&key(&format!("n{n}"))), n);
        }
        assert!(attempts.names.len() <= REMEMBERED);
        assert!(attempts.names.contains_key(&key(&format!("n{}", 3 * REMEMBERED - 1))));
    }
}
