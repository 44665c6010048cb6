//! Owns the way from a record of the stream to a turn or an event. The order calls it for each record, in sequence. Never
//! publishes anything.

use super::{LogOrder, node_id, stopped};
use crate::order::{MemberNow, OrderEvent, Ordered};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tcp_chat_state::{Behaviour, Intent, NodeId, Turn};
use tcp_chat_turn_log::{
    BODY_BYTES, Detached, Entry, Event, Halt, Header, LogTime, Member, Members, News, NodeId as LogNode,
    Record, Step, Void,
};
use tracing::warn;

// A turn that can be encoded always fits an entry.
const _: () = assert!(tcp_chat_state::MOST_BYTES <= BODY_BYTES);

/// The clock of the server that leads the stream may be ahead of the proposer's by this much, in milliseconds. Beyond it the
/// proposer's counts.
pub(super) const AHEAD_MS: u64 = 5 * 60 * 1000;

/// A turn that came back within this time shows how far the clocks are apart.
const SOON: Duration = Duration::from_secs(5);

/// The outcome of an entry that no state applies.
const NOTHING: [u8; 32] = [0; 32];

/// What a node says of itself at its start, as JSON: a later version can add fields.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Details {
    /// Its name.
    pub(super) name: Box<str>,
    /// Its address for clients.
    pub(super) address: Box<str>,
    /// The clock of a founder, in milliseconds since 1970. A node that only starts says 0.
    #[serde(default)]
    pub(super) time: u64,
}

impl Details {
    pub(super) fn encode(&self) -> Vec<u8> {
        // Texts and numbers can always be encoded into memory.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What a living node said.
    pub(super) fn of(member: &Member) -> Option<Self> {
        Self::decode(&member.details)
    }
}

/// An entry between its reading and its application.
#[derive(Debug)]
pub(super) struct Applying {
    entry: Detached,
    news: Option<News>,
}

impl LogOrder {
    /// Reads the next record, if there is one and it may be read. Says whether there was one.
    pub(super) fn read_next(&mut self, now: Duration) -> bool {
        // The answer of the leader after a connect comes before reading on.
        if self.halt.is_some() || !self.is_compared || self.heard_only.waits() {
            return false;
        }
        let is_heard = self.doubted.is_none() && self.feed.heard(1).next().is_some();
        let Some(record) = self.doubted.take().or_else(|| self.feed.take()) else {
            return false;
        };
        if !is_heard {
            self.heard_only.set_clock(record.stamp, now);
            self.read(record, now);
        } else if let Some(entry) = self.believe(record, now) {
            self.counts(entry, now);
        }
        true
    }

    fn read(&mut self, record: Record, now: Duration) {
        let entry = match self.reader.accept(&record) {
            Err(halt) => {
                if let Halt::Doubt(_) = halt {
                    // The leader is asked at once.
                    (self.doubted, self.checked) = (Some(record), None);
                }
                self.halt = Some(halt);
                return self.stop_if_halted();
            }
            Ok(Step::Void(void)) => {
                let news = self.proposer.void(&record, void);
                return self.after(news);
            }
            Ok(Step::Counts(pending)) => pending.detach(),
        };
        self.counts(entry, now);
    }

    fn counts(&mut self, mut entry: Detached, now: Duration) {
        if self.is_begun_elsewhere(entry.entry()) {
            let Header { generation, .. } = entry.entry().header;
            return self.stop(stopped::other_generation(generation.number));
        }
        let mut turn = turn_of(entry.entry(), self.reader.members());
        let latest = latest(entry.entry(), turn.as_ref());
        let (clock, proposed) = (entry.entry().time, turn.as_ref().map_or(0, |turn| turn.time));
        self.reader.limit_time(&mut entry, latest);
        turn.iter_mut().for_each(|turn| turn.time = entry.entry().time.0);
        self.pulse.sign(now);
        self.life.counted = now;
        self.seen_alive.insert(entry.entry().header.node, now);
        let news = self.proposer.counted(entry.entry(), now);
        let mut own = None;
        match &news {
            Some(News::Counted(n)) => {
                own = self.own.came_back(*n).map(|turn| {
                    // What waited says nothing about the clocks.
                    if now < turn.at + SOON {
                        self.note_clock(clock.0.saturating_sub(proposed));
                    }
                    turn.number
                });
            }
            // Before the turn that takes the sessions of this node away.
            Some(News::Fenced(entries)) => {
                let numbers = self.own.never(entries);
                self.events.push_back(OrderEvent::Fenced(numbers));
            }
            Some(News::Replaced(_)) => return self.stop(stopped::replaced(&self.identity.name)),
            _ => {}
        }
        let behaviour = self.behaviour_at(entry.entry());
        let applying = Applying { entry, news };
        match turn {
            Some(turn) => {
                self.applying = Some(applying);
                self.ready = Some(Ordered { turn, behaviour, own });
            }
            None => {
                self.commit(applying, &NOTHING);
                // It counts as nothing on every node.
                self.events.extend(own.map(|number| OrderEvent::Withdrawn(vec![number])));
            }
        }
    }

    /// The time of the log was later by this, in milliseconds, than this host's clock when it proposed a turn.
    fn note_clock(&mut self, behind: u64) {
        let was = std::mem::replace(&mut self.clock_behind, behind);
        if behind > AHEAD_MS && was <= AHEAD_MS {
            warn!(
                event = "clock_behind",
                seconds = behind / 1000,
                "the clock of this host is behind that of the log: what this node writes does not move the time of the chat. Set the \
                 clocks of all hosts, those of the NATS servers, too (NTP)"
            );
        }
    }

