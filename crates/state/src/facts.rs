//! Owns the digest of the state: every fact about the server as a line of text under a path, sorted. Two states can be
//! compared by it; a difference names the path and both values. Called by the proof that replicas agree
//! (`daemon/tests/states`) and by the fuzz target. Never contains a secret: tokens, codes and password hashes appear
//! as a checksum.
//!
//! Data of one process is no fact: when sessions that are away end, which ids need no search, and whether the store can
//! be written.

use super::permissions::authors::Kind;
use super::{ConversationKind, Penalty, Scope, Sent, SessionId, State, StoredMark, UserId};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use tcp_chat_protocol::{Banned, Name, NameKey};

/// Facts by path.
pub type Facts = BTreeMap<String, String>;

impl State {
    /// All facts about the server.
    #[must_use]
    pub fn facts(&self) -> Facts {
        // Every field is named: a new one does not compile until it is a fact, or is listed as none.
        let Self {
            conversations,
            sessions,
            openers: _,
            permissions: _,
            users: _,
            removed,
            head,
            log,
            oldest,
            deduplication: _,
            marks: _,
            sweeps,
            erasures,
            defaults,
            ended_sessions,
            rules,
            // What the writes of the turns have brought there.
            stored_rules: _,
            // Of this process, or of one turn.
            turn: _,
            departures_per_turn: _,
            // The order has it.
            behaviour: _,
        } = self;
        let mut facts = Facts::new();
        facts.insert("head".to_owned(), head.to_string());
        facts.insert("oldest".to_owned(), oldest.to_string());
        facts.insert("log".to_owned(), format!("{log:?}"));
        facts.insert("policy".to_owned(), format!("{rules:?}"));
        facts.insert("last/conversation".to_owned(), conversations.last().to_string());
        facts.insert("last/session".to_owned(), sessions.last().to_string());
        facts.insert("sweeps".to_owned(), format!("{:?}", sweeps.iter().collect::<Vec<_>>()));
        facts.insert("ended_sessions".to_owned(), format!("{:?}", ended_sessions.stored()));
        facts.insert("erasures".to_owned(), format!("{erasures:?}"));
        for (after, room) in defaults {
            facts.insert(format!("default/{after}"), room.0.to_string());
        }
        for removed in removed.iter() {
            let path = format!("removed/{}", removed.name.key().as_str());
            facts.insert(path, format!("{} at {}", removed.name, removed.at));
        }
        for StoredMark { user, conversation, seq } in self.live_marks() {
            facts.insert(format!("mark/{}/{}", user.0, conversation.0), seq.to_string());
        }
        self.conversation_facts(&mut facts);
        self.session_facts(&mut facts);
        self.user_facts(&mut facts);
        self.permission_facts(&mut facts);
        facts
    }

    fn conversation_facts(&self, facts: &mut Facts) {
        for (id, conversation) in self.conversations.iter() {
            let mut put = |what: &str, value: String| {
                facts.insert(format!("conversation/{}{what}", id.0), value);
            };
            match &conversation.kind {
                ConversationKind::Room(name) => {
                    put("", format!("room {name}"));
                    // A room that is being removed is no longer found by its name.
                    let found = self.conversations.room(name).map(|id| id.0);
                    put("/found", format!("{found:?}"));
                    put("/private", self.permissions.is_private(id).to_string());
                    put("/topic", format!("{:?}", conversation.topic));
                }
                ConversationKind::Direct(UserId(a), UserId(b)) => put("", format!("direct {a} {b}")),
            }
            put("/head", conversation.head.to_string());
            let members: Vec<_> = conversation.members.iter().map(|(user, s)| (user.0, s.0)).collect();
            put("/members", format!("{members:?}"));
            let is_there = |session: &SessionId| self.sessions.get(*session).is_some();
            let lost: Vec<_> =
                conversation.members.lost().filter(is_there).map(|session| session.0).collect();
            if !lost.is_empty() {
                put("/lost", format!("{lost:?}"));
            }
        }
        for (id, by) in self.openers.iter() {
            facts.insert(format!("conversation/{}/opened", id.0), by.to_string());
        }
    }

