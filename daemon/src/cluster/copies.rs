//! Owns the copies of the store that this node gives to nodes that join: it makes a backup in the folder of the store, hands
//! it out in sealed pieces, and removes it. A task of the daemon's runtime with a connection of its own, so that a large copy
//! never delays the log. Never gives a copy to anyone without the key of the cluster.

use super::connect::{Nats, Subjects};
use super::copy::{Answer, PIECE_BYTES, Question, Wants};
use crate::order::Serves;
use crate::store::{Readers, free_bytes};
use async_nats::{Client, Message};
use futures_util::StreamExt;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_turn_log::Key;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What the names of its files begin with.
const PREFIX: &str = "copy-for-node-";
/// Copies that exist at once.
const COPIES: usize = 2;
/// A copy of which no piece was asked for during this time is removed.
const UNUSED: Duration = Duration::from_secs(60);
/// A copy is begun at most this often: a program without the key can repeat the question of a node that joined.
const EVERY: Duration = Duration::from_secs(10);
/// How many questions are remembered, so that repeated ones get no answer.
const REMEMBERED: usize = 4096;
/// Bytes that stay free on the disk beside a copy, for messages meanwhile.
const SPARE: u64 = 64 << 20;
/// Time between two connections.
const AGAIN: Duration = Duration::from_secs(1);

/// What the task needs.
#[derive(Debug)]
pub struct Copies {
    /// Where the other nodes ask.
    pub nats: Nats,
    /// The key of the cluster.
    pub key: Key,
    /// The store.
    pub readers: Readers,
    /// The folder of the store.
    pub folder: PathBuf,
    /// Whether this node has what the others have.
    pub serves: Serves,
    /// The server over which this node reads the log: copies are given over the same.
    pub server: watch::Receiver<Option<usize>>,
}

/// The result of making a copy. `None`: it is being made.
type Made = Option<Result<Arc<Copy>, String>>;

