//! Owns the one thread that owns the chat and writes through the store, in turns: gather and admit, order, apply,
//! commit, deliver. Called by everyone through its [`Inbox`]; it awaits nothing but that
//! and its commit. Never touches a socket: it puts things into outboxes.

mod answers;
mod chores;
mod clock;
mod deliver;
mod directory;
mod gather;
mod inbox;
mod outbox;
mod pace;
mod past;
mod turn;
mod waiting;

pub use directory::Directory;
pub use inbox::{Control, Entry, Health, HubGone, Inbox, inbox};
pub use outbox::{Closed, Item, Outbox, Taken};

use crate::edge::{Edge, Now};
use crate::log;
use crate::metrics::Metrics;
use crate::order::Local;
use crate::store::Store;
use answers::{Answer, OperatorReply};
use arc_swap::ArcSwap;
use chores::{CHECK_EVERY, FORGET_EVERY};
use clock::Clock;
use gather::TURN_COMMANDS;
use pace::Pace;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::{Seq, Timestamp};
use tcp_chat_state::{ConnectionId, IdMap, Rules, Snapshot, State};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use waiting::Waiting;

/// Between two looks whether those have read who were told nothing more until they do.
const HELD: Duration = Duration::from_millis(20);

/// How often the hub looks again whether somebody was about to say something.
const LOOKS: u32 = 8;

/// How the hub ended.
#[derive(Debug)]
pub enum Ended {
    /// Its inbox closed; all is in the store.
    Clean,
    /// Its inbox closed, and the store could not be written at the end.
    StoreFailing(String),
}

struct Hub {
    edge: Edge,
    chat: State,
    order: Local,
    store: Store,
    outboxes: IdMap<ConnectionId, Arc<Outbox>>,
    /// Connections whose batches were taken in this turn, to the end of them.
    heard: Vec<ConnectionId>,
    /// Connections that said in this turn that they are gone.
    lost: Vec<ConnectionId>,
    /// Connections that nobody has woken yet for what they have,
    unhurried: Vec<ConnectionId>,
    /// and when they are to be woken.
    unhurried_at: Instant,
    /// When to look again at those who are held.
    held_at: Instant,
    began: Instant,
    clock: Clock,
    tidy_at: Instant,
    /// When to look whether the store's files are still there.
    check_at: Instant,
    /// Messages went for the room that they took.
    is_cut: bool,
    /// It was said that the oldest messages go for the room that they take.
    is_full_told: bool,
    /// What the next turn has of retention: below which number all messages go.
    retains: Option<Seq>,
    /// When the chat is told of retention next although no message was removed.
    forget_at: Instant,
    /// The store fails: why, and when to try again.
    failing: Option<(String, Instant)>,
    answers: Vec<Answer>,
    /// What operators want in this turn, each with its place.
    operators: VecDeque<(usize, OperatorReply)>,
    /// What steps of slow work take,
    pace: Pace,
    /// and what is asked that is not talk.
    heavy_pace: Pace,
    bars: Bars,
    directory: Directory,
    metrics: Arc<Metrics>,
}

/// The addresses that are not let in. The hub writes it; the listeners read it. Cheap to clone.
pub type Bars = Arc<ArcSwap<Vec<(ipnet::IpNet, Option<u64>)>>>;

/// Starts the hub on a thread of its own. The receiver tells how it ended; it is dropped without a
/// word if the hub panicked.
///
/// # Errors
/// The thread or its runtime could not be made.
pub fn spawn(
    rules: Rules,
    store: Store,
    found: Snapshot,
    entries: mpsc::Receiver<Entry>,
    directory: Directory,
    metrics: Arc<Metrics>,
) -> std::io::Result<(oneshot::Receiver<Ended>, Bars)> {
    let (sender, receiver) = oneshot::channel();
    // Before anyone is let in.
    let bars: Bars = Arc::new(ArcSwap::new(found.rights.banned_ranges()));
    let hub = Hub::new(rules, store, found, directory, bars.clone(), metrics);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("hub".into()).spawn(move || {
        let _ = sender.send(runtime.block_on(hub.run(entries)));
    })?;
    Ok((receiver, bars))
}

