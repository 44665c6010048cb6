//! Owns a recorded turn and its encoded form: one line of JSON. It contains requests as on the wire, operators' actions as
//! on the control socket, and the results of the proposer: proofs of identity, and hashes of secrets. Used by the proof
//! and by the fuzz target. Never applies a turn.
//!
//! The encoded form has one time, and no monotonic clock.

use super::known::Known;
use serde_json::{Value, json};
use std::net::IpAddr;
use tcp_chat_protocol::request::{Action, Request, write};
use tcp_chat_protocol::{Name, Refusal, RequestId, Seq};
use tcp_chatd::admin::{AdminRequest as Control, ClientCertificate, Revoked};
use tcp_chatd::chat::{
    Ask, Certificate, Code, ConnectionId, Digest, Evidence, Gives, Made, Now, Past, Presented, Revocation,
    SessionId, UserWish,
};

/// One input of a turn.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    Open(ConnectionId, IpAddr),
    Lost(ConnectionId),
    Read(ConnectionId, usize),
    /// A request, and what its proposer has found of an earlier one under its id.
    Ask(ConnectionId, Option<RequestId>, Ask, Past),
    /// A line that is no request.
    Refused(ConnectionId, Refusal),
    Action(u32, Box<Action>),
    Wish(u32, UserWish),
    /// Retention takes every message below this number.
    Retain(Seq),
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
        Input::Ask(_, _, ask, _) if is_query(ask) && !known.contains(&Known::QueriesSeal) => return None,
        Input::Open(on, address) => json!({"on": on.0, "open": address}),
        Input::Lost(on) => json!({"on": on.0, "lost": true}),
        Input::Read(on, bytes) => json!({"on": on.0, "read": bytes}),
        Input::Refused(on, refusal) => json!({"on": on.0, "refused": refusal.msg}),
        Input::Ask(on, id, ask, past) => {
            let mut entry = json!({"on": on.0, "request": request(id.as_ref(), ask)});
            entry["past"] = match past {
                Past::Absent => Value::Null,
                Past::Kept(conversation, seq) => json!([conversation.0, seq]),
                Past::Unknown => json!("unknown"),
            };
            match ask {
                Ask::Login { fresh, resumes, proof, .. } => {
                    entry["fresh"] = json!([*fresh.token, hex(&fresh.hash)]);
                    entry["resumes"] = json!(resumes.map(|hash| hex(&hash)));
                    entry["proof"] = encode_evidence(proof.evidence());
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
        Input::Action(uid, action) => json!({"uid": uid, "act": Control::Action(action.clone()).to_json()}),
        Input::Wish(uid, wish) => {
            let (command, code) = control_of_wish(wish);
            let code = code.map(|code| {
                let gives = matches!(code.gives, Gives::Certificate);
                json!({"hash": code.hash.to_string(), "until": code.until, "certificate": gives})
            });
            json!({"uid": uid, "wish": command.to_json(), "code": code})
        }
        Input::Retain(oldest) => json!({"retain": oldest}),
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
    let request = match ask.clone() {
        Ask::Login { login, .. } => Request::Login(login),
        Ask::Enrol { enrol, .. } => Request::Enrol(enrol),
        Ask::Join(room) => Request::Join(room),
        Ask::Leave(room) => Request::Leave(room),
        Ask::Say(to, text) => {
            let text: String = serde_json::from_str(&text).expect("a text as JSON");
            Request::Msg { to, text: text.into() }
        }
        Ask::Who(room) => Request::Who(room),
        Ask::Rooms => Request::Rooms,
        Ask::History(history) => Request::History(history),
        Ask::Search(search) => Request::Search(search),
        Ask::Action(action) => Request::Action(action),
        Ask::Ping => Request::Ping,
        Ask::Quit => Request::Quit,
    };
    let mut line = Vec::new();
    write(id, &request, &mut line);
    serde_json::from_slice(&line).expect("a line of JSON")
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

fn encode_evidence(evidence: &Evidence) -> Value {
    match evidence {
        Evidence::NotNeeded => json!("not needed"),
        Evidence::Accepted => json!("accepted"),
        Evidence::Refused => json!("refused"),
        Evidence::Endpoint => json!("endpoint"),
        Evidence::Unusable(why) => json!({"unusable": **why}),
        Evidence::Password(user, hash) => json!({"user": user.0, "password": **hash}),
        Evidence::Certificate(shown) => {
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

fn hex(bytes: &[u8; 32]) -> String {
    Digest(*bytes).to_string()
}
