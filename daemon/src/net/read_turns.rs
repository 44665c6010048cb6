//! Owns the order in which connections read. A connection that talks, so that its last read had only messages and other
//! light requests, reads at once. The others take turns: only a few of them are in the run queue of the runtime at a
//! time. So if ten thousand connections join, leave or are lost at once, those that talk do not queue behind them.
//! Called by the reader. Never reads, and never knows what was read.

use std::sync::Arc;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Connections of each thread of the runtime that have a turn at the same time.
const TURNS_PER_THREAD: usize = 8;

/// The turns of all connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ReadTurns(Arc<Semaphore>);

impl ReadTurns {
    /// The turns of a runtime with one thread for each processor; of one with a single thread in tests.
    pub(super) fn new() -> Self {
        let threads =
            if cfg!(test) { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        Self(Arc::new(Semaphore::new(TURNS_PER_THREAD * threads)))
    }

    /// Takes a turn. False: none is free, or others wait for one.
    pub(super) fn try_take(&self) -> bool {
        self.0.try_acquire().map(|turn| turn.forget()).is_ok()
    }

    /// Waits for a turn, in the order of those that ask. A drop of the result gives the turn back.
    pub(super) fn wait(
        &self,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + 'static {
        self.0.clone().acquire_owned()
    }

    /// Gives a turn back. One that waits is woken.
    pub(super) fn give_back(&self) {
        self.0.add_permits(1);
    }

    /// How many turns are free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.0.available_permits()
    }
}
