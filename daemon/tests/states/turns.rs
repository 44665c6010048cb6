//! Owns a recorded turn and its encoded form: one line of JSON. It contains requests as on the wire, operators' actions as
//! on the control socket, and the results of the proposer: proofs of identity, and hashes of secrets. Used by the proof
//! and by the fuzz target. Never applies a turn.
//!
//! The encoded form has one time, and no monotonic clock.

use serde_json::{Value, json};
use tcp_chat_protocol::request::{Action, Request, write};
use tcp_chat_protocol::{Name, RequestId, Seq};
use tcp_chatd::admin::{AdminRequest as Control, ClientCertificate, Revoked};
use tcp_chatd::chat::{
    Ask, Certificate, Code, Digest, Evidence, Gives, Intent, Made, Now, Origin, Past, Presented, Revocation,
    SessionId, Source, UserWish,
};

/// One input of a turn.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// What the edge of the proposer has made of something that happened on a connection.
    Intent(Intent),
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
    pub(crate) fn encode(&self) -> String {
        let inputs: Vec<_> = self.inputs.iter().map(encode_input).collect();
        json!({"node": 1, "time": self.now.wall, "steps": self.steps, "inputs": inputs}).to_string()
    }
}

fn encode_input(input: &Input) -> Value {
    match input {
        Input::Intent(Intent::Seal) => json!({"seal": true}),
        Input::Intent(Intent::Away(on, session)) => json!({"on": at(on), "away": session.0}),
        Input::Intent(Intent::NodeUp(node)) => json!({"up": node.0}),
        Input::Intent(Intent::EndBarred { sessions, who, reason }) => {
            let sessions: Vec<_> = sessions.iter().map(|session| session.0).collect();
            json!({"end": sessions, "who": who, "reason": reason})
        }
        Input::Intent(Intent::Ask(source, id, ask, past)) => {
            let Source { origin, session, network, sessions, rooms } = source;
            let mut entry = json!({
                "on": at(origin),
                "session": session.map(|session| session.0),
                "network": network,
                "left": [sessions, rooms],
                "request": request(id.as_ref(), ask),
            });
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
    }
}

fn at(origin: &Origin) -> Value {
    json!([origin.node.0, origin.connection.0])
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
        Ask::Query(query) => panic!("{query:?} changes nothing"),
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
