//! Owns `send --id`: a message that can be sent again and is kept once.
//!
//! The daemon keeps a message with the same id once *in the same session*. So this verb, unlike
//! the others, has a session that stays: it is saved and taken up by the next `send --id` with this
//! server and name, and it is not ended (the name shows as away until its time is over). Beyond the
//! session's life two things help: what was confirmed is noted and not sent again; and what was not
//! confirmed is looked for in the history (same name, same text, behind the number that was the
//! newest before it was sent) before it is sent again. A note says of which log its numbers are: what the
//! restore of a backup has removed is sent again.
//!
//! What remains: the notes are this user's on this machine, and the last 200 of them; and direct
//! messages end with their sessions where names are not proven, so one that was not confirmed
//! before its session ended cannot be found again and is sent a second time.

use super::send::{explained, to};
use super::{Ends, Script, at};
use crate::args::Send;
use crate::connect::{Before, deadline, not_joined, quit_by};
use crate::exit::{Exit, Failure};
use crate::output::{self, Stop, say};
use crate::settings::Settings;
use crate::signals::asked_to_stop;
use crate::state::{State, StateError};
use serde::{Deserialize, Serialize};
use tcp_chat_client::protocol::{ErrorKind, MsgEvent, Name, Seq};
use tcp_chat_client::{Conversation, Error, Event, Page, Queued, Saved, To};
use tokio::time::Instant;

/// How many ids are noted.
const NOTES: usize = 200;
const LATE: &str = "the message was not confirmed in time: run the same command again to be sure";

/// What is saved between two runs.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    session: Option<Saved>,
    /// Oldest first.
    sent: Vec<Note>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    id: String,
    conversation: Option<Place>,
    /// The server chose the room; `None`: that was not noted (before 0.2).
    #[serde(default)]
    by_default: Option<bool>,
    text: String,
    /// Under which name.
    name: String,
    /// The newest number before it was sent.
    after: Seq,
    /// Of which log the numbers are; `None`: of a server that does not say, or not noted (0.1).
    #[serde(default)]
    log: Option<String>,
    /// The daemon's copy, once it is kept.
    kept: Option<MsgEvent<'static>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Room(String),
    User(String),
}

impl Place {
    fn of(to: &To) -> Option<Self> {
        match to {
            To::Default => None,
            To::Room(room) => Some(Self::Room(room.clone())),
            To::User(user) => Some(Self::User(user.clone())),
        }
    }

    /// The same room or user, as the daemon compares names.
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
    /// Up to here the server's log has to be the one that is noted.
    fn place(&self) -> Seq {
        self.kept.as_ref().map_or(self.after, |kept| kept.seq)
    }

    /// Was the id used for another message than this one?
    fn differs(&self, text: &str, to: &To) -> Option<&'static str> {
        let is_there = match (Place::of(to), &self.conversation) {
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

/// The session. Nothing was sent yet: why there is none is told as for any verb, also where the time went by over it.
async fn opened(settings: &Settings, known: Before, until: Option<Instant>) -> Result<Script, Stop> {
    // A session without rooms of its own is in the server's: the first of them is where a message without a room goes.
    let settings = &Settings { rooms: Vec::new(), ..settings.clone() };
    // What connects looks at --timeout itself, and knows what it failed with last.
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
    // What came after the point where the logs part is in none that this server has.
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
    // The id holds for the room that is meant now, also where the server's first is another later. A session that
    // goes on may be in other rooms: the server knows its first.
    let by_default = matches!(to, To::Default);
    let to = match (to, login.rooms.first()) {
        (To::Default, Some(room)) if !resumed => To::Room(room.clone()),
        (to, _) => to,
    };
    let mut note = Note {
        id: id.into(),
        conversation: Place::of(&to),
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
            // Nothing was sent: the id is free, and a session that began for it would only hold the name.
            notes.sent.retain(|n| n.id != id);
            notes.sent.extend(before);
            if !resumed {
                notes.session = None;
                quit_by(&script.session, settings.deadline(), settings).await;
            }
            // Where it cannot be written, the next run finds a session that has ended.
            let _ = state.save(notes);
            return Err(stop);
        }
    };
    match queued.kept().await {
        Ok(sent) => {
            note.kept = Some(sent.message.clone());
            // A backup may have been restored while it was on its way.
            note.log = script.session.login().log;
            note.conversation =
                note.conversation.or(sent.message.room.as_ref().map(|r| Place::Room(r.to_string())));
            remember(notes, note);
            notes.session = Some(script.session.saved());
            let kept = format!("The message is kept, as number {}.", sent.seq);
            state.save(notes).map_err(|e| not_noted(e).hint(kept))?;
            Ok(sent.message)
        }
        Err(e) => {
            // What was refused was not kept: the id is free.
            if let Error::Refused { kind, .. } = &e {
                notes.sent.retain(|n| n.id != id);
                if by_default && *kind == ErrorKind::NotAMember {
                    // The server's first room is another since the session began: the next run begins a new one.
                    quit_by(&script.session, settings.deadline(), settings).await;
                    notes.session = None;
                }
                state.save(notes)?;
            }
            Err(e.into())
        }
    }
}

/// Notes what is to be sent, and hands it over.
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
        // Without its notes the session cannot be taken up again.
        quit_by(&script.session, settings.deadline(), settings).await;
        return Err(not_noted(e).hint("Nothing was sent.").into());
    }
    Ok(script.session.queue_with_id(to, note.text.as_str(), note.id.as_str()).await.map_err(explained)?)
}

/// The notes cannot be written.
fn not_noted(e: StateError) -> Failure {
    Failure::new(Exit::Other, format!("the notes that make --id safe cannot be kept: {e}"))
}

/// Puts a note last, in place of the one with the same id.
fn remember(notes: &mut Notes, note: Note) {
    notes.sent.retain(|n| n.id != note.id);
    notes.sent.push(note);
    let over = notes.sent.len().saturating_sub(NOTES);
    notes.sent.drain(..over);
}

/// What the login is to ask about: whether what is noted is still in the server's log.
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
    /// The saved one went on. Otherwise its ids are worth nothing.
    resumed: bool,
    /// After this number the server's log is another one than the one that was asked about.
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

/// Looks for a message that was sent and not confirmed. Those that `others` have are not it.
async fn find(
    settings: &Settings,
    script: &Script,
    note: &Note,
    others: &[Note],
) -> Result<Option<MsgEvent<'static>>, Stop> {
    let of = match (&note.conversation, script.session.login().rooms.first()) {
        (Some(Place::Room(room)), _) | (None, Some(room)) => Conversation::Room(room.clone()),
        (Some(Place::User(user)), _) => Conversation::With(user.clone()),
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
            // Nobody of that name is here any more: their direct messages are gone too.
            Err(Error::Refused { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        // In another log the number is another message's; the time is not.
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
