//! A world for the chat: a disk that keeps what a turn writes, connections that hear, and a clock
//! that is told. No runtime, no sleep.

use crate::chat::*;
use crate::settings::Settings;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use tcp_chat_protocol::event::{seq_of, write_with_id};
use tcp_chat_protocol::reply::{
    self, ActReply, Incoming, JoinReply, LeaveReply, LoginReply, RoomsReply, WhoReply,
};
use tcp_chat_protocol::request::{Bounds, Login, Request, Wants, parse};

/// The store, as simple as it can be said.
#[derive(Debug, Default, Clone)]
pub(super) struct Disk {
    conversations: BTreeMap<ConversationId, (ConversationKind, Seq)>,
    sessions: BTreeMap<SessionId, (SessionRow, Vec<(ConversationId, Seq)>)>,
    pub(super) chunks: Vec<Chunk>,
    sent: HashMap<(SessionId, RequestId), (ConversationId, Seq)>,
    rights: StoredRights,
    pub(super) audit: Vec<Audit>,
    users: BTreeMap<UserId, User>,
    certificates: BTreeMap<Digest, Certificate>,
    last: (i64, i64),
}

impl Disk {
    fn write(&mut self, writes: Writes) {
        for (id, kind) in writes.conversations {
            self.last.0 = self.last.0.max(id.0);
            self.conversations.insert(id, (kind, 0));
        }
        for chunk in writes.chunks {
            let (_, head) = self.conversations.get_mut(&chunk.conversation).expect("a conversation");
            assert_eq!(*head, chunk.prev, "the chain has no hole");
            *head = chunk.last;
            assert!(self.chunks.last().is_none_or(|c| c.last < chunk.first), "numbers only grow");
            self.chunks.push(chunk);
        }
        for sent in writes.sent {
            let old = self.sent.insert((sent.session, sent.id), (sent.conversation, sent.seq));
            assert_eq!(old, None, "an id is used once");
        }
        for change in writes.sessions {
            match change {
                SessionChange::Put(row) => {
                    self.last.1 = self.last.1.max(row.id.0);
                    let rooms = self.sessions.remove(&row.id).map(|(_, rooms)| rooms).unwrap_or_default();
                    self.sessions.insert(row.id, (row, rooms));
                }
                SessionChange::Join { session, room, since } => {
                    self.sessions.get_mut(&session).expect("a session").1.push((room, since));
                }
                SessionChange::Leave { session, room } => {
                    self.sessions.get_mut(&session).expect("a session").1.retain(|(r, _)| *r != room);
                }
                SessionChange::End(id) => {
                    self.sessions.remove(&id);
                    self.sent.retain(|(s, _), _| *s != id);
                }
            }
        }
        writes.rights.into_iter().for_each(|change| self.change(change));
        self.audit.extend(writes.audit);
        for change in writes.users {
            match change {
                UserChange::Put(user) => {
                    self.last.1 = self.last.1.max(user.id.0);
                    self.users.insert(user.id, user);
                }
                UserChange::Gone(id) => drop(self.users.remove(&id)),
                UserChange::Certificate(c) => drop(self.certificates.insert(c.key, c)),
                UserChange::Forget(key) => drop(self.certificates.remove(&key)),
            }
        }
        for id in writes.gone {
            let StoredRights { grants, private, mutes, bans } = &mut self.rights;
            grants.retain(|(scope, ..)| *scope != Some(id));
            private.retain(|room| *room != id);
            mutes.retain(|(scope, ..)| *scope != Some(id));
            bans.retain(|(scope, ..)| *scope != Some(id));
            self.conversations.remove(&id);
            self.chunks.retain(|c| c.conversation != id);
        }
    }

