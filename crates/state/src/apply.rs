//! Owns the turn as a value, and the only way to apply it. A [`Turn`] contains everything that decides, so all states
//! that apply the same turns are equal. Called by the hub with the turns that the order hands back, and by the test
//! that states stay equal. Never reads a clock, a setting or a store. Never fails: a request can be refused, a turn
//! cannot.

use super::{Answer, Change, Done, Intent, NodeId, State, Writes};
use serde::{Deserialize, Serialize};
use tcp_chat_protocol::{Refusal, RequestId};

/// A turn: what one node proposes, to be applied by all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The node that proposes it.
    pub node: NodeId,
    /// Its time, in milliseconds since 1970.
    pub time: u64,
    /// The intents, applied in this order.
    pub intents: Vec<Intent>,
    /// The number of steps of slow work after the intents, or fewer if the work ends. `usize::MAX`: all.
    pub steps: usize,
}

impl Turn {
    /// A turn without intents and slow work.
    #[must_use]
    pub fn empty(time: u64) -> Self {
        Self { node: NodeId::LOCAL, time, intents: Vec::new(), steps: 0 }
    }
}

/// A stage of a turn at which the observer reads the state.
#[derive(Debug)]
pub enum Stage {
    /// Before the first intent.
    Begin,
    /// Right after an intent.
    Intent {
        /// Its index in [`Turn::intents`].
        index: usize,
        /// The id that the client gave to its request.
        id: Option<RequestId>,
        /// Its result.
        result: Result<Done, Box<Refusal>>,
    },
    /// After all intents, when all messages have their numbers. Slow work comes next.
    Sealed,
    /// After slow work.
    End,
}

impl State {
    /// Applies a turn. Returns its writes, to be stored all or nothing. Calls `observe` at each [`Stage`], in order,
    /// with the state at that stage and the changes since the last one. Changes that `observe` leaves in the list are
    /// passed again at the next stage. `observe` cannot change the state.
    pub fn apply(&mut self, turn: Turn, mut observe: impl FnMut(&Self, &mut Vec<Change>, Stage)) -> Writes {
        self.begin(turn.time);
        self.observed(&mut observe, Stage::Begin);
        for (index, intent) in turn.intents.into_iter().enumerate() {
            let (id, result) = self.apply_intent(intent);
            let result = result.map_err(Box::new);
            self.observed(&mut observe, Stage::Intent { index, id, result });
        }
        self.seal();
        self.observed(&mut observe, Stage::Sealed);
        self.run_sweeps(turn.steps);
        let writes = self.end();
        self.observed(&mut observe, Stage::End);
        writes
    }

    fn observed(&mut self, observe: &mut impl FnMut(&Self, &mut Vec<Change>, Stage), stage: Stage) {
        let mut changes = self.turn.take_changes();
        observe(self, &mut changes, stage);
        self.turn.put_back(changes);
    }

    /// Applies one intent. Any intent other than a message first seals the messages before it, so that all users see
    /// the same order. A refused message also seals them: its author gets them before the refusal.
    pub(super) fn apply_intent(&mut self, intent: Intent) -> (Option<RequestId>, Answer<Done>) {
        if !matches!(intent, Intent::Request(..)) {
            self.seal();
        }
        let mut request = None;
        let mut result = Ok(Done::Other);
        match intent {
            Intent::Request(source, id, op) => {
                result = self.apply_op(source, id.as_ref(), op);
                request = id;
            }
            Intent::OperatorAction(uid, action, past) => {
                result = self.operate(uid, &action, past).map(|data| Done::Acted(Box::new(data)));
            }
            Intent::ChangeUser(uid, command) => {
                result = Ok(Done::UserChanged(Box::new(self.run_user_command(uid, command))));
            }
            Intent::Away(origin, session) => self.away(origin, session),
            Intent::NodeUp(node) => self.node_up(node),
            Intent::EvictBanned { sessions, who, reason } => {
                self.evict_banned_sessions(sessions, who, reason)
            }
            Intent::Expire(sessions) => self.expire(sessions),
            Intent::Erase(step) => self.erase_step(step),
            Intent::Policy(rules) => self.set_rules(*rules),
            Intent::Start(rules) => self.start(*rules),
            Intent::Retain(oldest) => self.retain(oldest),
            Intent::Notice(text) => self.report(Change::Notice(text)),
            // The messages before it have their numbers now.
            Intent::Seal => {}
        }
        if result.is_err() {
            self.seal();
        }
        (request, result)
    }
}
