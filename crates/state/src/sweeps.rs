//! Owns slow work: the direct messages of an ended user, the members of a room that must be evicted, the grants of a
//! removed user. A sweep does it in slices: the hub proposes as many steps as a turn has time for. The ops add sweeps.
//! Never decides what becomes slow work: the ops do.

pub(super) mod queue;

use super::permissions::authorize::{Permission, authorize};
use super::permissions::checks::not_to_enter;
use super::rooms::Conversation;
use super::users::UserChange;
use super::{
    Access, Answer, Change, ConversationId, Scope, SessionChange, SessionId, State, UserId, refusal,
};
use queue::Sweep;
use std::collections::HashSet;
use tcp_chat_protocol::{ErrorKind, Name};

/// The ids that one step looks at for an empty conversation. Most ids belong to conversations that no longer exist.
const VISITED_IDS: i64 = 64;
/// The grants, mutes and bans that one step looks at for an erased author. It ends with the first one that it writes.
const VISITED_PERMISSIONS: usize = 16;

impl State {
    /// Adds slow work: this turn does as much as it has time for, and the next turns do the rest.
    pub(super) fn add_sweep(&mut self, sweep: Sweep) {
        self.sweeps.push(sweep);
    }

    /// Is slow work left for the next turns: a sweep, or an ended session that leaves its rooms?
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.ended_sessions.first().is_some() || !self.sweeps.is_empty()
    }

    /// Is a user or a room still being removed?
    #[must_use]
    pub fn is_removing(&self) -> bool {
        self.sweeps
            .iter()
            .any(|sweep| matches!(sweep, Sweep::Grants(..) | Sweep::Authored { .. } | Sweep::Room(..)))
    }

    /// Does `most` steps, or all that are left. The number is part of the turn: nothing that only this process knows
    /// must end the work earlier. True: work is left.
    pub(super) fn run_sweeps(&mut self, most: usize) -> bool {
        for _ in 0..most {
            if !self.is_sweeping() {
                return false;
            }
            self.seal();
            // Sweeps and ended sessions alternate, so that neither waits until the other is complete.
            if let Some(mut sweep) = self.sweeps.pop()
                && self.step(&mut sweep)
            {
                self.sweeps.push(sweep);
            }
            if let Some(session) = self.ended_sessions.first() {
                self.leave_next(session);
            }
        }
        self.is_sweeping()
    }

    /// Adds the unfinished slow work to the turn.
    pub(super) fn note_work(&mut self) {
        // Most turns leave nothing, and must not cost more for it.
        if !self.turn.has_lost() && !self.ended_sessions.has_changed() && !self.sweeps.has_changed() {
            return;
        }
        for (session, room) in self.turn.take_lost() {
            if self.conversations.get(room).is_some_and(|there| there.members.has_lost(session)) {
                self.turn.writes.sessions.push(SessionChange::Lose { session, room });
            }
        }
        self.turn.writes.ended_sessions.extend(self.ended_sessions.take_changes());
        self.turn.writes.work = self.sweeps.take_change();
    }

    /// Does one step of a sweep. True: there may be more.
    fn step(&mut self, sweep: &mut Sweep) -> bool {
        match sweep {
            Sweep::Directs(user, after) => {
                let Some(next) = self.conversations.directs_of(*user, *after).next() else { return false };
                *after = Some(next);
                self.drop_if_empty(next.1);
                true
            }
            Sweep::Strangers(after) => {
                let Some(user) = self.sessions.user_after(*after) else { return false };
                *after = user;
                if self.rules.access == Access::Accounts && self.users.get(user).is_none() {
                    self.end_sessions_of(user, "only registered users may be here from now on");
                }
                true
            }
            Sweep::Lost(room) => self.sweep_lost(*room),
            Sweep::Room(room, after) => {
                let members = self.conversations.get(*room).map(|conversation| &conversation.members);
                let Some(next) = members.and_then(|members| members.after(*after)) else {
                    self.remove_conversation(*room);
                    // A reload may have configured the name meanwhile.
                    self.open_configured_rooms();
                    self.note_default_room();
                    return false;
                };
                *after = next;
                self.evict(next.1, Some(*room), "an operator", "it is removed");
                true
            }
            Sweep::BannedRange { sessions, who, reason } => {
                let Some(session) = sessions.pop_front() else { return false };
                if self.sessions.get(session).is_some() {
                    self.evict(session, None, who, reason);
                }
                true
            }
            Sweep::EndedPenalties => {
                let over = self.permissions.expire(1, self.turn.time());
                self.turn.writes.permissions.extend(over);
                self.permissions.has_ended_entry(self.turn.time())
            }
            Sweep::OldCertificates => self.forget_expired(),
            Sweep::Grants(user, name) => self.take_grant_of(*user, name),
            Sweep::Authored { erased, name, after } => {
                let new = Name::erased(erased.unsigned_abs());
                let renamed =
                    self.permissions.rename_author(&name.key(), &new, after.take(), VISITED_PERMISSIONS);
                *after = renamed.0;
                self.turn.writes.permissions.extend(renamed.1);
                after.is_some()
            }
            Sweep::Empty(after) => {
                let last = self.conversations.last();
                let end = last.min(after.0.saturating_add(VISITED_IDS));
                let next =
                    (after.0.saturating_add(1)..=end).map(ConversationId).find(|id| self.is_empty(*id));
                next.into_iter().for_each(|id| self.remove_conversation(id));
                *after = next.unwrap_or(ConversationId(end));
                after.0 < last
            }
        }
    }

    /// Begins to remove the mutes and bans that have ended by themselves.
    pub(super) fn sweep_ended_penalties(&mut self) {
        // A sweep that is there removes them, too.
        let is_begun = || self.sweeps.iter().any(|sweep| matches!(sweep, Sweep::EndedPenalties));
        if self.permissions.has_ended_entry(self.turn.time()) && !is_begun() {
            self.add_sweep(Sweep::EndedPenalties);
        }
    }

    /// Removes one grant of a removed user; the user is removed from the store with the last one.
    fn take_grant_of(&mut self, user: UserId, name: &Name) -> bool {
        let Some((scope, name, ..)) = self.permissions.a_grant_of(name) else {
            self.turn.writes.users.push(UserChange::Gone(user));
            return false;
        };
        self.turn.writes.permissions.extend(self.permissions.grant(scope, &name, None, None));
        if let Some(room) = scope {
            self.drop_if_empty(room);
        }
        true
    }

    /// Does a removed user of that name still have grants, or is it still the author of some? Until then no user gets the
    /// name.
    pub(super) fn is_being_removed(&self, name: &Name) -> bool {
        let key = name.key();
        self.sweeps.iter().any(|sweep| match sweep {
            Sweep::Grants(_, name) | Sweep::Authored { name, .. } => name.key() == key,
            _ => false,
        })
    }

    /// Begins the removal of a room. From now on no user can join, write or read in it; its members are evicted one
    /// after the other.
    pub(super) fn sweep_room(&mut self, room: ConversationId) {
        self.conversations.mark_removing(room);
        self.report(Change::Silent(room));
        self.add_sweep(Sweep::room(room));
    }

    /// Refuses a name if a room of that name, or of a name that looks alike, is being removed. Only a user who could
    /// join that room learns of it.
    pub(super) fn ensure_not_being_removed(
        &self,
        name: &Name,
        may_enter: impl Fn(ConversationId) -> bool,
    ) -> Answer {
        let Some(room) = self.conversations.removing(name) else { return Ok(()) };
        if !may_enter(room) {
            return Err(not_to_enter(Some(name)));
        }
        let going = self.conversations.get(room).and_then(Conversation::room).unwrap_or(name);
        let msg = format!(
            "there is no room {name} yet: the room {going} is still being removed; try again in a moment"
        );
        Err(refusal(ErrorKind::NoSuchRoom, msg))
    }

    /// Evicts the members who have lost the right to be in a room.
    pub(super) fn sweep_members(&mut self, room: ConversationId) {
        let members: Vec<_> =
            self.conversations.get(room).map(|c| c.members.sessions().collect()).unwrap_or_default();
        // None of them receives messages meanwhile: membership alone decides about delivery.
        let members: Vec<_> = members.into_iter().filter(|session| !self.may_be_in(*session, room)).collect();
        let (mut gone, mut is_new) = (Vec::new(), false);
        for held in members.iter().filter_map(|session| self.sessions.get(*session)) {
            gone.extend(held.row.origin);
            if self.conversations.mark_lost(room, held.row.id) {
                self.turn.note_lost(held.row.id, room);
                is_new = true;
            }
        }
        if !gone.is_empty() {
            self.report(Change::AllLeave(room, gone));
        }
        if is_new {
            self.add_sweep(Sweep::Lost(room));
        }
    }

    /// The same as [`State::sweep_members`] for one user whose role has changed, in one room or in all.
    pub(super) fn sweep_user(&mut self, user: &Name, scope: Scope) {
        let mut out = Vec::new();
        for session in self.sessions_there(user, scope) {
            let rooms = scope.map_or_else(|| self.rooms_of(session), |room| vec![room]);
            let origin = self.sessions.get(session).and_then(|held| held.row.origin);
            for room in rooms {
                if self.may_be_in(session, room) {
                    continue;
                }
                let is_lost = self.conversations.mark_lost(room, session);
                self.stop_hearing(room, origin);
                if is_lost {
                    out.push((session, room));
                }
            }
        }
        let mut rooms = HashSet::new();
        for (session, room) in out {
            if self.turn.may_depart(self.departures_per_turn) {
                self.evict_if_lost(session, room);
                continue;
            }
            self.turn.note_lost(session, room);
            if rooms.insert(room) {
                self.add_sweep(Sweep::Lost(room));
            }
        }
    }

    /// Evicts one member who has lost the right to be in the room. True: there may be more.
    fn sweep_lost(&mut self, room: ConversationId) -> bool {
        while let Some(conversation) = self.conversations.get(room) {
            let Some(session) = conversation.members.first_lost() else { return false };
            if self.sessions.get(session).is_some() {
                self.evict_without_right(session, room);
                return true;
            }
            // The session has ended, and leaves its rooms by itself.
            self.conversations.unmark_lost(room, session);
        }
        false
    }

    /// May a member be in the room? If not, the member has lost the right, perhaps only for a moment, and is evicted. A
    /// banned user has already left.
    pub(super) fn may_be_in(&self, session: SessionId, room: ConversationId) -> bool {
        if !self.permissions.is_private(room) {
            return !self.must_be_evicted(session, room);
        }
        let subject = self.subject(session, room);
        subject.is_in && authorize(subject, Permission::Enter).is_ok()
    }

    /// Has the session lost the right to be in the room, without an eviction so far?
    pub(super) fn must_be_evicted(&self, session: SessionId, room: ConversationId) -> bool {
        self.conversations.get(room).is_some_and(|c| c.members.is_lost(session))
    }

    /// Evicts a session from a room if it lost the right to be in it, even if it has the right again: it has received
    /// nothing since then. Does nothing for a session that has left and joined again.
    pub(super) fn evict_if_lost(&mut self, session: SessionId, room: ConversationId) {
        if self.must_be_evicted(session, room) {
            self.evict_without_right(session, room);
        }
    }
}
