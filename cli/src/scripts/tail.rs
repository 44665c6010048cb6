//! Owns `tail` and `wait`: messages as they arrive, each once and in order, across restarts of the server; the
//! store has the ones that the session did not see. Called by `scripts`. Never sends a message.

use super::backfill::Backfill;
use super::{Ends, Script, at, style};
use crate::args::{Tail, Wait};
use crate::connect::quit_by;
use crate::exit::{Exit, Failure};
use crate::neutralise::line as clean;
use crate::output::{self, Stop, complain, say};
use crate::settings::Settings;
use crate::signals::asked_to_stop;
use crate::state::State;
use crate::style::{Style, count, topic};
use regex::Regex;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;
use tcp_chat_client::protocol::{MsgEvent, RedactedEvent, RoomEvent, Seq};
use tcp_chat_client::{Error, Event, Message, Saved, Session};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The shortest time between two saves of the position.
const SAVE: Duration = Duration::from_secs(1);

pub(super) async fn tail(settings: &Settings, args: Tail) -> Result<(), Stop> {
    let state = match args.resume {
        false => None,
        true => Some(State::claim("tail", &settings.server(), &settings.name)?.ok_or_else(|| {
            Failure::new(Exit::Other, "another `tail --resume` with this server and name is running")
                .hint("Give this one another --name.")
        })?),
    };
    let saved: Option<Saved> = state.as_ref().and_then(State::load);
    let mut left = args.count;
    let style = style(settings);
    let mut print = |event: &MsgEvent<'static>| {
        if settings.json {
            output::json(event)?;
        } else {
            output::data(&line(&style, event, settings))?;
        }
        left = left.map(|n| n - 1);
        Ok(if left == Some(0) { Break(()) } else { Continue(()) })
    };
    let after = args.after.or(saved.as_ref().map(|s| s.after));
    let late = match args.count {
        Some(_) => "not so many messages came in time",
        None => "the time of --timeout has passed",
    };
    let reader = TailOutput::new(settings, state, after, late, Kind::Stream);
    reader.run(saved, &mut print).await
}

pub(super) async fn wait(settings: &Settings, args: Wait) -> Result<(), Stop> {
    let pattern = Regex::new(&args.pattern).map_err(|e| Failure::usage(format!("--match: {e}")))?;
    let style = style(settings);
    let mut check = |event: &MsgEvent<'static>| {
        if event.redacted || !pattern.is_match(&event.msg) {
            return Ok(Continue(()));
        }
        if settings.json {
            output::json(event)?;
        } else {
            output::data(&line(&style, event, settings))?;
        }
        Ok(Break(()))
    };
    let late = "no message matched in time";
    let reader = TailOutput::new(settings, None, args.after, late, Kind::One);
    reader.run(None, &mut check).await
}

fn line(style: &Style, event: &MsgEvent<'static>, settings: &Settings) -> String {
    style.message(&Message::of(event.clone(), &settings.name))
}

type Each<'a> = &'a mut dyn FnMut(&MsgEvent<'static>) -> Result<ControlFlow<()>, Stop>;

struct TailOutput<'a> {
    settings: &'a Settings,
    /// The file of the position.
    state: Option<State>,
    late: &'static str,
    /// The seq of the last printed message, after which it continues.
    last: Cell<Option<Seq>>,
    /// The last saved position.
    saved: RefCell<Option<Saved>>,
    saved_at: Cell<Instant>,
    /// Why the last save failed.
    not_saved: RefCell<Option<Failure>>,
    kind: Kind,
}

/// The content of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// All messages, and what happened to earlier ones; with `--json` also the replacement of the log.
    Stream,
    /// One message.
    One,
}

/// The JSON line for the replacement of the log.
#[derive(Serialize)]
struct Replaced {
    log_replaced: Numbers,
}

/// The JSON line for a message whose text was removed.
#[derive(Serialize)]
struct Redacted<'a> {
    redacted: &'a RedactedEvent<'static>,
}

/// The JSON line for a changed topic.
#[derive(Serialize)]
struct Topic<'a> {
    topic: &'a RoomEvent<'static>,
}

#[derive(Serialize)]
struct Numbers {
    after: Seq,
    from: Seq,
}

impl<'a> TailOutput<'a> {
    /// Begins after `after`.
    fn new(
        settings: &'a Settings,
        state: Option<State>,
        after: Option<Seq>,
        late: &'static str,
        kind: Kind,
    ) -> Self {
        Self {
            settings,
            state,
            late,
            last: Cell::new(after),
            saved: RefCell::default(),
            saved_at: Cell::new(Instant::now()),
            not_saved: RefCell::default(),
            kind,
        }
    }

    async fn run(self, saved: Option<Saved>, each: Each<'_>) -> Result<(), Stop> {
        let mut script = Script::open(self.settings, saved.into(), Ends::Never).await?;
        let session = script.session.clone();
        let (until, stop) = (script.until, asked_to_stop());
        let done = tokio::select! {
            done = self.read(&mut script, each) => done,
            () = at(until) => Err(Failure::timed_out(self.late).into()),
            _ = stop => Ok(()),
            () = output::reader_gone() => Err(Stop::ReaderGone),
        };
        // In every case the next run continues after the last printed message.
        self.save(&session);
        let not_saved = self.not_saved.take();
        if self.state.is_none() || not_saved.is_some() {
            quit_by(&session, until, self.settings).await;
        } // Otherwise the session stays, to be resumed.
        match not_saved {
            Some(failure) if done.is_ok() => Err(failure.into()),
            _ => done,
        }
    }

