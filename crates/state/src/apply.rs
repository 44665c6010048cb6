//! Owns the turn as a value, and the one way to apply it: all that decides stands in a [`Turn`], so all states that apply
//! the same turns are the same. Called by the hub with the turns that the order hands back, and by the proof that states
//! stay equal. Never reads a clock, a setting or a store, and never fails: a request is refused, a turn is not.

use super::{Answer, Change, Done, Intent, NodeId, State, Writes};
use tcp_chat_protocol::{Refusal, RequestId, Seq};

/// A turn: what one node proposes, to be applied by all.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The node that proposes it.
    pub node: NodeId,
    /// Its moment, in milliseconds since 1970.
    pub time: u64,
    /// Before anything else, retention takes all messages below this number. 0: only certificates and removed users that
    /// are too old are forgotten.
    pub retain: Option<Seq>,
    /// What happens, in this order.
    pub intents: Vec<Intent>,
    /// At most this many steps of slow work are done after them. `usize::MAX`: all.
    pub steps: usize,
}

impl Turn {
    /// A turn in which nothing happens.
    #[must_use]
    pub fn empty(time: u64) -> Self {
        Self { node: NodeId::LOCAL, time, retain: None, intents: Vec::new(), steps: 0 }
    }
}

/// A place in a turn at which its observer looks at the state.
#[derive(Debug)]
pub enum Place {
    /// Before the first intent.
    Begin,
    /// Right after an intent.
    Intent {
        /// Its place in [`Turn::intents`].
        index: usize,
        /// What the client calls its request.
        id: Option<RequestId>,
        /// What it came to.
        result: Result<Done, Box<Refusal>>,
    },
    /// After all intents: what was said is numbered. Slow work comes next.
    Sealed,
    /// After everything.
    End,
}

impl State {
    /// Applies a turn: what is to be written, all or nothing. `observe` is called at each [`Place`], in order, with the
    /// state as it is there and with what has happened since the last place. What it leaves in the list is there again at
    /// the next place. What it does decides nothing.
    pub fn apply(&mut self, turn: Turn, mut observe: impl FnMut(&Self, &mut Vec<Change>, Place)) -> Writes {
        self.begin(turn.time);
        if let Some(oldest) = turn.retain {
            self.retain(oldest);
        }
        self.observed(&mut observe, Place::Begin);
        for (index, intent) in turn.intents.into_iter().enumerate() {
            let (id, result) = self.apply_intent(intent);
            let result = result.map_err(Box::new);
            self.observed(&mut observe, Place::Intent { index, id, result });
        }
        self.seal();
        self.observed(&mut observe, Place::Sealed);
        self.sweep_on(turn.steps);
        let writes = self.end();
        self.observed(&mut observe, Place::End);
        writes
    }

    fn observed(&mut self, observe: &mut impl FnMut(&Self, &mut Vec<Change>, Place), place: Place) {
        let mut changes = std::mem::take(&mut self.turn.changes);
        observe(self, &mut changes, place);
        self.turn.changes = changes;
    }

    /// Applies one intent. Anything but a message is seen by all at its place, so what was said before it is numbered
    /// first; and a message that is refused is refused behind the messages before it.
    pub(super) fn apply_intent(&mut self, intent: Intent) -> (Option<RequestId>, Answer<Done>) {
        let (id, result) = match intent {
            Intent::Request(source, id, op) => {
                let result = self.apply_op(source, id.as_ref(), op);
                (id, result)
            }
            other => {
                self.seal();
                (None, self.apply_other(other))
            }
        };
        if result.is_err() {
            self.seal();
        }
        (id, result)
    }

    fn apply_other(&mut self, intent: Intent) -> Answer<Done> {
        match intent {
            Intent::Request(source, id, op) => return self.apply_op(source, id.as_ref(), op),
            Intent::Operate(uid, action, past) => {
                return self.operate(uid, &action, past).map(|data| Done::Acted(Box::new(data)));
            }
            Intent::Grant(uid, wish) => return Ok(Done::Granted(Box::new(self.run_user_command(uid, wish)))),
            Intent::Away(origin, session) => self.away(origin, session),
            Intent::NodeUp(node) => self.node_up(node),
            Intent::EvictBanned { sessions, who, reason } => {
                self.evict_banned_sessions(sessions, who, reason)
            }
            Intent::Expire(sessions) => sessions.into_iter().for_each(|session| self.end_away(session)),
            Intent::Policy(rules) => self.set_rules(*rules),
            // It was done before this was called.
            Intent::Seal => {}
        }
        Ok(Done::Other)
    }
}
