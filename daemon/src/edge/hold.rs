//! Owns the turns that the store could not keep: their writes, and the effects that are delivered only once they are
//! kept. The state has applied these turns, and none is undone: the disk of one node decides nothing. Meanwhile
//! requests that write are refused before they become intents, and the turn marks each message: a new one must not be
//! kept. The hub adds a turn when a commit fails, retries each second, and delivers the effects. Never writes, and
//! never asks the state to undo anything.

mod turns;

use super::admit::unavailable;
use super::ask::Ask;
use super::{Answer, Edge, Effect, Outcome, Read};
use crate::order::Place;
use std::collections::{HashMap, HashSet, VecDeque};
use tcp_chat_protocol::{Action, ErrorKind, Refusal, RequestId, Seq};
use tcp_chat_state::{ConnectionId, ConversationId, Past, Range, SessionId, State, UserCommandError, Writes};
use turns::{bytes_of, resent};

/// The memory that held turns may take, in bytes, about. Beyond it logins are refused.
const HELD_BYTES: usize = 16 << 20;
/// The number of effects that may wait for held turns. Beyond it logins are refused.
const HELD_EFFECTS: usize = 16_384;
/// The delay, in milliseconds, after which a client may resend a message whose answer waits.
const AGAIN_MS: u64 = 1_000;
/// Held turns are merged up to so many bytes, so that one transaction stays short.
const TOGETHER_BYTES: usize = 64 << 10;

/// A turn that is not kept yet, or several merged ones.
#[derive(Debug, Default)]
struct HeldTurn {
    writes: Writes,
    weight: usize,
    /// The conversation and the first number of each chunk.
    chunks: Vec<(ConversationId, Seq)>,
    /// The effects to deliver once it is kept.
    effects: Vec<Effect>,
    /// The place of the last of them in a log.
    place: Option<Place>,
}

/// The held turns.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// The store cannot be written.
    fails: bool,
    /// The oldest first.
    turns: VecDeque<HeldTurn>,
    /// The number of the oldest one.
    first: u64,
    /// The turn that writes the row of a session.
    rows: HashMap<SessionId, u64>,
    weight: usize,
    effects: usize,
    /// The memory that the effects take, in bytes, about.
    told: usize,
    /// The resends whose answer waits, with their connections.
    resent: HashSet<(ConnectionId, RequestId)>,
    /// The newest kept number, if messages with higher numbers are held.
    kept: Option<Seq>,
}

impl Hold {
    fn is_full(&self) -> bool {
        self.weight + self.told > HELD_BYTES || self.effects > HELD_EFFECTS
    }

    /// The newest number that clients may be told, if not all messages are kept.
    pub(super) fn kept(&self) -> Seq {
        self.kept.unwrap_or(Seq::MAX)
    }

    /// May a request be accepted that must be written, and that a user needs neither to log in nor to leave?
    pub(super) fn check_writable(&self, what: &str) -> Answer {
        match self.fails {
            true => Err(fails(format!("{what}: the server's store cannot be written; try again later"))),
            false => Ok(()),
        }
    }

    /// May a request be accepted that can be held?
    pub(super) fn check_room(&self) -> Answer {
        match self.fails && self.is_full() {
            true => Err(fails(
                "the server's store cannot be written, and no more can wait for it; try again later",
            )),
            false => Ok(()),
        }
    }

    /// The same for any request. A message is accepted here: [`Edge::mark_unwritable`] marks it.
    pub(super) fn check_request(&self, state: &State, session: Option<SessionId>, ask: &Ask) -> Answer {
        if !self.fails {
            return Ok(());
        }
        match ask {
            Ask::Action(action) => self.check_action(action),
            Ask::Enrol(_) => self.check_writable("nothing was changed"),
            Ask::Mark(_) => self.check_writable("the mark was not kept"),
            // Also for a room that this user may not know of: the answer must not reveal it.
            Ask::Join(room) if !session.is_some_and(|session| state.knows_room(session, room)) => {
                self.check_writable("the room was not opened")
            }
            Ask::Join(_) => self.check_room(),
            // Each other request except a message undoes a LOGIN or a JOIN, so their number is bounded.
            _ => Ok(()),
        }
    }

