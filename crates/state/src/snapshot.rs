//! Owns the way from the store into memory at the start, and the complete data that the store needs. Called by the hub
//! at its start, and by tests. Never reads messages: they stay in the store. Never acts: what new settings or an older
//! version of the store require is an intent of the first turn, [`super::Intent::Start`].

use super::deduplication::Deduplication;
use super::marks::Marks;
use super::membership;
use super::open_turn::OpenTurn;
use super::permissions::Permissions;
use super::quota_owner::RoomOpeners;
use super::rooms::Conversations;
use super::sessions::ended::{DEPARTURES_PER_TURN, EndedSessions};
use super::sessions::{Session, Sessions, UsedIds};
use super::sweeps::queue::{Sweep, Sweeps};
use super::users::removed::RemovedUsers;
use super::{Behaviour, Rules, Snapshot, State, StoredConversation, StoredMark, StoredSession, User, Users};
use std::sync::Arc;

impl State {
    /// Restores the state of a snapshot, with its unfinished slow work, at that moment in milliseconds since 1970. It
    /// follows `rules` until [`super::Intent::Start`] or [`super::Intent::Policy`]. A lone daemon gives its settings, and
    /// applies its `Start` in the first turn, before any request. A node of a cluster gives the policy of the snapshot:
    /// the turns of other nodes were applied with it. Sessions that were connected to a node whose process ended are
    /// here until [`super::Intent::NodeUp`].
    #[must_use]
    pub fn restore(rules: Rules, found: Snapshot, time: u64) -> Self {
        let Snapshot { conversations: stored, sessions: held, permissions, head, oldest, log, .. } = found;
        let (removed, users): (Vec<_>, Vec<_>) = found.users.into_iter().partition(User::is_removed);
        let users = Users::new(users, found.certificates);
        let mut conversations = Conversations::after_last(found.last_conversation);
        for StoredConversation { id, kind, head, topic } in stored {
            conversations.put(id, kind, head);
            conversations.set_topic(id, topic);
            if head >= oldest.max(1) {
                conversations.note_messages(id, head);
            }
        }
        // The memberships of an older store have no numbers yet.
        let longest = held.iter().map(|held| held.rooms.len()).max().unwrap_or(0);
        let joins = found.last_join.max(i64::try_from(longest).unwrap_or(i64::MAX));
        let mut sessions = Sessions::after_last(found.last_session, joins);
        for StoredSession { row, rooms } in held {
            let is_proven = users.get(row.user).is_some();
            let mut session = Session::new(row, is_proven, UsedIds::UNKNOWN);
            membership::restore(&mut conversations, &mut session, rooms);
            sessions.put(session);
        }
        let ended_sessions = EndedSessions::restore(found.ended_sessions);
        membership::restore_ended(&mut conversations, &ended_sessions);
        for (session, room) in found.lost {
            conversations.mark_lost(room, session);
        }
        let mut sweeps = Sweeps::restore(found.work);
        // A store of an older version does not have the unfinished work for a removed user.
        for User { id, name, .. } in removed {
            if !sweeps.removed_users().any(|user| user.id == id) {
                sweeps.push(Sweep::directs_of(id));
                sweeps.push(Sweep::Grants(id, name));
            }
        }
        for sweep in sweeps.iter() {
            if let Sweep::Room(room, _) = sweep {
                conversations.mark_removing(*room);
            }
        }
        let mut openers = RoomOpeners::default();
        for (room, by) in found.opened {
            if conversations.get(room).is_some() {
                openers.add(room, by);
            }
        }
        let mut deduplication = Deduplication::default();
        found.sent.into_iter().for_each(|sent| deduplication.add(sent));
        Self {
            rules,
            behaviour: Behaviour::NEWEST,
            stored_rules: found.rules.map(Box::new),
            conversations,
            sessions,
            openers,
            defaults: found.default_rooms,
            users: Arc::new(users),
            removed: RemovedUsers::new(found.removed),
            marks: Marks::restore(found.marks),
            permissions: Permissions::restore(permissions),
            deduplication,
            head,
            log,
            oldest,
            turn: OpenTurn::at(time),
            sweeps,
            erasures: found.erasures.into(),
            ended_sessions,
            departures_per_turn: DEPARTURES_PER_TURN,
        }
    }

    /// The read marks of conversations that are there.
    pub(super) fn live_marks(&self) -> impl Iterator<Item = StoredMark> {
        self.marks.iter().filter(|mark| self.conversations.get(mark.conversation).is_some())
    }

    /// The complete data of the store, without the messages.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut conversations: Vec<_> = self
            .conversations
            .iter()
            .map(|(id, c)| StoredConversation {
                id,
                kind: c.kind.clone(),
                head: c.head,
                topic: c.topic.clone(),
            })
            .collect();
        conversations.sort_unstable_by_key(|c| c.id);
        let sessions = self
            .sessions
            .iter()
            .map(|s| StoredSession { row: s.row.clone(), rooms: s.rooms.clone() })
            .collect();
        let mut lost: Vec<_> =
            self.conversations.iter().flat_map(|(id, c)| c.members.lost().map(move |s| (s, id))).collect();
        // An ended session leaves its rooms by itself.
        lost.retain(|(session, _)| self.sessions.get(*session).is_some());
        lost.sort_unstable();
        let mut opened: Vec<_> = self.openers.iter().collect();
        opened.sort_unstable();
        let mut users: Vec<_> = self.users.iter().cloned().chain(self.sweeps.removed_users()).collect();
        users.sort_unstable_by_key(|user| user.id);
        Snapshot {
            opened,
            default_rooms: self.defaults.clone(),
            conversations,
            sessions,
            lost,
            ended_sessions: self.ended_sessions.stored(),
            work: self.sweeps.stored(),
            permissions: self.permissions.stored(),
            users,
            certificates: self.users.certificates().cloned().collect(),
            marks: self.live_marks().collect(),
            erasures: self.erasures.iter().cloned().collect(),
            removed: self.removed.iter().cloned().collect(),
            sent: self.window().cloned().collect(),
            head: self.head,
            oldest: self.oldest,
            last_conversation: self.conversations.last(),
            last_session: self.sessions.last(),
            last_join: self.sessions.joins(),
            log: self.log.clone(),
            rules: self.stored_rules.as_deref().cloned(),
        }
    }
}
