//! The content of an index, its removals, and the bounds of a search.

use super::*;
use std::collections::HashSet;

fn word<'a>(conversations: &'a [i64]) -> Query<'a> {
    Query { text: "word", conversations, ..Query::default() }
}

#[test]
fn an_index_is_opened_again_by_its_own_log_and_version() {
    let mut world = World::of_texts(&["one word", "two words"]);
    let open = |log: &[u8]| Index::open(Connection::open(&world.path).unwrap(), log).unwrap();
    assert_eq!(open(b"log").unwrap().mark(), 2);
    assert!(open(b"another log").is_none());
    let older = Connection::open(&world.path).unwrap();
    older.execute("UPDATE about SET version = version - 1", []).unwrap();
    assert!(open(b"log").is_none());
    let empty = "file:/search-empty?vfs=memdb";
    assert!(Index::open(Connection::open(empty).unwrap(), b"log").unwrap().is_none());
    // An empty one replaces it.
    let index = Index::create(Connection::open(&world.path).unwrap(), b"log").unwrap();
    assert_eq!(index.mark(), 0);
    assert_eq!(world.find("word"), [0; 0]);
}

#[test]
fn a_batch_without_a_commit_adds_nothing() {
    let mut world = World::of_texts(&["one word"]);
    let mut batch = world.index.batch().unwrap();
    let message = Message { seq: 2, conversation: 9, participants: None, author: "", text: "lost word" };
    batch.add(&message).unwrap();
    drop(batch);
    assert_eq!(world.index.mark(), 1);
    assert_eq!(world.find("lost"), [0; 0]);
    // Conversation 9 has no message: there is nothing to remove.
    assert!(!world.index.remove(1, &HashSet::from([1])).unwrap());
}

#[test]
fn messages_that_the_log_no_longer_has_leave_the_index() {
    let mut world = World::new();
    world.say((1..=4_500).map(|n| (1 + n % 2, "ana", format!("word {n}"))));
    let left = |world: &World| -> i64 {
        let index = Connection::open(&world.path).unwrap();
        index.query_row("SELECT count(*) FROM words", [], |row| row.get(0)).unwrap()
    };
    let both = HashSet::from([1, 2]);
    let mut steps = Vec::new();
    let mut are_more = true;
    while are_more {
        are_more = world.index.remove(2_501, &both).unwrap();
        steps.push(left(&world));
    }
    assert_eq!(steps, [2_500, 2_000], "at most 2,000 at once, and no call without a removal");
    // Of the rest, conversation 2 has half.
    while world.index.remove(2_501, &HashSet::from([1])).unwrap() {}
    assert_eq!(left(&world), 1_000);
    assert_eq!(world.seqs(&word(&[2])), [0; 0]);
    assert_eq!(world.seqs(&Query { limit: 2, ..word(&[1]) }), [4_500, 4_498, 4_496]);
}

#[test]
fn a_search_looks_up_only_messages_of_its_conversations_and_author() {
    let mut world = World::with(&[(1, "ana", "word one"), (2, "bo", "word two"), (1, "bo", "word three")]);
    assert_eq!(world.seqs(&word(&[1])), [3, 1]);
    assert_eq!(world.seqs(&Query { author: Some("bo"), ..word(&[1]) }), [3]);
    assert_eq!(world.seqs(&Query { author: Some("b"), ..word(&[1]) }), [0; 0]);
    assert_eq!(world.seqs(&Query { before: 3, ..word(&[1]) }), [1]);
    assert_eq!(world.seqs(&Query { after: 1, ..word(&[1]) }), [3]);
    assert_eq!(world.seqs(&word(&[])), [0; 0]);
    assert_eq!(world.log.looked_up.get(), 5, "none but those that were found");
}

#[test]
fn a_participant_finds_the_messages_of_all_conversations_of_two() {
    let mut world = World::new();
    let mut batch = world.index.batch().unwrap();
    for (seq, participants) in (1..).zip([Some((5, 6)), Some((6, 7)), Some((5, 5)), None]) {
        let message = Message { seq, conversation: 10, participants, author: "ana", text: "word" };
        batch.add(&message).unwrap();
        world.log.said.push((10, "ana", format!("word {seq}")));
    }
    batch.commit(4).unwrap();
    let of = |user| Query { direct_messages_of: Some(user), ..word(&[]) };
    assert_eq!(world.seqs(&of(5)), [3, 1]);
    assert_eq!(world.seqs(&of(6)), [2, 1]);
    assert_eq!(world.seqs(&of(8)), [0; 0]);
}

#[test]
fn a_search_stops_at_its_limits() {
    let mut world = World::new();
    world.say((1..=50).map(|n| (1, "ana", format!("word {n:0>95}"))));
    assert_eq!(world.search(&Query { limit: 5, ..word(&[1]) }).len(), 6, "one more than the limit");
    assert_eq!(world.search(&Query { limit: 50, max_bytes: 1_000, ..word(&[1]) }).len(), 11);
    let ended = world.searcher.search(&world.log, &word(&[1]), Instant::now());
    assert!(matches!(ended, Err(SearchError::TooLong)), "{ended:?}");
    assert_eq!(world.search(&word(&[1])).len(), 21, "the next search has its own time");
}

