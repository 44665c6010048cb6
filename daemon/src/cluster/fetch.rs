//! Owns the way of a copy of another node's store to this node, which joins. Called by a start with an unused store, and by
//! `cluster join`. Never opens the copy: the store installs it.

use super::connect::{ConnectFailed, Nats, Subjects};
use super::copy::{Answer, Question, Wants};
use crate::store::free_bytes;
use async_nats::{Client, RequestErrorKind};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tcp_chat_turn_log::Key;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A node answers a question within this time, or it is asked again.
const ANSWER: Duration = Duration::from_secs(5);
/// Time between two questions for a copy that is not complete, or after a failure.
const AGAIN: Duration = Duration::from_millis(300);
/// How often one piece is asked for before the copy is given up.
const TRIES: u32 = 5;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// NATS cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectFailed),
    /// No node gave a copy in time.
    #[error(
        "no node of the cluster gives a copy of its store ({0}): one of them must run and reach NATS. If no node was ever \
         started, run `tcp-chatd cluster init` on the first one; if all were away too long, run `tcp-chatd cluster reseed` on \
         the one with the most advanced store"
    )]
    NoNode(String),
    /// The copy cannot be written here.
    #[error("{file}: {error}", file = .0.display(), error = .1)]
    Write(std::path::PathBuf, #[source] io::Error),
}

/// The pieces of one copy, one behind the other.
#[derive(Debug, Default)]
struct Pieces {
    /// The bytes that came.
    came: u64,
    /// The length of the copy, once a piece has told it.
    total: Option<u64>,
}

impl Pieces {
    /// Adds the next piece. True: the copy is complete.
    ///
    /// # Errors
    /// It is no piece of the same copy, or it is empty.
    fn add(&mut self, total: u64, bytes: usize) -> Result<bool, &'static str> {
        let came = self.came.saturating_add(bytes as u64);
        if self.total.replace(total).is_some_and(|before| before != total) || came > total {
            return Err("a piece belongs to a copy of another length");
        }
        if bytes == 0 && came < total {
            return Err("a piece of the copy was empty");
        }
        self.came = came;
        Ok(came == total)
    }
}

/// What one try came to.
enum Tried {
    /// Another node may give one.
    Again(String),
    Failed(FetchError),
}

impl From<FetchError> for Tried {
    fn from(error: FetchError) -> Self {
        Self::Failed(error)
    }
}

/// Fetches a copy of another node's store to the new file `to`, and syncs it. Asks for `patience` until a node begins to give
/// one. `progress` gets the bytes that came and the length of the copy, which is 0 while the other node makes it.
///
/// # Errors
/// No node gave a copy, or it could not be written. The file may exist then.
pub async fn fetch(
    nats: &Nats,
    key: &Key,
    to: &Path,
    patience: Duration,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), FetchError> {
    let until = Instant::now() + patience;
    loop {
        let why = match fetch_once(nats, key, to, &mut progress).await {
            Ok(()) => return Ok(()),
            Err(Tried::Failed(error)) if Instant::now() >= until => return Err(error),
            Err(Tried::Failed(error @ FetchError::Write(..))) => return Err(error),
            Err(Tried::Failed(error)) => error.to_string(),
            Err(Tried::Again(why)) => why,
        };
        if Instant::now() >= until {
            return Err(FetchError::NoNode(why));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn fetch_once(
    nats: &Nats,
    key: &Key,
    to: &Path,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), Tried> {
    let (client, lost) = nats.connect().await.map_err(FetchError::from)?;
    let asker = Asker { client, lost, key };
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let room = free_bytes(folder).unwrap_or(u64::MAX);
    let (holder, copy) = match asker.ask(nats.stream.copy(), Wants::Copy { room }).await? {
        Answer::Begun { holder, copy } => (holder, copy),
        Answer::No(why) => return Err(Tried::Again(why)),
        _ => return Err(Tried::Again("a node gave an answer to another question".to_owned())),
    };
    let failed = |error| Tried::Failed(FetchError::Write(to.to_owned(), error));
    let mut file = create_private(to).map_err(failed)?;
    let (mut pieces, mut tries) = (Pieces::default(), 0);
    loop {
        let from = pieces.came;
        match asker.ask(nats.stream.pieces(holder), Wants::Piece { copy, from }).await {
            Ok(Answer::Piece { total, bytes }) => {
                let is_all = pieces.add(total, bytes.len()).map_err(|why| Tried::Again(why.to_owned()))?;
                file.write_all(&bytes).map_err(failed)?;
                tries = 0;
                progress(pieces.came, total);
                if is_all {
                    return file.sync_all().map_err(failed);
                }
            }
            Ok(Answer::NotYet) => {
                tries = 0;
                progress(0, 0);
                tokio::time::sleep(AGAIN).await;
            }
            Ok(Answer::No(why)) => return Err(Tried::Again(why)),
            Ok(Answer::Begun { .. }) => {
                return Err(Tried::Again("a node gave an answer to another question".to_owned()));
            }
            Err(Tried::Again(why)) if tries >= TRIES => return Err(Tried::Again(why)),
            Err(Tried::Again(_)) => tries += 1,
            Err(failed) => return Err(failed),
        }
    }
}

/// Makes an empty file that only its owner can read, whatever the umask of an operator is.
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Asks questions over one connection.
struct Asker<'a> {
    client: Client,
    lost: CancellationToken,
    key: &'a Key,
}

impl Asker<'_> {
    async fn ask(&self, subject: String, wants: Wants) -> Result<Answer, Tried> {
        let again = |why: &str| Tried::Again(why.to_owned());
        let question = Question::new(wants).ok_or_else(|| again("the system has no random bits"))?;
        let bytes = question.seal(self.key).map_err(|why| Tried::Again(why.to_string()))?;
        let asked = self.client.request(subject, bytes.into());
        let message = tokio::select! {
            () = self.lost.cancelled() => return Err(again("the connection with NATS was lost")),
            () = tokio::time::sleep(ANSWER) => return Err(again("no node answered")),
            message = asked => message,
        };
        let message = message.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => again("no node listens"),
            _ => Tried::Again(error.to_string()),
        })?;
        Answer::open(self.key, &question, &message.payload).ok_or_else(|| {
            again("the answer was sealed with another key: compare the cluster.key of the nodes")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_complete_with_its_announced_length_and_no_other() {
        let mut pieces = Pieces::default();
        assert_eq!((pieces.add(10, 6), pieces.add(10, 4), pieces.came), (Ok(false), Ok(true), 10));
        for (total, bytes) in [(10, 5), (10, 0), (9, 3), (11, 4)] {
            let mut pieces = Pieces { came: 6, total: Some(10) };
            assert!(pieces.add(total, bytes).is_err(), "{bytes} bytes of a copy of {total}");
            assert_eq!(pieces.came, 6);
        }
        assert_eq!(Pieces::default().add(0, 0), Ok(true), "the store refuses an empty one");
    }
}
