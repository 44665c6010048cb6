//! Owns how fast each address may begin handshakes: a token bucket for each one that did lately.
//! Pure: `now` is an argument. Called with a permit; never knows what a handshake is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

/// What is saved up, in seconds of the rate: an office comes back at once after a restart.
const BURST_SECONDS: f64 = 4.0;
/// Addresses that are remembered before the first look at who can be forgotten.
const FEW: usize = 1024;

/// The pace of every address.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Handshakes a second; 0: no limit.
    per_second: f64,
    /// What each has left, and at which moment.
    left: HashMap<IpAddr, (f64, Instant)>,
    /// With so many addresses those that have all their tokens again are forgotten.
    tidy_at: usize,
}

impl Pace {
    /// Another rate from now on; 0: none.
    pub(super) fn set(&mut self, per_second: u32) {
        if self.per_second != f64::from(per_second) {
            (self.per_second, self.tidy_at) = (f64::from(per_second), FEW);
            self.left = HashMap::new();
        }
    }

    /// May this address begin one more?
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.per_second == 0.0 {
            return true;
        }
        let (rate, most) = (self.per_second, self.per_second * BURST_SECONDS);
        let earned = |(left, at): (f64, Instant)| {
            (left + now.saturating_duration_since(at).as_secs_f64() * rate).min(most)
        };
        if self.left.len() >= self.tidy_at && !self.left.contains_key(&address) {
            self.left.retain(|_, held| earned(*held) < most);
            // Twice as many before the next look: so looking costs each new one the same.
            self.tidy_at = (self.left.len() * 2).max(FEW);
        }
        let held = self.left.entry(address).or_insert((most, now));
        *held = (earned(*held), now.max(held.1));
        let may = held.0 >= 1.0;
        held.0 -= if may { 1.0 } else { 0.0 };
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn four_seconds_at_once_and_then_the_rate() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        pace.set(10);
        let a: IpAddr = [10, 0, 0, 1].into();
        let at = |ms| began + Duration::from_millis(ms);
        assert_eq!((0..100).filter(|_| pace.take(a, at(0))).count(), 40);
        assert!(!pace.take(a, at(99)));
        assert!(pace.take(a, at(101)) && !pace.take(a, at(101)));
        assert!(pace.take([10, 0, 0, 2].into(), at(101)), "another address");
        assert_eq!((0..100).filter(|_| pace.take(a, at(60_000))).count(), 40, "saved up within bounds");
    }

    #[test]
    fn addresses_that_are_quiet_again_are_forgotten() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        pace.set(1_000);
        for n in 0..200_000u32 {
            // A new one each millisecond has its token back after one.
            assert!(pace.take(n.to_be_bytes().into(), began + Duration::from_millis(n.into())));
        }
        assert!(pace.left.len() <= 2 * FEW, "{}", pace.left.len());
    }
}
