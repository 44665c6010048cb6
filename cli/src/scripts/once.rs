//! Owns `send --id`: a message that can be sent again and is kept once.
//!
//! The daemon keeps a message with the same id once *in the same session*. So this verb, unlike
//! the others, has a session that stays: it is saved and taken up by the next `send --id` with this
//! server and name, and it is not ended (the name shows as away until its time is over). Beyond the
//! session's life two things help: what was confirmed is noted and not sent again; and what was not
//! confirmed is looked for in the history (same name, same text, behind the number that was the
//! newest before it was sent) before it is sent again.
//!
//! What remains: the notes are this user's on this machine, and the last 200 of them; and direct
//! messages end with their sessions where names are not proven, so one that was not confirmed
//! before its session ended cannot be found again and is sent a second time.

use super::send::{explained, to};
use super::{Ends, Script, at};
use crate::args::Send;
use crate::connect::{deadline, quit_by};
use crate::exit::{Exit, Failure};
use crate::output::{self, Stop, say};
use crate::settings::Settings;
use crate::signals::asked_to_stop;
use crate::state::{State, StateError};
use serde::{Deserialize, Serialize};
use tcp_chat_client::protocol::{ErrorKind, MsgEvent, Name, Seq};
use tcp_chat_client::{Conversation, Error, Event, Page, Queued, Saved, To};

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
    let work = deliver(settings, args, text, id, &state, &mut notes);
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

async fn deliver(
    settings: &Settings,
    args: &Send,
    text: &str,
    id: &str,
    state: &State,
    notes: &mut Notes,
) -> Result<MsgEvent<'static>, Stop> {
    let to = to(settings, args);
    let before = notes.sent.iter().find(|n| n.id == id).cloned();
    if let Some(note) = &before {
        if let Some(other) = note.differs(text, &to) {
            let why = format!("the id {id:?} was already used for another {other}");
            return Err(Failure::new(Exit::Other, why)
                .hint("Nothing was sent. Give each message its own id.")
                .into());
        }
        if let Some(event) = &note.kept {
            return Ok(event.clone());
        }
    }
    // A session without rooms of its own is in the server's: the first of them is where a message without a room goes.
    let settings = &Settings { rooms: Vec::new(), ..settings.clone() };
    let mut script = Script::open(settings, notes.session.clone(), Ends::Soon).await?;
    let resumed = resumed(&mut script).await?;
    let login = script.session.login();
    if let Some(note) = before.clone().filter(|_| !resumed)
        && let Some(event) = find(&script, &note, &notes.sent).await?
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
        script.session.join(room).await?;
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

/// Did the saved session go on? Otherwise its ids are worth nothing.
async fn resumed(script: &mut Script) -> Result<bool, Stop> {
    loop {
        match script.events.next().await {
            Some(Event::Resumed { .. }) => return Ok(true),
            Some(Event::Connected(_)) => return Ok(false),
            Some(Event::Ended(why)) => return Err(why.into()),
            Some(_) => {}
            None => return Err(Error::Closed(tcp_chat_client::Closed::Quit).into()),
        }
    }
}

/// Looks for a message that was sent and not confirmed. Those that `others` have are not it.
async fn find(script: &Script, note: &Note, others: &[Note]) -> Result<Option<MsgEvent<'static>>, Stop> {
    let of = match (&note.conversation, script.session.login().rooms.first()) {
        (Some(Place::Room(room)), _) | (None, Some(room)) => Conversation::Room(room.clone()),
        (Some(Place::User(user)), _) => Conversation::With(user.clone()),
        (None, None) => return Ok(None),
    };
    if let Conversation::Room(room) = &of
        && !script.session.login().rooms.contains(room)
    {
        script.session.join(room).await?;
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
        let is_another = |seq| others.iter().any(|o| o.kept.as_ref().is_some_and(|kept| kept.seq == seq));
        let is_it = |m: &&MsgEvent<'static>| m.user == note.name && m.msg == note.text && !is_another(m.seq);
        if let Some(found) = reply.messages.iter().find(is_it) {
            return Ok(Some(found.clone()));
        }
        match reply.messages.last() {
            Some(last) if reply.more => after = last.seq,
            _ => return Ok(None),
        }
    }
}