    fn change(&mut self, change: RightsChange) {
        let StoredRights { grants, private, mutes, bans } = &mut self.rights;
        match change {
            RightsChange::Grant { scope, user, role } => {
                grants.retain(|(s, u, _)| (*s, u) != (scope, &user));
                grants.extend(role.map(|role| (scope, user, role)));
            }
            RightsChange::Private { room, private: is_private } => {
                private.retain(|r| *r != room);
                private.extend(is_private.then_some(room));
            }
            RightsChange::Mute { scope, user, mute } => {
                mutes.retain(|(s, u, _)| (*s, u) != (scope, &user));
                mutes.extend(mute.map(|mute| (scope, user, mute)));
            }
            RightsChange::Ban { scope, banned, ban } => {
                bans.retain(|(s, b, _)| (*s, b) != (scope, &banned));
                bans.extend(ban.map(|ban| (scope, banned, ban)));
            }
        }
    }

    fn replace(&mut self, found: Found) {
        self.rights = found.rights;
        self.audit.extend(found.audit);
        self.conversations = found.conversations.into_iter().map(|c| (c.id, (c.kind, c.head))).collect();
        self.sessions = found.sessions.into_iter().map(|s| (s.row.id, (s.row, s.rooms))).collect();
        self.users = found.users.into_iter().map(|u| (u.id, u)).collect();
        self.certificates = found.certificates.into_iter().map(|c| (c.key, c)).collect();
        self.last = (found.last_conversation, found.last_session);
    }

    pub(super) fn found(&self) -> Found {
        Found {
            conversations: self
                .conversations
                .iter()
                .map(|(id, (kind, head))| StoredConversation { id: *id, kind: kind.clone(), head: *head })
                .collect(),
            sessions: self
                .sessions
                .values()
                .map(|(row, rooms)| StoredSession { row: row.clone(), rooms: rooms.clone() })
                .collect(),
            rights: self.rights.clone(),
            audit: Vec::new(),
            users: self.users.values().cloned().collect(),
            certificates: self.certificates.values().cloned().collect(),
            head: self.chunks.last().map_or(0, |c| c.last),
            last_conversation: self.last.0,
            last_session: self.last.1,
        }
    }

    /// The lines of a gap, in order, one's own with their ids.
    fn gap(&self, session: SessionId, ranges: &[Range]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for chunk in &self.chunks {
            for line in chunk.lines.split_inclusive(|b| *b == b'\n') {
                let seq = seq_of(line).expect("a number");
                let wanted =
                    |r: &Range| r.conversation == chunk.conversation && r.first <= seq && seq <= r.last;
                if ranges.iter().any(wanted) {
                    let own = self.sent.iter().find(|((s, _), (_, q))| *s == session && *q == seq);
                    let mut out = Vec::new();
                    match own {
                        Some(((_, id), _)) => write_with_id(line, id, &mut out),
                        None => out.extend_from_slice(line),
                    }
                    lines.push(out);
                }
            }
        }
        lines
    }
}

/// What stands for the hash of a password.
fn hash_of(password: &str) -> std::sync::Arc<str> {
    format!("hash of {password}").into()
}

fn code_hash(code: &str) -> Digest {
    crate::auth::sha256(code.as_bytes())
}

/// A code for a password.
pub(super) fn code(text: &str, until: u64) -> Code {
    Code { hash: code_hash(text), until, gives: Gives::Password }
}

struct DiskPast<'a>(&'a Disk);

impl Past for DiskPast<'_> {
    fn sent(
        &mut self,
        session: SessionId,
        id: &RequestId,
    ) -> Result<Option<(ConversationId, Seq)>, PastUnknown> {
        Ok(self.0.sent.get(&(session, id.clone())).copied())
    }
}

