//! Owns the link between the order and the task of the stream: two channels. The hub calls it as its order. Never waits, and
//! contains no rule: [`LogOrder`] decides.
//!
//! Records may be lost on the way, so a hub that is busy makes the task drop records instead of keeping them in memory
//! ([`WORDS`], [`RECORD_BYTES`]); the order asks for them again.

use super::log::task_gone;
use super::stream::{FromStream, ToStream};
use super::{LogOrder, Next, NotTaken, Order, OrderReport, Place, Readiness};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tcp_chat_state::{NodeId, Turn, Writes};
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::watch;

/// How many words to the order may wait.
const WORDS: usize = 4096;
/// How many bytes of records may wait.
const RECORD_BYTES: usize = 32 * 1024 * 1024;

/// What a beat counts: so that at most 512 wait.
const BEAT_COSTS: usize = RECORD_BYTES / 512;

/// The order with its two channels.
#[derive(Debug)]
pub struct Linked {
    order: LogOrder,
    words: mpsc::Receiver<FromStream>,
    waiting: Arc<AtomicUsize>,
    stream: mpsc::UnboundedSender<ToStream>,
    /// A word that was received and not taken yet.
    word: Option<FromStream>,
    /// The task has ended, which it never does before the order.
    is_task_gone: bool,
    serves: Serves,
}

/// Whether the node serves ([`LogOrder::serves`]). One that does not must not give copies of its store: it may be the one that
/// differs, or that is away.
#[derive(Debug, Clone, Default)]
pub struct Serves(Arc<AtomicBool>);

impl Serves {
    /// Does it, as the order said last?
    #[must_use]
    pub fn now(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The task's end of the channels.
#[derive(Debug)]
pub struct TaskEnd {
    /// What the order wants.
    pub words: mpsc::UnboundedReceiver<ToStream>,
    /// Where the answers go.
    pub order: ToOrder,
    /// Whether the node serves.
    pub serves: Serves,
    /// The number of the server that the task has reached last.
    pub server: watch::Sender<Option<usize>>,
}

/// Sends words to the order.
#[derive(Debug, Clone)]
pub struct ToOrder {
    words: mpsc::Sender<FromStream>,
    waiting: Arc<AtomicUsize>,
}

/// The order no longer listens: the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order has ended")]
pub struct OrderGone;

impl ToOrder {
    /// Sends a word that must arrive. Waits while the channel is full.
    ///
    /// # Errors
    /// The order has ended.
    pub async fn send(&self, word: FromStream) -> Result<(), OrderGone> {
        self.words.send(word).await.map_err(|_| OrderGone)
    }

    /// Waits for room for a word that must arrive.
    ///
    /// # Errors
    /// The order has ended.
    pub async fn room(&self) -> Result<mpsc::OwnedPermit<FromStream>, OrderGone> {
        self.words.clone().reserve_owned().await.map_err(|_| OrderGone)
    }

    /// Sends a word that may be lost: it is dropped if too much waits.
    ///
    /// # Errors
    /// The order has ended.
    pub fn offer(&self, word: FromStream) -> Result<(), OrderGone> {
        let bytes = length(&word);
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > RECORD_BYTES {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return Ok(());
        }
        match self.words.try_send(word) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                if let mpsc::error::TrySendError::Closed(_) = error { Err(OrderGone) } else { Ok(()) }
            }
        }
    }
}

/// What a word counts while it waits.
fn length(word: &FromStream) -> usize {
    match word {
        FromStream::Record(_, record) | FromStream::Heard(_, record) => record.bytes.len(),
        // A flood of them leaves most of the room to records.
        FromStream::Beat(_) => BEAT_COSTS,
        _ => 0,
    }
}

impl Linked {
    /// Links an order with a task.
    #[must_use]
    pub fn new(order: LogOrder) -> (Self, TaskEnd) {
        let (words_in, words) = mpsc::channel(WORDS);
        let (stream, stream_out) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let to_order = ToOrder { words: words_in, waiting: Arc::clone(&waiting) };
        let linked = Self {
            order,
            words,
            waiting,
            stream,
            word: None,
            is_task_gone: false,
            serves: Serves::default(),
        };
        let serves = linked.serves.clone();
        (linked, TaskEnd { words: stream_out, order: to_order, serves, server: watch::channel(None).0 })
    }

