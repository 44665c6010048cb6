//! Owns a recorded turn and its encoded form: one line of JSON. It contains requests as on the wire, operators' actions as
//! on the control socket, and the results of the proposer: proofs of identity, and hashes of secrets. Used by the proof
//! and by the fuzz target. Never applies a turn.
//!
//! The encoded form has one time, and no monotonic clock.

use super::known::Known;
use serde_json::{Value, json};
use std::net::IpAddr;
use tcp_chat_protocol::request::{Conversation, Place, Target, Wants};
use tcp_chat_protocol::{Name, Refusal, RequestId, Seq};
use tcp_chatd::admin::{ClientCertificate, Request as Control, Revoked};
use tcp_chatd::chat::{
    Act, Ask, Banned, Certificate, Code, ConnectionId, ConversationId, Digest, Gives, Made, Now, Presented,
    Proof, Revocation, SessionId, Undo, UserWish,
};

/// One input of a turn.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    Open(ConnectionId, IpAddr),
    Lost(ConnectionId),
    Read(ConnectionId, usize),
    Ask(ConnectionId, Option<RequestId>, Ask),
    /// A line that is no request.
    Refused(ConnectionId, Refusal),
    Act(u32, Act),
    Wish(u32, UserWish),
    /// Retention removed every message below this number. These conversations lost messages.
    Retain(Seq, Vec<ConversationId>),
    /// The time of these sessions is over. One that is here stays.
    Expire(Vec<SessionId>),
    /// Other settings.
    Policy(Policy),
}

/// The settings that a turn can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) rooms: Vec<Name>,
    pub(crate) create: bool,
    pub(crate) accounts: bool,
}

/// A turn, as it is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) now: Now,
    pub(crate) inputs: Vec<Input>,
    /// At most this many steps of slow work are done; `None`: all of them.
    pub(crate) steps: Option<usize>,
}

impl Turn {
    /// The encoded form.
    pub(crate) fn encode(&self, known: &[Known]) -> String {
        let inputs: Vec<_> = self.inputs.iter().filter_map(|input| encode_input(input, known)).collect();
        json!({"node": 1, "time": self.now.wall, "steps": self.steps, "inputs": inputs}).to_string()
    }
}

/// `None`: the input does not change the state, so the log does not contain it.
fn encode_input(input: &Input, known: &[Known]) -> Option<Value> {
    let is_query =
        |ask: &Ask| matches!(ask, Ask::Ping | Ask::Who(_) | Ask::Rooms | Ask::History(_) | Ask::Search(_));
    Some(match input {
        Input::Refused(..) | Input::Read(..) if !known.contains(&Known::QueriesSeal) => return None,
        Input::Ask(_, _, ask) if is_query(ask) && !known.contains(&Known::QueriesSeal) => return None,
        Input::Open(on, address) => json!({"on": on.0, "open": address}),
        Input::Lost(on) => json!({"on": on.0, "lost": true}),
        Input::Read(on, bytes) => json!({"on": on.0, "read": bytes}),
        Input::Refused(on, refusal) => json!({"on": on.0, "refused": refusal.msg}),
        Input::Ask(on, id, ask) => {
            let mut entry = json!({"on": on.0, "request": request(id.as_ref(), ask)});
            match ask {
                Ask::Login { fresh, resumes, proof, .. } => {
                    entry["fresh"] = json!([*fresh.token, hex(&fresh.hash)]);
                    entry["resumes"] = json!(resumes.map(|hash| hex(&hash)));
                    entry["proof"] = encode_proof(proof);
                }
                Ask::Enrol { code, made, .. } => {
                    entry["code"] = json!(code.map(|code| code.to_string()));
                    entry["made"] = match made {
                        Made::Nothing => Value::Null,
                        Made::Password(hash) => json!({"password": **hash}),
                        Made::Certificate(c, pem) => {
                            json!({"certificate": encode_certificate(c), "pem": pem})
                        }
                    };
                }
                _ => {}
            }
            entry
        }
        Input::Act(uid, act) => json!({"uid": uid, "act": control(act).to_json()}),
        Input::Wish(uid, wish) => {
            let (command, code) = control_of_wish(wish);
            let code = code.map(|code| {
                let gives = matches!(code.gives, Gives::Certificate);
                json!({"hash": code.hash.to_string(), "until": code.until, "certificate": gives})
            });
            json!({"uid": uid, "wish": command.to_json(), "code": code})
        }
        Input::Retain(oldest, of) => {
            json!({"retain": oldest, "of": of.iter().map(|id| id.0).collect::<Vec<_>>()})
        }
        Input::Expire(sessions) => {
            json!({"expire": sessions.iter().map(|session| session.0).collect::<Vec<_>>()})
        }
        Input::Policy(Policy { rooms, create, accounts }) => {
            json!({"policy": {"rooms": rooms, "create": create, "accounts": accounts}})
        }
    })
}

