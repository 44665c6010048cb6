//! Owns `send --id`: a message that can be sent again and is kept once. Called by `scripts`. Never sends a
//! message whose outcome it knows.
//!
//! The daemon deduplicates an id only *in one session*. So this verb, unlike the others, keeps its session: it is
//! saved and resumed by the next `send --id` with this server and name, and it is not ended (the name shows as
//! away until the TTL is over). Beyond the life of the session, two things help: a confirmed message is noted and
//! not sent again; and an unconfirmed one is searched in the history (same name, same text, after the seq that
//! was the newest before it was sent) before it is sent again. A note has the log of its seqs: a message that the
//! restore of a backup has removed is sent again.
//!
//! The limits: the notes are those of this user on this host, and only the last 200; and without accounts direct
//! messages end with their sessions, so an unconfirmed one cannot be found after its session ended and is sent a
//! second time.

use super::send::{explained, to};
use super::{Ends, Script, at};
use crate::args::Send;
use crate::connect::{Before, deadline, quit_by};
use crate::exit::{Exit, Failure};
use crate::hints::not_joined;
use crate::output::{self, Stop, say};
use crate::settings::Settings;
use crate::signals::asked_to_stop;
use crate::state::{State, StateError};
use serde::{Deserialize, Serialize};
use tcp_chat_client::protocol::{ErrorKind, MsgEvent, Name, Seq};
use tcp_chat_client::{Conversation, Error, Event, Page, Queued, Saved, To};
use tokio::time::Instant;

/// The largest number of notes.
const NOTES: usize = 200;
const LATE: &str = "the message was not confirmed in time: run the same command again to be sure";

/// The state between two runs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    session: Option<Saved>,
    /// Oldest first.
    sent: Vec<Note>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    id: String,
    conversation: Option<MessageTarget>,
    /// Whether the server chose the room; `None`: not noted (before 0.2).
    #[serde(default)]
    by_default: Option<bool>,
    text: String,
    /// The name of the author.
    name: String,
    /// The newest seq before it was sent.
    after: Seq,
    /// The log of the seqs; `None`: the server does not give it, or it was not noted (0.1).
    #[serde(default)]
    log: Option<String>,
    /// The daemon's copy, after it is kept.
    kept: Option<MsgEvent<'static>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum MessageTarget {
    Room(String),
    User(String),
}

impl MessageTarget {
    fn of(to: &To) -> Option<Self> {
        match to {
            To::Default => None,
            To::Room(room) => Some(Self::Room(room.clone())),
            To::User(user) => Some(Self::User(user.clone())),
        }
    }

    /// The same room or user, by the keys of the names.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Room(a), Self::Room(b)) | (Self::User(a), Self::User(b)) => {
                a == b || matches!((Name::parse(a), Name::parse(b)), (Ok(a), Ok(b)) if a.key() == b.key())
            }
            _ => false,
        }
    }
}

impl Note {
    /// Up to this seq the server's log must be the noted one.
    fn place(&self) -> Seq {
        self.kept.as_ref().map_or(self.after, |kept| kept.seq)
    }

    /// Whether the id belongs to another message.
    fn differs(&self, text: &str, to: &To) -> Option<&'static str> {
        let is_there = match (MessageTarget::of(to), &self.conversation) {
            (None, _) => self.by_default != Some(false),
            (Some(place), Some(noted)) => place.is(noted),
            (Some(_), None) => false,
        };
        (self.text != text).then_some("text").or((!is_there).then_some("room or user"))
    }
}

pub(super) async fn run(settings: &Settings, args: &Send, text: &str, id: &str) -> Result<(), Stop> {
    let (server, name) = (settings.server(), settings.name.clone());
    let until = settings.deadline().or_else(|| deadline(Some(super::USUAL)));
    let lock = tokio::task::spawn_blocking(move || State::wait_for("send", &server, &name));
    let state = tokio::select! {
        done = lock => done.map_err(|e| Failure::new(Exit::Other, e.to_string()))?.map_err(not_noted)?,
        () = at(until) => return Err(Failure::timed_out("another `send --id` is still running").into()),
    };
    let mut notes: Notes = state.load().unwrap_or_default();
    let before = notes.sent.iter().find(|n| n.id == id).cloned();
    if let Some(other) = before.as_ref().and_then(|note| note.differs(text, &to(settings, args))) {
        let why = format!("the id {id:?} was already used for another {other}");
        return Err(Failure::new(Exit::Other, why)
            .hint("Nothing was sent. Give each message its own id.")
            .into());
    }
    let known = known(notes.session.clone(), before.as_ref());
    let script = opened(settings, known, until).await?;
    let work = deliver(settings, script, to(settings, args), before, (text, id), &state, &mut notes);
    let event = tokio::select! {
        done = work => done?,
        () = at(until) => return Err(Failure::timed_out(LATE).into()),
        _ = asked_to_stop() => return Err(Failure::new(Exit::Other, format!("stopped by a signal; {LATE}")).into()),
    };
    if settings.json {
        output::if_read(output::json(&event))?;
    } else if settings.verbose {
        say(&format!("* kept as message {}", event.seq));
    }
    Ok(())
}

