//! The text of a redacted message: gone from the log, from the search index and from the raw files of both; all else about
//! the message stays.

use super::*;
use crate::store::FoundMessage;
use tcp_chat_protocol::event::{MsgLine, Spoken};
use tcp_chat_state::{Redaction, StoredMessage};

fn redaction(seq: Seq) -> Redaction {
    Redaction { seq, by: Some(name("mo")), reason: "a password".into() }
}

fn redacts(seqs: &[Seq]) -> Writes {
    Writes { redactions: seqs.iter().map(|seq| redaction(*seq)).collect(), ..Writes::default() }
}

/// Whether a file of the store or of its index has these bytes, and which.
fn holds(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let holds = |path: &std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|file| memchr::memmem::find(&file, bytes).is_some())
    };
    files.filter(holds).map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// Waits until no file has these bytes: a pause between turns is needed for the write-ahead log, and the index has its own
/// thread.
pub(super) fn wait_until_gone(folder: &Path, bytes: &[u8]) {
    let until = Instant::now() + LONGEST_WAIT;
    loop {
        let files = holds(folder, bytes);
        if files.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "still in {files:?}");
        std::thread::yield_now();
    }
}

async fn found(readers: &Readers, query: &str, head: Seq) -> Vec<Seq> {
    let what = SearchIn {
        query: query.into(),
        conversations: vec![room(1)],
        directs_of: None,
        user: None,
        before: None,
        after: None,
        limit: 10,
        head,
    };
    numbers(&readers.search(what).await.unwrap()).0
}

#[tokio::test]
async fn a_redacted_text_is_in_no_file_and_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, readers, _) = open(&history(dir.path().join("chat.db")));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    // In a long chunk with pages of its own, in a short one beside others, and one of nearly a page.
    let long = "y".repeat(20_000);
    let nearly = "w".repeat(3_900);
    store.commit(&mut model.say(&[(1, &[("ana", &long), ("bo", "alpha hunter2zx"), ("ana", "y")])])).unwrap();
    for n in 0..300 {
        store.commit(&mut model.say(&[(1, &[("ana", &format!("message {n}"))])])).unwrap();
    }
    store.commit(&mut model.say(&[(1, &[("ana", "beta zx9passw0rd")])])).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", &format!("{nearly} gammazx"))])])).unwrap();
    store.wait_until_indexed().await;
    let head = model.head;
    assert_eq!(found(&readers, "hunter2zx", head).await, [2]);
    let before = store.totals.bytes;
    for text in [&b"hunter2zx"[..], b"zx9passw0rd", b"gammazx"] {
        assert!(!holds(dir.path(), text).is_empty());
    }

    store.commit(&mut redacts(&[2, head - 1, head])).unwrap();
    for text in ["hunter2zx", "zx9passw0rd", "gammazx"] {
        assert_eq!(found(&readers, text, head).await, [0; 0], "{text}");
        wait_until_gone(dir.path(), text.as_bytes());
    }
    // All else is as it was.
    let page = PageOf { conversation: room(1), before: Some(5), after: None, limit: 10 };
    let page = readers.read_page(page).await.unwrap();
    let page: serde_json::Value = serde_json::from_slice(&page.data).unwrap();
    let message = &page["messages"][1];
    assert_eq!((&message["seq"], &message["prev"], &message["user"]), (&2.into(), &1.into(), &"bo".into()));
    assert_eq!((&message["msg"], &message["redacted"]), (&"".into(), &true.into()));
    assert_eq!((&message["by"], &message["reason"]), (&"mo".into(), &"a password".into()));
    assert_eq!(page["messages"][0]["msg"], *long);
    assert_eq!(found(&readers, "message 17", head).await.len(), 1);
    // A line is as long as before, or longer by the fields of a redaction where its text was shorter than those.
    assert!((before..before + 3 * 64).contains(&store.totals.bytes), "{before} {}", store.totals.bytes);
    let counted = store.count("SELECT sum(length(lines)) FROM chunks");
    assert!(u64::try_from(counted).unwrap() < store.totals.bytes);
}

#[tokio::test]
async fn a_start_after_a_crash_removes_what_is_left_of_the_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "hunter2zx"), ("ana", "stays")])])).unwrap();
    store.wait_until_indexed().await;
    store.hold_index(true);
    // No pause comes before the crash.
    *store.parts().2 = checkpoint::Checkpoints::default();
    store.commit(&mut redacts(&[1])).unwrap();
    assert!(!holds(dir.path(), b"hunter2zx").is_empty());
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    drop((store, readers));
    let (_store, readers, _) = open(&history(copy.path().join("chat.db")));
    wait_until_gone(copy.path(), b"hunter2zx");
    assert_eq!(found(&readers, "hunter2zx", 2).await, [0; 0]);
    assert_eq!(found(&readers, "stays", 2).await, [2]);
}

