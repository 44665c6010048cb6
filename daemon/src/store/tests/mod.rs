//! What the tests of the store share: a model of the log that makes chunks as the chat does.

mod backups;
mod bytes;
mod checkpoints;
mod costly;
mod disk;
mod export;
mod faults;
mod files;
mod ids;
mod indexed;
mod kept;
mod log;
mod opened;
mod restored;
mod rights;
mod scattered;
mod search;
mod small_disk;
mod stamps;
mod tidy;
mod written_over;

use super::*;
use crate::chat::ConversationId;
use crate::chat::{
    ConversationKind, Found, Sent, SessionChange, SessionId, SessionRow, StoredConversation, StoredRights,
    StoredSession, UserId, Writes,
};
use crate::settings::{Durability, History, MaxBytes};
use std::collections::HashMap;
use std::path::Path;
use tcp_chat_protocol::event::{self, MsgLine, Spoken, json_text};
use tcp_chat_protocol::{Colour, Name, RequestId, Timestamp};

/// A minute later for each turn, from here on.
const START: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn history(path: impl AsRef<Path>) -> History {
    History {
        path: Some(path.as_ref().to_owned()),
        durability: Durability::Crash,
        retain: None,
        retain_messages: None,
        max_bytes: MaxBytes::Unlimited,
    }
}

fn in_memory() -> History {
    History { path: None, ..history("") }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn room(n: i64) -> ConversationId {
    ConversationId(n)
}

fn session_row(n: i64) -> SessionRow {
    SessionRow {
        id: SessionId(n),
        token_hash: [u8::try_from(n).unwrap(); 32],
        user: UserId(n),
        name: name("ana"),
        color: Colour::Red,
    }
}

/// A message as the model remembers it.
#[derive(Debug, Clone)]
struct Message {
    conversation: ConversationId,
    seq: Seq,
    line: Vec<u8>,
}

/// What the log has to be like.
#[derive(Debug, Default)]
struct Model {
    head: Seq,
    heads: HashMap<ConversationId, Seq>,
    turns: u64,
    messages: Vec<Message>,
}

impl Model {
    /// The rooms 1 to `rooms`, as a turn that opens them.
    fn open(rooms: i64) -> Writes {
        let conversations =
            (1..=rooms).map(|n| (room(n), ConversationKind::Room(name(&format!("room{n}"))))).collect();
        Writes { conversations, ..Writes::default() }
    }

    /// The next numbers for texts in a room, each with its author.
    fn chunk(&mut self, conversation: ConversationId, texts: &[(&str, &str)]) -> Chunk {
        let ts = START + self.turns * MINUTE;
        let (first, prev) = (self.head + 1, self.heads.get(&conversation).copied().unwrap_or(0));
        let mut lines = Vec::new();
        let mut before = prev;
        for (user, text) in texts {
            let at = lines.len();
            self.head += 1;
            let message = MsgLine {
                place: Spoken::In(&format!("room{}", conversation.0)),
                seq: self.head,
                prev: before,
                ts: &Timestamp(ts).to_string(),
                user,
                color: "red",
                msg_json: &json_text(text),
            };
            message.write(&mut lines);
            before = self.head;
            let line = lines[at..].to_vec();
            self.messages.push(Message { conversation, seq: self.head, line });
        }
        self.heads.insert(conversation, self.head);
        Chunk { conversation, first, last: self.head, prev, ts, lines }
    }

    /// A turn that says texts in rooms.
    fn say(&mut self, said: &[(i64, &[(&str, &str)])]) -> Writes {
        let chunks = said.iter().map(|(n, texts)| self.chunk(room(*n), texts)).collect();
        self.turns += 1;
        Writes { chunks, ..Writes::default() }
    }

    /// The lines of the messages that `want` takes.
    fn lines(&self, want: impl Fn(&Message) -> bool) -> Vec<u8> {
        self.messages.iter().filter(|m| want(m)).flat_map(|m| m.line.clone()).collect()
    }
}

/// A store in a folder of its own.
/// Ids go with their messages, unless a test sets another window.
fn open(history: &History) -> (Store, Readers, Found) {
    let (mut store, readers, found) = Store::open(history).unwrap();
    store.window = 0;
    (store, readers, found)
}

/// The sequence numbers of a page, and whether there are more.
fn numbers(page: &Page) -> (Vec<Seq>, bool) {
    let page: serde_json::Value = serde_json::from_slice(&page.data).unwrap();
    let messages = page["messages"].as_array().unwrap();
    (messages.iter().map(|m| m["seq"].as_u64().unwrap()).collect(), page["more"].as_bool().unwrap())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

impl Store {
    fn log(&mut self) -> &mut rusqlite::Connection {
        self.parts().0.as_mut().unwrap()
    }

    fn count(&mut self, sql: &str) -> i64 {
        self.log().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The log must not grow by more than so many pages; `None`: it may again.
    fn limit_pages(&mut self, more: Option<u32>) {
        let now = u32::try_from(self.count("PRAGMA page_count")).unwrap();
        let most = more.map_or(u32::MAX - 1, |more| now + more);
        self.log().query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).unwrap();
    }

    /// What the disk does when it writes a turn and then fails.
    fn write_unnoticed(&mut self, writes: &Writes) {
        rows::write(self.log(), writes).unwrap();
    }

    /// As that version left it: a start decided again what is in the snapshot now.
    fn is_of_version_15(&mut self) {
        let older = "DROP TABLE left_ids; PRAGMA user_version = 15";
        self.log().execute_batch(older).unwrap();
    }

    fn is_of_version_14(&mut self) {
        self.is_of_version_15();
        let older = "ALTER TABLE members DROP COLUMN joined; ALTER TABLE members DROP COLUMN lost;
                     ALTER TABLE totals DROP COLUMN oldest; ALTER TABLE mutes DROP COLUMN share;
                     ALTER TABLE bans DROP COLUMN share; DROP TABLE leaving; DROP TABLE work;
                     PRAGMA user_version = 14";
        self.log().execute_batch(older).unwrap();
    }

    /// As that version left it: it counted no bytes of messages, and the log had no identity.
    fn is_of_version_6(&mut self) {
        self.is_of_version_14();
        let older = "ALTER TABLE totals DROP COLUMN bytes; ALTER TABLE totals DROP COLUMN log;
                     ALTER TABLE totals DROP COLUMN log_from; ALTER TABLE grants DROP COLUMN by;
                     DROP TABLE removed_users; DROP TABLE ancestors;
                     PRAGMA user_version = 6";
        self.log().execute_batch(older).unwrap();
    }

    fn lose_connection(&mut self) {
        *self.parts().0 = None;
    }

    /// Waits until the thread of the index has opened its files.
    fn wait_for_index(&mut self) {
        while self.parts().1.progress().borrow().file == 0 {
            std::thread::yield_now();
        }
    }

    async fn wait_for_index_file(&mut self, n: u64) {
        self.parts().1.progress().wait_for(|p| p.file >= n).await.unwrap();
    }

    async fn wait_for_removals_in_index(&mut self) {
        let wanted = Some(self.parts().1.work().removals);
        self.parts().1.progress().wait_for(|p| p.removals >= wanted).await.unwrap();
    }
}