/// The session. Nothing was sent yet, so a failure is reported as for any verb, also after the timeout.
async fn opened(settings: &Settings, known: Before, until: Option<Instant>) -> Result<Script, Stop> {
    // A session without rooms of its own is in the default rooms: a message without a room goes to the first.
    let settings = &Settings { rooms: Vec::new(), ..settings.clone() };
    // The connection handles --timeout itself, and knows its last failure.
    let usual = until.filter(|_| settings.timeout.is_none());
    tokio::select! {
        done = Script::open(settings, known, Ends::Soon) => Ok(done?),
        () = at(usual) => {
            Err(Failure::timed_out(format!("no answer from {} in time", settings.server())).into())
        }
        _ = asked_to_stop() => {
            Err(Failure::new(Exit::Other, "stopped by a signal; this run has sent nothing").into())
        }
    }
}

async fn deliver(
    settings: &Settings,
    mut script: Script,
    to: To,
    before: Option<Note>,
    (text, id): (&str, &str),
    state: &State,
    notes: &mut Notes,
) -> Result<MsgEvent<'static>, Stop> {
    let Began { resumed, parted } = began(&mut script).await?;
    let login = script.session.login();
    // Messages after the common seq of the logs are not in the server's log.
    let holds = before.clone().filter(|note| parted.is_none_or(|from| note.place() <= from));
    if let Some(event) = holds.as_ref().and_then(|note| note.kept.clone()) {
        if !resumed {
            quit_by(&script.session, settings.deadline(), settings).await;
        }
        return Ok(event);
    }
    if let Some(note) = holds.filter(|_| !resumed)
        && let Some(event) = find(settings, &script, &note, &notes.sent).await?
    {
        remember(notes, Note { kept: Some(event.clone()), ..note });
        notes.session = Some(script.session.saved());
        state.save(notes)?;
        return Ok(event);
    }
    // The id belongs to the room of this run, even if the server's first room changes later. A resumed session
    // may be in other rooms: the server knows its first.
    let by_default = matches!(to, To::Default);
    let to = match (to, login.rooms.first()) {
        (To::Default, Some(room)) if !resumed => To::Room(room.clone()),
        (to, _) => to,
    };
    let mut note = Note {
        id: id.into(),
        conversation: MessageTarget::of(&to),
        by_default: Some(by_default),
        text: text.into(),
        name: login.name,
        after: login.head,
        log: login.log,
        kept: None,
    };
    let queued = match hand_over(settings, to, &note, state, notes, &script).await {
        Ok(queued) => queued,
        Err(stop) => {
            // Nothing was sent: the id is free, and a new session would only hold the name.
            notes.sent.retain(|n| n.id != id);
            notes.sent.extend(before);
            if !resumed {
                notes.session = None;
                quit_by(&script.session, settings.deadline(), settings).await;
            }
            // If it cannot be written, the next run finds an ended session.
            let _ = state.save(notes);
            return Err(stop);
        }
    };
    match queued.kept().await {
        Ok(sent) => {
            note.kept = Some(sent.message.clone());
            // A backup may have been restored meanwhile.
            note.log = script.session.login().log;
            note.conversation =
                note.conversation.or(sent.message.room.as_ref().map(|r| MessageTarget::Room(r.to_string())));
            remember(notes, note);
            notes.session = Some(script.session.saved());
            let kept = format!("The message is kept, as number {}.", sent.seq);
            state.save(notes).map_err(|e| not_noted(e).hint(kept))?;
            Ok(sent.message)
        }
        Err(e) => {
            // A refused message was not kept: the id is free.
            if let Error::Refused { kind, .. } = &e {
                notes.sent.retain(|n| n.id != id);
                if by_default && *kind == ErrorKind::NotAMember {
                    // The server's first room has changed since the session began: the next run begins a new one.
                    quit_by(&script.session, settings.deadline(), settings).await;
                    notes.session = None;
                }
                state.save(notes)?;
            }
            Err(e.into())
        }
    }
}

