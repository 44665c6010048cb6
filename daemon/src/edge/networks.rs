//! Owns how many sessions and rooms each network has, as far as this process knows. No network may have more than half
//! of either, so that one host cannot fill the server alone. Loopback has no such limit: many users may be behind it,
//! through a tunnel. Called by the edge alone. The state never asks it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use tcp_chat_state::{is_this_host, network};

/// The number of items of one kind that each network has.
#[derive(Debug)]
pub(super) struct Networks<K> {
    of: HashMap<K, IpAddr>,
    counts: HashMap<IpAddr, usize>,
}

impl<K> Default for Networks<K> {
    fn default() -> Self {
        Self { of: HashMap::new(), counts: HashMap::new() }
    }
}

impl<K: Eq + Hash> Networks<K> {
    /// How many more items this network may have, of `limit` in all. A limit of 0 is no limit.
    pub(super) fn left(&self, address: IpAddr, limit: usize) -> usize {
        if limit == 0 || is_this_host(address) {
            return usize::MAX;
        }
        let has = self.counts.get(&network(address)).copied().unwrap_or(0);
        limit.div_ceil(2).saturating_sub(has)
    }

    /// Adds one item to the network. Loopback is not counted.
    pub(super) fn add(&mut self, what: K, address: IpAddr) {
        if !is_this_host(address) && self.of.insert(what, network(address)).is_none() {
            *self.counts.entry(network(address)).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, what: &K) {
        let Some(network) = self.of.remove(what) else { return };
        if let Some(count) = self.counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn a_network_has_half_of_the_places_and_returns_them() {
        let (one, other) = (from("192.0.2.1"), from("192.0.2.2"));
        let mut networks = Networks::default();
        for n in 0..5 {
            assert!(networks.left(one, 10) > 0);
            networks.add(n, one);
        }
        assert_eq!(networks.left(one, 10), 0);
        assert_eq!(networks.left(from("::ffff:192.0.2.1"), 10), 0, "the same in another notation");
        assert_eq!(networks.left(one, 11), 1, "half of an odd number is rounded up");
        assert_eq!(networks.left(one, 0), usize::MAX);
        assert_eq!(networks.left(other, 10), 5);
        networks.remove(&3);
        networks.remove(&3);
        assert_eq!(networks.left(one, 10), 1);
        (0..5).for_each(|n| networks.remove(&n));
        assert!(networks.counts.is_empty() && networks.of.is_empty());
    }

    #[test]
    fn ipv6_addresses_count_by_64_and_loopback_does_not_count() {
        let mut networks = Networks::default();
        networks.add(1, from("2001:db8::1"));
        assert_eq!(networks.left(from("2001:db8::2:0:0:1"), 2), 0);
        assert_eq!(networks.left(from("2001:db8:0:1::1"), 2), 1);
        for (n, here) in [(2, "127.0.0.1"), (3, "::1"), (4, "::ffff:127.0.0.1")] {
            networks.add(n, from(here));
            assert_eq!(networks.left(from(here), 2), usize::MAX, "{here}");
        }
    }
}