/// Otherwise SQLite would move rows, and leave copies of them.
#[test]
fn a_redaction_keeps_the_length_and_the_form_of_a_row() {
    let (mut store, _, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "a long text ".repeat(9);
    let texts = [("ana", &*long), ("bo", &*long), ("bo", "stays")];
    store.commit(&mut model.say(&[(1, &texts)])).unwrap();
    let lines = model.lines(|_| true);
    let read = |store: &mut Store| -> Vec<u8> {
        store.log().query_row("SELECT lines FROM chunks", [], |row| row.get(0)).unwrap()
    };
    let (row, mut redacted) = (read(&mut store), Vec::new());
    assert!(packed::is_packed(&row) && row.len() < lines.len());
    // A row of an older version is not packed.
    for (seq, before) in [(1, row), (2, lines)] {
        store.log().execute("UPDATE chunks SET lines = ?1", [&before]).unwrap();
        store.commit(&mut redacts(&[seq])).unwrap();
        let after = read(&mut store);
        assert_eq!((after.len(), packed::is_packed(&after)), (before.len(), packed::is_packed(&before)));
        redacted.push(packed::unpack_owned(after));
    }
    assert_eq!(memchr::memmem::find_iter(&redacted.concat(), long.as_bytes()).count(), 2, "one in each");
}

#[test]
fn what_decides_about_a_redaction_is_found_by_number() {
    let (mut store, _, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    store.commit(&mut model.say(&[(2, &[("ana", "a"), ("bo", "b"), ("bo", "c")])])).unwrap();
    let bytes = packed::pack(&model.lines(|_| true)).len();
    let message = |author: &str, is_redacted, bytes| {
        let author = Some(user_id(author));
        let message = StoredMessage { conversation: room(2), author, ts: START, is_redacted, direct: None };
        Some(FoundMessage { message, chunk: 1, bytes, read: 0 })
    };
    assert_eq!(store.find_message(1).unwrap(), message("ana", false, bytes));
    assert_eq!(store.find_message(3).unwrap(), message("bo", false, bytes));
    for none in [0, 4, u64::MAX] {
        assert_eq!(store.find_message(none).unwrap(), None);
    }
    store.commit(&mut redacts(&[3])).unwrap();
    let bytes = usize::try_from(store.count("SELECT length(lines) FROM chunks")).unwrap();
    assert_eq!(store.find_message(3).unwrap(), message("bo", true, bytes));
    // The author of a message of an older version is not known.
    store.log().execute("UPDATE chunks SET authors = NULL", []).unwrap();
    assert_eq!(store.find_message(1).unwrap().unwrap().message.author, None);
}

#[test]
fn a_direct_message_is_found_with_its_names() {
    let (mut store, _, _) = open(&in_memory());
    let direct = ConversationKind::Direct(UserId(1), UserId(2));
    let mut lines = Vec::new();
    for (seq, user, to) in [(1, "ana", "bo"), (2, "bo", "ana")] {
        let (ts, msg_json) = (&Timestamp(START).to_string(), "\"psst\"");
        MsgLine { place: Spoken::To(to), seq, prev: seq - 1, ts, user, color: "red", msg_json }
            .write(&mut lines);
    }
    let authors = vec![UserId(1), UserId(2)];
    let read = lines.len();
    let chunk = Chunk { conversation: room(1), first: 1, last: 2, prev: 0, ts: START, lines, authors };
    let conversations = vec![(room(1), direct)];
    store.commit(&mut Writes { conversations, chunks: vec![chunk], ..Writes::default() }).unwrap();
    let found = store.find_message(2).unwrap().unwrap();
    assert_eq!(found.message.direct, Some(Box::new((name("bo"), name("ana")))));
    assert_eq!((found.message.author, found.read), (Some(UserId(2)), read));
}

/// SQLite reads the beginning of a row first: no search may read the lines of a chunk to come to the authors behind them.
#[test]
fn a_new_store_has_the_authors_before_the_lines() {
    let (mut store, _, _) = open(&in_memory());
    let at = |store: &mut Store, name: &str| {
        store.count(&format!("SELECT cid FROM pragma_table_info('chunks') WHERE name = '{name}'"))
    };
    assert!(at(&mut store, "authors") < at(&mut store, "lines"));
}

#[test]
fn the_redactions_of_a_turn_write_each_chunk_once() {
    let (mut store, _, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let texts = vec![("ana", "a text of some length"); 300];
    store.commit(&mut model.say(&[(1, &texts), (1, &texts)])).unwrap();
    let seqs: Vec<_> = (1..=600).collect();
    let before = store.count("SELECT total_changes()");
    store.commit(&mut redacts(&seqs)).unwrap();
    let changed = store.count("SELECT total_changes()") - before;
    // For each message its note and the count of them; the two chunks; the totals.
    assert_eq!(changed, 2 * 600 + 2 + 1);
    assert_eq!(store.count("SELECT redactions FROM totals"), 600);
    let lines: Vec<u8> =
        store.log().query_row("SELECT lines FROM chunks WHERE first = 301", [], |row| row.get(0)).unwrap();
    let lines = packed::unpack_owned(lines);
    assert_eq!(memchr::memmem::find_iter(&lines, b"\"redacted\":true").count(), 300);
    assert!(memchr::memmem::find(&lines, b"a text").is_none());
}

/// As when the sync to the disk fails after the write: what was redacted has its new size already.
#[test]
fn the_size_of_a_redaction_is_counted_once_if_its_commit_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _readers, _) = open(&history(dir.path().join("chat.db")));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "a"), ("ana", "b")])])).unwrap();
    let mut writes = Writes { redactions: redacts(&[1]).redactions, ..model.say(&[(1, &[("bo", "c")])]) };
    let before = store.totals;
    store.commit(&mut writes.clone()).unwrap();
    // The commit stands in the file, and was reported as failed.
    store.totals = before;
    store.lose_connection();
    store.commit(&mut writes).unwrap();
    let counted = "SELECT length(lines), last - first + 1 FROM chunks";
    let bytes: u64 = {
        let mut rows = store.log().prepare(counted).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
        rows.map(|row| row.unwrap())
            .map(|(bytes, count)| {
                crate::store::history_size::chunk_bytes(bytes.cast_unsigned(), count.cast_unsigned())
            })
            .sum()
    };
    assert_eq!((store.totals.bytes, store.count("SELECT bytes FROM totals").cast_unsigned()), (bytes, bytes));
    assert_eq!((store.totals.head, store.totals.messages), (3, 3));
}