/// Notes the message, and queues it.
async fn hand_over(
    settings: &Settings,
    to: To,
    note: &Note,
    state: &State,
    notes: &mut Notes,
    script: &Script,
) -> Result<Queued, Stop> {
    if let To::Room(room) = &to
        && !script.session.login().rooms.contains(room)
    {
        script.session.join(room).await.map_err(|e| not_joined(e, settings))?;
    }
    remember(notes, note.clone());
    notes.session = Some(script.session.saved());
    if let Err(e) = state.save(notes) {
        // Without its notes the session cannot be resumed.
        quit_by(&script.session, settings.deadline(), settings).await;
        return Err(not_noted(e).hint("Nothing was sent.").into());
    }
    Ok(script.session.queue_with_id(to, note.text.as_str(), note.id.as_str()).await.map_err(explained)?)
}

/// The notes cannot be written.
fn not_noted(e: StateError) -> Failure {
    Failure::new(Exit::Other, format!("the notes that make --id safe cannot be kept: {e}"))
}

/// Appends a note; replaces the one with the same id.
fn remember(notes: &mut Notes, note: Note) {
    notes.sent.retain(|n| n.id != note.id);
    notes.sent.push(note);
    let over = notes.sent.len().saturating_sub(NOTES);
    notes.sent.drain(..over);
}

/// The question of the login: whether the noted seqs are still in the server's log.
fn known(session: Option<Saved>, note: Option<&Note>) -> Before {
    match (session, note) {
        (Some(session), Some(note)) => {
            let (after, log) = (session.after.max(note.place()), note.log.clone().or(session.log.clone()));
            Some(Saved { after, log, ..session }).into()
        }
        (None, Some(note)) => Before { saved: None, seen: Some((note.place(), note.log.clone())) },
        (session, None) => session.into(),
    }
}

/// How the session began.
struct Began {
    /// Whether the saved session was resumed. Otherwise its ids are worthless.
    resumed: bool,
    /// After this seq the server's log differs from the noted one.
    parted: Option<Seq>,
}

async fn began(script: &mut Script) -> Result<Began, Stop> {
    let mut parted = None;
    loop {
        match script.events.next().await {
            Some(Event::LogReplaced { from, .. }) => parted = Some(from),
            Some(Event::Resumed { .. }) => return Ok(Began { resumed: true, parted }),
            Some(Event::Connected(_)) => return Ok(Began { resumed: false, parted }),
            Some(Event::Ended(why)) => return Err(why.into()),
            Some(_) => {}
            None => return Err(Error::Closed(tcp_chat_client::Closed::Quit).into()),
        }
    }
}

/// Searches for a message that was sent but not confirmed. Messages of `others` are excluded.
async fn find(
    settings: &Settings,
    script: &Script,
    note: &Note,
    others: &[Note],
) -> Result<Option<MsgEvent<'static>>, Stop> {
    let of = match (&note.conversation, script.session.login().rooms.first()) {
        (Some(MessageTarget::Room(room)), _) | (None, Some(room)) => Conversation::Room(room.clone()),
        (Some(MessageTarget::User(user)), _) => Conversation::With(user.clone()),
        (None, None) => return Ok(None),
    };
    if let Conversation::Room(room) = &of
        && !script.session.login().rooms.contains(room)
    {
        script.session.join(room).await.map_err(|e| not_joined(e, settings))?;
    }
    let mut after = note.after;
    loop {
        let page = Page { after: Some(after), before: None, limit: Some(500) };
        let reply = match script.session.history(&of, &page).await {
            Ok(reply) => reply,
            // No user has that name any longer: the direct messages are gone, too.
            Err(Error::Refused { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        // In another log the seq belongs to another message, but the time still fits.
        let is = |m: &MsgEvent<'_>, kept: &MsgEvent<'_>| (m.seq, m.ts) == (kept.seq, kept.ts);
        let is_another =
            |m: &MsgEvent<'_>| others.iter().filter_map(|o| o.kept.as_ref()).any(|kept| is(m, kept));
        let is_it = |m: &&MsgEvent<'static>| m.user == note.name && m.msg == note.text && !is_another(m);
        if let Some(found) = reply.messages.iter().find(is_it) {
            return Ok(Some(found.clone()));
        }
        match reply.messages.last() {
            Some(last) if reply.more => after = last.seq,
            _ => return Ok(None),
        }
    }
}