    fn check_action(&self, action: &Action) -> Answer {
        match action {
            // A kick must be possible, above all while messages fill the disk.
            Action::Kick(_) => Ok(()),
            _ => self.check_writable("it was not done"),
        }
    }

    /// Which effects are delivered at once, and which wait.
    fn split(&self, effect: Effect) -> (Option<Effect>, Option<Effect>) {
        let kept = self.kept();
        match effect {
            Effect::Chunk { .. } | Effect::IfKept(..) | Effect::Told { .. } | Effect::ReadAgain(_) => {
                (None, Some(effect))
            }
            Effect::Read(_, Read::Again(ref resent)) if resent.seq > kept => (None, Some(effect)),
            Effect::Read(to, Read::Gap(session, ranges)) => {
                let gap = |ranges: Vec<Range>| {
                    (!ranges.is_empty()).then_some(Effect::Read(to, Read::Gap(session, ranges)))
                };
                let now = ranges.iter().filter(|range| range.first <= kept);
                let now = now.map(|range| Range { last: range.last.min(kept), ..*range }).collect();
                let later = ranges.iter().filter(|range| range.last > kept);
                let later = later.map(|range| Range { first: range.first.max(kept + 1), ..*range }).collect();
                (gap(now), gap(later))
            }
            other => (Some(other), None),
        }
    }
}

impl Edge {
    /// From now on requests that write are refused.
    pub fn store_fails(&mut self) {
        self.hold.fails = true;
    }

    /// All held turns are kept, and requests that write are accepted again.
    pub fn store_works(&mut self) {
        self.hold = Hold::default();
    }

