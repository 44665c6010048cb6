//! Owns the hub: one thread that owns the state and writes through the store. It works in turns: gather and admit,
//! order, apply, commit, deliver. Everyone calls it through its [`Inbox`]. It waits only for its inbox, and for the
//! commit, which blocks its thread. Never touches a socket: it puts items into outboxes.

mod answers;
mod chores;
mod clock;
mod deliver;
mod directory;
mod encoded;
mod gather;
#[cfg(test)]
mod growth;
mod inbox;
mod outbox;
mod pace;
mod past;
mod shared;
mod turn;
mod waiting;
mod wakes;

pub use directory::Directory;
pub use inbox::{Control, Entry, Health, HubGone, Inbox, PolicyRefused, inbox};
pub use outbox::{Closed, Item, Outbox, Taken};

use crate::edge::{Edge, Now};
use crate::log;
use crate::metrics::Metrics;
use crate::order::{Order, Orders, Stopped};
use crate::store::Store;
use answers::{Answer, OperatorReply};
use arc_swap::ArcSwap;
use chores::{CHECK_EVERY, FORGET_EVERY};
use clock::Clock;
use gather::{TURN_COMMANDS, TURN_TIME};
use pace::Pace;
use past::Rewrites;
use shared::Shared;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::{Seq, Timestamp};
use tcp_chat_state::{ConnectionId, IdMap, Rules, Snapshot, State};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use waiting::Waiting;
use wakes::Wakes;

/// Time between two checks whether held connections have read their answers.
const HELD: Duration = Duration::from_millis(20);

/// How many times the hub yields before a turn, so that running connections can add their entries.
const YIELDS: u32 = 8;

/// How the hub ended.
#[derive(Debug)]
pub enum Ended {
    /// Its inbox closed; everything is in the store.
    Clean,
    /// Its inbox closed, and the store could not be written at the end.
    StoreFailing(String),
    /// The order has ended.
    Stopped(Stopped),
}

struct Hub {
    edge: Edge,
    state: State,
    order: Orders,
    store: Store,
    outboxes: IdMap<ConnectionId, Arc<Outbox>>,
    /// Connections whose batches this turn has taken to their end.
    heard: Vec<ConnectionId>,
    /// Connections that reported in this turn that they are lost.
    lost: Vec<ConnectionId>,
    /// Connections with lines for which they were not woken yet,
    deferred: Vec<ConnectionId>,
    /// and the moment to wake them.
    deferred_at: Instant,
    /// The moment of the next check of held connections.
    held_at: Instant,
    began: Instant,
    clock: Clock,
    retention_at: Instant,
    /// The moment of the next check that the store's files still exist.
    check_at: Instant,
    /// Messages were removed for the disk space that they took.
    was_above_limit: bool,
    /// The log has said that the oldest messages are removed for their disk space.
    is_full_logged: bool,
    /// The highest number below which this node's own limits were for removing all messages. `None`: not known yet.
    own_oldest: Option<Seq>,
    /// The log has said that messages are removed by another node's limit.
    is_stricter_logged: bool,
    /// The retention that the next turn applies: all messages below this number are removed.
    retains: Option<Seq>,
    /// The moment of the next retention without a removed message, for certificates and removed users.
    forget_at: Instant,
    /// The moment of the next step of an erasure, if there is one.
    erase_at: Instant,
    /// The log has said that an erasure waits for room.
    erasure_waits: bool,
    /// The store fails: the reason, and the moment of the next try.
    failing: Option<(String, Instant)>,
    answers: Vec<Answer>,
    /// This turn leaves room for a command that found none in the turn before.
    has_given_room: bool,
    /// How long a turn gathers requests other than messages.
    turn_time: Duration,
    /// What the redactions of this turn read and write again.
    rewrites: Rewrites,
    /// The commands of operators in this turn, each with its place.
    operators: VecDeque<(usize, OperatorReply)>,
    /// The time that steps of slow work take,
    pace: Pace,
    /// and the time that requests other than messages take.
    heavy_pace: Pace,
    banned_addresses: BannedAddresses,
    directory: Directory,
    wakes: Wakes,
    /// What belongs to a log that several nodes share.
    shared: Shared,
    metrics: Arc<Metrics>,
}

