//! Owns what checking passwords and codes is bounded by: how many are hashed at once, how many may
//! wait for that, in all and of one network, and the count of failures. Called by `prove`. Never
//! knows what is checked, nor whether it was right.

use super::attempts::Attempts;
use super::permits::network;
use crate::chat::is_this_host;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Passwords that are hashed at once: each costs 19 MiB and tens of milliseconds.
const AT_ONCE: usize = 2;
/// Those that may wait for it. More would wait past their deadline anyway.
const WAITING: usize = 256;
/// Those of one network. Right passwords are held back by nothing else: without it one user with many
/// connections takes every place. An office that comes in the morning gets in with it, at worst told to
/// come again in a moment. This host is not counted: it may stand for many, by a tunnel.
const WAITING_OF_A_NETWORK: usize = 32;

/// What checking needs beside the directory.
#[derive(Debug)]
pub(super) struct Checks {
    turns: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    attempts: Mutex<Attempts>,
    began: Instant,
}

#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

impl Checks {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Mutex::default(),
            attempts: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// The failures so far, with the moment.
    pub(super) fn attempts<T>(&self, act: impl FnOnce(&mut Attempts, u64) -> T) -> T {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Counts: a panic elsewhere leaves them whole.
        act(&mut self.attempts.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// A turn at hashing, to be held by the thread that does it: who asked may be gone before it is
    /// done. `None`: too many wait already, in all or from there.
    pub(super) async fn turn(&self, address: IpAddr) -> Option<OwnedSemaphorePermit> {
        let _place = self.place(network(address))?;
        // Only closed with the process.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    fn place(&self, network: IpAddr) -> Option<Place<'_>> {
        self.waiting(|waiting| {
            let here = waiting.by_network.get(&network).copied().unwrap_or(0);
            let is_much = here >= WAITING_OF_A_NETWORK && !is_this_host(network);
            if waiting.all >= WAITING || is_much {
                return None;
            }
            waiting.all += 1;
            waiting.by_network.insert(network, here + 1);
            Some(Place { checks: self, network })
        })
    }

    /// Every change is one step, so a panic elsewhere leaves the counts right.
    fn waiting<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A place among those who wait; given back by being dropped, also where whoever waited is gone.
struct Place<'a> {
    checks: &'a Checks,
    network: IpAddr,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.checks.waiting(|waiting| {
            waiting.all -= 1;
            if let Some(here) = waiting.by_network.get_mut(&self.network) {
                *here -= 1;
                if *here == 0 {
                    waiting.by_network.remove(&self.network);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    type Turn<'a> = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + 'a>>;

    fn asks(checks: &Checks, address: IpAddr) -> Turn<'_> {
        Box::pin(checks.turn(address))
    }

    fn poll(turn: &mut Turn<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        turn.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn has(turn: &mut Turn<'_>) -> OwnedSemaphorePermit {
        let Poll::Ready(Some(turn)) = poll(turn) else { panic!("has no turn") };
        turn
    }

    fn from(network: usize) -> IpAddr {
        let [.., a, b] = network.to_be_bytes();
        [10, 0, a, b].into()
    }

    #[test]
    fn two_have_a_turn_and_the_third_waits_for_one_of_them() {
        let checks = Checks::new();
        let (first, second) = (has(&mut asks(&checks, from(1))), has(&mut asks(&checks, from(1))));
        let mut third = asks(&checks, from(2));
        assert!(poll(&mut third).is_pending());
        drop(first);
        let third = has(&mut third);
        let mut fourth = asks(&checks, from(3));
        assert!(poll(&mut fourth).is_pending());
        drop((second, third));
        drop(has(&mut fourth));
    }

    #[test]
    fn of_those_who_wait_there_is_a_bound_and_who_is_gone_waits_no_more() {
        let checks = Checks::new();
        let _held = [has(&mut asks(&checks, from(0))), has(&mut asks(&checks, from(0)))];
        let mut waiting: Vec<_> = (0..WAITING).map(|n| asks(&checks, from(n))).collect();
        assert!(waiting.iter_mut().all(|turn| poll(turn).is_pending()));
        assert!(matches!(poll(&mut asks(&checks, from(WAITING))), Poll::Ready(None)), "refused at once");
        waiting.pop();
        assert!(poll(&mut asks(&checks, from(WAITING))).is_pending());
        drop(waiting);
        assert_eq!(checks.waiting(|w| (w.all, w.by_network.len())), (0, 0), "nothing is kept of who is gone");
    }

    #[test]
    fn one_network_does_not_take_every_place() {
        let checks = Checks::new();
        let _held = [has(&mut asks(&checks, from(0))), has(&mut asks(&checks, from(0)))];
        let [v4, mapped, v6, v6_too]: [IpAddr; 4] =
            ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2"].map(|a| a.parse().unwrap());
        let here: IpAddr = [127, 0, 0, 1].into();
        let mut waiting: Vec<_> = (0..2 * WAITING_OF_A_NETWORK).map(|_| asks(&checks, here)).collect();
        assert!(waiting.iter_mut().all(|turn| poll(turn).is_pending()));
        drop(waiting);
        for (one, same) in [(v4, mapped), (v6, v6_too)] {
            let mut waiting: Vec<_> = (0..WAITING_OF_A_NETWORK).map(|_| asks(&checks, one)).collect();
            assert!(waiting.iter_mut().all(|turn| poll(turn).is_pending()));
            assert!(matches!(poll(&mut asks(&checks, same)), Poll::Ready(None)), "{same} is {one}'s");
            assert!(poll(&mut asks(&checks, from(2))).is_pending(), "another");
            waiting.pop();
            assert!(poll(&mut asks(&checks, same)).is_pending());
        }
    }
}
