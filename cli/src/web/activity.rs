//! Owns the time since which no tab uses the page: the number of open WebSockets, and the time of the last request.
//! Called by `host`; `mod` waits for the end of use. Never ends the program.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The use of the page by tabs.
#[derive(Debug)]
pub(crate) struct Activity {
    usage: Mutex<Usage>,
    changed: Notify,
    /// Without use for this long, the page counts as unused.
    patience: Duration,
}

#[derive(Debug)]
struct Usage {
    /// The number of open WebSockets.
    open: usize,
    /// The last request, or the end of the last WebSocket.
    last: Instant,
}

/// A WebSocket of a tab. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenTab<'a>(&'a Activity);

impl Activity {
    /// Counts from now on.
    pub(crate) fn new(patience: Duration) -> Self {
        let usage = Mutex::new(Usage { open: 0, last: Instant::now() });
        Self { usage, changed: Notify::new(), patience }
    }

    /// An admitted tab has sent a request. Its WebSocket may come later.
    pub(crate) fn touch(&self) {
        self.usage().last = Instant::now();
    }

    /// A tab has opened a WebSocket: for its chat, or only to show that it is open.
    pub(crate) fn open_tab(&self) -> OpenTab<'_> {
        self.usage().open += 1;
        OpenTab(self)
    }

    /// Waits until no tab has used the page for the whole time.
    pub(crate) async fn unused(&self) {
        loop {
            let until = {
                let usage = self.usage();
                (usage.open == 0).then(|| usage.last + self.patience)
            };
            match until {
                None => self.changed.notified().await,
                Some(at) if at <= Instant::now() => return,
                // A request meanwhile moves the time.
                Some(at) => sleep_until(at).await,
            }
        }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenTab<'_> {
    fn drop(&mut self) {
        let mut usage = self.0.usage();
        usage.open -= 1;
        usage.last = Instant::now();
        drop(usage);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    const PATIENCE: Duration = Duration::from_secs(600);
    const MOMENT: Duration = Duration::from_millis(2);

    /// Whether the page counts as unused now. Apart from this, the clock of the test stands still.
    async fn is_unused(activity: &Activity) -> bool {
        timeout(MOMENT, activity.unused()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_page_is_unused_a_while_after_its_last_tab() {
        let activity = Activity::new(PATIENCE);
        let (one, other) = (activity.open_tab(), activity.open_tab());
        advance(10 * PATIENCE).await;
        assert!(!is_unused(&activity).await, "two tabs are open");
        drop(one);
        advance(10 * PATIENCE).await;
        assert!(!is_unused(&activity).await, "one is");
        drop(other);
        advance(PATIENCE - 2 * MOMENT).await;
        assert!(!is_unused(&activity).await, "it may have been a reload");
        let again = activity.open_tab();
        advance(PATIENCE).await;
        assert!(!is_unused(&activity).await);
        drop(again);
        advance(PATIENCE).await;
        assert!(is_unused(&activity).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_is_never_opened_is_unused_and_a_request_counts_as_use() {
        let activity = Activity::new(PATIENCE);
        advance(PATIENCE - 2 * MOMENT).await;
        activity.touch();
        advance(PATIENCE - 2 * MOMENT).await;
        assert!(!is_unused(&activity).await);
        advance(2 * MOMENT).await;
        assert!(is_unused(&activity).await);
    }
}