/// A complete copy. Its file is removed with the last reference.
#[derive(Debug)]
struct Copy {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A file that stays is removed by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The copies that this node gives, and the questions that it has heard.
#[derive(Default)]
struct GivenCopies {
    copies: HashMap<u64, Given>,
    begun: Option<Instant>,
    /// The random bits of the last questions, oldest first.
    asked: VecDeque<[u8; 16]>,
    known: HashSet<[u8; 16]>,
}

impl GivenCopies {
    /// Is this question new? Then it is remembered.
    fn is_new(&mut self, question: &Question) -> bool {
        if !self.known.insert(question.random) {
            return false;
        }
        self.asked.push_back(question.random);
        if self.asked.len() > REMEMBERED
            && let Some(oldest) = self.asked.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// May a copy be begun now?
    fn has_room(&mut self, now: Instant) -> bool {
        let waits = self.begun.is_some_and(|begun| now < begun + EVERY);
        let has_room = self.copies.len() < COPIES && !waits;
        if has_room {
            self.begun = Some(now);
        }
        has_room
    }
}

/// A copy that was asked for.
struct Given {
    made: watch::Receiver<Made>,
    asked: Instant,
}

impl Copies {
    /// Answers nodes that join, until `stop`.
    pub async fn serve(mut self, stop: CancellationToken) {
        remove_left_behind(&self.folder);
        let Some(holder) = random() else { return };
        let mut given = GivenCopies::default();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.serve_connection(holder, &mut given) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Answers over one connection until it is lost, or until the log is read over another server: this one may have lost the
    /// others, and then no question reaches it. The task of the stream reports what is wrong with NATS.
    async fn serve_connection(&mut self, holder: u64, given: &mut GivenCopies) {
        let Ok(server) = self.server.wait_for(Option::is_some).await.map(|server| *server) else {
            // The task of the stream ends with the process.
            return;
        };
        let Some(url) = server.and_then(|number| self.nats.servers.get(number)) else { return };
        let Ok((client, lost)) = self.nats.only(url).connect().await else { return };
        let stream = &self.nats.stream;
        // One node of all answers: NATS chooses it.
        let Ok(mut asked) = client.queue_subscribe(stream.copy(), "nodes".to_owned()).await else { return };
        let Ok(mut pieces) = client.subscribe(stream.pieces(holder)).await else { return };
        let mut clean = tokio::time::interval(UNUSED / 4);
        loop {
            let message = tokio::select! {
                () = lost.cancelled() => return,
                Ok(_) = self.server.wait_for(|now| *now != server) => return,
                _ = clean.tick() => {
                    given.copies.retain(|_, one| one.asked.elapsed() < UNUSED);
                    continue;
                }
                message = asked.next() => message,
                message = pieces.next() => message,
            };
            let Some(message) = message else { return };
            self.hear(&client, holder, given, message).await;
        }
    }

    async fn hear(&self, client: &Client, holder: u64, given: &mut GivenCopies, message: Message) {
        let (Some(reply), Some(question)) = (message.reply, Question::open(&self.key, &message.payload))
        else {
            return;
        };
        if !given.is_new(&question) {
            return;
        }
        let answer = match question.wants {
            Wants::Copy { room } => self.begin(holder, given, room),
            Wants::Piece { copy, from } => match given.copies.get_mut(&copy) {
                None => Answer::No("the copy is gone".to_owned()),
                Some(one) => {
                    one.asked = Instant::now();
                    let made = one.made.borrow().clone();
                    piece(made, from).await
                }
            },
        };
        if let Ok(bytes) = answer.seal(&self.key, &question) {
            // An answer that is lost is asked for again.
            let _ = client.publish(reply, bytes.into()).await;
        }
    }

    /// Begins to make a copy.
    fn begin(&self, holder: u64, given: &mut GivenCopies, room: u64) -> Answer {
        if !self.serves.now() {
            return Answer::No("a node that does not serve itself gives no copy".to_owned());
        }
        let own = free_bytes(&self.folder).unwrap_or(u64::MAX);
        if let Some(why) = too_little(self.readers.bytes(), own, room) {
            return Answer::No(why);
        }
        if !given.has_room(Instant::now()) {
            return Answer::No(
                "this node gives copies to others now: at most two, and one in ten seconds".to_owned(),
            );
        }
        let Some(copy) = random() else { return Answer::No("the system has no random bits".to_owned()) };
        let (sender, made) = watch::channel(None);
        let (readers, path) = (self.readers.clone(), self.folder.join(format!("{PREFIX}{copy:016x}")));
        info!(
            event = "copy_begun",
            copy = format!("{copy:016x}"),
            "a node joins and gets a copy of the store"
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the backup, and its result goes to the channel"
        )]
        tokio::spawn(async move {
            let made = match readers.backup(&path).await {
                Ok(()) => Copy::open(path).map_err(|why| why.to_string()),
                Err(why) => Err(why.to_string()),
            };
            if let Err(why) = &made {
                warn!(
                    event = "copy_failed",
                    error = why,
                    "the copy of the store for a node that joins failed"
                );
            }
            // Nobody waits for it any longer: then it is dropped.
            let _ = sender.send(Some(made.map(Arc::new)));
        });
        given.copies.insert(copy, Given { made, asked: Instant::now() });
        Answer::Begun { holder, copy }
    }
}

impl Copy {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, path, bytes })
    }

    fn read(&self, from: u64) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.bytes.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(PIECE_BYTES)];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }
}

/// Why a copy of a store with so many bytes is not begun. `own`: the free bytes here, `room`: those of the node that asks.
fn too_little(store: u64, own: u64, room: u64) -> Option<String> {
    let needed = store.saturating_add(SPARE);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let whose = match (own < needed, room < needed) {
        (true, _) => format!("the disk of the node that gives the copy has {} MiB free", mib(own)),
        (false, true) => format!("the disk of this node has {} MiB free", mib(room)),
        (false, false) => return None,
    };
    Some(format!("a copy needs {} MiB, and {whose}", mib(needed)))
}

/// The answer with the piece that begins here.
async fn piece(made: Made, from: u64) -> Answer {
    let copy = match made {
        None => return Answer::NotYet,
        Some(Err(why)) => return Answer::No(why),
        Some(Ok(copy)) => copy,
    };
    let total = copy.bytes;
    match tokio::task::spawn_blocking(move || copy.read(from)).await {
        Ok(Ok(bytes)) => Answer::Piece { total, bytes },
        Ok(Err(why)) => Answer::No(why.to_string()),
        Err(_) => Answer::No("the copy could not be read".to_owned()),
    }
}

/// Removes the copies that a killed process has left in the folder of its store.
fn remove_left_behind(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // A file that cannot be removed takes space, and nothing else.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

pub(super) fn random() -> Option<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    Some(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests;
