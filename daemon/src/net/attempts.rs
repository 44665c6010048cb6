//! Owns the counters of failed logins, by network and by name. After too many failures the next attempt must
//! wait, each time twice as long. Pure: `now` is an argument. Never knows whether a name exists: failures of
//! unknown names increment in the same way.

use super::permits::network;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use tcp_chat_protocol::NameKey;

/// Failures of a network before the next attempt must wait: a whole office may share an address.
const FREE_PER_NETWORK: u32 = 20;
/// Failures of a name before the next attempt must wait.
const FREE_PER_NAME: u32 = 10;
/// The first wait, in milliseconds.
const FIRST_MS: u64 = 1_000;
/// The longest wait, in milliseconds.
const LONGEST_MS: u64 = 60_000;
/// A counter starts again after this time without a failure, in milliseconds.
const RESET_MS: u64 = 15 * 60_000;
/// The largest number of counters of each kind: networks, names, and pairs of both.
const MAX_COUNTERS: usize = 16_384;

/// The counters of failed logins. Times are milliseconds of a monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    networks: HashMap<IpAddr, Failures>,
    names: HashMap<NameKey, Failures>,
    /// Networks from which a name has logged in. Failures of others with that name do not delay a login from
    /// there.
    known_pairs: HashMap<(NameKey, IpAddr), Failures>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    failures: u32,
    last: u64,
}

impl Failures {
    /// How long the next attempt must wait, in milliseconds.
    fn wait(self, free: u32, now: u64) -> u64 {
        let Some(over) = self.failures.checked_sub(free) else { return 0 };
        let pause = FIRST_MS.saturating_mul(1 << over.min(32)).min(LONGEST_MS);
        (self.last + pause).saturating_sub(now)
    }
}

impl Attempts {
    /// How long the next attempt from this address must wait, in milliseconds; 0: not at all. `name` is `None`
    /// for a code.
    pub(super) fn wait(&self, address: IpAddr, name: Option<&NameKey>, now: u64) -> u64 {
        let address = network(address);
        let by_network = self.networks.get(&address).map_or(0, |counter| counter.wait(FREE_PER_NETWORK, now));
        let by_name = name.filter(|name| !self.known_pairs.contains_key(&((*name).clone(), address)));
        let by_name = by_name.and_then(|name| self.names.get(name)).map_or(0, |t| t.wait(FREE_PER_NAME, now));
        by_network.max(by_name)
    }

    /// Counts a failed attempt.
    pub(super) fn failed(&mut self, address: IpAddr, name: Option<&NameKey>, now: u64) {
        increment(&mut self.networks, network(address), now);
        if let Some(name) = name {
            increment(&mut self.names, name.clone(), now);
        }
    }

    /// Notes a successful attempt. The failures of the network stay: one right password must not pay for guesses
    /// at other names.
    pub(super) fn succeeded(&mut self, address: IpAddr, name: &NameKey, now: u64) {
        increment(&mut self.known_pairs, (name.clone(), network(address)), now);
    }
}

fn increment<K: Eq + Hash>(counters: &mut HashMap<K, Failures>, key: K, now: u64) {
    if counters.len() >= MAX_COUNTERS && !counters.contains_key(&key) {
        counters.retain(|_, counter| now.saturating_sub(counter.last) < RESET_MS);
        if counters.len() >= MAX_COUNTERS {
            // A client invents keys: removes the older half of them.
            let mut moments: Vec<u64> = counters.values().map(|counter| counter.last).collect();
            let (_, median, _) = moments.select_nth_unstable(MAX_COUNTERS / 2);
            let median = *median;
            counters.retain(|_, counter| counter.last > median);
        }
    }
    let counter = counters.entry(key).or_default();
    if now.saturating_sub(counter.last) >= RESET_MS {
        counter.failures = 0;
    }
    counter.failures = counter.failures.saturating_add(1);
    counter.last = now;
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
    fn after_too_many_failures_each_wait_is_twice_as_long() {
        let (mut attempts, ana) = (Attempts::default(), key("ana"));
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..FREE_PER_NAME + 70 {
            attempts.failed(at(1), Some(&ana), now);
            let wait = attempts.wait(at(2), Some(&ana), now);
            waits.push(wait);
            now += wait;
        }
        let free = FREE_PER_NAME as usize - 1;
        assert!(waits[..free].iter().all(|wait| *wait == 0), "{waits:?}");
        assert_eq!(waits[free..free + 6], [1, 2, 4, 8, 16, 32].map(|s| s * 1_000));
        assert!(waits[free + 6..].iter().all(|wait| *wait == LONGEST_MS), "{waits:?}");
        assert_eq!(attempts.wait(at(2), Some(&key("bo")), now), 0, "another name from elsewhere");
        assert_eq!(attempts.wait(at(2), Some(&ana), now + RESET_MS), 0);
        attempts.failed(at(2), Some(&ana), now + RESET_MS);
        assert_eq!(attempts.wait(at(3), Some(&ana), now + RESET_MS), 0, "forgotten");
    }

    #[test]
    fn a_network_that_guesses_at_many_names_waits_too() {
        let mut attempts = Attempts::default();
        for n in 0..FREE_PER_NETWORK {
            attempts.failed(at(1), Some(&key(&format!("n{n}"))), 5);
        }
        assert_eq!(attempts.wait(at(1), Some(&key("other")), 5), FIRST_MS);
        assert_eq!(attempts.wait(at(1), None, 5), FIRST_MS);
        assert_eq!(attempts.wait(at(2), Some(&key("other")), 5), 0);
        attempts.succeeded(at(1), &key("mallory"), 6);
        assert!(attempts.wait(at(1), Some(&key("other")), 6) > 0, "one's own password does not pay for it");
    }

    #[test]
    fn failures_of_others_do_not_delay_an_owner_at_a_known_address() {
        let (mut attempts, ana) = (Attempts::default(), key("ana"));
        attempts.succeeded(at(7), &ana, 0);
        for n in 0..200 {
            attempts.failed(at(n % 100 + 100), Some(&ana), 1);
        }
        assert_eq!(attempts.wait(at(7), Some(&ana), 1), 0);
        assert!(attempts.wait(at(8), Some(&ana), 1) > 0);
    }

    #[test]
    fn invented_names_cost_no_more_memory_than_the_bound() {
        let mut attempts = Attempts::default();
        for n in 0..3 * MAX_COUNTERS as u64 {
            attempts.failed(at(1), Some(&key(&format!("n{n}"))), n);
        }
        assert!(attempts.names.len() <= MAX_COUNTERS);
        assert!(attempts.names.contains_key(&key(&format!("n{}", 3 * MAX_COUNTERS - 1))));
    }
}
