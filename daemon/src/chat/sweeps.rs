//! Owns what has to be looked at one after the other because of one thing that happened: the direct messages
//! of a user that is gone, the members of a room that may no longer be there, the grants of a removed user.
//! It is done in slices: the hub asks for as many steps as a turn has time for. Added to by entry, doors and
//! acts. Never decides what becomes of one of them.

use super::checks::not_to_enter;
use super::rights::{Deed, may};
use super::rooms::Conversation;
use super::users::{User, UserChange};
use super::{Answer, Chat, Closing, ConnectionId, ConversationId, Scope, SessionId, UserId, refusal};
use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::IntoIter;
use tcp_chat_protocol::{ErrorKind, Name, Seq};

/// What one thing that happened leaves to be looked at.
#[derive(Debug)]
pub(super) enum Sweep {
    /// Conversations of which nothing may be left.
    Conversations(IntoIter<ConversationId>),
    /// The direct messages of a user that is gone, from that one on.
    Directs(UserId, Option<(Seq, ConversationId)>),
    /// Users that are not registered where only registered ones may be, from that one on.
    Strangers(UserId),
    /// Sessions and rooms that they may no longer be in.
    Members(IntoIter<(SessionId, ConversationId)>),
    /// Members of a room that is removed; who does it. The room goes with the last one.
    Room(ConversationId, IntoIter<SessionId>, &'static str),
    /// Connections and sessions of a range of addresses that is banned; who says so, and why.
    Barred(IntoIter<(ConnectionId, Option<SessionId>)>, Box<(String, String)>),
    /// The rooms of a session that has ended.
    Leaving(SessionId),
    /// Presence that was not told yet.
    Untold,
    /// Mutes and bans that have ended by themselves.
    Over,
    /// Certificates and removed users that are too old.
    Expired,
    /// The grants of a user that is removed. The user itself is gone in memory already, and in the store when
    /// the last grant is: so a later user of that name never has them, not even after a crash.
    Grants(UserId, Name),
}

impl Sweep {
    pub(super) fn directs_of(user: UserId) -> Self {
        Self::Directs(user, None)
    }
}

/// What is still to be looked at, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Sweeps(VecDeque<Sweep>);

impl Sweeps {
    /// The users that are removed and have grants left, as the store has them.
    pub(super) fn removed_users(&self) -> impl Iterator<Item = User> {
        self.0.iter().filter_map(|sweep| match sweep {
            Sweep::Grants(user, name) => Some(User::removed(*user, name.clone())),
            _ => None,
        })
    }

    /// Forgets the grants of those users: they are not removed after all.
    pub(super) fn cancel_grants(&mut self, of: impl Fn(UserId) -> bool) {
        self.0.retain(|sweep| !matches!(sweep, Sweep::Grants(user, _) if of(*user)));
    }
}

impl Chat {
    /// Looks at it in this turn as far as there is time, and in the next ones.
    pub(super) fn sweep_later(&mut self, sweep: Sweep) {
        self.sweeps.0.push_back(sweep);
    }

    /// Is something left for [`Chat::sweep_on`]?
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        !self.sweeps.0.is_empty()
    }

    /// Is something left of a user or a room that is removed?
    #[must_use]
    pub fn is_removing(&self) -> bool {
        self.sweeps.0.iter().any(|sweep| matches!(sweep, Sweep::Grants(..) | Sweep::Room(..)))
    }

    /// Looks at what is left, at most `most` of it. True: there is more for this turn.
    pub fn sweep_on(&mut self, most: usize) -> bool {
        for _ in 0..most {
            // What is told costs its time later, when it is delivered.
            if !self.tells_more() {
                return false;
            }
            let Some(mut sweep) = self.sweeps.0.pop_front() else { return false };
            self.seal();
            if self.sweep_one(&mut sweep) {
                // By turns, so that none waits for as long as another has more.
                self.sweeps.0.push_back(sweep);
            }
        }
        self.is_sweeping() && self.tells_more()
    }

    /// Looks at one. True: there may be more.
    fn sweep_one(&mut self, sweep: &mut Sweep) -> bool {
        match sweep {
            Sweep::Conversations(all) => all.next().map(|id| self.drop_if_empty(id)).is_some(),
            Sweep::Directs(user, after) => {
                let Some(next) = self.conversations.directs_of(*user, *after).next() else { return false };
                *after = Some(next);
                self.drop_if_empty(next.1);
                true
            }
            Sweep::Strangers(after) => {
                let Some(user) = self.sessions.user_after(*after) else { return false };
                *after = user;
                if self.rules.accounts && self.users.get(user).is_none() {
                    self.end_sessions_of(user, "only registered users may be here from now on");
                }
                true
            }
            Sweep::Members(all) => all.next().map(|(session, room)| self.sweep(session, room)).is_some(),
            Sweep::Room(room, all, who) => match all.next() {
                Some(session) => {
                    self.throw_out(session, Some(*room), who, "it is removed");
                    true
                }
                None => {
                    self.remove_conversation(*room);
                    false
                }
            },
            Sweep::Barred(all, said) => {
                let Some((connection, session)) = all.next() else { return false };
                match session.filter(|session| self.sessions.get(*session).is_some()) {
                    Some(session) => self.throw_out(session, None, &said.0, &said.1),
                    None => self.close(connection, Closing::Kicked),
                }
                true
            }
            Sweep::Leaving(session) => self.leave_next(*session),
            Sweep::Untold => self.tell_untold(),
            Sweep::Over => {
                let over = self.book.expire(1, self.turn.now.wall);
                self.turn.writes.rights.extend(over);
                self.book.is_over(self.turn.now.wall)
            }
            Sweep::Expired => self.forget_expired(),
            Sweep::Grants(user, name) => self.take_grant_of(*user, name),
        }
    }