/// As when the sync to the disk fails after the write, and the turn is held and committed again.
#[test]
fn a_redaction_that_is_committed_twice_is_one() {
    let (mut store, _, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "a"), ("ana", "b")])])).unwrap();
    store.write_without_commit(&redacts(&[2]));
    store.commit(&mut redacts(&[2])).unwrap();
    assert_eq!(store.count("SELECT redactions FROM totals"), 1);
    // One that retention has removed meanwhile is no error.
    store.commit(&mut redacts(&[2, 77])).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM redacted"), 1);
}

#[test]
fn the_note_of_a_redaction_goes_with_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { retain_messages: Some(2), ..history(dir.path().join("chat.db")) };
    let (mut store, _, _) = open(&history);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    for n in 0..6 {
        store.commit(&mut model.say(&[(1, &[("ana", &format!("{n}"))])])).unwrap();
    }
    store.commit(&mut redacts(&[1, 6])).unwrap();
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    assert_eq!(store.count("SELECT seq FROM redacted"), 6);
    assert_eq!(store.count("SELECT redactions FROM totals"), 2);
}

#[tokio::test]
async fn a_redacted_message_that_was_removed_before_the_index_knew_leaves_it() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { retain_messages: Some(2), ..history(dir.path().join("chat.db")) };
    let (mut store, _readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "hunter2zx")])])).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "a")])])).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "b")])])).unwrap();
    store.wait_until_indexed().await;
    store.hold_index(true);
    store.commit(&mut redacts(&[1])).unwrap();
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    assert_eq!(store.count("SELECT count(*) FROM redacted"), 0);
    assert!(holds(dir.path(), b"hunter2zx").iter().any(|file| file.starts_with("chat.db-search")));
    store.hold_index(false);
    wait_until_gone(dir.path(), b"hunter2zx");
}

/// As after a power cut in which the log loses its newest turns, and the index does not.
#[tokio::test]
async fn an_index_that_knows_of_more_redactions_than_the_log_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "alphazx"), ("ana", "betazx")])])).unwrap();
    store.wait_until_indexed().await;
    store.commit(&mut redacts(&[1])).unwrap();
    wait_until_gone(dir.path(), b"alphazx");
    store.close().unwrap();
    drop(readers);
    let log = rusqlite::Connection::open(&path).unwrap();
    log.execute_batch("UPDATE totals SET redactions = 0; DELETE FROM redacted").unwrap();
    drop(log);

    let (mut store, readers, _) = open(&history(&path));
    store.commit(&mut redacts(&[2])).unwrap();
    store.wait_until_indexed().await;
    wait_until_gone(dir.path(), b"betazx");
    assert_eq!(found(&readers, "betazx", 2).await, [0; 0]);
}

#[tokio::test]
async fn no_copy_of_a_row_that_was_moved_keeps_a_redacted_text() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _readers, _) = open(&history(dir.path().join("chat.db")));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    // Rows of many sizes, so that pages are split and rows move; the first ones are in the root page for a while.
    for n in 0..400_usize {
        let text = format!("secret{n:03}zx {}", "x".repeat(n * 37 % 700));
        store.commit(&mut model.say(&[(1, &[("ana", &text)])])).unwrap();
    }
    for seqs in (1..=model.head).collect::<Vec<_>>().chunks(7) {
        store.commit(&mut redacts(seqs)).unwrap();
    }
    store.wait_until_indexed().await;
    for n in 0..400 {
        wait_until_gone(dir.path(), format!("secret{n:03}zx").as_bytes());
    }
}
