//! Owns the clients of the test bench: they connect, log in, send lines, lose their connection, and read the lines that
//! they received. Called by the tests. Never runs a turn itself: `world` does.

use super::super::short::short;
use super::super::*;
use super::World;
use crate::edge::Command;
use std::collections::{BTreeMap, VecDeque};

impl World {
    pub(in crate::edge::tests) fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        self.heard.insert(id, VecDeque::new());
        self.adds(id, Command::Open(self.address));
        id
    }

    pub(in crate::edge::tests) fn login(&mut self, name: &str) -> ConnectionId {
        let who = self.connect();
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"{name}"}}}}"#));
        who
    }

    pub(in crate::edge::tests) fn resumes(&mut self, name: &str, after: Option<Seq>) -> ConnectionId {
        let who = self.connect();
        let (token, _) = self.tokens.get(name).expect("logged in once").clone();
        let after = after.map_or("null".to_owned(), |a| a.to_string());
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"session":"{token}","after":{after}}}}}"#));
        who
    }

    pub(in crate::edge::tests) fn sends(&mut self, who: ConnectionId, line: &str) {
        self.in_one_turn(who, &[line]);
    }

    pub(in crate::edge::tests) fn in_one_turn(&mut self, who: ConnectionId, lines: &[&str]) {
        for line in lines {
            let command = self.command(line);
            self.adds(who, command);
        }
        self.turn();
    }

    pub(in crate::edge::tests) fn loses(&mut self, who: ConnectionId) {
        self.adds(who, Command::Lost);
        self.turn();
    }

    /// A line that was read in advance.
    pub(in crate::edge::tests) fn unread(&mut self, who: ConnectionId, line: Vec<u8>) {
        if let Some(heard) = self.heard.get_mut(&who) {
            heard.push_back(line);
        }
    }

    /// For each session, by its name in the test, and each of its rooms: the first number that it sees.
    pub(in crate::edge::tests) fn memberships(&self) -> BTreeMap<(String, String), Seq> {
        let found = self.state.snapshot();
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

    /// All lines that wait for the connection, unchanged.
    pub(in crate::edge::tests) fn lines(&mut self, who: ConnectionId) -> VecDeque<Vec<u8>> {
        self.heard.get_mut(&who).map(std::mem::take).unwrap_or_default()
    }

    /// Drops the lines that wait for them.
    pub(in crate::edge::tests) fn skips(&mut self, who: &[ConnectionId]) {
        who.iter().for_each(|c| drop(self.lines(*c)));
    }

    /// The same, in short.
    pub(in crate::edge::tests) fn hears(&mut self, who: ConnectionId) -> Vec<String> {
        self.lines(who).into_iter().map(|line| short(&line)).collect()
    }
}
