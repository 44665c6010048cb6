//! How searches and the chat do while the search index is far behind: `cargo bench -p tcp-chatd --bench behind`;
//! `-- 200000` for another number of messages. Each phase begins with a store whose index was removed. It reports
//! the index thread's processor time (Linux), so that other work on the machine changes the figures little. Needs
//! a gigabyte in the temporary folder (set `TMPDIR` to measure another disk).

use std::path::Path;
use std::time::{Duration, Instant};
use talk::{Result, Talk, history, word};
use tcp_chat_state::ConversationId;
use tcp_chatd::store::{Readers, SearchIn, Store};

mod talk;

/// Messages that the chat phase says, one in each turn, and the time between two of them.
const SAID: usize = 2_000;
const PACE: Duration = Duration::from_millis(5);
/// Searches in the chat phase: one after so many messages.
const SEARCH_EVERY: usize = 40;

fn main() -> Result<()> {
    // `cargo bench` and `cargo test --benches` pass flags of their own.
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let count = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    run(count)
}

#[tokio::main]
async fn run(count: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("chat.db");
    let mut talk = Talk::new(true);
    {
        let (mut store, readers, _) = Store::open(&history(&path))?;
        store.commit(&mut Talk::rooms()?)?;
        for _ in 0..count / 256 {
            store.commit(&mut talk.turn(256)?)?;
        }
        drop(readers);
        store.close()?;
    }
    quiet(&path, talk.seq).await?;
    searching(&path, talk.seq).await?;
    chatting(&path, &mut talk).await
}

/// Opens the store without an index.
fn open(path: &Path) -> Result<(Store, Readers)> {
    for ending in ["-search", "-search-wal", "-search-shm"] {
        let _ = std::fs::remove_file(path.with_file_name(format!("chat.db{ending}")));
    }
    let (store, readers, _) = Store::open(&history(path))?;
    Ok((store, readers))
}

fn common_word(seq: u64) -> SearchIn {
    let conversations = (1..=8).map(ConversationId).collect();
    let query = word(seq % 7 + 1);
    SearchIn {
        query,
        conversations,
        directs_of: None,
        user: None,
        before: None,
        after: None,
        head: u64::MAX,
        limit: 20,
    }
}

/// Nobody writes or searches: what the whole index costs.
async fn quiet(path: &Path, head: u64) -> Result<()> {
    let (store, readers) = open(path)?;
    let began = Instant::now();
    while readers.read_stats().await?.indexed < head {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (wall, cpu) = (began.elapsed(), index_cpu());
    println!(
        "quiet: {head} messages indexed with {:.2} s of processor time ({:.1} us each), {:.2} s in all",
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / head as f64,
        wall.as_secs_f64()
    );
    drop(readers);
    store.close()?;
    Ok(())
}

/// Somebody searches again and again, and nobody writes.
async fn searching(path: &Path, head: u64) -> Result<()> {
    let (store, readers) = open(path)?;
    let mut times = Vec::new();
    for n in 0..20 {
        let began = Instant::now();
        readers.search(common_word(n)).await?;
        times.push(began.elapsed());
    }
    let indexed = readers.read_stats().await?.indexed;
    println!("searching, {head} behind: {}; the index was at {indexed} after that", spread(&mut times));
    drop(readers);
    store.close()?;
    Ok(())
}

/// People chat without a pause, and search.
async fn chatting(path: &Path, talk: &mut Talk) -> Result<()> {
    let (mut store, readers) = open(path)?;
    let (began, before) = (Instant::now(), index_cpu());
    let mut searches = tokio::task::JoinSet::new();
    searches.spawn({
        let readers = readers.clone();
        async move {
            let mut times = Vec::new();
            let mut tick = tokio::time::interval(PACE * u32::try_from(SEARCH_EVERY).unwrap_or(1));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            for n in 0..(SAID / SEARCH_EVERY) as u64 {
                tick.tick().await;
                let began = Instant::now();
                if readers.search(common_word(n)).await.is_err() || began.elapsed() > Duration::from_secs(60)
                {
                    break;
                }
                times.push(began.elapsed());
            }
            times
        }
    });
    let (mut turns, mut times) = (Vec::new(), Vec::new());
    for _ in 0..SAID {
        tokio::time::sleep(PACE).await;
        let mut turn = talk.turn(2)?;
        let began = Instant::now();
        store.commit(&mut turn)?;
        turns.push(began.elapsed());
        if times.is_empty() {
            times = searches.try_join_next().transpose()?.unwrap_or_default();
        } else {
            break;
        }
    }
    let share = (index_cpu() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    let indexed = readers.read_stats().await?.indexed;
    println!("chatting: turns {}", spread(&mut turns));
    println!("chatting: the index used {:.0} % of a processor and was at {indexed}", share * 100.0);
    if times.is_empty() {
        times = searches.join_next().await.transpose()?.unwrap_or_default();
    }
    println!("chatting: searches {}", spread(&mut times));
    drop(readers);
    store.close()?;
    Ok(())
}

/// The median, the 99th percentile and the longest.
fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
    let ms = |part| at(part).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    format!("median {:.2} ms, p99 {:.2} ms, longest {:.2} ms of {}", ms(50), ms(99), ms(100), times.len())
}

/// The processor time of the index's thread.
fn index_cpu() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let is_index = |thread: &std::path::PathBuf| read(thread.join("comm")).trim() == "search-index";
    let nanoseconds = threads.flatten().map(|thread| thread.path()).filter(is_index);
    let nanoseconds = nanoseconds.filter_map(|thread| {
        read(thread.join("schedstat")).split(' ').next().and_then(|n| n.parse::<u64>().ok())
    });
    Duration::from_nanos(nanoseconds.sum())
}
