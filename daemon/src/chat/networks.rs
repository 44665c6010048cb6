//! Owns how much comes from which network: what its sessions send together, and what of it is stored. So a new
//! session has no new burst. Called by the chat for each read. This host counts as several networks: behind it
//! there may be many, by a tunnel.

use super::rate::{Debt, Flow};
use super::shares::{THIS_HOST_IS, is_this_host, network};
use std::collections::HashMap;
use std::net::IpAddr;

/// Networks that are remembered before those go that owe nothing.
const REMEMBERED: usize = 1_024;

/// What is left to each network.
#[derive(Debug, Default)]
pub(super) struct Networks {
    all: HashMap<IpAddr, Left>,
    /// At how many of them the next look is taken at which may go.
    look_at: usize,
}

#[derive(Debug)]
struct Left {
    sent: Debt,
    stored: Debt,
}

/// The two bounds of a network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) sent: Flow,
    pub(super) stored: Flow,
}

/// For how long a network owes, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owes {
    /// For what was sent: `Err` where it was owed before, and what was read now has no place either.
    pub(super) sent: Result<u64, u64>,
    /// For what was stored.
    pub(super) stored: u64,
}

impl Networks {
    /// So many bytes were read from there, and so many were said by names without an owner.
    pub(super) fn charge(
        &mut self,
        address: IpAddr,
        bounds: Bounds,
        read: usize,
        said: &mut usize,
        now: u64,
    ) -> Owes {
        if self.all.len() >= self.look_at.max(REMEMBERED) {
            self.all.retain(|address, left| {
                let Bounds { sent, stored } = bounds_of(*address, bounds);
                !left.sent.is_none(sent, now) || !left.stored.is_none(stored, now)
            });
            // The next look costs no more than those that came since.
            self.look_at = 2 * self.all.len();
        }
        let fresh = || Left { sent: Debt::none(now), stored: Debt::none(now) };
        let left = self.all.entry(network(address)).or_insert_with(fresh);
        let bounds = bounds_of(address, bounds);
        let stored = left.stored.charge(bounds.stored, *said, now);
        if stored.is_ok() {
            *said = 0;
        }
        let (Ok(stored) | Err(stored)) = stored;
        Owes { sent: left.sent.charge(bounds.sent, read, now), stored }
    }
}

fn bounds_of(address: IpAddr, bounds: Bounds) -> Bounds {
    let times = if is_this_host(address) { THIS_HOST_IS as u64 } else { 1 };
    let more = |flow: Flow| Flow {
        per_second: flow.per_second.saturating_mul(times),
        burst: flow.burst.saturating_mul(times),
    };
    Bounds { sent: more(bounds.sent), stored: more(bounds.stored) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { sent: Flow { per_second: 1_000, burst: 10 }, stored: Flow { per_second: 1, burst: 100 } };

    #[test]
    fn a_network_is_one_and_this_host_is_four() {
        let mut networks = Networks::default();
        let mut sends =
            |from: &str, read, mut said| networks.charge(from.parse().unwrap(), BOUNDS, read, &mut said, 0);
        assert_eq!(sends("2001:db8::1", 10, 100), Owes { sent: Ok(0), stored: 0 });
        assert_eq!(sends("2001:db8::2", 1, 1), Owes { sent: Ok(1), stored: 1_000 }, "the same network");
        assert_eq!(sends("2001:db8::3", 1, 1), Owes { sent: Err(1), stored: 1_000 });
        assert_eq!(sends("2001:db8:1::1", 10, 100), Owes { sent: Ok(0), stored: 0 }, "another");
        assert_eq!(sends("127.0.0.1", 40, 400), Owes { sent: Ok(0), stored: 0 });
        assert_eq!(sends("::ffff:127.0.0.1", 1, 4).stored, 1_000);
    }

    #[test]
    fn who_owes_nothing_is_forgotten() {
        let mut networks = Networks::default();
        for n in 0..4_000_u64 {
            let [.., a, b] = n.to_be_bytes();
            networks.charge([10, 0, a, b].into(), BOUNDS, 1, &mut 0, n);
        }
        assert!(networks.all.len() <= REMEMBERED, "{}", networks.all.len());
    }
}
