//! Helpers of the store's tests: a model of the log that makes chunks as the chat does.

mod backups;
mod behind;
mod checkpoints;
mod cluster;
mod costly_searches;
mod disk;
mod erasures;
mod export;
mod faults;
mod history_size;
mod indexed;
mod log;
mod message_age;
mod open_files;
mod opening;
mod overwritten_files;
mod permissions;
mod redactions;
mod request_ids;
mod restored;
mod retention;
mod scattered;
mod search;
mod small_disk;
mod snapshot;

use super::*;
use crate::settings::{Durability, History, MaxBytes};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tcp_chat_protocol::event::{self, MsgLine, Spoken, json_text};
use tcp_chat_protocol::{Colour, Name, RequestId, Timestamp};
use tcp_chat_state::{
    ConnectionId, ConversationId, ConversationKind, NodeId, Origin, Sent, SessionChange, SessionId,
    SessionRow, Snapshot, StoredConversation, StoredPermissions, StoredSession, UserId, Writes,
};

/// The time of the first turn. Each turn is a minute later.
const START: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

/// The bound of each wait. Only a test that hangs reaches it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Waits until the condition is true. Panics with `what` after [`LONGEST_WAIT`].
fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + LONGEST_WAIT;
    while !is() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

/// The result of a future. Panics with `what` after [`LONGEST_WAIT`].
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONGEST_WAIT, future).await.unwrap_or_else(|_| panic!("{what}"))
}

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
        origin: (n % 2 == 1).then_some(Origin { node: NodeId(7), connection: ConnectionId(9) }),
    }
}

/// The id of an author in the model.
fn user_id(user: &str) -> UserId {
    UserId(user.bytes().fold(1_000, |id, byte| id * 31 + i64::from(byte)))
}

/// A message in the model.
#[derive(Debug, Clone)]
struct Message {
    conversation: ConversationId,
    seq: Seq,
    line: Vec<u8>,
}

/// The expected content of the log.
#[derive(Debug, Default)]
struct Model {
    head: Seq,
    heads: HashMap<ConversationId, Seq>,
    turns: u64,
    messages: Vec<Message>,
}

impl Model {
    /// A turn that opens the rooms 1 to `rooms`.
    fn open(rooms: i64) -> Writes {
        let conversations =
            (1..=rooms).map(|n| (room(n), ConversationKind::Room(name(&format!("room{n}"))))).collect();
        Writes { conversations, ..Writes::default() }
    }

    /// Makes a chunk of a room with the next numbers, from (author, text) pairs.
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
        let authors = texts.iter().map(|(user, _)| user_id(user)).collect();
        Chunk { conversation, first, last: self.head, prev, ts, lines, authors }
    }

    /// A turn with messages in rooms.
    fn say(&mut self, said: &[(i64, &[(&str, &str)])]) -> Writes {
        let chunks = said.iter().map(|(n, texts)| self.chunk(room(*n), texts)).collect();
        self.turns += 1;
        Writes { chunks, ..Writes::default() }
    }

    /// The lines of the messages that `want` accepts.
    fn lines(&self, want: impl Fn(&Message) -> bool) -> Vec<u8> {
        self.messages.iter().filter(|m| want(m)).flat_map(|m| m.line.clone()).collect()
    }
}

/// Opens a store in a folder of its own. Ids are removed with their messages, unless a test sets `known_ids`.
fn open(history: &History) -> (Store, Readers, Snapshot) {
    // A program that another test starts has this process's locks between its fork and its exec.
    let opened = || match Store::open(history) {
        Err(StoreError::InUse { holder, .. })
            if holder.contains(&format!("process {}", std::process::id())) =>
        {
            None
        }
        opened => Some(opened.unwrap()),
    };
    let (mut store, readers, found) = std::iter::repeat_with(opened).take(100_000).flatten().next().unwrap();
    store.known_ids = 0;
    (store, readers, found)
}

