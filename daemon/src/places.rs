//! Owns the places of a local endpoint: how many connections it serves at once, and which one gives way to a new
//! one. Called by `http` and `admin`. Layer 0. Never touches a socket.
//!
//! A connection that waits for its peer (for a request, or for room to write a reply) gives way to a new one:
//! first a connection without any request so far, then the one that waits longest. A connection whose request is
//! running never gives way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The places of one endpoint. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    taken: Mutex<Taken>,
    /// Notified when a place becomes free, or its connection waits again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// Counts the events: a smaller number is earlier.
    clock: u64,
    by_id: BTreeMap<u64, Slot>,
}

#[derive(Debug)]
struct Slot {
    has_asked: bool,
    /// Since when it waits for its peer; `None`: its request is running.
    waits_since: Option<u64>,
    gives_way: CancellationToken,
}

impl Taken {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Evicts the connection that gives way first. False: all requests are running.
    fn evict(&mut self) -> bool {
        let waiting = self.by_id.iter().filter_map(|(id, s)| Some((s.has_asked, s.waits_since?, *id)));
        let Some((_, _, id)) = waiting.min() else { return false };
        if let Some(slot) = self.by_id.remove(&id) {
            slot.gives_way.cancel();
        }
        true
    }
}

impl Places {
    /// An endpoint with this many places.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, taken: Mutex::default(), changed: Notify::new() }))
    }

    /// Takes a place for a new connection. Waits only while the requests of all connections are running.
    pub async fn take(&self) -> Place {
        loop {
            // Before the check, so that no change in between is missed.
            let changed = self.0.changed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            changed.await;
        }
    }

    /// Ends the endpoint: each connection gives way as soon as it has no running request. Waits for that, for
    /// `at_most` at the longest.
    pub async fn end(&self, at_most: Duration) {
        let all = async {
            loop {
                let changed = self.0.changed.notified();
                let is_empty = {
                    let mut taken = self.0.lock();
                    while taken.evict() {}
                    taken.by_id.is_empty()
                };
                if is_empty {
                    return;
                }
                changed.await;
            }
        };
        // Requests that take longer end with the process.
        let _ = tokio::time::timeout(at_most, all).await;
    }

    fn try_take(&self) -> Option<Place> {
        let mut taken = self.0.lock();
        if taken.by_id.len() >= self.0.most && !taken.evict() {
            return None;
        }
        let id = taken.tick();
        let gives_way = CancellationToken::new();
        let slot = Slot { has_asked: false, waits_since: Some(id), gives_way: gives_way.clone() };
        taken.by_id.insert(id, slot);
        Some(Place { id, gives_way, shared: Arc::clone(&self.0) })
    }
}

impl Shared {
    /// Each change is one step, so the state is right even after a panic of another thread.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection. Its drop frees the place.
#[derive(Debug)]
pub struct Place {
    id: u64,
    gives_way: CancellationToken,
    shared: Arc<Shared>,
}

impl Place {
    /// Waits until the connection must give way.
    pub async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// Marks a complete request as running until the result is dropped. `None`: the connection has given way, and
    /// the request must not run.
    #[must_use]
    pub fn work(&self) -> Option<Work<'_>> {
        let mut taken = self.shared.lock();
        let slot = taken.by_id.get_mut(&self.id)?;
        slot.has_asked = true;
        slot.waits_since = None;
        Some(Work(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().by_id.remove(&self.id);
        self.shared.changed.notify_one();
    }
}

/// A running request.
#[derive(Debug)]
pub struct Work<'p>(&'p Place);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        let mut taken = shared.lock();
        let now = taken.tick();
        if let Some(slot) = taken.by_id.get_mut(&self.0.id) {
            slot.waits_since = Some(now);
        }
        drop(taken);
        shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave_way(places: &[&Place]) -> Vec<bool> {
        places.iter().map(|place| place.gives_way.is_cancelled()).collect()
    }

    #[test]
    fn the_silent_give_way_first_and_the_served_never() {
        let places = Places::new(3);
        let [a, b, c] = [(); 3].map(|()| places.try_take().unwrap());
        // `a` waits after a request; `b` has a running request; `c` never sent one.
        drop(a.work().unwrap());
        let serving = b.work().unwrap();
        let d = places.try_take().unwrap();
        assert_eq!(gave_way(&[&a, &b, &c, &d]), [false, false, true, false]);
        assert!(c.work().is_none(), "nothing is carried out for one that gave way");
        let e = places.try_take().unwrap();
        assert_eq!(gave_way(&[&a, &b, &d, &e]), [false, false, true, false]);
        let (asks, _also) = (e.work().unwrap(), places.try_take().unwrap());
        assert_eq!(gave_way(&[&a, &b, &e]), [true, false, false]);
        drop((asks, serving));
    }

    #[tokio::test]
    async fn at_the_end_those_that_are_served_are_waited_for() {
        let places = Places::new(2);
        let (waits, served) = (places.take().await, places.take().await);
        let work = served.work().unwrap();
        let end = places.end(Duration::from_secs(60));
        tokio::pin!(end);
        assert!(look_once(&mut end).await.is_pending());
        assert_eq!(gave_way(&[&waits, &served]), [true, false]);
        drop(work);
        end.await;
        assert_eq!(gave_way(&[&waits, &served]), [true, true]);
    }

    /// The result of one poll.
    async fn look_once(future: &mut (impl Future<Output = ()> + Unpin)) -> std::task::Poll<()> {
        std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx))).await
    }

    #[tokio::test]
    async fn while_all_are_served_a_new_one_waits() {
        let places = Places::new(1);
        let one = places.take().await;
        let serving = one.work().unwrap();
        assert!(places.try_take().is_none());
        let (_two, ()) = tokio::join!(places.take(), async { drop(serving) });
        assert_eq!(gave_way(&[&one]), [true]);
        drop(one);
        assert!(places.try_take().is_some());
    }
}