impl Hub {
    fn new(
        rules: Rules,
        mut store: Store,
        found: Snapshot,
        directory: Directory,
        bars: Bars,
        metrics: Arc<Metrics>,
    ) -> Self {
        let began = Instant::now();
        let now = Now { mono: 0, wall: Timestamp::now().0 };
        let clock = Clock::new(Timestamp(now.wall), store.newest_timestamp().ok().flatten());
        let mut chat = State::restore(rules, found, now.wall);
        chat.start();
        let mut edge = Edge::default();
        edge.start(&chat, now);
        directory.publish(chat.users());
        Self {
            edge,
            chat,
            order: Local,
            directory,
            store,
            outboxes: IdMap::default(),
            heard: Vec::new(),
            lost: Vec::new(),
            unhurried: Vec::new(),
            unhurried_at: began,
            held_at: began,
            began,
            clock,
            // At once: how much there is, is part of the first STATUS.
            tidy_at: began,
            check_at: began + CHECK_EVERY,
            is_cut: false,
            is_full_told: false,
            retains: None,
            forget_at: began + FORGET_EVERY,
            failing: None,
            answers: Vec::new(),
            operators: VecDeque::new(),
            pace: Pace::default(),
            heavy_pace: Pace::default(),
            bars,
            metrics,
        }
    }

    async fn run(mut self, mut entries: mpsc::Receiver<Entry>) -> Ended {
        let mut taken = Vec::new();
        let mut waiting = Waiting::default();
        self.tell_twins();
        // What restoring found to write.
        self.turn(&mut waiting);
        loop {
            // At the end what is left of slow work stays in the store: the next start goes on with it. What the edge has to
            // propose stands nowhere else.
            let is_end = entries.is_closed() && entries.is_empty() && !self.edge.has_proposals();
            if waiting.is_empty() && (is_end || !self.has_work()) {
                tokio::select! {
                    biased;
                    count = entries.recv_many(&mut taken, TURN_COMMANDS) => if count == 0 { break },
                    () = tokio::time::sleep_until(self.next_due(&waiting)) => {}
                }
                taken.drain(..).for_each(|entry| waiting.add(entry));
            }
            take_more(&mut entries, &mut waiting);
            self.turn(&mut waiting);
            self.chores();
        }
        self.finish()
    }

    /// Is slow work left?
    fn has_work(&self) -> bool {
        self.chat.is_sweeping() || self.edge.is_telling() || self.edge.has_proposals()
    }

    fn now(&self) -> Now {
        let mono = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono, wall: Timestamp::now().0 }
    }

    /// When there is something to do although nobody asks.
    fn next_due(&self, waiting: &Waiting) -> Instant {
        let ending = self.edge.next_ending().map(|at| self.began + Duration::from_millis(at));
        let probe = self.failing.as_ref().map(|(_, at)| *at);
        let unhurried = (!self.unhurried.is_empty()).then_some(self.unhurried_at);
        let held = waiting.holds().then_some(self.held_at);
        [ending, probe, unhurried, held, self.next_answer()]
            .into_iter()
            .flatten()
            .fold(self.tidy_at.min(self.check_at), Instant::min)
    }

    fn finish(mut self) -> Ended {
        log::tell_left_out();
        self.store.wait_longer_for_locks();
        if self.failing.is_some() && self.store.check_files().and_then(|()| self.keep_held(None)).is_ok() {
            self.failing = None;
        }
        let mut failing = self.failing.map(|(why, _)| why);
        if let Err(why) = self.store.close() {
            failing.get_or_insert(why.to_string());
        }
        failing.map_or(Ended::Clean, Ended::StoreFailing)
    }
}

/// Lets those who are about to say something say it first: a commit costs much the same for one
/// message and for a hundred. Where nobody is running, this is nothing.
fn take_more(entries: &mut mpsc::Receiver<Entry>, waiting: &mut Waiting) {
    for _ in 0..LOOKS {
        std::thread::yield_now();
        let mut came = 0;
        while came < TURN_COMMANDS
            && let Ok(entry) = entries.try_recv()
        {
            came += 1;
            waiting.add(entry);
        }
        if came == 0 {
            return;
        }
    }
}
