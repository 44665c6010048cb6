//! Tests how the cost of a turn grows with the size of a room and of the history: nothing is timed. Counted are
//! turns, woken connections, queued items, comparisons of the state, instructions of SQLite's virtual machine,
//! allocations, and system calls that write a file.
//! Four times the size must not cost more than four times as much (a tenth is allowed for rounding and the depth of
//! trees), and what does not depend on it must not grow.

use super::turn::tests::{hub_with, join, say};
use super::waiting::Waiting;
use super::{Entry, Hub, Outbox, Taken};
use crate::edge::Command;
use crate::settings::{Durability, History, MaxBytes};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tcp_chat_state::{ConnectionId, steps};
use tempfile::TempDir;

/// The sizes that are compared.
const SMALL: u64 = 50;
const LARGE: u64 = 4 * SMALL;

#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.add();
    }
}

/// The cost of an event.
#[derive(Debug)]
struct Cost {
    turns: u64,
    /// Connections that were woken, each time.
    wakes: u64,
    /// Items that wait in outboxes afterwards.
    items: u64,
    /// Comparisons and hashes of ids in the state.
    steps: u64,
    /// Instructions of SQLite's virtual machine.
    sql: u64,
    /// Allocations of the hub's thread.
    allocations: u64,
    /// Its system calls that write a file.
    syscalls: u64,
}

/// A store in this folder.
fn history(folder: &TempDir, retain_messages: Option<u64>) -> History {
    let (path, max_bytes) = (Some(folder.path().join("chat.db")), MaxBytes::Unlimited);
    History { path, durability: Durability::Crash, retain: None, retain_messages, max_bytes }
}

/// The system calls of this thread that write a file, since it began. How often it reads depends on what the other
/// threads of the store have changed.
fn syscalls() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counters.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse().ok()).unwrap()
}

/// Takes all items out of the outboxes, and waits for the next ones. Returns how many there were.
fn take_all(outboxes: &[Arc<Outbox>], waker: &Waker) -> u64 {
    let mut items = 0;
    for outbox in outboxes {
        while let Poll::Ready(Taken::Items(taken)) = outbox.poll_take(&Context::from_waker(waker), usize::MAX)
        {
            items += taken.len() as u64;
        }
    }
    items
}

/// Counts what the act costs, and the turns that follow from it.
fn cost(hub: &mut Hub, outboxes: &[Arc<Outbox>], act: impl FnOnce(&mut Hub, &mut Waiting) -> u64) -> Cost {
    let (wakes, sql) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let waker = Waker::from(Arc::clone(&wakes));
    take_all(outboxes, &waker);
    let counted = Arc::clone(&sql);
    hub.store.count_instructions(move || counted.add());
    // How much of what is not talk fits into a turn depends on its time. Here it all fits.
    (0..30).for_each(|_| hub.heavy_pace.took(1, Duration::ZERO));
    hub.turn_time = Duration::from_secs(60);
    let (before, syscalls_before) = (steps::so_far(), syscalls());
    let mut turns = 0;
    let allocated = allocation_counter::measure(|| {
        let mut waiting = Waiting::default();
        turns = act(hub, &mut waiting);
        while !waiting.is_empty() || hub.has_work() {
            hub.turn(&mut waiting);
            turns += 1;
        }
        hub.wake_deferred(hub.deferred_at);
    });
    let (steps, wakes, sql) = (steps::so_far() - before, wakes.get(), sql.get());
    let (allocations, syscalls) = (allocated.count_total, syscalls() - syscalls_before);
    Cost { turns, wakes, items: take_all(outboxes, Waker::noop()), steps, sql, allocations, syscalls }
}

/// The commands of so many connections, each with a batch of its own.
fn each(connections: u64, command: impl Fn() -> Command) -> impl FnOnce(&mut Hub, &mut Waiting) -> u64 {
    move |_, waiting| {
        for n in 0..connections {
            waiting.add(Entry::Commands(ConnectionId(n), vec![command()]));
        }
        0
    }
}

