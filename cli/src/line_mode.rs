//! Owns the chat without a screen: sends lines from standard input, prints messages. Two halves: this loop
//! prints, and `Worker` runs the lines one after another, so that they are sent in order. Never parses the wire.

use crate::connect::{Taken, connect, current, deadline, quit_by};
use crate::exit::{Exit, Failure};
use crate::neutralise::line as clean;
use crate::output::{self, Stop, say};
use crate::settings::Settings;
use crate::signals::{Asked, asked_to_stop};
use crate::state::State;
use crate::style::{self, Style, count};
use crate::typed::{Working, interrupted};
use crate::worker::{Done, Output, Worker};
use std::io::IsTerminal;
use std::time::Duration;
use tcp_chat_client::protocol::{NoticeKind, PresenceState};
use tcp_chat_client::{Event, Events, Saved, Session};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// The largest number of lines that wait to be printed.
const LINES: usize = 64;
/// The shortest time between two saves of the cursor.
const SAVE: Duration = Duration::from_secs(1);

/// Chats until the input ends, `/quit`, or a signal.
///
/// # Errors
/// The end of the session.
pub async fn run(settings: &Settings) -> Result<(), Stop> {
    let state = State::claim("chat", &settings.server(), &settings.name).unwrap_or_else(|e| {
        say(&format!("* the session will not be saved: {e}"));
        None
    });
    let saved: Option<Saved> = state.as_ref().and_then(State::load);
    let (session, events) = connect(settings, saved.into(), Taken::Refuse).await?;
    let typed = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let chat = Chat {
        settings,
        session: session.clone(),
        state,
        style: Style::new(settings.no_color),
        typed,
        saved: None,
        joined: false,
    };
    chat.run(events).await
}

struct Chat<'a> {
    settings: &'a Settings,
    session: Session,
    state: Option<State>,
    style: Style,
    /// Whether a user types and reads on the same terminal, which already shows the input.
    typed: bool,
    /// The last saved state.
    saved: Option<Saved>,
    joined: bool,
}

/// Why the chat ended.
enum End {
    /// The input ended, or `/quit`: all requests are done.
    Done(Done),
    /// A signal.
    Asked(Asked),
    /// Standard output cannot be written.
    Unheard(Stop),
    /// The time of `--timeout` has passed.
    TimedOut,
    /// The session has ended.
    Over(tcp_chat_client::Error),
}