    fn session_facts(&self, facts: &mut Facts) {
        for Sent { session, id, conversation, seq } in self.window() {
            facts.insert(format!("session/{}/ids/{id:?}", session.0), format!("{seq} of {}", conversation.0));
        }
        for session in self.sessions.iter() {
            let row = &session.row;
            let mut put = |what: &str, value: String| {
                facts.insert(format!("session/{}{what}", row.id.0), value);
            };
            put("", format!("{} of user {}, {}", row.name, row.user.0, row.color));
            put("/token", checksum(&row.token_hash));
            put("/proven", session.is_proven.to_string());
            put("/origin", format!("{:?}", row.origin.map(|at| (at.node.0, at.connection.0))));
            let rooms: Vec<_> = session.rooms.iter().map(|(room, since)| (room.0, *since)).collect();
            put("/order", format!("{:?}", rooms.iter().map(|(room, _)| room).collect::<Vec<_>>()));
            for (room, since) in rooms {
                put(&format!("/since/{room}"), since.to_string());
            }
        }
    }

    fn user_facts(&self, facts: &mut Facts) {
        for user in self.users.iter() {
            let mut put = |what: &str, value: String| {
                facts.insert(format!("user/{}{what}", user.id.0), value);
            };
            put("", format!("{} since {}", user.name, user.added));
            if let Some(password) = &user.password {
                put("/password", checksum(password));
            }
            if let Some(code) = &user.code {
                put("/code", format!("{} {:?} until {}", checksum(&code.hash), code.gives, code.until));
            }
        }
        for certificate in self.users.certificates() {
            let path = format!("certificate/{}/{}", certificate.key, certificate.name.key().as_str());
            let value = format!("{} {:?} until {}", certificate.name, certificate.revoked, certificate.until);
            facts.insert(path, value);
        }
        facts.insert("fetching".to_owned(), self.users.fetching_until().to_string());
    }

    fn permission_facts(&self, facts: &mut Facts) {
        let by = |scope: Scope, kind: Kind, user: &NameKey| {
            self.permissions.author(scope, kind, user).map_or("nobody's share".to_owned(), Name::to_string)
        };
        for (scope, user, role) in self.permissions.grants().iter() {
            let key = user.key();
            facts.insert(path("grant", scope, key.as_str()), format!("{user} {}", role.as_str()));
            facts.insert(path("author/grant", scope, key.as_str()), by(scope, Kind::Grant, &key));
        }
        for (scope, user, penalty) in self.permissions.mutes().iter() {
            let key = user.key();
            facts.insert(path("mute", scope, key.as_str()), penalty_text(user, penalty));
            facts.insert(path("author/mute", scope, key.as_str()), by(scope, Kind::Mute, &key));
        }
        for (scope, banned, penalty) in self.permissions.bans() {
            let text = match &banned {
                Banned::User(user) => {
                    let key = user.key();
                    facts.insert(path("author/ban", scope, key.as_str()), by(scope, Kind::Ban, &key));
                    format!("user:{}", key.as_str())
                }
                other => other.to_string(),
            };
            facts.insert(path("ban", scope, &text), penalty_text(&banned, penalty));
        }
        facts.insert("ending".to_owned(), self.permissions.ending().to_string());
    }
}

fn path(what: &str, scope: Scope, whom: &str) -> String {
    let place = scope.map_or("server".to_owned(), |room| room.0.to_string());
    format!("{what}/{place}/{whom}")
}

fn penalty_text(whom: &dyn Display, penalty: &Penalty) -> String {
    let Penalty { until, reason, by, since, share: _ } = penalty;
    format!("{whom} by {by} since {since} until {until:?}: {reason}")
}

/// Differs if the secret differs, and does not reveal it.
fn checksum(secret: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