    /// Does the store fail?
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.hold.fails
    }

    /// Holds a turn that the store cannot keep yet. Returns the effects to deliver at once: those that users need to
    /// log in, to leave and to read.
    #[must_use]
    pub fn hold(&mut self, outcome: Outcome) -> Vec<Effect> {
        let Outcome { writes, effects } = outcome;
        let hold = &mut self.hold;
        hold.fails = true;
        if let Some(chunk) = writes.chunks.first() {
            hold.kept.get_or_insert(chunk.first.saturating_sub(1));
        }
        let (mut now, mut later) = (Vec::with_capacity(effects.len()), Vec::new());
        for effect in effects {
            let (told, waits) = hold.split(effect);
            now.extend(told);
            later.extend(waits);
        }
        if !writes.is_empty() || !later.is_empty() {
            hold.add(writes, later);
        }
        if self.hold.effects > HELD_EFFECTS || self.hold.told > HELD_BYTES {
            self.forget_the_gone();
        }
        now
    }

    /// The writes to commit next.
    pub fn held(&mut self) -> Option<&mut Writes> {
        self.hold.turns.front_mut().map(|turn| &mut turn.writes)
    }

    /// The place in a log of the turn that was held last. It is committed with that turn.
    pub fn hold_place(&mut self, place: Option<Place>) {
        if let Some(last) = self.hold.turns.back_mut() {
            last.place = place.or(last.place.take());
        }
    }

    /// The place in a log to commit with the writes of [`Edge::held`].
    #[must_use]
    pub fn held_place(&self) -> Option<Place> {
        self.hold.turns.front().and_then(|turn| turn.place.clone())
    }

    /// The writes of [`Edge::held`] are kept: returns the effects to deliver now.
    #[must_use]
    pub fn release(&mut self, state: &State) -> Vec<Effect> {
        let Some(HeldTurn { chunks, mut effects, .. }) = self.hold.take_oldest() else { return Vec::new() };
        effects.retain_mut(|effect| match effect {
            Effect::Chunk { index, to, own } => {
                let Some((conversation, first)) = chunks.get(*index) else { return false };
                let hears = |connection: &ConnectionId| {
                    // Nearly all still receive it; a search for each one among the authors takes much longer.
                    let session = self.session_at(*connection);
                    session.is_some_and(|session| state.still_hears(session, *conversation, *first))
                        || own.iter().any(|own| self.here(own.at) == Some(*connection))
                };
                if !to.iter().all(hears) {
                    *to = to.iter().copied().filter(hears).collect::<Vec<_>>().into();
                }
                true
            }
            Effect::Told { to, audience, .. } => {
                let listens = self.listeners.of(*audience);
                *to = to.iter().copied().filter(|at| listens.contains(at)).collect::<Vec<_>>().into();
                true
            }
            // The session may have left the room since the message came, or joined again.
            Effect::Read(to, Read::Gap(session, ranges)) => {
                let is_on_it = self.session_at(*to) == Some(*session);
                ranges
                    .retain(|range| is_on_it && state.still_hears(*session, range.conversation, range.first));
                !ranges.is_empty()
            }
            _ => self.is_told(effect),
        });
        effects
    }

    /// Does the effect still have a recipient?
    fn is_told(&self, effect: &Effect) -> bool {
        match effect {
            Effect::IfKept(to, ..) | Effect::Read(to, _) => {
                self.connections.get(to).is_some_and(|entry| !entry.is_closing)
            }
            _ => true,
        }
    }

    /// Drops the effects for lost connections.
    fn forget_the_gone(&mut self) {
        let mut turns = std::mem::take(&mut self.hold.turns);
        for turn in &mut turns {
            turn.effects.retain(|effect| self.is_told(effect));
        }
        self.hold.effects = turns.iter().map(|turn| turn.effects.len()).sum();
        self.hold.told = turns.iter().flat_map(|turn| &turn.effects).map(bytes_of).sum();
        self.hold.resent = turns.iter().flat_map(|turn| &turn.effects).filter_map(resent).collect();
        self.hold.turns = turns;
    }

    /// May an operator moderate now?
    ///
    /// # Errors
    /// The refusal: the command must not be proposed.
    pub fn check_action(&self, action: &Action) -> Result<(), Refusal> {
        if self.is_unavailable {
            return Err(unavailable(action.op()));
        }
        match self.flights.is_log {
            // With a log nothing is proposed while the store fails: not even a kick.
            true => self.hold.check_writable("it was not done"),
            false => self.hold.check_action(action),
        }
    }

    /// May an operator change a user or a certificate now?
    ///
    /// # Errors
    /// The refusal: the command must not be proposed.
    pub fn check_user_command(&self) -> Result<(), UserCommandError> {
        if self.is_unavailable {
            return Err(UserCommandError::Unavailable);
        }
        if self.hold.fails { Err(UserCommandError::StoreFails) } else { Ok(()) }
    }

    /// The mark of an earlier message in the turn while no new message may be kept. The state refuses a new message
    /// and answers a resend: only the state knows, at the place of the message, which one it is.
    pub(super) fn mark_unwritable(
        &self,
        (connection, id): (ConnectionId, Option<&RequestId>),
        past: Past,
    ) -> Answer<Past> {
        if !self.hold.fails {
            return Ok(past);
        }
        // It may be a resend of a held message: no error may say that it is not kept. One answer is enough.
        if id.is_some_and(|id| self.hold.resent.contains(&(connection, id.clone()))) {
            let mut waits =
                Refusal::new(ErrorKind::RateLimited, "its answer waits for the server's store already");
            waits.retry_after_ms = Some(AGAIN_MS);
            return Err(waits);
        }
        Ok(if past == Past::Absent { Past::Unwritable } else { past })
    }
}

fn fails(msg: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorKind::Internal, msg)
}

#[cfg(test)]
mod tests;
