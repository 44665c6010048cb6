//! Owns the wake-ups of connections after a turn. A wake from the hub's thread costs a system call if the threads of the
//! connections are idle, and the woken thread then often runs before the hub has woken the next connection. So the hub
//! wakes one task of their runtime, and that task wakes all connections of the turn. Called by the delivery. Never
//! decides which connections are woken.

use std::task::Waker;
use tokio::sync::mpsc;

/// Up to this many connections are woken by the hub itself: the task would be one more wake-up.
const FEW: usize = 1;

/// Wakes connections.
#[derive(Debug, Default)]
pub(super) struct Wakes(Option<mpsc::UnboundedSender<Vec<Waker>>>);

impl Wakes {
    /// Starts the task in the present runtime, which must be that of the connections. It ends when this is dropped.
    pub(super) fn start() -> Self {
        // Not bounded, because the hub must not wait. It grows only while connections run, and the task does not.
        let (sender, mut turns) = mpsc::unbounded_channel::<Vec<Waker>>();
        #[expect(clippy::disallowed_methods, reason = "it ends with the hub, and waking does not fail")]
        tokio::spawn(async move {
            while let Some(wakers) = turns.recv().await {
                wakers.into_iter().for_each(Waker::wake);
            }
        });
        Self(Some(sender))
    }

    /// Wakes these connections.
    pub(super) fn wake(&self, wakers: Vec<Waker>) {
        let left = match &self.0 {
            Some(task) if wakers.len() > FEW => task.send(wakers).err().map(|unsent| unsent.0),
            _ => Some(wakers),
        };
        // Without the task, for example at the end of the runtime, the hub wakes them.
        left.into_iter().flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests;