/// The addresses whose connections are refused. The hub writes it; the listeners read it. Cheap to clone.
pub type BannedAddresses = Arc<ArcSwap<Vec<(ipnet::IpNet, Option<u64>)>>>;

/// Starts the hub on its own thread, with the policy that counts and that of the configuration. The receiver gets how the hub
/// ended; it is dropped without a value if the hub panicked. Called in the runtime of the connections, for the task that wakes
/// them.
///
/// # Errors
/// The thread or its runtime could not be created.
pub fn spawn(
    order: Orders,
    [rules, own]: [Rules; 2],
    store: Store,
    found: Snapshot,
    entries: mpsc::Receiver<Entry>,
    directory: Directory,
    metrics: Arc<Metrics>,
) -> std::io::Result<(oneshot::Receiver<Ended>, BannedAddresses)> {
    let (sender, receiver) = oneshot::channel();
    // Before the first connection is accepted.
    let banned_addresses: BannedAddresses = Arc::new(ArcSwap::new(found.permissions.banned_ranges()));
    let mut hub = Hub::new(order, rules, store, found, directory, banned_addresses.clone(), metrics);
    hub.set_own_policy(own);
    hub.wakes = Wakes::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("hub".into()).spawn(move || {
        let _ = sender.send(runtime.block_on(hub.run(entries)));
    })?;
    Ok((receiver, banned_addresses))
}

impl Hub {
    fn new(
        order: Orders,
        rules: Rules,
        mut store: Store,
        found: Snapshot,
        directory: Directory,
        banned_addresses: BannedAddresses,
        metrics: Arc<Metrics>,
    ) -> Self {
        let began = Instant::now();
        let now = Now { mono: 0, wall: Timestamp::now().0 };
        let clock = Clock::new(Timestamp(now.wall), store.newest_timestamp().ok().flatten());
        let clock = if order.is_log() { clock.by_log() } else { clock };
        let state = State::restore(rules, found, now.wall);
        let mut edge = if order.is_log() { Edge::of_log(order.node()) } else { Edge::default() };
        edge.start(&state, now);
        directory.publish(state.users());
        directory.publish_access(&state.rules().access);
        Self {
            edge,
            state,
            order,
            directory,
            store,
            outboxes: IdMap::default(),
            heard: Vec::new(),
            lost: Vec::new(),
            deferred: Vec::new(),
            deferred_at: began,
            held_at: began,
            began,
            clock,
            // At once, because the first STATUS has these sizes.
            retention_at: began,
            check_at: began + CHECK_EVERY,
            was_above_limit: false,
            is_full_logged: false,
            own_oldest: None,
            is_stricter_logged: false,
            retains: None,
            forget_at: began + FORGET_EVERY,
            erase_at: began,
            erasure_waits: false,
            failing: None,
            answers: Vec::new(),
            has_given_room: false,
            turn_time: TURN_TIME,
            rewrites: Rewrites::default(),
            operators: VecDeque::new(),
            pace: Pace::default(),
            heavy_pace: Pace::default(),
            banned_addresses,
            wakes: Wakes::default(),
            shared: Shared::default(),
            metrics,
        }
    }

