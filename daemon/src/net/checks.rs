//! Owns the limits of password and code checks: how many hashes run at once, how many logins may wait for one, in
//! total and per network, and the counters of failures. Called by `prove`. Never knows a password or a result.

use super::attempts::Attempts;
use super::permits::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tcp_chat_state::is_this_host;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hashes that run at once: each needs 19 MiB and tens of milliseconds.
const MAX_RUNNING: usize = 2;
/// Logins that may wait for a hash. A longer queue would exceed the login deadline.
const MAX_WAITING: usize = 256;
/// Logins of one network that may wait. No other limit applies to right passwords: without this one, a user with
/// many connections takes every place. An office that logs in together is at worst told to try again. Loopback is
/// exempt: a tunnel there may serve many users.
const MAX_WAITING_PER_NETWORK: usize = 32;

/// The limits of checks, shared by all connections.
#[derive(Debug)]
pub(super) struct CheckLimits {
    running: Arc<Semaphore>,
    waiting: Mutex<Queue>,
    attempts: Mutex<Attempts>,
    since: Instant,
}

#[derive(Debug, Default)]
struct Queue {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

impl CheckLimits {
    pub(super) fn new() -> Self {
        Self {
            running: Arc::new(Semaphore::new(MAX_RUNNING)),
            waiting: Mutex::default(),
            attempts: Mutex::default(),
            since: Instant::now(),
        }
    }

    /// Runs `act` with the counters of failures and the time in milliseconds.
    pub(super) fn attempts<T>(&self, act: impl FnOnce(&mut Attempts, u64) -> T) -> T {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Each change is one step, so the counters are right even after a panic of another thread.
        act(&mut self.attempts.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Waits for the right to hash. The hashing thread holds the permit, because the connection may end earlier.
    /// `None`: too many logins wait, in total or from that network.
    pub(super) async fn acquire(&self, address: IpAddr) -> Option<OwnedSemaphorePermit> {
        let _waiter = self.enqueue(network(address))?;
        // The semaphore is never closed.
        Arc::clone(&self.running).acquire_owned().await.ok()
    }

    fn enqueue(&self, network: IpAddr) -> Option<Waiter<'_>> {
        self.waiting(|waiting| {
            let of_network = waiting.by_network.get(&network).copied().unwrap_or(0);
            let is_network_full = of_network >= MAX_WAITING_PER_NETWORK && !is_this_host(network);
            if waiting.all >= MAX_WAITING || is_network_full {
                return None;
            }
            waiting.all += 1;
            waiting.by_network.insert(network, of_network + 1);
            Some(Waiter { checks: self, network })
        })
    }

    /// Each change is one step, so the counters are right even after a panic of another thread.
    fn waiting<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A place in the queue. Its drop returns it, also when the login is cancelled.
struct Waiter<'a> {
    checks: &'a CheckLimits,
    network: IpAddr,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.checks.waiting(|waiting| {
            waiting.all -= 1;
            if let Some(of_network) = waiting.by_network.get_mut(&self.network) {
                *of_network -= 1;
                if *of_network == 0 {
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

    type Acquiring<'a> = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + 'a>>;

    fn acquire(checks: &CheckLimits, address: IpAddr) -> Acquiring<'_> {
        Box::pin(checks.acquire(address))
    }

    fn poll(acquiring: &mut Acquiring<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn acquired(acquiring: &mut Acquiring<'_>) -> OwnedSemaphorePermit {
        let Poll::Ready(Some(permit)) = poll(acquiring) else { panic!("has no permit") };
        permit
    }

    fn from(network: usize) -> IpAddr {
        let [.., a, b] = network.to_be_bytes();
        [10, 0, a, b].into()
    }

    #[test]
    fn two_hashes_run_and_the_third_waits_for_one_of_them() {
        let checks = CheckLimits::new();
        let (first, second) =
            (acquired(&mut acquire(&checks, from(1))), acquired(&mut acquire(&checks, from(1))));
        let mut third = acquire(&checks, from(2));
        assert!(poll(&mut third).is_pending());
        drop(first);
        let third = acquired(&mut third);
        let mut fourth = acquire(&checks, from(3));
        assert!(poll(&mut fourth).is_pending());
        drop((second, third));
        drop(acquired(&mut fourth));
    }

    #[test]
    fn the_queue_is_bounded_and_a_cancelled_wait_leaves_it() {
        let checks = CheckLimits::new();
        let _held = [acquired(&mut acquire(&checks, from(0))), acquired(&mut acquire(&checks, from(0)))];
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|n| acquire(&checks, from(n))).collect();
        assert!(waiting.iter_mut().all(|acquiring| poll(acquiring).is_pending()));
        assert!(
            matches!(poll(&mut acquire(&checks, from(MAX_WAITING))), Poll::Ready(None)),
            "refused at once"
        );
        waiting.pop();
        assert!(poll(&mut acquire(&checks, from(MAX_WAITING))).is_pending());
        drop(waiting);
        assert_eq!(
            checks.waiting(|w| (w.all, w.by_network.len())),
            (0, 0),
            "nothing is kept of a cancelled wait"
        );
    }

    #[test]
    fn one_network_does_not_take_every_place() {
        let checks = CheckLimits::new();
        let _held = [acquired(&mut acquire(&checks, from(0))), acquired(&mut acquire(&checks, from(0)))];
        let [v4, mapped, v6, v6_too]: [IpAddr; 4] =
            ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2"].map(|a| a.parse().unwrap());
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let mut waiting: Vec<_> =
            (0..2 * MAX_WAITING_PER_NETWORK).map(|_| acquire(&checks, loopback)).collect();
        assert!(waiting.iter_mut().all(|acquiring| poll(acquiring).is_pending()));
        drop(waiting);
        for (one, same) in [(v4, mapped), (v6, v6_too)] {
            let mut waiting: Vec<_> = (0..MAX_WAITING_PER_NETWORK).map(|_| acquire(&checks, one)).collect();
            assert!(waiting.iter_mut().all(|acquiring| poll(acquiring).is_pending()));
            assert!(matches!(poll(&mut acquire(&checks, same)), Poll::Ready(None)), "{same} is {one}'s");
            assert!(poll(&mut acquire(&checks, from(2))).is_pending(), "another");
            waiting.pop();
            assert!(poll(&mut acquire(&checks, same)).is_pending());
        }
    }
}
