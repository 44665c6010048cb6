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
use tcp_chat_client::protocol::{MsgEvent, Seq};
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
        output::json(&event)?;
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
    let note = notes.sent.iter().find(|n| n.id == id).cloned();
    if let Some(note) = &note {
        if note.text != text {
            let why = format!("the id {id:?} was already used for another text");
            return Err(Failure::new(Exit::Other, why)
                .hint("Nothing was sent. Give each message its own id.")
                .into());
        }
        if let Some(event) = &note.kept {
            return Ok(event.clone());
        }
    }
    let mut script = Script::open(settings, notes.session.clone(), Ends::Soon).await?;
    let resumed = resumed(&mut script).await?;
    if let Some(note) = note.clone().filter(|_| !resumed)
        && let Some(event) = find(&script, &note).await?
    {
        remember(notes, Note { kept: Some(event.clone()), ..note });
        notes.session = Some(script.session.saved());
        state.save(notes)?;
        return Ok(event);
    }
    let (queued, mut note) = match hand_over(settings, args, text, id, state, notes, &script).await {
        Ok(handed_over) => handed_over,
        Err(stop) => {
            // Nothing was sent: the id is free, and a session that began for it would only hold the name.
            notes.sent.retain(|n| n.id != id);
            notes.sent.extend(note);
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
            remember(notes, note);
            notes.session = Some(script.session.saved());
            let kept = format!("The message is kept, as number {}.", sent.seq);
            state.save(notes).map_err(|e| not_noted(e).hint(kept))?;
            Ok(sent.message)
        }
        Err(e) => {
            // What was refused was not kept: the id is free.
            if matches!(e, Error::Refused { .. }) {
                notes.sent.retain(|n| n.id != id);
                state.save(notes)?;
            }
            Err(e.into())
        }
    }
}

/// Notes what is to be sent, and hands it over.
async fn hand_over(
    settings: &Settings,
    args: &Send,
    text: &str,
    id: &str,
    state: &State,
    notes: &mut Notes,
    script: &Script,
) -> Result<(Queued, Note), Stop> {
    let login = script.session.login();
    // The id holds for the room that is meant now, also where the server's first is another later.
    let to = match (to(settings, args), login.rooms.first()) {
        (To::Default, Some(room)) => To::Room(room.clone()),
        (to, _) => to,
    };
    if let To::Room(room) = &to
        && !login.rooms.contains(room)
    {
        script.session.join(room).await?;
    }
    let conversation = match &to {
        To::Default => None,
        To::Room(room) => Some(Place::Room(room.clone())),
        To::User(user) => Some(Place::User(user.clone())),
    };
    let note = Note {
        id: id.into(),
        conversation,
        text: text.into(),
        name: login.name,
        after: login.head,
        kept: None,
    };
    remember(notes, note.clone());
    notes.session = Some(script.session.saved());
    if let Err(e) = state.save(notes) {
        // Without its notes the session cannot be taken up again.
        quit_by(&script.session, settings.deadline(), settings).await;
        return Err(not_noted(e).hint("Nothing was sent.").into());
    }
    let queued = script.session.queue_with_id(to, text, id).await.map_err(explained)?;
    Ok((queued, note))
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

/// Looks for a message that was sent and not confirmed.
async fn find(script: &Script, note: &Note) -> Result<Option<MsgEvent<'static>>, Stop> {
    let of = match &note.conversation {
        Some(Place::Room(room)) => Conversation::Room(room.clone()),
        Some(Place::User(user)) => Conversation::With(user.clone()),
        None => return Ok(None),
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
        if let Some(found) = reply.messages.iter().find(|m| m.user == note.name && m.msg == note.text) {
            return Ok(Some(found.clone()));
        }
        match reply.messages.last() {
            Some(last) if reply.more => after = last.seq,
            _ => return Ok(None),
        }
    }
}