    async fn run(mut self, mut entries: mpsc::Receiver<Entry>) -> Ended {
        let mut taken = Vec::new();
        let mut waiting = Waiting::default();
        // The start of this process: its configured rooms exist before the first login.
        let mut goes_on = self.turn(&mut waiting);
        self.tell_twins();
        while self.shared.stopped().is_none() {
            if self.rests(&entries, &waiting, goes_on) {
                let due = self.next_due(&waiting);
                tokio::select! {
                    biased;
                    count = entries.recv_many(&mut taken, TURN_COMMANDS) => if count == 0 { break },
                    () = std::future::poll_fn(|context| self.order.poll_word(context)) => {}
                    () = tokio::time::sleep_until(due) => {}
                }
                taken.drain(..).for_each(|entry| self.add(&mut waiting, entry));
            }
            self.take_more(&mut entries, &mut waiting);
            goes_on = self.turn(&mut waiting);
            self.chores();
        }
        self.finish().await
    }

    /// Has the next turn nothing to do until something comes? `goes_on`: the result of the turn before.
    fn rests(&self, entries: &mpsc::Receiver<Entry>, waiting: &Waiting, goes_on: bool) -> bool {
        if self.order.is_log() {
            return !goes_on;
        }
        // At the end, unfinished slow work stays in the store, and the next start continues it. The edge's proposals
        // are stored nowhere else.
        let is_end = entries.is_closed() && entries.is_empty() && !self.edge.has_proposals();
        waiting.is_empty() && (is_end || !self.has_work())
    }

    /// Is slow work left?
    fn has_work(&self) -> bool {
        self.state.is_sweeping()
            || self.edge.has_pending_presence()
            || self.edge.has_proposals()
            || self.erases()
    }

    fn now(&self) -> Now {
        let mono = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono, wall: Timestamp::now().0 }
    }

    /// The moment of the next work without a request.
    fn next_due(&self, waiting: &Waiting) -> Instant {
        // While a turn with such work is under way, its return is the next moment.
        let may_work = self.may_work(self.readiness(self.began.elapsed()));
        let ending = self.edge.next_ending().filter(|_| may_work);
        let ending = ending.map(|at| self.began + Duration::from_millis(at));
        let probe = self.failing.as_ref().map(|(_, at)| *at);
        let deferred = (!self.deferred.is_empty()).then_some(self.deferred_at);
        let held = waiting.holds().then_some(self.held_at);
        let erases = self.failing.is_none() && may_work && self.drives();
        let erasing = self.state.erasure().filter(|_| erases).map(|_| self.erase_at);
        let ordered = self.order.due().map(|at| self.began + at);
        let place = self.shared.place_due().filter(|_| self.failing.is_none());
        [ending, probe, deferred, held, erasing, ordered, place, self.next_answer()]
            .into_iter()
            .flatten()
            .fold(self.retention_at.min(self.check_at), Instant::min)
    }

    async fn finish(mut self) -> Ended {
        log::tell_left_out();
        self.leave().await;
        self.store.wait_longer_for_locks();
        if self.failing.is_some() && self.store.check_files().and_then(|()| self.keep_held(None)).is_ok() {
            self.failing = None;
        }
        self.keep_place();
        let mut failing = self.failing.map(|(why, _)| why);
        if let Err(why) = self.store.close() {
            failing.get_or_insert(why.to_string());
        }
        match self.shared.stopped() {
            Some(stopped) => Ended::Stopped(stopped.clone()),
            None => failing.map_or(Ended::Clean, Ended::StoreFailing),
        }
    }

    /// Adds an entry to those that wait for a turn.
    fn add(&self, waiting: &mut Waiting, entry: Entry) {
        waiting.add_unless(entry, |connection| self.order.is_log() && self.edge.waits_for_login(connection));
    }

    /// Yields to connections that are about to add an entry: a commit costs about the same for one message and for a
    /// hundred. Costs nothing if no connection is running.
    fn take_more(&self, entries: &mut mpsc::Receiver<Entry>, waiting: &mut Waiting) {
        for _ in 0..YIELDS {
            std::thread::yield_now();
            let mut came = 0;
            while came < TURN_COMMANDS
                && let Ok(entry) = entries.try_recv()
            {
                came += 1;
                self.add(waiting, entry);
            }
            if came == 0 {
                return;
            }
        }
    }
}
