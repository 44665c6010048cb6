//! Owns how much comes from which network: what its sessions send together, and what of it is stored; what a
//! registered user has stored counts for the user. So a new session has no new burst. Called by the chat for each
//! read and each message.

use super::party::Party;
use super::rate::{Debt, Flow};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Networks that are remembered before those go that owe nothing.
const REMEMBERED: usize = 1_024;

/// What is left to each network.
#[derive(Debug, Default)]
pub(super) struct Networks {
    /// Asked for each message: a few comparisons cost less than a hash that an attacker cannot foresee.
    all: BTreeMap<Party, Left>,
    /// At how many of them the next look is taken at which may go.
    look_at: usize,
}

/// The two bounds of a network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) sent: Flow,
    pub(super) stored: Flow,
}

#[derive(Debug)]
struct Left {
    sent: Debt,
    stored: Debt,
}

impl Networks {
    /// So many bytes were read from there: for how many milliseconds that is owed.
    ///
    /// # Errors
    /// It is owed from before, for so many milliseconds.
    pub(super) fn sends(&mut self, from: IpAddr, bounds: Bounds, bytes: usize, now: u64) -> Result<u64, u64> {
        let from = Party::at(from);
        self.left(from, bounds, now).sent.charge(times(from, bounds.sent), bytes, now)
    }

    /// What is said takes so many bytes of the store. The last may be more than is
    /// left. It is charged at once: a connection that comes, speaks and goes leaves nothing unpaid.
    ///
    /// # Errors
    /// It is owed from before, for so many milliseconds: it must not be stored.
    pub(super) fn stores(&mut self, by: Party, bounds: Bounds, bytes: usize, now: u64) -> Result<(), u64> {
        if bounds.stored.per_second == 0 {
            return Ok(());
        }
        self.left(by, bounds, now).stored.charge(times(by, bounds.stored), bytes, now).map(drop)
    }

    fn left(&mut self, from: Party, bounds: Bounds, now: u64) -> &mut Left {
        if self.all.len() >= self.look_at.max(REMEMBERED) {
            let Bounds { sent, stored } = bounds;
            self.all.retain(|from, left| {
                !left.sent.is_none(times(*from, sent), now) || !left.stored.is_none(times(*from, stored), now)
            });
            // The next look costs no more than those that came since.
            self.look_at = 2 * self.all.len();
        }
        let fresh = || Left { sent: Debt::none(now), stored: Debt::none(now) };
        self.all.entry(from).or_insert_with(fresh)
    }
}

fn times(party: Party, flow: Flow) -> Flow {
    let times = u64::from(party.times());
    Flow { per_second: flow.per_second.saturating_mul(times), burst: flow.burst.saturating_mul(times) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { sent: Flow { per_second: 1_000, burst: 10 }, stored: Flow { per_second: 1, burst: 100 } };

    #[test]
    fn a_network_is_one_and_this_host_is_four() {
        let mut networks = Networks::default();
        let mut does = |from: &str, read, said| {
            let from = from.parse().unwrap();
            (networks.sends(from, BOUNDS, read, 0), networks.stores(Party::at(from), BOUNDS, said, 0))
        };
        assert_eq!(does("2001:db8::1", 10, 100), (Ok(0), Ok(())));
        assert_eq!(does("2001:db8::2", 1, 1), (Ok(1), Ok(())), "the same network, on credit");
        assert_eq!(does("2001:db8::3", 1, 1), (Err(1), Err(1_000)));
        assert_eq!(does("2001:db8:1::1", 10, 100), (Ok(0), Ok(())), "another");
        assert_eq!(does("127.0.0.1", 40, 401), (Ok(0), Ok(())));
        assert_eq!(does("::ffff:127.0.0.1", 1, 4), (Ok(1), Err(250)));
    }

    #[test]
    fn who_owes_nothing_is_forgotten() {
        let mut networks = Networks::default();
        for n in 0..4_000_u64 {
            let [.., a, b] = n.to_be_bytes();
            networks.sends([10, 0, a, b].into(), BOUNDS, 1, n).unwrap();
        }
        assert!(networks.all.len() <= REMEMBERED, "{}", networks.all.len());
        let debtor = Party::at([192, 0, 2, 1].into());
        networks.stores(debtor, BOUNDS, 1_000_000, 4_000).unwrap();
        for n in 4_000..8_000_u64 {
            let [.., a, b] = n.to_be_bytes();
            networks.sends([10, 0, a, b].into(), BOUNDS, 1, n).unwrap();
        }
        assert!(networks.all.len() <= REMEMBERED && networks.stores(debtor, BOUNDS, 1, 8_000).is_err());
    }
}
