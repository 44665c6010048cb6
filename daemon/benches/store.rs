//! The speed of the store: committed messages per second, as a ratio to a bare SQLite loop that inserts the
//! same rows, and the time of pages and searches over a million messages. Run `cargo bench -p tcp-chatd`, or
//! `cargo bench -p tcp-chatd -- 5000000` for another number of messages. It takes a minute and one gigabyte
//! in the temporary folder (set `TMPDIR` to measure another disk).

use rusqlite::{Connection, params};
use std::path::Path;
use std::time::{Duration, Instant};
use talk::{ROOMS, Result, Talk, history, word};
use tcp_chat_protocol::{Name, RequestId};
use tcp_chat_state::{ConversationId, SessionId, Writes};
use tcp_chatd::settings::{Durability, History};
use tcp_chatd::store::{PageOf, Range, Readers, SearchIn, Store};

mod talk;

/// Messages of the write benchmarks.
const WRITTEN: usize = 400_000;

fn main() -> Result<()> {
    // `cargo bench` and `cargo test --benches` pass flags of their own.
    let numbers = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    for durability in [Durability::Crash, Durability::Power] {
        for turn in [64, 256] {
            for ids in [false, true] {
                let count = if durability == Durability::Power { WRITTEN / 8 } else { WRITTEN };
                write(durability, turn, ids, count)?;
            }
        }
    }
    read(numbers.unwrap_or(1_000_000))
}

/// The best of three rounds, because other programs use the machine, too.
fn write(durability: Durability, turn: usize, ids: bool, count: usize) -> Result<()> {
    let mut talk = Talk::new(ids);
    let turns = (0..count / turn).map(|_| talk.turn(turn)).collect::<Result<Vec<_>>>()?;
    let (mut ours, mut same, mut each, mut cpu) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    let mut slowest = Duration::MAX;
    for _ in 0..3 {
        let dir = tempfile::tempdir()?;
        let rate = |time: Duration| count as f64 / time.as_secs_f64();
        same = same.max(rate(bare(&dir.path().join("same.db"), durability, &turns, false)?));
        each = each.max(rate(bare(&dir.path().join("each.db"), durability, &turns, true)?));
        let (time, busy, slow) = kept(&dir.path().join("chat.db"), durability, turns.clone())?;
        (ours, cpu, slowest) = (ours.max(rate(time)), cpu.max(rate(busy)), slowest.min(slow));
    }
    println!(
        "kept, {durability:?}, turns of {turn}, {}: {ours:.0} messages/s \
         ({cpu:.0} for each second of the writer's processor), slowest turn {:.1} ms; a bare loop \
         of the same rows {same:.0}/s (ratio {:.2}), of a row for each message {each:.0}/s (ratio {:.2})",
        if ids { "ids" } else { "no ids" },
        slowest.as_secs_f64() * 1e3,
        ours / same,
        ours / each,
    );
    Ok(())
}

/// The processor time of this thread, if the system reports it (Linux).
fn busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// Through the store, with the search index running: the total time, the time in which the writer was busy,
/// and the slowest turn.
fn kept(path: &Path, durability: Durability, turns: Vec<Writes>) -> Result<(Duration, Duration, Duration)> {
    let (mut store, _readers, _) = Store::open(&History { durability, ..history(path) })?;
    store.commit(&mut Talk::rooms()?)?;
    let mut slowest = Duration::ZERO;
    let (began, busy_before) = (Instant::now(), busy());
    for mut writes in turns {
        let turn = Instant::now();
        store.commit(&mut writes)?;
        slowest = slowest.max(turn.elapsed());
    }
    Ok((began.elapsed(), busy() - busy_before, slowest))
}

/// The same rows with the least code: in a plain table, with SQLite's own settings.
fn bare(path: &Path, durability: Durability, turns: &[Writes], each: bool) -> Result<Duration> {
    let log = Connection::open(path)?;
    let synchronous = if durability == Durability::Power { "FULL" } else { "NORMAL" };
    log.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
         CREATE TABLE chunks (first INTEGER PRIMARY KEY, last, conversation, prev, ts, lines BLOB);
         CREATE INDEX chunks_of ON chunks (conversation, last);
         CREATE TABLE sent (seq INTEGER PRIMARY KEY, session, id);
         CREATE UNIQUE INDEX sent_as ON sent (session, id);",
    ))?;
    let mut put = log.prepare("INSERT INTO chunks VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut sent = log.prepare("INSERT INTO sent VALUES (?1, ?2, ?3)")?;
    let began = Instant::now();
    for writes in turns {
        log.execute_batch("BEGIN")?;
        for c in &writes.chunks {
            let (first, last, prev, ts) = (c.first as i64, c.last as i64, c.prev as i64, c.ts as i64);
            if each {
                for (line, seq) in c.lines.split_inclusive(|b| *b == b'\n').zip(first..) {
                    put.execute(params![seq, seq, c.conversation.0, prev, ts, line])?;
                }
            } else {
                put.execute(params![first, last, c.conversation.0, prev, ts, c.lines])?;
            }
        }
        for s in &writes.sent {
            let RequestId::Number(id) = s.id else { continue };
            sent.execute(params![s.seq as i64, s.session.0, id as i64])?;
        }
        log.execute_batch("COMMIT")?;
    }
    Ok(began.elapsed())
}

