//! Owns standard input in line mode: the thread that reads it, and the task that runs its lines. Called by
//! `line_mode`, which prints. Never prints itself.

use crate::exit::{Exit, Failure};
use crate::input::{self, LONGEST, Lines, Watched};
use crate::worker::{Done, Read, Worker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

/// The largest number of reads that wait for the worker.
const READS: usize = 4;
/// How long a read may take if the input has data.
const READING: Duration = Duration::from_millis(10);

/// The task that runs the lines.
#[derive(Debug)]
pub(crate) struct Working {
    ended: JoinHandle<Done>,
    stop: oneshot::Sender<&'static str>,
    /// The input pauses: all its bytes are with the worker.
    input_waits: Arc<AtomicBool>,
}

impl Working {
    /// Starts to read. `eof` is set at the end of the input.
    pub(crate) fn start(worker: Worker, eof: oneshot::Sender<()>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let input_waits = Arc::<AtomicBool>::default();
        #[expect(clippy::disallowed_methods, reason = "the handle is waited for")]
        let ended = tokio::spawn(worker.run(read_lines(eof, &input_waits), stopped));
        Self { ended, stop, input_waits }
    }

    /// Waits until all lines are done.
    pub(crate) async fn ended(&mut self) -> Result<Done, JoinError> {
        (&mut self.ended).await
    }
}

/// Stops before the end of the input. Returns the lines that were not sent, if any.
pub(crate) async fn interrupted(worker: Option<Working>, why: &'static str) -> Option<Failure> {
    let Some(Working { ended, stop, input_waits }) = worker else {
        let text = format!("{why}: the input was not read, and nothing was sent");
        return Some(Failure::new(Exit::Other, text));
    };
    // The reading thread may be about to pass a read on, which is then seen.
    tokio::time::sleep(READING).await;
    let is_all_read = input_waits.load(Ordering::Acquire);
    // If the input has ended, nothing is left.
    let _ = stop.send(why);
    match ended.await {
        Ok(Done { refused: Some(failure) }) => Some(failure),
        Ok(_) if is_all_read => None,
        Ok(_) => Some(Failure::new(Exit::Other, format!("{why}: the end of the input was not sent"))),
        Err(e) => Some(Failure::new(Exit::Other, format!("the input: {e}"))),
    }
}

/// Reads standard input on its own thread, because not every system can read a terminal otherwise. The thread
/// ends with the input, or with the program.
fn read_lines(eof: oneshot::Sender<()>, waits: &Arc<AtomicBool>) -> mpsc::Receiver<Read> {
    let (reads, out) = mpsc::channel(READS);
    let mut input = Watched::new(std::io::stdin(), waits);
    std::thread::spawn(move || {
        let mut lines = Lines::new(LONGEST);
        let is_taken =
            |read: Read| read.as_ref().is_ok_and(Vec::is_empty) || reads.blocking_send(read).is_ok();
        let ended = input::read_all(&mut input, |bytes| is_taken(Ok(lines.feed(bytes))));
        let is_heard = match ended {
            // The last line may have no line end.
            Ok(true) => is_taken(Ok(lines.rest().into_iter().collect())),
            Ok(false) => false,
            Err(e) => is_taken(Err(input::unreadable(&e))),
        };
        if is_heard {
            // The session may be over.
            let _ = eof.send(());
        }
    });
    out
}