#[test]
fn fan_out_grows_with_the_members_and_wakes_each_of_them_once() {
    let said = |members| {
        let folder = tempfile::tempdir().unwrap();
        let (mut hub, outboxes) = hub_with(&history(&folder, None), members);
        cost(&mut hub, &outboxes, each(16, || say(100)))
    };
    let (small, large) = (said(SMALL), said(LARGE));
    assert_eq!((small.turns, large.turns), (1, 1));
    assert_eq!((small.wakes, large.wakes), (SMALL, LARGE), "{large:?}");
    // The members of one turn share a chunk.
    assert_eq!((small.items, large.items), (SMALL, LARGE), "{large:?}");
    assert!(large.steps <= 4 * small.steps, "{small:?}, {large:?}");
    assert!(large.sql <= small.sql + small.sql / 10, "the store: {small:?}, {large:?}");
    assert!(large.allocations <= 4 * small.allocations, "{small:?}, {large:?}");
    assert!(large.syscalls <= small.syscalls + 8, "the store: {small:?}, {large:?}");
}

#[test]
fn presence_grows_with_the_members_and_wakes_each_of_them_once() {
    const GUESTS: u64 = 8;
    let entered = |members| {
        let folder = tempfile::tempdir().unwrap();
        let (mut hub, outboxes) = hub_with(&history(&folder, None), members + GUESTS);
        let (guests, there) = outboxes.split_at(GUESTS as usize);
        let joined = |hub: &mut Hub, from, to| {
            cost(hub, there, |_, waiting| {
                (from..to).for_each(|n| waiting.add(Entry::Commands(ConnectionId(n), vec![join()])));
                0
            })
        };
        joined(&mut hub, GUESTS, GUESTS + members);
        let entered = joined(&mut hub, 0, GUESTS);
        take_all(guests, Waker::noop());
        let left = cost(&mut hub, there, each(GUESTS, || Command::Lost));
        (entered, left)
    };
    let (small, large) = (entered(SMALL), entered(LARGE));
    for (what, small, large) in [("enter", small.0, large.0), ("are lost", small.1, large.1)] {
        assert_eq!((small.turns, large.turns), (1, 1), "{what}");
        assert_eq!((small.wakes, large.wakes), (SMALL, LARGE), "{what}: {large:?}");
        assert_eq!(large.items, 4 * small.items, "{what}: {small:?}, {large:?}");
        assert!(large.steps <= 4 * small.steps, "{what}: {small:?}, {large:?}");
        assert!(large.sql <= small.sql + small.sql / 10, "{what}: {small:?}, {large:?}");
        assert!(large.allocations <= 4 * small.allocations, "{what}: {small:?}, {large:?}");
        assert!(large.syscalls <= small.syscalls + 8, "{what}: {small:?}, {large:?}");
    }
}

#[test]
fn retention_grows_with_what_it_removes() {
    const KEPT: u64 = 10;
    let removed = |turns: u64| {
        let folder = tempfile::tempdir().unwrap();
        let (mut hub, outboxes) = hub_with(&history(&folder, Some(KEPT)), 4);
        for _ in 0..turns {
            let mut waiting = Waiting::default();
            (0..4).for_each(|n| waiting.add(Entry::Commands(ConnectionId(n), vec![say(20)])));
            hub.turn(&mut waiting);
        }
        let cost = cost(&mut hub, &outboxes, |hub, _| {
            let mut turns = 1;
            while hub.remove_old().expect("a removal") {
                hub.turn(&mut Waiting::default());
                turns += 1;
            }
            turns
        });
        assert!(hub.state.counts().head - hub.state.oldest() <= 2 * KEPT, "removed: {cost:?}");
        cost
    };
    let (small, large) = (removed(10 * SMALL), removed(10 * LARGE));
    assert!(large.turns <= 4 * small.turns, "{small:?}, {large:?}");
    assert!(large.sql <= 4 * small.sql + small.sql / 10, "{small:?}, {large:?}");
    assert!(large.steps <= 4 * small.steps, "{small:?}, {large:?}");
    assert!(large.allocations <= 4 * small.allocations, "{small:?}, {large:?}");
    assert!(large.syscalls <= 4 * small.syscalls + small.syscalls / 2, "{small:?}, {large:?}");
}