/// A request as on the wire.
fn request(id: Option<&RequestId>, ask: &Ask) -> Value {
    let (op, data) = match ask {
        Ask::Login { login, .. } => {
            let data = json!({
                "name": login.name, "color": login.color, "rooms": login.rooms,
                "session": login.session.as_ref().map(|token| token.as_str()),
                "password": login.password.as_ref().map(|password| password.as_str()),
                "after": login.after, "log": login.log,
            });
            ("LOGIN", data)
        }
        Ask::Enrol { enrol, .. } => {
            let mut data = json!({"name": enrol.name, "code": enrol.code.as_str()});
            match &enrol.wants {
                Wants::Password(password) => data["password"] = json!(password.as_str()),
                Wants::Certificate(csr) => data["csr"] = json!(csr),
            }
            ("ENROL", data)
        }
        Ask::Join(room) => ("JOIN", json!({"room": room})),
        Ask::Leave(room) => ("LEAVE", json!({"room": place(room)})),
        Ask::Say(target, text) => {
            let text: Value = serde_json::from_str(text).unwrap_or_default();
            let data = match target {
                Target::Default => text,
                Target::Room(room) => json!({"room": place(room), "msg": text}),
                Target::User(user) => json!({"to": place(user), "msg": text}),
            };
            ("MSG", data)
        }
        Ask::Who(None) => ("WHO", Value::Null),
        Ask::Who(Some(room)) => ("WHO", json!({"room": place(room)})),
        Ask::Rooms => ("ROOMS", Value::Null),
        Ask::History(history) => {
            let mut data = json!({"before": history.before, "after": history.after, "limit": history.limit});
            match &history.of {
                Conversation::Room(room) => data["room"] = json!(place(room)),
                Conversation::With(user) => data["with"] = json!(place(user)),
            }
            ("HISTORY", data)
        }
        Ask::Search(search) => {
            let data = json!({
                "query": search.query, "room": search.room.as_ref().map(place),
                "user": search.user.as_ref().map(place), "before": search.before, "limit": search.limit,
            });
            ("SEARCH", data)
        }
        Ask::Act(act) => return with_id(id, act.op(), action(act)),
        Ask::Ping => ("PING", Value::Null),
        Ask::Quit => ("QUIT", Value::Null),
    };
    with_id(id, op, data)
}

fn with_id(id: Option<&RequestId>, op: &str, data: Value) -> Value {
    json!({"op": op, "data": data, "id": id})
}

/// The data of a moderation action on the wire.
fn action(act: &Act) -> Value {
    let room = |room: &Option<Place>| room.as_ref().map(place);
    match act {
        Act::Kick(against) | Act::Mute(against, _) => json!({
            "user": against.user, "room": room(&against.room), "for_s": against.for_s, "reason": against.reason,
        }),
        Act::Ban(ban, _) => {
            let user = match &ban.whom {
                Banned::User(user) => user.to_string(),
                other => other.to_string(),
            };
            json!({"user": user, "room": room(&ban.room), "for_s": ban.for_s, "reason": ban.reason})
        }
        Act::Room(room, private) => json!({"room": place(room), "private": private}),
        Act::RemoveRoom(room) => json!({"room": place(room)}),
        Act::Grant { user, role, room: there } => {
            json!({"user": user, "role": role.map_or("none", tcp_chat_protocol::Role::as_str), "room": room(there)})
        }
    }
}