    /// Does a generation begin with the store of another node? Then that store gave the log its id, by which clients know what
    /// they have: this node takes a copy of it, also if its state is the same.
    fn is_begun_elsewhere(&self, entry: &Entry) -> bool {
        let Header { node, generation, .. } = entry.header;
        // Begun by this process, or by a command that ended before it read this.
        let is_own = self.founds == Some(generation) || self.reader.saved().has_ended();
        let has_another = self.reader.generation().is_some() && !(node == self.me && is_own);
        matches!(entry.event, Event::Genesis(_)) && has_another
    }

    /// The entry was applied. Says whether the reader agrees.
    pub(super) fn commit(&mut self, Applying { entry, news }: Applying, outcome: &[u8; 32]) -> bool {
        let Some(entry) = self.reader.applied(entry, outcome) else {
            self.stop(stopped::lost_place());
            return false;
        };
        self.is_suspect = self.reader.standing() == tcp_chat_turn_log::Standing::Suspect;
        self.is_disputed = self.reader.is_disputed();
        if let Event::Genesis(_) | Event::Up(_) | Event::Gone { closed: true, .. } = entry.event {
            let node = if let Event::Gone { gone, .. } = entry.event { gone.node } else { entry.header.node };
            self.beats.remove(&node);
            let living = self.living();
            self.raising.note_names(&living);
            self.events.push_back(OrderEvent::Members(living.into()));
        }
        if let Event::Raise { to, raised: true } = entry.event {
            self.events.push_back(OrderEvent::Raised(Behaviour(to)));
        }
        self.after(news);
        true
    }

    /// What a record means for this node, once it is applied.
    fn after(&mut self, news: Option<News>) {
        match news {
            Some(News::Up) => {
                self.seen_alive.clear();
                self.events.push_back(OrderEvent::Up);
            }
            Some(News::StartVoid(Void::Unfit(behaviour))) => self.stop(stopped::unfit(behaviour)),
            // Closed, or too early: it is at the end again when the leader has been asked again.
            Some(News::Fenced(_)) => (self.target, self.checked) = (None, None),
            Some(News::StartVoid(_)) => {
                (self.target, self.checked) = (None, None);
                // What makes each start void must not fill the log.
                self.life.void_start = Some(self.life.now);
            }
            Some(News::Counted(_) | News::Replaced(_)) | None => {}
        }
    }

    /// The nodes that live, this one first.
    pub(super) fn living(&self) -> Vec<MemberNow> {
        let mut nodes: Vec<MemberNow> = self
            .reader
            .members()
            .living()
            .map(|(node, member)| {
                let unnamed = || Details { name: node.0.to_string().into(), address: "".into(), time: 0 };
                let Details { name, address, .. } = Details::of(member).unwrap_or_else(unnamed);
                MemberNow { node: NodeId(node.0), name, address, behaviour: member.behaviours.newest }
            })
            .collect();
        nodes.sort_by_key(|member| member.node != NodeId(self.me.0));
        nodes
    }

    /// A living node with the number of this one, and another name.
    pub(super) fn namesake(&self) -> Option<Box<str>> {
        let member = self.reader.members().living().find(|(node, _)| *node == self.me)?.1;
        let name = Details::of(member)?.name;
        debug_assert_eq!(node_id(&name).0, self.me.0);
        (name != self.identity.name).then_some(name)
    }
}

/// The latest time that an entry can have: that of its proposer, within [`AHEAD_MS`]. An entry without a time of its proposer does
/// not move the time of the log.
fn latest(entry: &Entry, turn: Option<&Turn>) -> LogTime {
    let proposed = match (&entry.event, turn) {
        (Event::Genesis(hello), _) => Details::decode(&hello.details).map(|details| details.time),
        (Event::Turn(_), Some(turn)) => Some(turn.time),
        _ => None,
    };
    LogTime(proposed.map_or(0, |time| time.saturating_add(AHEAD_MS)))
}

/// What an entry does to the state, at the time of its proposer. `None`: nothing. Every node alike. `members`: those before it.
fn turn_of(entry: &Entry, members: &Members) -> Option<Turn> {
    let Entry { header, time, .. } = entry;
    let up = |LogNode(node): LogNode, before: &[NodeId]| {
        let nodes = before.iter().copied().chain([NodeId(node)]);
        let intents = nodes.map(Intent::NodeUp).collect();
        Some(Turn { node: NodeId(node), time: time.0, intents, steps: 0 })
    };
    match &entry.event {
        Event::Turn(body) => {
            let turn = Turn::decode(body).ok()?;
            // An empty one, too: the store keeps its place.
            let speaks_for_itself = turn.node.0 == header.node.0;
            speaks_for_itself.then_some(turn)
        }
        // The founder was alone before, or it was a node of a generation that has ended with all its connections.
        Event::Genesis(_) => {
            let ended = members.all().map(|(node, _)| NodeId(node.0)).filter(|node| node.0 != header.node.0);
            up(header.node, &std::iter::once(NodeId::LOCAL).chain(ended).collect::<Vec<_>>())
        }
        Event::Up(_) => up(header.node, &[]),
        Event::Gone { gone, closed: true } => up(gone.node, &[]),
        Event::Gone { closed: false, .. } | Event::Raise { .. } => None,
    }
}
