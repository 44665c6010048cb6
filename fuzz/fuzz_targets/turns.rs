//! The hub's commands, in any order, from any connection: the chat never panics, its numbers rise,
//! its chains have no hole, an id is kept once, it speaks only to connections that are open, and
//! what it would be restored from is what it wrote.
//!
//! Each line of the input is one step: its first byte picks the connection and what happens, the
//! rest is a request.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::{HashMap, HashSet};
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{Bounds, Request, parse};
use tcp_chat_protocol::{RequestId, Seq};
use tcp_chatd::chat::{
    Ask, Chat, Command, ConnectionId, ConversationId, Effect, Found, Made, Now, Outcome, Past, PastUnknown, Proof,
    Rules, Secret, SessionId,
};
use tcp_chatd::settings::Settings;

/// What was written, as simple as it can be said.
#[derive(Default)]
struct Disk {
    heads: HashMap<ConversationId, Seq>,
    sent: HashMap<(SessionId, RequestId), (ConversationId, Seq)>,
    head: Seq,
}

impl Past for Disk {
    fn sent(&mut self, session: SessionId, id: &RequestId) -> Result<Option<(ConversationId, Seq)>, PastUnknown> {
        Ok(self.sent.get(&(session, id.clone())).copied())
    }
}

impl Disk {
    fn write(&mut self, outcome: &Outcome) {
        let writes = &outcome.writes;
        for (id, _) in &writes.conversations {
            assert!(self.heads.insert(*id, 0).is_none(), "a conversation begins once");
        }
        for chunk in &writes.chunks {
            assert_eq!(chunk.first, self.head + 1, "numbers rise by one");
            assert_eq!(chunk.lines.iter().filter(|b| **b == b'\n').count() as u64, chunk.last - chunk.first + 1);
            assert_eq!(self.heads.insert(chunk.conversation, chunk.last), Some(chunk.prev), "the chain");
            self.head = chunk.last;
        }
        for sent in &writes.sent {
            let old = self.sent.insert((sent.session, sent.id.clone()), (sent.conversation, sent.seq));
            assert_eq!(old, None, "an id is kept once");
        }
        for gone in &writes.gone {
            assert!(self.heads.remove(gone).is_some(), "what goes was there");
        }
    }
}

fn ask(request: Request<'_>, step: u64) -> Ask {
    match request {
        Request::Login(login) => {
            // Tokens are the numbers of the logins that gave them out.
            let hash = |n: u64| {
                let mut hash = [0; 32];
                hash[..8].copy_from_slice(&n.to_le_bytes());
                hash
            };
            let resumes = login.session.as_ref().and_then(|token| token.parse().ok()).map(hash);
            let fresh = Secret { token: step.to_string().into(), hash: hash(step) };
            Ask::Login { login, fresh, resumes, proof: Proof::NotNeeded }
        }
        // The code is not good here: what it would give is the net's to make.
        Request::Enrol(enrol) => Ask::Enrol { enrol, code: None, made: Made::Nothing },
        Request::Join(room) => Ask::Join(room),
        Request::Leave(room) => Ask::Leave(room),
        Request::Msg { to, text } => Ask::Say(to, json_text(&text)),
        Request::Who(room) => Ask::Who(room),
        Request::Rooms => Ask::Rooms,
        Request::History(history) => Ask::History(history),
        Request::Search(search) => Ask::Search(search),
        Request::Act(act) => Ask::Act(Box::new((*act).into())),
        Request::Ping => Ask::Ping,
        Request::Quit => Ask::Quit,
    }
}

fuzz_target!(|input: &[u8]| {
    let mut rules = Rules::from(&Settings::default());
    rules.ttl_ms = 1_000;
    rules.rooms = 6;
    rules.rooms_per_session = 4;
    rules.sessions = 6;
    let mut now = Now { mono: 0, wall: 1_795_468_094_007 };
    let mut chat = Chat::restore(rules.clone(), Found::default(), now);
    let mut disk = Disk::default();
    let mut open: HashMap<u8, ConnectionId> = HashMap::new();
    let mut closing: HashSet<ConnectionId> = HashSet::new();
    let mut next = 0;
    chat.begin(now);
    for (step, line) in (1u64..).zip(input.split(|b| *b == b'\n')) {
        let Some((what, rest)) = line.split_first() else { continue };
        let connection = *open.entry(what & 3).or_insert_with(|| {
            next += 1;
            chat.apply(ConnectionId(next), Command::Open(std::net::Ipv4Addr::LOCALHOST.into()), &mut disk);
            ConnectionId(next)
        });
        let ended = match what >> 2 {
            // The turn ends, and time goes on.
            0 => true,
            1 => {
                open.remove(&(what & 3));
                chat.apply(connection, Command::Lost, &mut disk);
                false
            }
            _ => {
                let command = match parse(rest, &Bounds { msg_bytes: 64 }) {
                    Ok((id, request)) => Command::Ask(id, ask(request, step)),
                    Err(refusal) => Command::Refused(refusal),
                };
                chat.apply(connection, command, &mut disk);
                false
            }
        };
        if !ended {
            continue;
        }
        while chat.expire(2) {}
        let outcome = chat.end();
        disk.write(&outcome);
        for effect in &outcome.effects {
            let one = |c: &ConnectionId| assert!(c.0 <= next && !closing.contains(c), "{effect:?} after the end");
            match effect {
                Effect::Line(c, _) | Effect::IfKept(c, ..) | Effect::Read(c, _) | Effect::LoggedIn(c, ..) => one(c),
                Effect::Refused(refused) => one(&refused.to),
                Effect::Chunk { index, to, own } => {
                    let chunk = &outcome.writes.chunks[*index];
                    assert!(own.iter().all(|o| chunk.first <= o.seq && o.seq <= chunk.last));
                    to.iter().for_each(one);
                }
                Effect::Event { to, except, .. } => to.iter().filter(|c| Some(**c) != *except).for_each(one),
                Effect::Barred(_) | Effect::Slow(..) => {}
                Effect::Close(c, _) => assert!(closing.insert(*c), "closed twice"),
            }
        }
        let found = chat.found();
        assert_eq!(found.head, disk.head);
        for conversation in &found.conversations {
            assert_eq!(disk.heads.get(&conversation.id), Some(&conversation.head));
        }
        now.mono += 100 * rest.len() as u64;
        if rest.first() == Some(&b'r') {
            // The daemon is started again.
            chat = Chat::restore(rules.clone(), chat.found(), now);
            open.clear();
        }
        chat.begin(now);
    }
});