/// The chat, its disk, and those who talk.
pub(super) struct World {
    pub(super) chat: Chat,
    pub(super) disk: Disk,
    pub(super) disk_is_full: bool,
    failing: bool,
    rules: Rules,
    pub(super) now: Now,
    next: u64,
    /// Where connections come from.
    pub(super) address: IpAddr,
    /// Who proves their names when they log in.
    pub(super) proven: Vec<&'static str>,
    /// For how long nothing is read from whom because of what was sent, in milliseconds.
    pub(super) slowed: HashMap<ConnectionId, u64>,
    heard: BTreeMap<ConnectionId, VecDeque<Vec<u8>>>,
    /// By what the session is called here: its name, unless it is one of several.
    tokens: HashMap<String, (String, [u8; 32])>,
    logins: u8,
    /// What the next login is called.
    pub(super) called: Option<String>,
    /// What the next login shows in its handshake.
    pub(super) shows: Option<Certificate>,
    batch: Vec<(ConnectionId, Command)>,
    /// What the last turn did.
    pub(super) effects: Vec<Effect>,
}

impl World {
    pub(super) fn new(adjust: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules::from(&Settings::default());
        adjust(&mut rules);
        let now = Now { mono: 0, wall: 1_795_468_094_007 };
        let mut world = Self {
            chat: Chat::restore(rules.clone(), Found::default(), now),
            disk: Disk::default(),
            disk_is_full: false,
            failing: false,
            rules,
            now,
            next: 1,
            address: Ipv4Addr::LOCALHOST.into(),
            proven: Vec::new(),
            slowed: HashMap::new(),
            heard: BTreeMap::new(),
            tokens: HashMap::new(),
            logins: 0,
            called: None,
            shows: None,
            batch: Vec::new(),
            effects: Vec::new(),
        };
        world.turn();
        world
    }

    /// Adds to the turn that comes.
    pub(super) fn adds(&mut self, who: ConnectionId, command: Command) {
        self.batch.push((who, command));
    }

    /// One turn, as the hub does it.
    pub(super) fn turn(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.chat.begin(self.now);
        for (who, command) in batch {
            if matches!(command, Command::Lost) {
                self.heard.remove(&who);
            }
            self.chat.apply(who, command, &mut DiskPast(&self.disk));
        }
        self.finish();
    }

    pub(super) fn operator(&mut self, act: impl FnOnce(&mut Chat)) {
        self.chat.begin(self.now);
        act(&mut self.chat);
        self.finish();
    }

    /// An operator does what that request asks for.
    pub(super) fn operates(&mut self, line: &str) -> Result<ActReply, ErrorKind> {
        let Command::Ask(_, Ask::Act(act)) = self.command(line) else { panic!("{line}") };
        self.acts(*act)
    }

    pub(super) fn acts(&mut self, act: Act) -> Result<ActReply, ErrorKind> {
        self.chat.begin(self.now);
        let done = self.chat.operate(0, act).map_err(|refusal| refusal.kind);
        self.finish();
        done
    }

    fn finish(&mut self) {
        self.chat.expire(usize::MAX);
        let Outcome { writes, mut effects } = self.chat.end();
        let chunks = writes.chunks.clone();
        if self.failing || (self.disk_is_full && !writes.is_empty()) {
            if !self.failing {
                effects = self.chat.not_kept(effects, "full");
                self.failing = true;
            }
        } else {
            self.disk.write(writes);
        }
        self.effects.clone_from(&effects);
        for effect in effects {
            self.carry_out(effect, &chunks);
        }
    }

