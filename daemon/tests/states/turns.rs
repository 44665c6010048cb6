//! Owns the encoded form of a turn: one line of JSON. It contains requests as on the wire, operators' actions as on the
//! control socket, and the results of the proposer: proofs of identity, and hashes of secrets. Used by the proof and by
//! the fuzz target. Never applies a turn.

use serde_json::{Value, json};
use tcp_chat_protocol::RequestId;
use tcp_chat_protocol::request::{Login, Request, write};
use tcp_chat_state::{
    Allowance, Certificate, Code, CodePurpose, Digest, EnrolOp, ErasureStep, Evidence, Intent, LoginOp,
    NewCredential, Op, Origin, Past, Presented, RecentMessage, Resumes, Revocation, Rules, Source,
    StoredMessage, Turn, UserCommand,
};
use tcp_chatd::admin::{AdminRequest as Control, ClientCertificate, Revoked};
use tcp_chatd::rate::Limit;

/// The encoded form.
pub(crate) fn encode(turn: &Turn) -> String {
    let Turn { node, time, retain, intents, steps } = turn;
    let intents: Vec<_> = intents.iter().map(encode_intent).collect();
    // `usize::MAX`: all.
    let steps = Some(steps).filter(|steps| **steps != usize::MAX);
    json!({"node": node.0, "time": time, "retain": retain, "steps": steps, "intents": intents}).to_string()
}

fn encode_intent(intent: &Intent) -> Value {
    match intent {
        Intent::Seal => json!({"seal": true}),
        Intent::Away(on, session) => json!({"on": at(on), "away": session.0}),
        Intent::NodeUp(node) => json!({"up": node.0}),
        Intent::EvictBanned { sessions, who, reason } => {
            let sessions: Vec<_> = sessions.iter().map(|session| session.0).collect();
            json!({"end": sessions, "who": who, "reason": reason})
        }
        Intent::Request(Source { origin, session }, id, op) => {
            let mut entry = json!({
                "on": at(origin),
                "session": session.map(|session| session.0),
                "id": id.as_ref().map(|id| match id {
                    RequestId::Number(number) => json!(number),
                    RequestId::Text(text) => json!(**text),
                }),
                "request": request(op),
            });
            match op {
                Op::Login(login) => {
                    let LoginOp { token_hash, resumes, evidence, allowance, .. } = &**login;
                    entry["fresh"] = json!(hex(token_hash));
                    if let Resumes::Token(hash) = resumes {
                        entry["resumes"] = json!(hex(hash));
                    }
                    entry["proof"] = encode_evidence(evidence);
                    encode_allowance(allowance, &mut entry);
                }
                Op::Enrol(enrol) => {
                    let EnrolOp { name: _, code, made } = &**enrol;
                    entry["code"] = json!(code.map(|code| code.to_string()));
                    entry["made"] = match made {
                        NewCredential::Nothing => Value::Null,
                        NewCredential::Password(hash) => json!({"password": **hash}),
                        NewCredential::Certificate(c, pem) => {
                            json!({"certificate": encode_certificate(c), "pem": pem})
                        }
                    };
                }
                Op::Join(_, allowance) => encode_allowance(allowance, &mut entry),
                Op::Say(_, _, past) | Op::Action(_, past) => entry["past"] = encode_past(past),
                Op::Leave(_) | Op::Mark(_) | Op::Quit => {}
            }
            entry
        }
        Intent::Operate(uid, action, past) => {
            let act = Control::Action(action.clone()).to_json();
            json!({"uid": uid, "act": act, "past": encode_past(past)})
        }
        Intent::Grant(uid, wish) => {
            let (command, code) = control_of_wish(wish);
            let code = code.map(|code| {
                let gives = matches!(code.gives, CodePurpose::Certificate);
                json!({"hash": code.hash.to_string(), "until": code.until, "certificate": gives})
            });
            json!({"uid": uid, "wish": command.to_json(), "code": code})
        }
        Intent::Expire(sessions) => {
            json!({"expire": sessions.iter().map(|session| session.0).collect::<Vec<_>>()})
        }
        Intent::Erase(ErasureStep { id, stage, down_to, recent }) => {
            let recent: Vec<_> = recent
                .iter()
                .map(|RecentMessage { seq, conversation, direct }| {
                    let direct = direct.as_ref().map(|names| [names.0.as_str(), names.1.as_str()]);
                    json!({"seq": seq, "in": conversation.0, "direct": direct})
                })
                .collect();
            json!({"erase": id, "stage": stage.number(), "down_to": down_to, "recent": recent})
        }
        Intent::Policy(rules) => json!({"policy": policy(rules)}),
    }
}

