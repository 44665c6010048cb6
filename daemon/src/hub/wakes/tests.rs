//! Run by the hub's tests: one wake-up of the runtime for all connections of a turn.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// So many connections that wait, and how many were woken.
fn waiting(connections: usize) -> (Vec<Waker>, impl Fn() -> usize) {
    let count = Arc::new(Count::default());
    let wakers = vec![Waker::from(count.clone()); connections];
    (wakers, move || count.0.load(Ordering::Relaxed))
}

#[tokio::test]
async fn the_task_wakes_all_connections_of_a_turn() {
    let wakes = Wakes::start();
    let ((first, first_woken), (second, second_woken)) = (waiting(100), waiting(7));
    wakes.wake(first);
    wakes.wake(second);
    assert_eq!((first_woken(), second_woken()), (0, 0), "the hub itself wakes only the task");
    tokio::task::yield_now().await;
    assert_eq!((first_woken(), second_woken()), (100, 7));
}

#[tokio::test]
async fn one_connection_is_woken_at_once() {
    let wakes = Wakes::start();
    let (one, woken) = waiting(1);
    wakes.wake(one);
    assert_eq!(woken(), 1);
}

#[test]
fn without_its_task_the_hub_wakes_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wakes = runtime.block_on(async { Wakes::start() });
    drop(runtime);
    let (left, woken) = waiting(3);
    wakes.wake(left);
    assert_eq!(woken(), 3);
}