impl Chat<'_> {
    async fn run(mut self, mut events: Events) -> Result<(), Stop> {
        self.save();
        let mut worker: Option<Working> = None;
        let (output, mut says) = mpsc::channel(LINES);
        let mut output = Some(output);
        let (eof, mut input_ended) = oneshot::channel::<()>();
        let (mut eof, mut input_open) = (Some(eof), true);
        // A user may type without a limit. After the end of the input the timeout starts again.
        let is_terminal = std::io::stdin().is_terminal();
        let mut give_up = self.settings.deadline().filter(|_| !is_terminal);
        let mut save = interval(SAVE);
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = asked_to_stop();
        let gone = output::reader_gone();
        tokio::pin!(stop, gone);
        let end = loop {
            // The input is read only when the session is ready for it.
            if self.joined
                && worker.is_none()
                && let (Some(output), Some(eof)) = (output.take(), eof.take())
            {
                let worker_side =
                    Worker::new(self.session.clone(), &self.settings.rooms, output, self.style.clone())
                        .with_commands(self.settings.commands || is_terminal)
                        .without_a_reader(!is_terminal);
                worker = Some(Working::start(worker_side, eof));
            }
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::Ended(why)) => break End::Over(why),
                    Some(event) => if let Err(unheard) = self.show(event) { break End::Unheard(unheard) },
                    None => break End::Over(tcp_chat_client::Error::Closed(tcp_chat_client::Closed::Quit)),
                },
                Some(line) = says.recv() => if let Err(unheard) = print(line) { break End::Unheard(unheard) },
                done = async { match &mut worker { Some(w) => w.ended().await, None => std::future::pending().await } } => {
                    break match done {
                        Ok(done) => End::Done(done),
                        Err(e) => return Err(Failure::new(Exit::Other, format!("the input: {e}")).into()),
                    };
                }
                _ = &mut input_ended, if input_open => {
                    input_open = false;
                    give_up = give_up.or_else(|| deadline(self.settings.timeout));
                }
                () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => break End::TimedOut,
                asked = &mut stop => break End::Asked(asked),
                () = &mut gone => break End::Unheard(Stop::ReaderGone),
                _ = save.tick() => self.save(),
            }
        };
        let left = match &end {
            // A user at a terminal sees which lines were not sent.
            _ if is_terminal => None,
            End::Asked(_) => interrupted(worker, "stopped by a signal").await,
            End::Unheard(_) => interrupted(worker, "standard output was closed").await,
            End::Done(_) | End::TimedOut | End::Over(_) => None,
        };
        // The last lines of the worker are still in its queue.
        let mut heard = Ok(());
        while let Ok(line) = says.try_recv() {
            heard = heard.and(print(line));
        }
        let result = left.map_or(Ok(()), |failure| Err(Stop::Failed(failure)));
        match end {
            End::Done(done) => {
                // Also if a request was refused.
                let heard = heard.and(self.drain(&mut events));
                let result = match done.refused {
                    Some(failure) if !self.typed => Err(Stop::Failed(failure)),
                    _ => heard,
                };
                self.leave(result).await
            }
            End::Asked(Asked::Quit) => self.leave(result).await,
            End::Asked(Asked::HangUp) => {
                self.save();
                // A session that could not be saved cannot be resumed.
                if self.state.is_none() { self.leave(result).await } else { result }
            }
            End::Unheard(unheard) => self.leave(result.and(Err(unheard))).await,
            End::TimedOut => {
                let late = if input_open {
                    "the input did not end in time: what came later was not sent"
                } else {
                    "not all messages were confirmed in time"
                };
                self.leave(Err(Failure::timed_out(late).into())).await
            }
            End::Over(why) => {
                // The session has not ended, but a certificate was refused, for example.
                if matches!(why, tcp_chat_client::Error::Closed(_)) {
                    self.forget();
                }
                Err(Failure::from(why).into())
            }
        }
    }

    /// Prints the events that have arrived.
    fn drain(&mut self, events: &mut Events) -> Result<(), Stop> {
        while let Some(event) = events.try_next() {
            if !matches!(event, Event::Ended(_)) {
                self.show(event)?;
            }
        }
        Ok(())
    }

    async fn leave(mut self, result: Result<(), Stop>) -> Result<(), Stop> {
        // Without a confirmation the daemon holds the session, and the next start resumes it.
        let until = match &result {
            Err(Stop::Failed(f)) if f.exit == Exit::TimedOut => Some(Instant::now()),
            _ => None,
        };
        if quit_by(&self.session, until, self.settings).await {
            self.forget();
        } else {
            self.save();
        }
        result
    }

    fn forget(&mut self) {
        if let Some(state) = &self.state {
            state.forget();
        }
    }

    fn save(&mut self) {
        let Some(state) = &self.state else { return };
        let now = self.session.saved();
        if self.saved.as_ref() == Some(&now) {
            return;
        }
        if let Err(e) = state.save(&now) {
            say(&format!("* the session could not be saved: {e}"));
            self.state = None;
            return;
        }
        self.saved = Some(now);
    }

    fn show(&mut self, event: Event) -> Result<(), Stop> {
        match event {
            Event::Message(message) => {
                if self.settings.json {
                    output::json(&message.data)?;
                } else if !(self.typed && message.own && message.id.is_some() && self.joined) {
                    output::data(&self.style.message(&message))?;
                }
            }
            Event::Presence(p) => {
                let what = match p.state {
                    PresenceState::Joined => "has joined",
                    PresenceState::Away => "is away",
                    PresenceState::Back => "is back",
                    PresenceState::Left => "has left",
                    PresenceState::Other => return Ok(()),
                };
                say(&format!("* {} {what} #{}", clean(&p.user), clean(&p.room)));
            }
            Event::Notice(n) if n.kind == NoticeKind::Unavailable => {
                say(&format!("* {}", output::STALLED));
            }
            Event::Notice(n) if n.kind == NoticeKind::Available => {
                say(&format!("* {}", output::STALLED_NO_MORE));
            }
            Event::Notice(n) => {
                let who =
                    if n.kind == NoticeKind::Operator { "the operator says" } else { "the server says" };
                say(&format!("* {who}: {}", clean(&n.msg)));
            }
            Event::Redacted(redaction) => say(&format!("* {}", output::redacted(&redaction))),
            Event::Topic(room) => {
                let text = style::topic(room.user.as_deref(), &room.topic);
                say(&format!("* {text} in #{}", clean(&room.room)));
            }
            Event::Connected(login) => {
                let rooms: Vec<_> = login.rooms.iter().map(|r| format!("#{}", clean(r))).collect();
                let (server, name) = (current(&self.session), clean(&login.name));
                say(&format!("* connected to {server} as {name}; in {}", rooms.join(", ")));
                self.joined = true;
            }
            Event::Reconnecting { wait, attempt, why } => {
                // The notice names the server.
                let why = match why {
                    tcp_chat_client::Error::NoConnection { why, .. } => why,
                    other => other.to_string(),
                };
                if attempt == 1 {
                    say(&format!("* the connection is lost: {}", clean(&why)));
                } else if self.settings.verbose {
                    say(&format!("* {}", clean(&why)));
                }
                if wait >= Duration::from_secs(1) || self.settings.verbose {
                    say(&format!("* trying again in {:.1} s", wait.as_secs_f32()));
                }
            }
            Event::Resumed { caught_up } => {
                let (server, login) = (current(&self.session), self.session.login());
                say(&format!(
                    "* connected to {server} as {}; caught up {}",
                    clean(&login.name),
                    count(caught_up, "message")
                ));
                self.joined = true;
            }
            Event::SessionLost { after, head } => {
                let missed = head.saturating_sub(after);
                say("* the session had ended: this is a new one");
                if missed > 0 {
                    say(&format!("* `tcp-chat-cli history --after {after}` shows what was said"));
                }
            }
            Event::LogReplaced { from, .. } => say(&format!("* {}", output::log_replaced(from))),
            Event::Gap { from, to } => {
                say(&format!("* messages between {from} and {to} are no longer kept by the server"));
            }
            Event::ChainBroken { prev, seq, .. } => {
                say(&format!("* warning: message {prev}, which comes before {seq}, is missing"));
            }
            _ => {}
        }
        Ok(())
    }
}

fn print(line: Output) -> Result<(), Stop> {
    match line {
        Output::Data(line) => output::data(&line),
        Output::Note(line) => {
            say(&line);
            Ok(())
        }
    }
}