#[tokio::main]
async fn read(count: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let history = history(&dir.path().join("chat.db"));
    let (mut store, readers, _) = Store::open(&history)?;
    store.commit(&mut Talk::rooms()?)?;
    let mut talk = Talk::new(true);
    for _ in 0..count / 64 {
        store.commit(&mut talk.turn(64)?)?;
    }
    let head = talk.seq;
    let began = Instant::now();
    while readers.read_stats().await?.indexed < head {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stats = readers.read_stats().await?;
    println!(
        "{} messages: log {} MB, index {} MB, the index was {:.1} s behind",
        stats.messages,
        stats.bytes / 1_000_000,
        stats.index_bytes / 1_000_000,
        began.elapsed().as_secs_f64()
    );
    drop(readers);
    store.close()?;
    let began = Instant::now();
    let (_store, readers, _) = Store::open(&history)?;
    println!("open: {:.2} ms", began.elapsed().as_secs_f64() * 1e3);

    let room = |n: usize| ConversationId(n as i64 + 1);
    let page = |before, after| PageOf { conversation: room(3), before, after, limit: 50 };
    for (what, of) in [
        ("page, newest", page(None, None)),
        ("page, before the middle", page(Some(head / 2), None)),
        ("page, after the middle", page(None, Some(head / 2))),
    ] {
        time(what, async || Ok(readers.read_page(of).await?.data.len())).await?;
    }
    let all: Vec<Range> =
        (0..ROOMS).map(|n| Range { conversation: room(n), first: head - 1_000, last: head }).collect();
    time("gap, the last 1,000", async || {
        Ok(readers.read_gap(SessionId(1), all.clone(), 1 << 20).await?.count)
    })
    .await?;
    let many: Vec<Range> =
        (0..1_000).map(|n| Range { conversation: room(n), first: 1, last: head }).collect();
    let part = async || Ok(readers.read_gap(SessionId(1), many.clone(), 64 << 10).await?.count);
    time("gap, 64 KiB of 1,000 conversations", part).await?;

    let everywhere: Vec<ConversationId> = (0..ROOMS).map(room).collect();
    let (common, rare) = (word(1), word(15_000));
    let of = |query: &str, conversations: &[ConversationId]| SearchIn {
        query: query.to_owned(),
        conversations: conversations.to_vec(),
        directs_of: None,
        user: None,
        before: None,
        after: None,
        head: u64::MAX,
        limit: 20,
    };
    let in_one = &everywhere[..1];
    let many: Vec<ConversationId> = (0..1_000).map(room).collect();
    let by = SearchIn { user: Some(Name::parse("ana")?.key()), ..of(&common, &everywhere) };
    for (what, search) in [
        ("search, a common word", of(&common, &everywhere)),
        ("search, a common word in one room", of(&common, in_one)),
        ("search, a common word in 1,000 rooms", of(&common, &many)),
        ("search, a rare word", of(&rare, &everywhere)),
        ("search, ten in a million", of("needle", &everywhere)),
        ("search, ten in a million in a room", of("needle", in_one)),
        ("search, not there", of("nosuchword", &everywhere)),
        ("search, two common words", of(&format!("{common} {}", word(2)), in_one)),
        ("search, common and rare", of(&format!("{common} {rare}"), in_one)),
        ("search, a phrase", of(&format!("\"{common} {}\"", word(2)), in_one)),
        ("search, k*", of("k*", &everywhere)),
        ("search, kato*", of("kato*", &everywhere)),
        ("search, katoto*", of("katoto*", &everywhere)),
        ("search, a common word by ana", by),
        (
            "search, common, before the middle",
            SearchIn { before: Some(head / 2), ..of(&common, &everywhere) },
        ),
    ] {
        time(what, async || found(&readers, &search).await).await?;
    }
    Ok(())
}

async fn found(readers: &Readers, search: &SearchIn) -> Result<usize> {
    let page = readers.search(search.clone()).await?;
    Ok(page.data.windows(13).filter(|w| w == b"\"highlights\":").count())
}

/// The first time, and the median of many runs.
async fn time(what: &str, ask: impl AsyncFn() -> Result<usize>) -> Result<()> {
    let began = Instant::now();
    let count = ask().await?;
    let first = began.elapsed();
    let mut times = Vec::new();
    for _ in 0..31 {
        let began = Instant::now();
        ask().await?;
        times.push(began.elapsed());
    }
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{what}: {count} found, first {:.2} ms, median {:.2} ms", ms(first), ms(times[15]));
    Ok(())
}