#[test]
fn after_and_before_are_exclusive_and_bound_what_is_found() {
    let mut world = World::new();
    world.say((1..=9).map(|n| (1, "ana", format!("word {n}"))));
    let between = |after, before, limit| Query { after, before, limit, ..word(&[1]) };
    assert_eq!(world.seqs(&between(3, 7, 20)), [6, 5, 4]);
    assert_eq!(world.seqs(&between(3, 7, 2)), [6, 5, 4], "one more than the limit: there is more");
    assert_eq!(world.seqs(&between(3, 6, 2)), [5, 4], "what lies at the bounds is not more");
    assert_eq!(world.seqs(&between(6, 7, 20)), [0; 0]);
    assert_eq!(world.seqs(&between(8, 2, 20)), [0; 0]);
    assert_eq!(world.seqs(&between(u64::MAX, u64::MAX, 20)), [0; 0]);
}

#[test]
fn what_the_index_does_not_have_yet_is_read_from_the_log_if_it_is_little() {
    let mut world = World::of_texts(&["first word", "second"]);
    world.say_behind_the_index(&["third word", "fourth", "fifth \u{c11c}\u{bc84}\u{ac00} word"]);
    let ask = word(&[1]);
    let found = world.search_all(&ask);
    assert_eq!((found.hits.len(), found.indexed), (1, 2), "the log does not offer them");

    world.log.newer = 3;
    let found = world.search_all(&ask);
    assert_eq!(found.indexed, 5);
    let highlights: Vec<_> = found.hits.iter().map(|hit| hit.highlights.clone()).collect();
    assert_eq!(highlights, [[(10, 4)], [(6, 4)], [(6, 4)]], "newest first, with highlights");
    assert_eq!(world.seqs(&ask), [5, 3, 1]);
    assert_eq!(world.find("word NOT third"), [5, 1]);
    assert_eq!(world.find("\u{bc84}"), [5]);
    assert_eq!(world.find("nothing"), [0; 0]);
    assert_eq!(world.seqs(&Query { limit: 1, ..ask }), [5, 3], "one more than the limit");
    assert_eq!(world.search(&Query { max_bytes: 1, ..ask }).len(), 1);

    // What the index gets while a search reads the log is found once.
    world.log.indexed_meanwhile = Some(world.path.clone());
    assert_eq!(world.seqs(&ask), [5, 3, 1]);
    world.log.indexed_meanwhile = None;
    world.log.newer = 0;
    assert_eq!(world.seqs(&ask), [5, 3, 1], "now it has them");
    assert_eq!(world.search_all(&ask).indexed, 5);
}