    async fn read(&self, script: &mut Script, each: Each<'_>) -> Result<(), Stop> {
        let mut save = interval(SAVE);
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = script.events.next() => event,
                _ = save.tick() => {
                    self.save(&script.session);
                    continue;
                }
            };
            match event {
                Some(Event::Message(message)) => {
                    // `after` is a seq that is still to come.
                    if self.last.get().is_some_and(|last| message.data.seq <= last) {
                        continue;
                    }
                    let flow = each(&message.data)?;
                    self.last.set(Some(message.data.seq));
                    if flow.is_break() {
                        return Ok(());
                    }
                }
                Some(Event::SessionLost { after, head }) => self.tell_of_direct_messages(after, head),
                // A new session does not see earlier messages; the store has them.
                Some(Event::Connected(login)) => match self.last.get() {
                    Some(after) => {
                        if self.catch_up(script, after, login.head, each).await?.is_break() {
                            return Ok(());
                        }
                    }
                    None => self.last.set(Some(login.head)),
                },
                Some(Event::LogReplaced { after, from, .. }) => {
                    self.last.set(self.last.get().map(|last| last.min(from)));
                    say(&format!("tcp-chat-cli: {}", output::log_replaced(from)));
                    if self.kind == Kind::Stream && self.settings.json {
                        output::json(&Replaced { log_replaced: Numbers { after, from } })?;
                    }
                }
                Some(Event::Redacted(redaction)) => {
                    if self.kind == Kind::Stream && self.settings.json {
                        output::json(&Redacted { redacted: &redaction.data })?;
                    } else if self.kind == Kind::Stream {
                        say(&format!("* {}", output::redacted(&redaction)));
                    }
                }
                Some(Event::Topic(room)) => {
                    if self.kind == Kind::Stream && self.settings.json {
                        output::json(&Topic { topic: &room })?;
                    } else if self.kind == Kind::Stream {
                        let text = topic(room.user.as_deref(), &room.topic);
                        say(&format!("* {text} in #{}", clean(&room.room)));
                    }
                }
                Some(Event::Gap { from, to }) => {
                    say(&format!(
                        "tcp-chat-cli: messages between {from} and {to} are no longer kept by the server"
                    ));
                }
                Some(Event::ChainBroken { prev, seq, .. }) => {
                    say(&format!("tcp-chat-cli: message {prev}, which comes before {seq}, is missing"));
                }
                Some(Event::Reconnecting { wait, why, .. })
                    if self.settings.verbose || matches!(why, Error::Protocol(_)) =>
                {
                    say(&format!(
                        "* {}; trying again in {:.1} s",
                        clean(&why.to_string()),
                        wait.as_secs_f32()
                    ));
                }
                Some(Event::Moved { server }) if self.settings.verbose => {
                    say(&format!("* the session goes on at {server}"));
                }
                Some(Event::Resumed { caught_up }) if self.settings.verbose => {
                    say(&format!("* caught up {}", count(caught_up, "message")));
                }
                Some(Event::Ended(why)) => return Err(why.into()),
                Some(_) => {}
                None => return Err(Error::Closed(tcp_chat_client::Closed::Quit).into()),
            }
        }
    }

    /// From here on it reads only rooms: direct messages belonged to the lost session.
    fn tell_of_direct_messages(&self, after: Seq, head: Seq) {
        let after = self.last.get().unwrap_or(after);
        if head > after {
            say(&format!(
                "tcp-chat-cli: the session had ended. Direct messages between {after} and {head} are not shown here, if \
                 there were any; `tcp-chat-cli history --with USER --after {after}` shows what the server still has"
            ));
        }
    }

    async fn catch_up(
        &self,
        script: &Script,
        after: Seq,
        head: Seq,
        each: Each<'_>,
    ) -> Result<ControlFlow<()>, Stop> {
        let rooms = script.session.login().rooms;
        let mut stored = Backfill::new(&script.session, &rooms, after, head);
        while let Some(event) = stored.next().await? {
            let flow = each(&event)?;
            self.last.set(Some(event.seq));
            if flow.is_break() {
                return Ok(flow);
            }
            if self.saved_at.get().elapsed() >= SAVE {
                self.save(&script.session);
            }
        }
        for room in &stored.cut {
            say(&format!(
                "tcp-chat-cli: the server no longer keeps all messages of #{} after {after}",
                clean(room)
            ));
        }
        self.last.set(Some(self.last.get().unwrap_or(0).max(head)));
        Ok(Continue(()))
    }

    fn save(&self, session: &Session) {
        let Some(state) = &self.state else { return };
        let Some(last) = self.last.get() else { return };
        let saved = Saved { after: last, ..session.saved() };
        if self.saved.borrow().as_ref() == Some(&saved) {
            return;
        }
        let failure = state.save(&saved).err().map(Failure::from);
        if let Some(failure) = &failure
            && self.not_saved.borrow().is_none()
        {
            complain(failure);
        }
        self.saved.replace(failure.is_none().then_some(saved));
        self.saved_at.set(Instant::now());
        self.not_saved.replace(failure);
    }
}
