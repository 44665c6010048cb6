//! The request parser: no line makes it panic, what it accepts is what any JSON reader reads, and a
//! request written again from what was read is the same request.

use serde_json::{Value, json};
use tcp_chat_protocol::request::{Bounds, Conversation, Place, Request, Target, Wants, parse};

const BOUNDS: Bounds = Bounds { msg_bytes: 8192, rooms: 0 };

/// The request as one would write it; `None` where the line named something that can be no name.
fn written(request: &Request<'_>) -> Option<Value> {
    let place = |place: &Place| place.0.as_ref().map(|name| json!(name.as_str()));
    Some(match request {
        Request::Msg { to: Target::Default, text } => json!({"op": "MSG", "data": text}),
        Request::Msg { to: Target::Room(room), text } => {
            json!({"op": "MSG", "data": {"room": place(room)?, "msg": text}})
        }
        Request::Msg { to: Target::User(user), text } => {
            json!({"op": "MSG", "data": {"to": place(user)?, "msg": text}})
        }
        Request::Login(login) => json!({"op": "LOGIN", "data": {
            "name": login.name, "color": login.color.map(|c| c.to_string()), "rooms": login.rooms,
            "password": login.password.as_deref(), "session": login.session.as_deref(), "after": login.after,
        }}),
        Request::Enrol(enrol) => {
            let (password, csr) = match &enrol.wants {
                Wants::Password(password) => (Some(password.as_str()), None),
                Wants::Certificate(csr) => (None, Some(csr.as_str())),
            };
            json!({"op": "ENROL", "data": {
                "name": enrol.name, "code": enrol.code.as_str(), "password": password, "csr": csr,
            }})
        }
        Request::Join(room) => json!({"op": "JOIN", "data": {"room": room}}),
        Request::Leave(room) => json!({"op": "LEAVE", "data": {"room": place(room)?}}),
        Request::Who(None) => json!({"op": "WHO"}),
        Request::Who(Some(room)) => json!({"op": "WHO", "data": {"room": place(room)?}}),
        Request::Rooms => json!({"op": "ROOMS"}),
        Request::History(history) => {
            let (room, with) = match &history.of {
                Conversation::Room(room) => (Some(place(room)?), None),
                Conversation::With(user) => (None, Some(place(user)?)),
            };
            json!({"op": "HISTORY", "data": {
                "room": room, "with": with, "before": history.before, "after": history.after, "limit": history.limit,
            }})
        }
        Request::Search(search) => {
            let optional = |p: &Option<Place>| p.as_ref().map_or(Some(Value::Null), place);
            json!({"op": "SEARCH", "data": {
                "query": search.query, "room": optional(&search.room)?, "user": optional(&search.user)?,
                "before": search.before, "limit": search.limit,
            }})
        }
        Request::Ping => json!({"op": "PING"}),
        Request::Quit => json!({"op": "QUIT"}),
        #[allow(unreachable_patterns, reason = "a request that this target does not know yet")]
        _ => return None,
    })
}

/// Parses one line as the daemon does.
///
/// # Panics
/// Where the parser reads something else than a strict JSON reader, or a request does not survive
/// being written and read again.
pub fn run(line: &[u8]) {
    if line.contains(&b'\n') {
        return;
    }
    let Ok((id, request)) = parse(line, &BOUNDS) else { return };
    // What is passed over unread (unknown fields, data that no op needs) may be what a strict reader
    // refuses: numbers out of range, lone surrogates, deep nesting.
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
    assert!(value.is_object());
    if let Request::Msg { text, .. } = &request {
        let said = if value["data"].is_string() { &value["data"] } else { &value["data"]["msg"] };
        assert_eq!(said.as_str(), Some(&**text));
    }
    let Some(mut again) = written(&request) else { return };
    if let Some(id) = &id {
        again["id"] = json!(id);
    }
    let again = again.to_string();
    assert_eq!(parse(again.as_bytes(), &BOUNDS).as_ref(), Ok(&(id, request)));
}
