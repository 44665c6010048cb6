//! Owns how much of what all share came from which network: sessions and rooms. No network may have
//! more than half, so that no host fills the server for the others alone. Called by the chat. This host itself has
//! no half: behind it there may be many, by a tunnel.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

/// What counts as one network: an IPv4 address, also when it comes mapped into IPv6, and of IPv6
/// the /64, which is what one customer gets.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        other => other,
    }
}

/// As how many networks this host counts where it counts.
pub(super) const THIS_HOST_IS: u32 = 4;

/// Who has how many of one kind.
#[derive(Debug)]
pub(super) struct Shares<K> {
    of: HashMap<K, IpAddr>,
    counts: HashMap<IpAddr, usize>,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self { of: HashMap::new(), counts: HashMap::new() }
    }
}

impl<K: Eq + Hash> Shares<K> {
    /// May so many more come from there, of `limit` in all? A limit of 0 is none.
    pub(super) fn may_have(&self, address: IpAddr, more: usize, limit: usize) -> bool {
        let has = self.counts.get(&network(address)).copied().unwrap_or(0);
        limit == 0 || has + more <= limit.div_ceil(2) || is_this_host(address)
    }

    pub(super) fn add(&mut self, what: K, address: IpAddr) {
        if self.of.insert(what, network(address)).is_none() {
            *self.counts.entry(network(address)).or_default() += 1;
        }
    }

    /// All of them, each with its network.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, IpAddr)> {
        self.of.iter().map(|(what, network)| (what, *network))
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

/// Does it come from the daemon's own host?
#[must_use]
pub fn is_this_host(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn a_network_has_half_and_gives_back() {
        let (one, other) = (from("192.0.2.1"), from("192.0.2.2"));
        let mut shares = Shares::default();
        for n in 0..5 {
            assert!(shares.may_have(one, 1, 10));
            shares.add(n, one);
        }
        assert!(!shares.may_have(one, 1, 10));
        assert!(!shares.may_have(from("::ffff:192.0.2.1"), 1, 10), "the same in another notation");
        assert!(shares.may_have(one, 1, 11), "half of an odd number is rounded up");
        assert!(shares.may_have(one, 1, 0));
        assert!(shares.may_have(other, 5, 10) && !shares.may_have(other, 6, 10));
        shares.remove(&3);
        shares.remove(&3);
        assert!(shares.may_have(one, 1, 10) && !shares.may_have(one, 2, 10));
        (0..5).for_each(|n| shares.remove(&n));
        assert!(shares.counts.is_empty() && shares.of.is_empty());
    }

    #[test]
    fn of_ipv6_the_64_counts_and_this_host_does_not() {
        let mut shares = Shares::default();
        shares.add(1, from("2001:db8::1"));
        assert!(!shares.may_have(from("2001:db8::2:0:0:1"), 1, 2));
        assert!(shares.may_have(from("2001:db8:0:1::1"), 1, 2));
        for (n, here) in [(2, "127.0.0.1"), (3, "::1"), (4, "::ffff:127.0.0.1")] {
            shares.add(n, from(here));
            assert!(shares.may_have(from(here), 9, 2), "{here}");
        }
    }
}
