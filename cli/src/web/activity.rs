//! Owns the time since which no tab uses the page: the number of open WebSockets, and the time of the last request.
//! Called by `host`; `mod` waits for it. Never ends the program.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The use of the page by tabs.
#[derive(Debug)]
pub(crate) struct Activity {
    now: Mutex<Now>,
    changed: Notify,
    /// Without use for this long, the page counts as unused.
    patience: Duration,
}

#[derive(Debug)]
struct Now {
    open: usize,
    last: Instant,
}

/// A tab that chats. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Chatting<'a>(&'a Activity);

impl Activity {
    /// Counts from now on.
    pub(crate) fn new(patience: Duration) -> Self {
        let now = Mutex::new(Now { open: 0, last: Instant::now() });
        Self { now, changed: Notify::new(), patience }
    }

    /// A tab that was let in has asked for something: it may be at the form, without a WebSocket.
    pub(crate) fn touch(&self) {
        self.now().last = Instant::now();
    }

    /// A tab has opened its WebSocket.
    pub(crate) fn chatting(&self) -> Chatting<'_> {
        self.now().open += 1;
        Chatting(self)
    }

    /// Waits until no tab has used the page for the whole time.
    pub(crate) async fn over(&self) {
        loop {
            let until = {
                let now = self.now();
                (now.open == 0).then(|| now.last + self.patience)
            };
            match until {
                None => self.changed.notified().await,
                Some(at) if at <= Instant::now() => return,
                // What was asked meanwhile has moved the time.
                Some(at) => sleep_until(at).await,
            }
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Chatting<'_> {
    fn drop(&mut self) {
        let mut now = self.0.now();
        now.open -= 1;
        now.last = Instant::now();
        drop(now);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    const PATIENCE: Duration = Duration::from_secs(600);
    const MOMENT: Duration = Duration::from_millis(2);

    /// Is it over now? The clock of the test stands still otherwise.
    async fn is_over(activity: &Activity) -> bool {
        timeout(MOMENT, activity.over()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_the_last_tab_was_closed_for_a_while() {
        let activity = Activity::new(PATIENCE);
        let (one, other) = (activity.chatting(), activity.chatting());
        advance(10 * PATIENCE).await;
        assert!(!is_over(&activity).await, "two tabs are open");
        drop(one);
        advance(10 * PATIENCE).await;
        assert!(!is_over(&activity).await, "one is");
        drop(other);
        advance(PATIENCE - 2 * MOMENT).await;
        assert!(!is_over(&activity).await, "it may have been a reload");
        let again = activity.chatting();
        advance(PATIENCE).await;
        assert!(!is_over(&activity).await);
        drop(again);
        advance(PATIENCE).await;
        assert!(is_over(&activity).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_nobody_opens_is_over_too_and_one_at_its_form_is_not() {
        let activity = Activity::new(PATIENCE);
        advance(PATIENCE - 2 * MOMENT).await;
        activity.touch();
        advance(PATIENCE - 2 * MOMENT).await;
        assert!(!is_over(&activity).await);
        advance(2 * MOMENT).await;
        assert!(is_over(&activity).await);
    }
}