fn encode_past(past: &Past) -> Value {
    match past {
        Past::Absent => Value::Null,
        Past::Kept(conversation, seq) => json!([conversation.0, seq]),
        Past::Message(StoredMessage { conversation, author, ts, is_redacted, direct }) => {
            let author = author.map(|author| author.0);
            let direct = direct.as_ref().map(|names| [names.0.as_str(), names.1.as_str()]);
            json!({"in": conversation.0, "by": author, "ts": ts, "redacted": is_redacted, "direct": direct})
        }
        Past::Unknown => json!("unknown"),
        Past::Unwritable => json!("unwritable"),
    }
}

/// All of it: what stands in no turn is the same in no two states.
fn policy(rules: &Rules) -> Value {
    let Rules {
        default_rooms,
        posted_rooms,
        endpoint,
        create,
        topic_by_members,
        presence_limit,
        ttl_ms,
        rate,
        flow,
        strangers_per_minute,
        errors,
        sessions,
        sessions_per_user,
        redact_ms,
        accounts,
        rooms,
        rooms_per_session,
        rooms_per_network,
        network_flow,
        network_stored,
        window,
        line_bytes,
        msg_bytes,
    } = rules;
    let limit = |limit: &Limit| json!([limit.per_second, limit.burst]);
    json!({
        "default_rooms": default_rooms,
        "posted_rooms": posted_rooms,
        "endpoint": endpoint,
        "create": create,
        "topic_by_members": topic_by_members,
        "redact_ms": redact_ms,
        "accounts": accounts,
        "limits": [limit(rate), limit(flow), limit(network_flow), limit(network_stored)],
        "numbers": [
            presence_limit, sessions, sessions_per_user, rooms, rooms_per_session, rooms_per_network, line_bytes,
            msg_bytes,
        ],
        "ttl_ms": ttl_ms,
        "window": window,
        "strangers_per_minute": strangers_per_minute,
        "errors": errors,
    })
}

fn at(origin: &Origin) -> Value {
    json!([origin.node.0, origin.connection.0])
}

fn encode_allowance(allowance: &Allowance, entry: &mut Value) {
    let Allowance { network, sessions, rooms } = allowance;
    entry["network"] = json!(network);
    entry["left"] = json!([sessions, rooms]);
}

/// A request as on the wire. An ENROL is secret there, so only its user's name is written.
fn request(op: &Op) -> Value {
    let request = match op.clone() {
        Op::Login(login) => {
            // All fields: those that are missing here stand beside the request.
            let LoginOp { name, color, rooms, after, log, resumes, .. } = *login;
            let session = (resumes != Resumes::No).then(|| String::new().into());
            Request::Login(Box::new(Login { name, color, rooms, password: None, session, after, log }))
        }
        Op::Enrol(enrol) => return json!({"op": "ENROL", "name": enrol.name}),
        Op::Join(room, _) => Request::Join(room),
        Op::Leave(room) => Request::Leave(room),
        Op::Say(to, text, _) => {
            let text: String = serde_json::from_str(&text).expect("a text as JSON");
            Request::Msg { to, text: text.into() }
        }
        Op::Action(action, _) => Request::Action(action),
        Op::Mark(mark) => Request::Mark(*mark),
        Op::Quit => Request::Quit,
    };
    let mut line = Vec::new();
    write(None, &request, &mut line);
    serde_json::from_slice(&line).expect("a line of JSON")
}

/// A change of users as on the control socket, and the code that the proposer has made.
fn control_of_wish(wish: &UserCommand) -> (Control, Option<Code>) {
    let is_for_certificate = |code: &Code| matches!(code.gives, CodePurpose::Certificate);
    let shown = |c: &Certificate| ClientCertificate {
        user: c.name.to_string(),
        key: c.key.to_string(),
        until: c.until,
    };
    match wish {
        UserCommand::Add(name, code) => {
            let certificate = is_for_certificate(code);
            (Control::UserAdd { user: name.to_string(), certificate }, Some(*code))
        }
        UserCommand::Reset(name, code) => {
            let certificate = is_for_certificate(code);
            (Control::UserPassword { user: name.to_string(), certificate }, Some(*code))
        }
        UserCommand::Erase(name, lift) => (Control::UserErase { user: name.to_string(), lift: *lift }, None),
        UserCommand::Remove(name) => (Control::UserRemove { user: name.to_string() }, None),
        UserCommand::RevokeAll(name) => (Control::CertRevoke(Revoked::User(name.to_string())), None),
        UserCommand::RevokeKey(key) => (Control::CertRevoke(Revoked::Key(key.to_string())), None),
        UserCommand::Revoke(c) => (Control::CertRevoke(Revoked::Certificate(shown(c))), None),
        UserCommand::Issued(c) => (Control::CertIssued(shown(c)), None),
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
