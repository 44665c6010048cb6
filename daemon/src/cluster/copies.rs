//! Owns the copies of the store that this node gives to nodes that join: it makes a backup in the folder of the store, hands
//! it out in sealed pieces, and removes it. A task of the daemon's runtime with a connection of its own, so that a large copy
//! never delays the log. Never gives a copy to anyone without the key of the cluster.

use super::connect::{Nats, Subjects};
use super::copy::{Answer, PIECE_BYTES, Question, Wants};
use crate::order::Serves;
use crate::store::Readers;
use async_nats::{Client, Message};
use futures_util::StreamExt;
use std::collections::HashMap;
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
/// A copy that nobody asked for during this time is removed.
const UNUSED: Duration = Duration::from_secs(60);
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

/// A copy that was asked for.
struct Given {
    made: watch::Receiver<Made>,
    asked: Instant,
}

impl Copies {
    /// Answers nodes that join, until `stop`.
    pub async fn serve(self, stop: CancellationToken) {
        remove_left_behind(&self.folder);
        let Some(holder) = random() else { return };
        let mut given = HashMap::new();
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

    /// Answers over one connection until it is lost. The task of the stream reports what is wrong with NATS.
    async fn serve_connection(&self, holder: u64, given: &mut HashMap<u64, Given>) {
        let Ok((client, lost)) = self.nats.connect().await else { return };
        let stream = &self.nats.stream;
        // One node of all answers: NATS chooses it.
        let Ok(mut asked) = client.queue_subscribe(stream.copy(), "nodes".to_owned()).await else { return };
        let Ok(mut pieces) = client.subscribe(stream.pieces(holder)).await else { return };
        let mut clean = tokio::time::interval(UNUSED / 4);
        loop {
            let message = tokio::select! {
                () = lost.cancelled() => return,
                _ = clean.tick() => {
                    given.retain(|_, one| one.asked.elapsed() < UNUSED);
                    continue;
                }
                message = asked.next() => message,
                message = pieces.next() => message,
            };
            let Some(message) = message else { return };
            self.hear(&client, holder, given, message).await;
        }
    }

    async fn hear(&self, client: &Client, holder: u64, given: &mut HashMap<u64, Given>, message: Message) {
        let (Some(reply), Some(question)) = (message.reply, Question::open(&self.key, &message.payload))
        else {
            return;
        };
        let answer = match question.wants {
            Wants::Copy => self.begin(holder, given),
            Wants::Piece { copy, from } => match given.get_mut(&copy) {
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
    fn begin(&self, holder: u64, given: &mut HashMap<u64, Given>) -> Answer {
        if !self.serves.now() {
            return Answer::No("a node that does not serve itself gives no copy".to_owned());
        }
        if given.len() >= COPIES {
            return Answer::No("this node gives copies to others now".to_owned());
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
        given.insert(copy, Given { made, asked: Instant::now() });
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

fn random() -> Option<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    Some(u64::from_be_bytes(bytes))
}