    fn carry_out(&mut self, effect: Effect, chunks: &[Chunk]) {
        match effect {
            Effect::Line(to, line) | Effect::IfKept(to, _, line) => self.tell(to, line),
            Effect::Refused(refused) => self.tell(refused.to, reply::error(&refused.refusal)),
            Effect::Event { to, except, line } => {
                for c in to.iter().filter(|c| Some(**c) != except) {
                    self.tell(*c, line.to_vec());
                }
            }
            Effect::Chunk { index, to, own } => {
                for c in to.iter() {
                    let chunk = &chunks[index];
                    for (line, own) in chunk.lines.split_inclusive(|b| *b == b'\n').zip(&own) {
                        let mut out = Vec::new();
                        match &own.id {
                            Some(id) if own.connection == *c => write_with_id(line, id, &mut out),
                            _ => out.extend_from_slice(line),
                        }
                        self.tell(*c, out);
                    }
                }
            }
            Effect::Read(to, Read::Gap(session, ranges)) => {
                for line in self.disk.gap(session, &ranges) {
                    self.tell(to, line);
                }
            }
            Effect::Read(to, Read::Again(id, conversation, seq)) => {
                let range = Range { conversation, first: seq, last: seq };
                let mut out = Vec::new();
                write_with_id(&self.disk.gap(SessionId(0), &[range])[0], &id, &mut out);
                self.tell(to, out);
            }
            Effect::Read(to, read) => self.tell(to, format!("{read:?}").into()),
            Effect::LoggedIn(..) | Effect::Barred(..) => {}
            Effect::Slow(to, ms) => *self.slowed.entry(to).or_default() += ms,
            Effect::Close(to, why) => self.tell(to, format!("(closed: {})", why.as_str()).into()),
        }
    }

    fn tell(&mut self, to: ConnectionId, line: Vec<u8>) {
        if let Some(heard) = self.heard.get_mut(&to) {
            heard.push_back(line);
        }
    }

