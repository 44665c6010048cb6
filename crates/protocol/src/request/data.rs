//! Owns the parsing of the data of MSG, LOGIN, HISTORY, SEARCH and MARK. Called by [`super::parse`]. Never knows
//! whether a request is allowed.

use super::fields::{
    Raw, Str, bad, field, invalid, limit, name, object, optional, place, present, raw_fields,
};
use super::{
    Bounds, Conversation, HISTORY_LIMIT, History, Login, Mark, Refusal, Request, SEARCH_LIMIT, Search, Target,
};
use crate::{Name, text};
use zeroize::Zeroizing;

raw_fields!(MsgData: room, to, msg);

pub(super) fn msg<'a>(data: Raw<'a>, bounds: &Bounds) -> Result<Request<'a>, Refusal> {
    let (to, text) = if data.is_some_and(|d| d.get().starts_with('"')) {
        (Target::Default, field::<Str<'a>>(data, "data")?.0)
    } else {
        let parts = object::<MsgData<'a>>(data)?;
        let to = match (present(parts.room), present(parts.to)) {
            (Some(room), None) => Target::Room(place(Some(room), "room")?),
            (None, Some(user)) => Target::User(place(Some(user), "to")?),
            (None, None) => return Err(bad("`room` or `to` is missing")),
            (Some(_), Some(_)) => return Err(bad("`room` and `to` exclude each other")),
        };
        (to, field::<Str<'a>>(parts.msg, "msg")?.0)
    };
    text::check(&text, bounds.msg_bytes).map_err(|e| bad(format!("`msg`: {e}")))?;
    Ok(Request::Msg { to, text })
}

raw_fields!(LoginData: name, color, rooms, password, session, after, log);

pub(super) fn login(data: Raw<'_>, bounds: &Bounds) -> Result<Login, Refusal> {
    let parts = object::<LoginData<'_>>(data)?;
    let session: Option<String> = optional(parts.session, "session")?;
    let name = match present(parts.name) {
        None if session.is_some() => None,
        raw => Some(name(&raw, "name")?),
    };
    let color: Option<String> = optional(parts.color, "color")?;
    let color = color.map(|c| c.parse()).transpose().map_err(|e| bad(format!("`color`: {e}")))?;
    let rooms: Option<Vec<Str<'_>>> = optional(parts.rooms, "rooms")?;
    // Checked before any name is parsed, because a name can be expensive.
    if let Some(many) = rooms.as_ref().map(Vec::len).filter(|many| bounds.rooms > 0 && *many > bounds.rooms) {
        return Err(bad(format!("`rooms`: {many} are named, and a session may be in {}", bounds.rooms)));
    }
    let rooms = rooms
        .map(|rooms| {
            rooms
                .iter()
                .map(|r| Name::parse(&r.0).map(Name::prepared).map_err(|e| invalid("rooms", &e)))
                .collect()
        })
        .transpose()?;
    Ok(Login {
        name,
        color,
        rooms,
        password: optional(parts.password, "password")?.map(Zeroizing::new),
        session: session.map(Zeroizing::new),
        after: optional(parts.after, "after")?,
        log: optional(parts.log, "log")?,
    })
}

raw_fields!(HistoryData: room, with, before, after, limit);

pub(super) fn history(data: Raw<'_>) -> Result<History, Refusal> {
    let parts = object::<HistoryData<'_>>(data)?;
    Ok(History {
        of: conversation(parts.room, parts.with)?,
        before: optional(parts.before, "before")?,
        after: optional(parts.after, "after")?,
        limit: limit(parts.limit, HISTORY_LIMIT, 500)?,
    })
}

/// Reads the conversation of a request from its `room` and `with`.
pub(super) fn conversation(room: Raw<'_>, with: Raw<'_>) -> Result<Conversation, Refusal> {
    Ok(match (present(room), present(with)) {
        (Some(room), None) => Conversation::Room(place(Some(room), "room")?),
        (None, Some(user)) => Conversation::With(place(Some(user), "with")?),
        (None, None) => return Err(bad("`room` or `with` is missing")),
        (Some(_), Some(_)) => return Err(bad("`room` and `with` exclude each other")),
    })
}

raw_fields!(MarkData: room, with, seq);

pub(super) fn mark(data: Raw<'_>) -> Result<Mark, Refusal> {
    let parts = object::<MarkData<'_>>(data)?;
    Ok(Mark { of: conversation(parts.room, parts.with)?, seq: field(parts.seq, "seq")? })
}

raw_fields!(SearchData: query, room, user, before, after, limit);

/// The longest query of a `SEARCH`, in bytes.
const QUERY_BYTES: usize = 512;

pub(super) fn search(data: Raw<'_>) -> Result<Search, Refusal> {
    let parts = object::<SearchData<'_>>(data)?;
    let query: String = field(parts.query, "query")?;
    if query.trim().is_empty() || query.len() > QUERY_BYTES {
        return Err(bad(format!("`query`: 1 to {QUERY_BYTES} bytes, not all of them blank")));
    }
    let point = |raw, field| present(raw).map(|raw| place(Some(raw), field)).transpose();
    Ok(Search {
        query,
        room: point(parts.room, "room")?,
        user: point(parts.user, "user")?,
        before: optional(parts.before, "before")?,
        after: optional(parts.after, "after")?,
        limit: limit(parts.limit, SEARCH_LIMIT, 100)?,
    })
}