/// A folder of its own, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tcp-chat-search-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Whether a file in it has these bytes.
    fn has(&self, bytes: &[u8]) -> bool {
        let files = std::fs::read_dir(&self.0).unwrap();
        files.into_iter().any(|file| {
            let file = std::fs::read(file.unwrap().path()).unwrap();
            file.windows(bytes.len()).any(|window| window == bytes)
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn add(index: &mut Index, seqs: std::ops::Range<u64>, text: impl Fn(u64) -> String) {
    let to = seqs.end - 1;
    let mut batch = index.batch().unwrap();
    for seq in seqs {
        let text = &text(seq);
        batch.add(&Message { seq, conversation: 1, participants: None, author: "ana", text }).unwrap();
    }
    batch.commit(to).unwrap();
}

#[test]
fn words_of_redacted_messages_leave_the_files() {
    let folder = Folder::new("purge");
    let path = folder.0.join("index");
    let mut index = Index::create(Connection::open(&path).unwrap(), b"log").unwrap();
    // Many segments of several levels, with merges between them.
    for batch in 0..60 {
        let text = |seq: u64| match seq {
            500 => "the password is hunter2zx".to_owned(),
            3_001 => "zx9passw0rd".to_owned(),
            n => format!("message {n} of {}", n * 7919 % 1000),
        };
        add(&mut index, batch * 100 + 1..batch * 100 + 101, text);
    }
    index.truncate_wal().unwrap();
    assert!(folder.has(b"hunter2zx") && folder.has(b"zx9passw0rd"));
    assert!(!index.must_purge() && index.purge().unwrap() == PurgeStep::Finished);

    index.redact(&[500, 9_999], 2).unwrap();
    assert!(index.must_purge() && index.redactions() == 2);
    // Another one after the merge has begun, and new messages meanwhile.
    assert_eq!(index.purge().unwrap(), PurgeStep::More);
    index.redact(&[3_001], 3).unwrap();
    add(&mut index, 6_001..6_010, |n| format!("later {n}"));
    let mut parts = 0;
    while index.purge().unwrap() == PurgeStep::More {
        parts += 1;
    }
    // The first one is gone, and the other one has the next purge begin.
    assert!(parts > 1 && index.must_purge() && !folder.has(b"hunter2zx"));
    while index.purge().unwrap() == PurgeStep::More {}
    assert!(!index.must_purge());
    for word in [&b"hunter2zx"[..], b"zx9passw0rd"] {
        assert!(!folder.has(word), "{}", String::from_utf8_lossy(word));
    }
    assert!(folder.has(b"later"));
    drop(index);
    let index = Index::open(Connection::open(&path).unwrap(), b"log").unwrap().unwrap();
    assert!(index.redactions() == 3 && !index.must_purge());
}

#[test]
fn a_purge_that_was_cut_short_begins_again() {
    let folder = Folder::new("purge-again");
    let path = folder.0.join("index");
    let open = || Index::open(Connection::open(&path).unwrap(), b"log").unwrap().unwrap();
    let mut index = Index::create(Connection::open(&path).unwrap(), b"log").unwrap();
    // More than one part.
    add(&mut index, 1..30_000, |n| if n == 7 { "hunter2zx".into() } else { format!("word{n} of {n}x") });
    index.redact(&[7], 1).unwrap();
    assert_eq!(index.purge().unwrap(), PurgeStep::More);
    drop(index);

    let mut index = open();
    assert!(index.must_purge());
    // A search that is under way holds the write-ahead log.
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT mark FROM about").unwrap();
    while index.purge().unwrap() == PurgeStep::More {}
    assert_eq!(index.purge().unwrap(), PurgeStep::HeldByReader);
    assert!(index.must_purge());
    reader.execute_batch("COMMIT").unwrap();
    while index.purge().unwrap() == PurgeStep::More {}
    assert!(!index.must_purge() && !folder.has(b"hunter2zx") && folder.has(b"word8"));
}

#[test]
fn a_word_that_was_redacted_during_a_purge_leaves_the_file_after_a_restart() {
    let folder = Folder::new("purge-restart");
    let path = folder.0.join("index");
    let mut index = Index::create(Connection::open(&path).unwrap(), b"log").unwrap();
    // The merge copies the words in their order: this one is among the first.
    let text = |n: u64| match n {
        7 => "zz9secret".to_owned(),
        8 => "aa1secret".to_owned(),
        n => format!("word{n} of {n}x"),
    };
    for batch in 0..60 {
        add(&mut index, batch * 500 + 1..batch * 500 + 501, text);
    }
    index.redact(&[7], 1).unwrap();
    assert_eq!(index.purge().unwrap(), PurgeStep::More);
    index.redact(&[8], 2).unwrap();
    drop(index);

    let mut index = Index::open(Connection::open(&path).unwrap(), b"log").unwrap().unwrap();
    while index.purge().unwrap() == PurgeStep::More {}
    assert!(!index.must_purge());
    for word in [&b"zz9secret"[..], b"aa1secret"] {
        assert!(!folder.has(word), "{}", String::from_utf8_lossy(word));
    }
    assert!(folder.has(b"word9"));
}

#[test]
fn a_merge_that_runs_when_a_purge_begins_keeps_no_word() {
    let folder = Folder::new("purge-merging");
    let mut index = Index::create(Connection::open(folder.0.join("index")).unwrap(), b"log").unwrap();
    let purge = |index: &mut Index, n| {
        index.redact(&[n], n).unwrap();
        while index.purge().unwrap() == PurgeStep::More {}
        assert!(!index.must_purge());
        let word = format!("aa{n}zx");
        assert!(!folder.has(word.as_bytes()), "{word}");
    };
    // FTS5 merges a little with each batch, so each purge begins at another place of its merges.
    for round in 0..40 {
        let from = round * 400 + 1;
        add(&mut index, from..from + 400, |n| format!("aa{n}zx word{n} of {n}x"));
        purge(&mut index, from);
        add(&mut index, 100_000 + from..100_000 + from + 1 + round % 9 * 40, |n| format!("word{n} of {n}x"));
        purge(&mut index, from + 200);
    }
}

/// Run by hand: `cargo test --release -p tcp-chat-search measure_secure_delete -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and decides nothing"]
fn measure_secure_delete() {
    for secure in ["ON", "FAST", "OFF", "ON", "OFF"] {
        let folder = Folder::new("measure");
        let path = folder.0.join("index");
        let mut index = Index::create(Connection::open(&path).unwrap(), b"log").unwrap();
        index.run(&format!("PRAGMA secure_delete = {secure}"));
        let began = Instant::now();
        for batch in 0..100_u64 {
            add(&mut index, batch * 2_000 + 1..batch * 2_000 + 2_001, |seq| {
                (0..12).map(|n| format!("w{:x} ", (seq * 2_654_435_761 + n * 40_503) % 60_000)).collect()
            });
        }
        let added = began.elapsed();
        index.redact(&[7], 1).unwrap();
        let began = Instant::now();
        let (mut parts, mut longest) = (0, Duration::ZERO);
        loop {
            let part = Instant::now();
            let more = index.purge().unwrap();
            longest = longest.max(part.elapsed());
            parts += 1;
            if more != PurgeStep::More {
                break;
            }
        }
        println!(
            "secure_delete = {secure}: 200,000 messages in {added:?}; purged in {:?}, {parts} parts, the longest {longest:?}; {} bytes",
            began.elapsed(),
            path.metadata().unwrap().len()
        );
    }
}