    pub(super) fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        self.heard.insert(id, VecDeque::new());
        self.adds(id, Command::Open(self.address));
        id
    }

    pub(super) fn login(&mut self, name: &str) -> ConnectionId {
        let who = self.connect();
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"{name}"}}}}"#));
        who
    }

    pub(super) fn resumes(&mut self, name: &str, after: Option<Seq>) -> ConnectionId {
        let who = self.connect();
        let (token, _) = self.tokens.get(name).expect("logged in once").clone();
        let after = after.map_or("null".to_owned(), |a| a.to_string());
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"session":"{token}","after":{after}}}}}"#));
        who
    }

    /// A line, as the connection's read side would pass it on.
    pub(super) fn command(&mut self, line: &str) -> Command {
        match parse(line.as_bytes(), &Bounds { msg_bytes: 8192 }) {
            Err(refusal) => Command::Refused(refusal),
            Ok((id, request)) => Command::Ask(
                id,
                match request {
                    Request::Login(login) => {
                        self.logins = self.logins.checked_add(1).expect("few logins");
                        let n = self.logins;
                        let fresh = Secret { token: format!("token{n}").into(), hash: [n; 32] };
                        if let (Some(name), None) = (&login.name, &login.session) {
                            let called = self.called.take().unwrap_or_else(|| name.to_string());
                            self.tokens.insert(called, (fresh.token.to_string(), fresh.hash));
                        }
                        let resumes = login.session.as_deref().map(|token| {
                            self.tokens
                                .values()
                                .find(|(t, _)| *t == *token)
                                .map_or([0; 32], |(_, hash)| *hash)
                        });
                        let proof = self.proof(&login);
                        Ask::Login { login, fresh, resumes, proof }
                    }
                    Request::Enrol(enrol) => {
                        let made = match &enrol.wants {
                            Wants::Password(password) => Made::Password(hash_of(password)),
                            Wants::Certificate(_) => Made::Nothing,
                        };
                        Ask::Enrol { code: Some(code_hash(&enrol.code)), enrol, made }
                    }
                    Request::Join(name) => Ask::Join(name),
                    Request::Leave(place) => Ask::Leave(place),
                    Request::Msg { to, text } => Ask::Say(to, tcp_chat_protocol::event::json_text(&text)),
                    Request::Who(place) => Ask::Who(place),
                    Request::Rooms => Ask::Rooms,
                    Request::History(history) => Ask::History(history),
                    Request::Search(search) => Ask::Search(search),
                    Request::Act(act) => Ask::Act(Box::new((*act).into())),
                    Request::Ping => Ask::Ping,
                    Request::Quit => Ask::Quit,
                },
            ),
        }
    }

    /// What the net finds out of a login.
    fn proof(&mut self, login: &Login) -> Proof {
        if let Some(shown) = self.shows.take() {
            return Proof::Certificate(Box::new(shown));
        }
        let proven = login.name.as_ref().filter(|name| self.proven.contains(&name.as_str()));
        if let Some(name) = proven {
            return Proof::Certificate(Box::new(self.certificate_of(name)));
        }
        let user = login.name.as_ref().and_then(|name| self.chat.users().by_name(name));
        match (user, &login.password) {
            (Some(user), Some(password)) if user.password == Some(hash_of(password)) => {
                Proof::Password(user.id, hash_of(password))
            }
            (Some(_), _) if login.session.is_none() => Proof::Refused,
            _ => Proof::NotNeeded,
        }
    }

    /// The certificate by which a user proves a name.
    pub(super) fn certificate_of(&self, name: &Name) -> Certificate {
        let year = 365 * 24 * 3600 * 1000;
        Certificate {
            key: code_hash(name.as_str()),
            name: name.clone(),
            until: self.now.wall + year,
            revoked: false,
        }
    }

    /// An operator's wish that can be granted.
    pub(super) fn grants(&mut self, wish: UserWish) {
        self.operator(|chat| assert!(chat.grant(0, wish).is_ok()));
    }

    /// Registers a user with the password `pw`.
    pub(super) fn registers(&mut self, name: &str) {
        let code = code(&format!("code of {name}"), self.now.wall + 1);
        self.grants(UserWish::Add(name.parse().unwrap(), code));
        let who = self.connect();
        self.sends(
            who,
            &format!(
                r#"{{"op":"ENROL","data":{{"name":"{name}","code":"code of {name}","password":"pw"}}}}"#
            ),
        );
        assert_eq!(self.hears(who), ["ENROL"]);
        self.loses(who);
    }

    /// Another session of a registered user, known here by `called`.
    pub(super) fn logs_in(&mut self, called: &str, name: &str) -> ConnectionId {
        let who = self.connect();
        self.called = Some(called.to_owned());
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"{name}","password":"pw"}}}}"#));
        who
    }

    pub(super) fn sends(&mut self, who: ConnectionId, line: &str) {
        self.in_one_turn(who, &[line]);
    }

    pub(super) fn in_one_turn(&mut self, who: ConnectionId, lines: &[&str]) {
        for line in lines {
            let command = self.command(line);
            self.adds(who, command);
        }
        self.turn();
    }

    pub(super) fn loses(&mut self, who: ConnectionId) {
        self.adds(who, Command::Lost);
        self.turn();
    }

    pub(super) fn passes(&mut self, ms: u64) {
        self.now.mono += ms;
        self.now.wall += ms;
        self.turn();
    }

    pub(super) fn recovers(&mut self) {
        if self.failing && !self.disk_is_full {
            self.disk.replace(self.chat.found());
            self.chat.keeps_again();
            self.failing = false;
        }
    }

    /// The daemon's process ends, in order or not, and another begins with the same disk.
    pub(super) fn restarts(&mut self) {
        self.recovers();
        self.heard.clear();
        self.batch.clear();
        self.chat = Chat::restore(self.rules.clone(), self.disk.found(), self.now);
        self.turn();
    }

    /// A line that was looked at and not read yet.
    pub(super) fn unread(&mut self, who: ConnectionId, line: Vec<u8>) {
        self.tell(who, line);
    }

    /// Which session, by what it is called here, is in which room, and from which number on it sees
    /// the room.
    pub(super) fn memberships(&self) -> BTreeMap<(String, String), Seq> {
        let found = self.chat.found();
        let room = |id: ConversationId| {
            found.conversations.iter().find(|c| c.id == id).and_then(|c| match &c.kind {
                ConversationKind::Room(name) => Some(name.to_string()),
                ConversationKind::Direct(..) => None,
            })
        };
        let called = |hash: [u8; 32]| {
            self.tokens.iter().find(|(_, (_, h))| *h == hash).map(|(called, _)| called.clone())
        };
        found
            .sessions
            .iter()
            .flat_map(|s| s.rooms.iter().map(|(r, since)| (called(s.row.token_hash), *r, *since)))
            .filter_map(|(called, r, since)| Some(((called?, room(r)?), since)))
            .collect()
    }

    /// All lines that wait for the connection, as they came.
    pub(super) fn lines(&mut self, who: ConnectionId) -> VecDeque<Vec<u8>> {
        self.heard.get_mut(&who).map(std::mem::take).unwrap_or_default()
    }

    /// What waits for them is of no interest.
    pub(super) fn skips(&mut self, who: &[ConnectionId]) {
        who.iter().for_each(|c| drop(self.lines(*c)));
    }

    /// The same, in short.
    pub(super) fn hears(&mut self, who: ConnectionId) -> Vec<String> {
        self.lines(who).into_iter().map(|line| short(&line)).collect()
    }
}