    /// Takes one grant of a removed user; with the last one the user goes from the store.
    fn take_grant_of(&mut self, user: UserId, name: &Name) -> bool {
        let Some((scope, name, role, by)) = self.book.a_grant_of(name) else {
            self.turn.writes.users.push(UserChange::Gone(user));
            return false;
        };
        self.turn.writes.rights.extend(self.book.grant(scope, &name, None, None));
        self.turn.grants_before.push((user, scope, name, role, by));
        if let Some(room) = scope {
            self.drop_if_empty(room);
        }
        true
    }

    /// Is something left of what a removed user of that name was granted? Until it is gone nobody gets the name.
    pub(super) fn is_being_removed(&self, name: &Name) -> bool {
        let key = name.key();
        self.sweeps.0.iter().any(|sweep| matches!(sweep, Sweep::Grants(_, name) if name.key() == key))
    }

    /// The connections that come from a banned range are closed, and the sessions on them end.
    pub(super) fn sweep_barred(&mut self, range: &ipnet::IpNet, who: &str, reason: &str) {
        let mut there: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, c)| !c.closing && super::is_in(range, c.address))
            .map(|(id, c)| (*id, c.session))
            .collect();
        there.sort_unstable_by_key(|(id, _)| *id);
        let said = Box::new((who.to_owned(), reason.to_owned()));
        self.sweep_later(Sweep::Barred(there.into_iter(), said));
    }

    /// A room is removed: nobody enters it, writes or reads in it any more, and its members are told in turn.
    pub(super) fn sweep_room(&mut self, room: ConversationId, who: &'static str) {
        let Some(conversation) = self.conversations.get(room) else { return };
        let members: Vec<_> = conversation.members.sessions().collect();
        self.conversations.is_going(room);
        self.sweep_later(Sweep::Room(room, members.into_iter(), who));
    }

    /// Is no room of that name, or of one that looks like it, still being removed? Only who could enter it is told of it.
    pub(super) fn is_not_going(&self, name: &Name, may_enter: impl Fn(ConversationId) -> bool) -> Answer {
        let Some(room) = self.conversations.going(name) else { return Ok(()) };
        if !may_enter(room) {
            return Err(not_to_enter(Some(name)));
        }
        let going = self.conversations.get(room).and_then(Conversation::room).unwrap_or(name);
        let msg = format!(
            "there is no room {name} yet: the room {going} is still being removed; try again in a moment"
        );
        Err(refusal(ErrorKind::NoSuchRoom, msg))
    }

    /// Those who may no longer be in a room are taken out of it.
    pub(super) fn sweep_members(&mut self, room: ConversationId) {
        let members: Vec<_> =
            self.conversations.get(room).map(|c| c.members.sessions().collect()).unwrap_or_default();
        // Nobody reads on meanwhile: membership alone decides what is delivered.
        let members: Vec<_> = members.into_iter().filter(|session| !self.may_be_in(*session, room)).collect();
        let sessions = &self.sessions;
        if let Some(conversation) = self.conversations.get_mut(room) {
            let held = members.iter().filter_map(|session| sessions.get(*session));
            let gone: std::collections::HashSet<_> =
                held.clone().filter_map(|held| held.connection).collect();
            held.for_each(|held| conversation.members.lose(held.row.id));
            Arc::make_mut(&mut conversation.here).retain(|connection| !gone.contains(connection));
        }
        let members: Vec<_> = members.into_iter().map(|session| (session, room)).collect();
        self.sweep_later(Sweep::Members(members.into_iter()));
    }

    /// The same for one user, whose role is another one in a room or everywhere.
    pub(super) fn sweep_user(&mut self, user: &Name, scope: Scope) {
        let mut out = Vec::new();
        for session in self.sessions_there(user, scope) {
            let rooms = scope.map_or_else(|| self.rooms_of(session), |room| vec![room]);
            let connection = self.sessions.get(session).and_then(|held| held.connection);
            for room in rooms {
                if self.may_be_in(session, room) {
                    continue;
                }
                if let Some(conversation) = self.conversations.get_mut(room) {
                    conversation.members.lose(session);
                    connection.into_iter().for_each(|connection| conversation.depart(connection));
                }
                out.push((session, room));
            }
        }
        let mut out = out.into_iter();
        while self.turn.left < self.slice.rooms {
            let Some((session, room)) = out.next() else { return };
            self.turn.left += 1;
            self.sweep(session, room);
        }
        self.sweep_later(Sweep::Members(out));
    }

    /// May a member of a room be in it? Who may not has lost that right, if only for a moment, and is taken out of the
    /// room. Who is banned from it has left already.
    pub(super) fn may_be_in(&self, session: SessionId, room: ConversationId) -> bool {
        if !self.book.is_private(room) {
            return !self.is_half_out(session, room);
        }
        let standing = self.standing(session, room);
        standing.is_in && may(standing, Deed::Enter).is_ok()
    }

    /// Has the session lost the right to be in a room of its own, and was not taken out of it yet?
    pub(super) fn is_half_out(&self, session: SessionId, room: ConversationId) -> bool {
        self.conversations.get(room).is_some_and(|c| c.members.is_lost(session))
    }

    /// Takes a session out of a room that it lost the right to be in, even if it has it again: since then it has heard
    /// nothing. It may be out already, and in again.
    pub(super) fn sweep(&mut self, session: SessionId, room: ConversationId) {
        if self.is_half_out(session, room) {
            self.lose(session, room);
        }
    }
}