/// A moderation action as on the control socket.
fn control(act: &Act) -> Control {
    let room = |room: &Option<Place>| room.as_ref().map(place);
    match act.clone() {
        Act::Kick(a) => Control::Kick { user: a.user.to_string(), room: room(&a.room), reason: a.reason },
        Act::Mute(a, Undo::No) => {
            Control::Mute { user: a.user.to_string(), room: room(&a.room), for_s: a.for_s, reason: a.reason }
        }
        Act::Mute(a, Undo::Yes) => Control::Unmute { user: a.user.to_string(), room: room(&a.room) },
        Act::Ban(b, Undo::No) => {
            Control::Ban { whom: b.whom.to_string(), room: room(&b.room), for_s: b.for_s, reason: b.reason }
        }
        Act::Ban(b, Undo::Yes) => Control::Unban { whom: b.whom.to_string(), room: room(&b.room) },
        Act::Room(room, private) => Control::Room { room: place(&room), private },
        Act::RemoveRoom(room) => Control::RoomRemove { room: place(&room) },
        Act::Grant { user, role, room: there } => {
            Control::Grant { user: user.to_string(), role, room: room(&there) }
        }
    }
}

/// A change of users as on the control socket, and the code that the proposer has made.
fn control_of_wish(wish: &UserWish) -> (Control, Option<Code>) {
    let is_for_certificate = |code: &Code| matches!(code.gives, Gives::Certificate);
    let shown = |c: &Certificate| ClientCertificate {
        user: c.name.to_string(),
        key: c.key.to_string(),
        until: c.until,
    };
    match wish {
        UserWish::Add(name, code) => {
            let certificate = is_for_certificate(code);
            (Control::UserAdd { user: name.to_string(), certificate }, Some(*code))
        }
        UserWish::Reset(name, code) => {
            let certificate = is_for_certificate(code);
            (Control::UserPassword { user: name.to_string(), certificate }, Some(*code))
        }
        UserWish::Remove(name) => (Control::UserRemove { user: name.to_string() }, None),
        UserWish::RevokeAll(name) => (Control::CertRevoke(Revoked::User(name.to_string())), None),
        UserWish::RevokeKey(key) => (Control::CertRevoke(Revoked::Key(key.to_string())), None),
        UserWish::Revoke(c) => (Control::CertRevoke(Revoked::Certificate(shown(c))), None),
        UserWish::Issued(c) => (Control::CertIssued(shown(c)), None),
    }
}

fn encode_proof(proof: &Proof) -> Value {
    match proof {
        Proof::NotNeeded => json!("not needed"),
        Proof::Accepted => json!("accepted"),
        Proof::Refused => json!("refused"),
        Proof::Endpoint => json!("endpoint"),
        Proof::Unusable(why) => json!({"unusable": **why}),
        Proof::Password(user, hash) => json!({"user": user.0, "password": **hash}),
        Proof::Certificate(shown) => {
            let Presented { certificate, issued } = &**shown;
            json!({"certificate": encode_certificate(certificate), "issued": issued})
        }
    }
}

fn encode_certificate(certificate: &Certificate) -> Value {
    let Certificate { key, name, until, revoked } = certificate;
    let revoked = match revoked {
        Revocation::None => 0,
        Revocation::Name => 1,
        Revocation::Key => 2,
    };
    json!({"key": key.to_string(), "name": name, "until": until, "revoked": revoked})
}

/// The spelling of a text that cannot be a name is not kept: it points at nothing.
fn place(place: &Place) -> String {
    place.0.as_ref().map(Name::to_string).unwrap_or_default()
}

fn hex(bytes: &[u8; 32]) -> String {
    Digest(*bytes).to_string()
}