fn short(line: &[u8]) -> String {
    let Ok(incoming) = reply::read(line) else { return String::from_utf8_lossy(line).into_owned() };
    let with = |id: Option<RequestId>| match id {
        None => String::new(),
        Some(RequestId::Number(n)) => format!("#{n}"),
        Some(RequestId::Text(t)) => format!("#{t}"),
    };
    match incoming {
        Incoming::Msg(id, m) => {
            let place = m
                .room
                .as_ref()
                .map_or_else(|| format!("@{}", m.to.as_deref().unwrap_or("?")), |r| r.to_string());
            format!("MSG{} {}<{} {place} {}: {}", with(id), m.seq, m.prev, m.user, m.msg)
        }
        Incoming::Presence(p) => {
            format!("PRESENCE {} {} {}", p.room, p.user, format!("{:?}", p.state).to_lowercase())
        }
        Incoming::Notice(n) => {
            let kind = serde_json::to_string(&n.kind).unwrap();
            let wait = n.retry_after_ms.map_or(String::new(), |ms| format!(" {ms} ms"));
            let room = n.room.map_or(String::new(), |room| format!(" {room}"));
            format!("NOTICE {}{room}{wait}", kind.trim_matches('"'))
        }
        Incoming::Error(id, e) => {
            let wait = e.retry_after_ms.map_or(String::new(), |ms| format!(" {ms} ms"));
            let until = e.until.map_or(String::new(), |until| format!(" until {until}"));
            format!("ERROR_MSG{} {}{wait}{until}", with(id), e.kind)
        }
        Incoming::Reply { op, id, data } => {
            let data = data.get();
            let rest = match &*op {
                "LOGIN" => {
                    let r: LoginReply = serde_json::from_str(data).unwrap();
                    format!(" {} {} head {}", r.name, r.rooms.join(","), r.head)
                }
                "JOIN" => {
                    let r: JoinReply = serde_json::from_str(data).unwrap();
                    format!(" {} head {} {} of {}", r.room, r.head, members(&r.members), r.member_count)
                }
                "LEAVE" => format!(" {}", serde_json::from_str::<LeaveReply>(data).unwrap().room),
                "WHO" => {
                    let r: WhoReply = serde_json::from_str(data).unwrap();
                    format!(" {} {} of {}", r.room.unwrap_or("*".into()), members(&r.members), r.member_count)
                }
                "ROOMS" => serde_json::from_str::<RoomsReply>(data)
                    .unwrap()
                    .rooms
                    .iter()
                    .map(|r| {
                        let private = if r.private { ",private" } else { "" };
                        format!(" {}({},{}{private})", r.room, r.members, r.head)
                    })
                    .collect(),
                _ => String::new(),
            };
            format!("{op}{}{rest}", with(id))
        }
    }
}

fn members(members: &[reply::Member]) -> String {
    let all: Vec<_> =
        members.iter().map(|m| format!("{} {}", m.user, format!("{:?}", m.state).to_lowercase())).collect();
    format!("[{}]", all.join(", "))
}
