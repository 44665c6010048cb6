//! Owns the execution of lines in line mode, one after another: messages here, `/commands` in `commands`. `line_mode` sends the
//! lines and prints the results, through bounded queues. Never prints itself.

mod commands;

pub use commands::{COMMANDS, member_line, room_line};

use crate::exit::{Exit, Failure};
use crate::input::{LONGEST, Line, What};
use crate::neutralise::line as clean;
use crate::style::Style;
use tcp_chat_client::{Error, Session, To};
use tokio::sync::{mpsc, oneshot};

/// A line to print.
#[derive(Debug)]
pub enum Output {
    /// Requested data.
    Data(String),
    /// Everything else.
    Note(String),
}

/// The result of the lines.
#[derive(Debug, Default)]
pub struct Done {
    /// The first failure. It has no lines if it was already reported.
    pub refused: Option<Failure>,
}

/// Runs the lines.
#[derive(Debug)]
pub struct Worker {
    session: Session,
    output: mpsc::Sender<Output>,
    style: Style,
    /// The room of messages; `None`: the server's first.
    room: Option<String>,
    /// Rooms to join.
    wanted: Vec<String>,
    /// Whether a line that begins with a slash is a command. Otherwise it is text.
    commands: bool,
    /// Whether the input continues and no user can see that a room was refused.
    is_blind: bool,
    /// A line that requested another room without success.
    misses_room: Option<u64>,
    /// The number of the current line.
    at: Option<u64>,
    done: Done,
}

/// The lines of one read, or the reason why the input is unreadable.
pub(crate) type Read = Result<Vec<Line>, Failure>;

enum Next {
    Line,
    Quit,
}

impl Worker {
    /// Sends to the first of `rooms`, or to the first room of the session.
    #[must_use]
    pub fn new(session: Session, rooms: &[String], output: mpsc::Sender<Output>, style: Style) -> Self {
        let room = rooms.first().cloned().or_else(|| session.login().rooms.first().cloned());
        let (wanted, done) = (rooms.to_vec(), Done::default());
        let (commands, is_blind, misses_room, at) = (false, false, None, None);
        Self { session, output, style, room, wanted, commands, is_blind, misses_room, at, done }
    }

    /// As [`Worker::new`], but lines that begin with a slash are commands.
    #[must_use]
    pub fn with_commands(self, commands: bool) -> Self {
        Self { commands, ..self }
    }

    /// As [`Worker::new`], but the lines come from a file or a program: lines after a refused room are not sent.
    #[must_use]
    pub fn without_a_reader(self, is_blind: bool) -> Self {
        Self { is_blind, ..self }
    }

    /// Runs until the lines end, one is `/quit`, or `stop` gives a reason.
    pub(crate) async fn run(
        mut self,
        mut reads: mpsc::Receiver<Read>,
        stop: oneshot::Receiver<&'static str>,
    ) -> Done {
        let why = tokio::select! {
            () = self.work(&mut reads) => return self.done,
            Ok(why) = stop => why,
        };
        let left = match self.at {
            Some(line) => Some(Ok(line)),
            None => reads.try_recv().ok().map(|read| read.map(|lines| lines.first().map_or(1, |l| l.number))),
        };
        let failure = match left {
            None => return self.done,
            Some(Err(unreadable)) => unreadable,
            Some(Ok(line)) => {
                let text = format!("{why}: line {line} was not confirmed, and what follows it was not sent");
                Failure::new(Exit::Other, text)
            }
        };
        self.done.refused.get_or_insert(failure);
        self.done
    }

    async fn work(&mut self, reads: &mut mpsc::Receiver<Read>) {
        self.enter_rooms().await;
        while let Some(read) = reads.recv().await {
            let lines = match read {
                Ok(lines) => lines,
                Err(failure) => return self.fail(failure).await,
            };
            let mut lines = lines.into_iter();
            while let Some(line) = lines.next() {
                self.at = Some(line.number);
                if let Some(text) = self.missed(&line) {
                    return self.fail(Failure::new(Exit::Refused, text)).await;
                }
                match self.take(line).await {
                    Ok(Next::Line) => {}
                    Ok(Next::Quit) => return self.left_over(lines, reads).await,
                    Err(e @ Error::Closed(_)) => {
                        self.done.refused.get_or_insert(e.into());
                        return;
                    }
                    Err(e) => self.fail(e.into()).await,
                }
            }
            self.at = None;
        }
    }

    /// Reports a failure, and keeps the first one for the exit code.
    async fn fail(&mut self, failure: Failure) {
        self.tell(format!("! {}", clean(&failure.lines.join("; ")))).await;
        // The failure is reported; only its exit code remains.
        self.done.refused.get_or_insert(Failure { lines: Vec::new(), ..failure });
    }

    /// Reports that the lines behind `/quit` are not sent.
    async fn left_over(&mut self, lines: std::vec::IntoIter<Line>, reads: &mut mpsc::Receiver<Read>) {
        let mut left = lines.filter(|line| line.what != What::Text(String::new())).count();
        while let Ok(read) = reads.try_recv() {
            left += read.map_or(0, |lines| lines.len());
        }
        if left > 0 {
            let text = format!("lines behind /quit were not sent: {left}");
            self.fail(Failure::new(Exit::Refused, text)).await;
        }
    }

    /// Why the line and the later ones are not sent: they may be meant for a refused room.
    fn missed(&self, line: &Line) -> Option<String> {
        let asked = self.misses_room.filter(|_| self.is_blind)?;
        match &line.what {
            What::Text(text) if text.is_empty() || text == "/quit" => None,
            _ => Some(format!(
                "line {} and what follows it was not sent: it may be meant for the room of line {asked}, which was refused",
                line.number
            )),
        }
    }

    async fn take(&mut self, line: Line) -> Result<Next, Error> {
        match line.what {
            // A message has at least one character.
            What::Text(text) if text.is_empty() => Ok(Next::Line),
            What::Text(text) if self.commands => self.line(&text).await,
            What::Text(text) => {
                self.send(None, &text).await;
                Ok(Next::Line)
            }
            What::NotUtf8 => {
                self.fail(Line::not_utf8(line.number)).await;
                Ok(Next::Line)
            }
            What::TooLong(bytes) => {
                let bound = self.session.login().limits.msg_bytes.min(LONGEST);
                self.fail(Line::too_long(line.number, bytes, bound)).await;
                Ok(Next::Line)
            }
        }
    }

    /// A resumed session has its own rooms; joins the requested ones, too.
    async fn enter_rooms(&mut self) {
        for room in std::mem::take(&mut self.wanted) {
            if !self.session.login().rooms.contains(&room)
                && let Err(e) = self.session.join(&room).await
            {
                self.fail(e.into()).await;
            }
        }
    }

    async fn tell(&self, line: String) {
        // If the printer is gone, no reader is left.
        let _ = self.output.send(Output::Note(line)).await;
    }

    async fn answer(&self, line: String) {
        let _ = self.output.send(Output::Data(line)).await; // As above.
    }

    async fn send(&mut self, user: Option<&str>, text: &str) {
        let to = match (user, &self.room) {
            (Some(user), _) => To::User(user.to_owned()),
            (None, Some(room)) => To::Room(room.clone()),
            (None, None) => To::Default,
        };
        if let Err(e) = self.session.send(to, text).await {
            let failure = match e {
                // The message is at fault, not the command line.
                Error::Invalid(why) => Failure::new(Exit::Refused, format!("not sent: {why}")),
                e => Failure::from(e),
            };
            self.fail(failure).await;
        }
    }
}
