//! Owns how many connections there may be, in all and from one address. A permit is taken before
//! anything is spent on a connection, and given back by being dropped.

use crate::settings::Limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections over the limit that are still told so; beyond them they are closed at once.
const SPARE: usize = 64;

/// The count of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    most: usize,
    most_per_address: usize,
    all: usize,
    spare: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Leave for one connection. Dropped, it makes room for another.
#[derive(Debug)]
pub struct Permit {
    counts: Permits,
    address: IpAddr,
    /// Only to be told that there is no room.
    pub(super) is_spare: bool,
}

impl Permits {
    /// Counts that go by these limits; 0 is none.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let permits = Self(Arc::default());
        permits.set(limits);
        permits
    }

    /// Goes by other limits from now on.
    pub fn set(&self, limits: &Limits) {
        self.with(|counts| {
            counts.most = limits.connections;
            counts.most_per_address = limits.connections_per_address;
        });
    }

    /// Every change is one step, so a panic elsewhere leaves the counts right.
    fn with<T>(&self, act: impl FnOnce(&mut Counts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leave for a connection from this address. `None`: not even to be told.
    #[must_use]
    pub fn take(&self, address: IpAddr) -> Option<Permit> {
        let address = network(address);
        self.with(|counts| {
            let here = counts.by_address.get(&address).copied().unwrap_or(0);
            let is_full = (counts.most > 0 && counts.all >= counts.most)
                || (counts.most_per_address > 0 && here >= counts.most_per_address);
            if is_full {
                (counts.spare < SPARE).then(|| counts.spare += 1)?;
            } else {
                counts.all += 1;
                *counts.by_address.entry(address).or_insert(0) += 1;
            }
            Some(Permit { counts: self.clone(), address, is_spare: is_full })
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
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

/// What counts as one address: an IPv4 address, also when it comes mapped into IPv6, and of IPv6
/// the /64, which is what one customer gets.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(connections: usize, connections_per_address: usize) -> Permits {
        Permits::new(&Limits { connections, connections_per_address, ..Limits::default() })
    }

    #[test]
    fn full_is_told_and_then_not_even_that() {
        let permits = permits(2, 0);
        let a = "127.0.0.1".parse().unwrap();
        let held = [permits.take(a).unwrap(), permits.take(a).unwrap()];
        assert!(held.iter().all(|p| !p.is_spare));
        let spare: Vec<_> = (0..SPARE).map(|_| permits.take(a).unwrap()).collect();
        assert!(spare.iter().all(|p| p.is_spare));
        assert!(permits.take(a).is_none());
        drop(held);
        assert!(!permits.take(a).unwrap().is_spare);
    }

    #[test]
    fn one_address_does_not_take_it_all() {
        let permits = permits(0, 1);
        let [a, b]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "::ffff:10.0.0.1".parse().unwrap()];
        let held = permits.take(a).unwrap();
        assert!(permits.take(b).unwrap().is_spare, "the same address, mapped");
        assert!(!permits.take("10.0.0.2".parse().unwrap()).unwrap().is_spare);
        let v6 = permits.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(permits.take("2001:db8::2".parse().unwrap()).unwrap().is_spare, "the same /64");
        assert!(!permits.take("2001:db8:0:1::1".parse().unwrap()).unwrap().is_spare);
        drop((held, v6));
        assert!(!permits.take(a).unwrap().is_spare);
        assert!(permits.with(|c| c.by_address.len()) <= 1, "nothing is kept of who is gone");
    }
}
