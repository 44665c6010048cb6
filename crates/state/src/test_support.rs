//! Owns the access of the daemon's tests to the state beyond its interface. Built only with the feature
//! `test-support`, which only tests turn on. Never part of a program.

use super::*;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::{Action, Fingerprint, Name, Refusal};

impl State {
    /// Sets how many rooms sessions leave in the turn in which they end.
    pub fn set_departures_per_turn(&mut self, rooms: usize) {
        self.departures_per_turn = rooms;
    }

    /// The room of this name.
    #[must_use]
    pub fn room_id(&self, name: &Name) -> Option<ConversationId> {
        self.conversations.room(name)
    }

    /// Opens a room without an owner. False: another room has the name, or a look-alike.
    pub fn open_room_of_nobody(&mut self, name: &Name) -> bool {
        self.conversations.open_room(name).is_ok()
    }

    /// How many grants, mutes and bans in rooms have an author who does not moderate the server.
    #[must_use]
    pub fn permissions_by_users(&self) -> usize {
        self.permissions.len_by_users()
    }

    /// How many mutes and bans have an end.
    #[must_use]
    pub fn ending_penalties(&self) -> usize {
        self.permissions.ending()
    }

    /// Whether the name or the certificate is banned from the server at a moment, in milliseconds since 1970.
    #[must_use]
    pub fn is_banned(&self, name: &Name, certificate: Option<&Fingerprint>, now: u64) -> bool {
        self.permissions.ban_of(&name.key(), certificate, now).is_some()
    }

    /// Adds slow work.
    pub fn push_sweep(&mut self, sweep: Sweep) {
        self.add_sweep(sweep);
    }

    /// Why a LOGIN with this name and evidence is refused.
    pub fn refuses_name(&mut self, name: Name, evidence: Evidence) -> Option<Refusal> {
        self.identify(name, evidence).err()
    }
}

/// The parts of a turn, one by one. A program only calls [`State::apply`], with a whole turn.
#[allow(missing_docs, reason = "each is the op of that name")]
pub trait Parts {
    fn seal(&mut self);
    fn retain(&mut self, oldest: Seq);
    fn run_sweeps(&mut self, most: usize) -> bool;
    fn begin(&mut self, time: u64);
    fn end(&mut self) -> Writes;
    fn set_rules(&mut self, rules: Rules);
    fn operate(&mut self, uid: u32, action: &Action, past: Past) -> Result<ActReply, Refusal>;
    fn node_up(&mut self, node: NodeId);
    fn away(&mut self, origin: Origin, session: SessionId);
    fn expire(&mut self, sessions: Vec<SessionId>);
    fn run_user_command(&mut self, uid: u32, command: UserCommand) -> Result<usize, UserCommandError>;
    fn apply_intent(&mut self, intent: Intent) -> (Option<RequestId>, Answer<Done>);
}

impl Parts for State {
    fn seal(&mut self) {
        Self::seal(self)
    }

    fn retain(&mut self, oldest: Seq) {
        Self::retain(self, oldest)
    }

    fn run_sweeps(&mut self, most: usize) -> bool {
        Self::run_sweeps(self, most)
    }

    fn begin(&mut self, time: u64) {
        Self::begin(self, time)
    }

    fn end(&mut self) -> Writes {
        Self::end(self)
    }

    fn set_rules(&mut self, rules: Rules) {
        Self::set_rules(self, rules)
    }

    fn operate(&mut self, uid: u32, action: &Action, past: Past) -> Result<ActReply, Refusal> {
        Self::operate(self, uid, action, past)
    }

    fn node_up(&mut self, node: NodeId) {
        Self::node_up(self, node)
    }

    fn away(&mut self, origin: Origin, session: SessionId) {
        Self::away(self, origin, session)
    }

    fn expire(&mut self, sessions: Vec<SessionId>) {
        Self::expire(self, sessions)
    }

    fn run_user_command(&mut self, uid: u32, command: UserCommand) -> Result<usize, UserCommandError> {
        Self::run_user_command(self, uid, command)
    }

    fn apply_intent(&mut self, intent: Intent) -> (Option<RequestId>, Answer<Done>) {
        Self::apply_intent(self, intent)
    }
}