/// The numbers of a page, and whether there are more.
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

    /// Limits the growth of the log to so many pages. `None`: removes the limit.
    fn limit_pages(&mut self, more: Option<u32>) {
        let now = u32::try_from(self.count("PRAGMA page_count")).unwrap();
        let most = more.map_or(u32::MAX - 1, |more| now + more);
        self.log().query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).unwrap();
    }

    /// Writes a turn as a disk does that fails after the write.
    fn write_without_commit(&mut self, writes: &Writes) {
        let packed: Vec<_> = writes.chunks.iter().map(|chunk| packed::pack(&chunk.lines)).collect();
        rows::write_turn(self.log(), writes, &packed).unwrap();
    }

    /// Makes the store what version 20 left: with rows that are not packed.
    fn make_version_20(&mut self) {
        let log = self.log();
        let mut rows = log.prepare("SELECT first, lines FROM chunks").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let rows: Vec<(i64, Vec<u8>)> = rows.map(Result::unwrap).collect();
        for (first, row) in rows {
            let row = packed::unpack_owned(row);
            log.execute("UPDATE chunks SET lines = ?2 WHERE first = ?1", rusqlite::params![first, row])
                .unwrap();
        }
        log.execute_batch("PRAGMA user_version = 20").unwrap();
    }

    /// Makes the store what version 19 left: without clusters.
    fn make_version_19(&mut self) {
        self.make_version_20();
        self.log()
            .execute_batch(
                "DROP TABLE cluster; DROP TABLE policy; DROP TABLE names; PRAGMA user_version = 19",
            )
            .unwrap();
    }

    /// Makes the store what version 18 left: without erasures.
    fn make_version_18(&mut self) {
        self.make_version_19();
        let older = "DROP TRIGGER audit_stays; DROP TABLE erasures; DROP TABLE erasing;
                     CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
                     BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
                     PRAGMA user_version = 18";
        self.log().execute_batch(older).unwrap();
    }

    /// Makes the store what version 17 left: without redactions, topics and read marks.
    fn make_version_17(&mut self) {
        self.make_version_18();
        let older = "ALTER TABLE chunks DROP COLUMN authors; DROP TABLE redacted; DROP TABLE marks;
                     ALTER TABLE totals DROP COLUMN redactions; ALTER TABLE conversations DROP COLUMN topic;
                     PRAGMA user_version = 17";
        self.log().execute_batch(older).unwrap();
    }

    /// Makes the store what version 15 left: without the ids of removed messages and the origins of sessions.
    fn make_version_15(&mut self) {
        self.make_version_17();
        let older = "DROP TABLE left_ids; ALTER TABLE sessions DROP COLUMN node;
                     ALTER TABLE sessions DROP COLUMN connection; ALTER TABLE leaving DROP COLUMN node;
                     ALTER TABLE leaving DROP COLUMN connection; PRAGMA user_version = 15";
        self.log().execute_batch(older).unwrap();
    }

    fn make_version_14(&mut self) {
        self.make_version_15();
        let older = "ALTER TABLE members DROP COLUMN joined; ALTER TABLE members DROP COLUMN lost;
                     ALTER TABLE totals DROP COLUMN oldest; ALTER TABLE mutes DROP COLUMN share;
                     ALTER TABLE bans DROP COLUMN share; DROP TABLE leaving; DROP TABLE work;
                     PRAGMA user_version = 14";
        self.log().execute_batch(older).unwrap();
    }

    /// Makes the store what version 6 left: without the bytes of messages and without a log id.
    fn make_version_6(&mut self) {
        self.make_version_14();
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
        let progress = self.parts().1.progress();
        wait_until("the index has not opened its files", || progress.borrow().file > 0);
    }

    /// Waits until the index has everything that is in the log now.
    async fn wait_until_indexed(&mut self) {
        let head = self.parts().1.work().head;
        self.parts().1.progress().wait_for(|p| p.file > 0 && p.mark >= head).await.unwrap();
    }

    /// From now on the index stays where it is, or goes on.
    fn hold_index(&mut self, held: bool) {
        self.parts().1.tell(|work| work.held = held);
    }

    async fn wait_for_index_file(&mut self, n: u64) {
        let mut progress = self.parts().1.progress();
        within("the index has not made its files again", progress.wait_for(|p| p.file >= n)).await.unwrap();
    }

    async fn wait_for_removals_in_index(&mut self) {
        let wanted = Some(self.parts().1.work().removals);
        let mut progress = self.parts().1.progress();
        let removed = progress.wait_for(|p| p.removals >= wanted);
        within("the index has not removed the messages", removed).await.unwrap();
    }
}