    /// The order.
    #[must_use]
    pub fn log(&self) -> &LogOrder {
        &self.order
    }

    /// As [`Order::applied`], with the digest of the writes.
    pub fn applied_as(&mut self, outcome: &[u8; 32]) -> Option<Place> {
        self.order.applied(outcome)
    }

    fn take_words(&mut self, now: Duration) {
        loop {
            let word = match self.word.take().map_or_else(|| self.words.try_recv(), Ok) {
                Ok(word) => word,
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    if !std::mem::replace(&mut self.is_task_gone, true) {
                        self.order.take_word(FromStream::Stopped(task_gone()), now);
                    }
                    return;
                }
            };
            self.waiting.fetch_sub(length(&word), Ordering::Relaxed);
            self.order.take_word(word, now);
        }
    }

    fn tell(&mut self) {
        while let Some(word) = self.order.outgoing() {
            // A task that has ended has told why before.
            let _ = self.stream.send(word);
        }
    }
}

impl Order for Linked {
    fn node(&self) -> NodeId {
        self.order.node()
    }

    fn readiness(&self, now: Duration) -> Readiness {
        self.order.readiness(now)
    }

    fn propose(&mut self, turn: Turn, now: Duration) -> Result<u64, NotTaken> {
        let number = self.order.propose(&turn, now);
        self.tell();
        number
    }

    fn next(&mut self, now: Duration) -> Option<Next> {
        self.take_words(now);
        let next = self.order.next(now);
        self.serves.0.store(self.order.serves(), Ordering::Relaxed);
        self.tell();
        next
    }

    fn rest(&mut self, now: Duration, lives: bool) {
        self.take_words(now);
        self.order.rest(now, lives);
        self.tell();
    }

    fn applied(&mut self, writes: &Writes) -> Option<Place> {
        self.order.applied(&writes.digest())
    }

    fn due(&self) -> Option<Duration> {
        self.order.due()
    }

    fn poll_word(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.word.is_some() {
            return Poll::Ready(());
        }
        match self.words.poll_recv(context) {
            Poll::Ready(Some(word)) => {
                self.word = Some(word);
                Poll::Ready(())
            }
            // The order has to hear of it. After that nothing more comes.
            Poll::Ready(None) if !self.is_task_gone => Poll::Ready(()),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn running(&self, now: Duration) -> Duration {
        self.order.running(now)
    }

    fn hold(&self) -> Option<Duration> {
        Some(self.order.hold_time())
    }

    fn report(&self, now: Duration) -> Option<OrderReport> {
        Some(self.order.report(now))
    }

    fn note_differing(&mut self, keys: Vec<&'static str>) {
        self.order.note_differing(keys);
    }

    fn leave(&mut self, now: Duration) -> bool {
        let is_proposed = self.order.leave(now);
        self.tell();
        is_proposed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Begin, Cause, Identity, KNOWN, OrderEvent, Patience, Process};
    use tcp_chat_turn_log::{KEY_BYTES, Key};

    #[test]
    fn the_end_of_the_task_ends_the_order() {
        let second = Duration::from_secs(1);
        let patience = Patience { hold: second, gone_after: second, quiet: second };
        let (name, address) = ("chat1".into(), "chat1:3000".into());
        let identity = Identity { name, address, process: Process(1), behaviours: KNOWN };
        let key = Key::new(&[1; KEY_BYTES]).unwrap();
        let order = LogOrder::new(key, identity, patience, Begin::Empty, Duration::ZERO).unwrap();
        let (mut linked, ends) = Linked::new(order);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(linked.next(second).is_none() && linked.poll_word(&mut context).is_pending());
        drop(ends);
        assert!(linked.poll_word(&mut context).is_ready(), "the hub is woken");
        let Some(Next::Event(OrderEvent::Ended(stopped))) = linked.next(second) else { panic!("it waits") };
        assert_eq!(stopped.cause, Cause::TaskGone);
        assert!(linked.next(second).is_none() && linked.poll_word(&mut context).is_pending(), "once");
    }
}
