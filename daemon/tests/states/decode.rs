//! Owns the decoding of a turn. The parser of the wire reads the requests; the parser of the control socket reads the
//! operators' actions. Used by the proof and by the fuzz target. Panics at anything that [`super::turns::encode`] does not write.

use serde_json::Value;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{Bounds, Request, parse};
use tcp_chat_protocol::{Fingerprint, Name, RequestId};
use tcp_chat_state::{
    Allowance, Certificate, Code, CodePurpose, ConnectionId, ConversationId, Digest, EnrolOp, ErasureStage,
    ErasureStep, Evidence, Intent, LoginOp, NewCredential, NodeId, Op, Origin, Past, Presented,
    RecentMessage, Revocation, Rules, SessionId, Source, StoredMessage, Turn, UserCommand, UserId,
};
use tcp_chatd::admin::{AdminRequest as Control, ClientCertificate, Revoked};
use tcp_chatd::rate::Limit;

/// Wider than the daemon's: the proposer has checked its own bounds already.
const BOUNDS: Bounds = Bounds { msg_bytes: 1 << 20, rooms: 0 };

/// Reads a line of the log.
pub(crate) fn decode(line: &str) -> Turn {
    let entry: Value = serde_json::from_str(line).expect("a line of the log");
    let node = entry["node"].as_u64().and_then(|node| u32::try_from(node).ok());
    Turn {
        node: NodeId(node.expect("a node")),
        time: entry["time"].as_u64().expect("a time"),
        retain: entry["retain"].as_u64(),
        intents: entry["intents"].as_array().expect("intents").iter().map(intent).collect(),
        steps: entry["steps"].as_u64().map_or(usize::MAX, |steps| usize::try_from(steps).expect("a number")),
    }
}

fn policy(entry: &Value) -> Rules {
    let names = |key: &str| entry[key].as_array().expect("rooms").iter().map(name).collect();
    let is = |key: &str| entry[key].as_bool().expect("a truth");
    let small = |key: &str| u32::try_from(entry[key].as_u64().expect("a number")).expect("a small number");
    let large = |key: &str| entry[key].as_u64().expect("a number");
    let limit = |at: usize| {
        let of = &entry["limits"][at];
        let [per_second, burst] = [0, 1].map(|at| of[at].as_u64().expect("a number"));
        Limit { per_second, burst }
    };
    let number = |at: usize| {
        entry["numbers"][at].as_u64().and_then(|number| usize::try_from(number).ok()).expect("a number")
    };
    Rules {
        default_rooms: names("default_rooms"),
        posted_rooms: names("posted_rooms"),
        endpoint: (!entry["endpoint"].is_null()).then(|| name(&entry["endpoint"])),
        create: is("create"),
        topic_by_members: is("topic_by_members"),
        redact_ms: large("redact_ms"),
        accounts: is("accounts"),
        rate: limit(0),
        flow: limit(1),
        network_flow: limit(2),
        network_stored: limit(3),
        presence_limit: number(0),
        sessions: number(1),
        sessions_per_user: number(2),
        rooms: number(3),
        rooms_per_session: number(4),
        rooms_per_network: number(5),
        line_bytes: number(6),
        msg_bytes: number(7),
        ttl_ms: large("ttl_ms"),
        window: large("window"),
        strangers_per_minute: small("strangers_per_minute"),
        errors: small("errors"),
    }
}

fn intent(entry: &Value) -> Intent {
    if entry["seal"] == true {
        return Intent::Seal;
    }
    if let Some(id) = entry["erase"].as_i64() {
        let number = |value: &Value| value.as_u64().expect("a number");
        let stage = ErasureStage::ALL[usize::try_from(number(&entry["stage"])).expect("a stage")];
        let recent = entry["recent"].as_array().expect("a list").iter().map(|of| RecentMessage {
            seq: number(&of["seq"]),
            conversation: ConversationId(of["in"].as_i64().expect("an id")),
            direct: names(&of["direct"]),
        });
        let (recent, down_to) = (recent.collect(), number(&entry["down_to"]));
        return Intent::Erase(ErasureStep { id, stage, down_to, recent });
    }
    if let Some(sessions) = entry["expire"].as_array() {
        let ids = sessions.iter().map(|id| SessionId(id.as_i64().expect("an id")));
        return Intent::Expire(ids.collect());
    }
    if entry["policy"].is_object() {
        return Intent::Policy(Box::new(policy(&entry["policy"])));
    }
    if let Some(uid) = entry["uid"].as_u64() {
        let uid = u32::try_from(uid).expect("a user of the system");
        let read = |what: &Value| Control::read(what.to_string().as_bytes()).expect("a command");
        if entry["act"].is_null() {
            return Intent::Grant(uid, wish(read(&entry["wish"]), &entry["code"]));
        }
        let Control::Action(action) = read(&entry["act"]) else { panic!("{entry} is no action") };
        return Intent::Operate(uid, action, past(&entry["past"]));
    }
    if let Some(sessions) = entry["end"].as_array() {
        let sessions = sessions.iter().map(|id| SessionId(id.as_i64().expect("an id"))).collect();
        return Intent::EvictBanned {
            sessions,
            who: text(&entry["who"]).into(),
            reason: text(&entry["reason"]).into(),
        };
    }
    let node = |entry: &Value| NodeId(entry.as_u64().and_then(|n| u32::try_from(n).ok()).expect("a node"));
    if !entry["up"].is_null() {
        return Intent::NodeUp(node(&entry["up"]));
    }
    let connection = ConnectionId(entry["on"][1].as_u64().expect("a connection"));
    let origin = Origin { node: node(&entry["on"][0]), connection };
    if let Some(session) = entry["away"].as_i64() {
        return Intent::Away(origin, SessionId(session));
    }
    let session = entry["session"].as_i64().map(SessionId);
    let source = Source { origin, session };
    let id = match &entry["id"] {
        Value::Null => None,
        Value::String(text) => Some(RequestId::Text(text.as_str().into())),
        number => Some(RequestId::Number(number.as_u64().expect("an id"))),
    };
    let op = match entry["request"]["op"].as_str() {
        Some("ENROL") => Op::Enrol(Box::new(enrol(entry))),
        _ => op(entry),
    };
    Intent::Request(source, id, op)
}

fn past(entry: &Value) -> Past {
    let conversation = |id: &Value| ConversationId(id.as_i64().expect("an id"));
    match entry {
        Value::Null => Past::Absent,
        Value::Array(of) => Past::Kept(conversation(&of[0]), of[1].as_u64().expect("a number")),
        Value::Object(of) => Past::Message(StoredMessage {
            conversation: conversation(&of["in"]),
            author: of["by"].as_i64().map(UserId),
            ts: of["ts"].as_u64().expect("a time"),
            is_redacted: of["redacted"].as_bool().expect("a truth"),
            direct: names(&of["direct"]),
        }),
        Value::String(word) if word == "unwritable" => Past::Unwritable,
        _ => Past::Unknown,
    }
}

/// The author and the recipient of a direct message.
fn names(entry: &Value) -> Option<Box<(Name, Name)>> {
    entry.as_array().map(|names| {
        let name = |at: usize| names[at].as_str().and_then(|name| name.parse().ok()).expect("a name");
        Box::new((name(0), name(1)))
    })
}

fn enrol(entry: &Value) -> EnrolOp {
    let made = &entry["made"];
    let made = match (&made["password"], &made["certificate"]) {
        (Value::String(hash), _) => NewCredential::Password(hash.as_str().into()),
        (_, Value::Null) => NewCredential::Nothing,
        (_, shown) => NewCredential::Certificate(Box::new(certificate(shown)), text(&made["pem"]).to_owned()),
    };
    let code = entry["code"].is_string().then(|| digest(&entry["code"]));
    EnrolOp { name: name(&entry["request"]["name"]), code, made }
}

fn op(entry: &Value) -> Op {
    let line = entry["request"].to_string();
    let (_, request) = parse(line.as_bytes(), &BOUNDS).unwrap_or_else(|why| panic!("{line}: {}", why.msg));
    match request {
        Request::Login(login) => {
            let resumes = entry["resumes"].is_string().then(|| digest(&entry["resumes"]).0);
            let hashes = (digest(&entry["fresh"]).0, resumes);
            let evidence = evidence(&entry["proof"]);
            Op::Login(Box::new(LoginOp::new(*login, hashes, evidence, allowance(entry))))
        }
        Request::Join(room) => Op::Join(room, Box::new(allowance(entry))),
        Request::Leave(room) => Op::Leave(room),
        Request::Msg { to, text } => Op::Say(to, json_text(&text), past(&entry["past"])),
        Request::Action(action) => Op::Action(action, past(&entry["past"])),
        Request::Mark(mark) => Op::Mark(Box::new(mark)),
        Request::Quit => Op::Quit,
        other => panic!("{other:?} is no op, or decoded elsewhere"),
    }
}

fn allowance(entry: &Value) -> Allowance {
    let left =
        |at: usize| entry["left"][at].as_u64().and_then(|left| usize::try_from(left).ok()).expect("a number");
    let network = text(&entry["network"]).parse().expect("an address");
    Allowance { network, sessions: left(0), rooms: left(1) }
}

/// Does the same as `admin::users`, with the code that the proposer has made.
pub(crate) fn wish(command: Control, code: &Value) -> UserCommand {
    let named = |text: &str| text.parse::<Name>().expect("a name");
    let code = || Code {
        hash: digest(&code["hash"]),
        until: code["until"].as_u64().expect("a moment"),
        gives: if code["certificate"] == true { CodePurpose::Certificate } else { CodePurpose::Password },
    };
    let shown = |c: ClientCertificate| Certificate {
        key: key(&c.key),
        name: named(&c.user),
        until: c.until,
        revoked: Revocation::None,
    };
    match command {
        Control::UserAdd { user, .. } => UserCommand::Add(named(&user), code()),
        Control::UserPassword { user, .. } => UserCommand::Reset(named(&user), code()),
        Control::UserErase { user, lift } => UserCommand::Erase(named(&user), lift),
        Control::UserRemove { user } => UserCommand::Remove(named(&user)),
        Control::CertRevoke(Revoked::User(user)) => UserCommand::RevokeAll(named(&user)),
        Control::CertRevoke(Revoked::Key(digits)) => UserCommand::RevokeKey(key(&digits)),
        Control::CertRevoke(Revoked::Certificate(c)) => UserCommand::Revoke(shown(c)),
        Control::CertIssued(c) => UserCommand::Issued(shown(c)),
        other => panic!("{other:?} changes no user"),
    }
}

fn evidence(entry: &Value) -> Evidence {
    match entry.as_str() {
        Some("not needed") => Evidence::NotNeeded,
        Some("accepted") => Evidence::Accepted,
        Some("refused") => Evidence::Refused,
        Some("endpoint") => Evidence::Endpoint,
        Some(other) => panic!("{other}"),
        None if entry["unusable"].is_string() => Evidence::Unusable(text(&entry["unusable"]).into()),
        None if entry["password"].is_string() => {
            let user = UserId(entry["user"].as_i64().expect("a user"));
            Evidence::Password(user, text(&entry["password"]).into())
        }
        None => Evidence::Certificate(Box::new(Presented {
            certificate: certificate(&entry["certificate"]),
            issued: entry["issued"].as_u64().expect("a moment"),
        })),
    }
}

fn certificate(entry: &Value) -> Certificate {
    Certificate {
        key: digest(&entry["key"]),
        name: name(&entry["name"]),
        until: entry["until"].as_u64().expect("a moment"),
        revoked: match entry["revoked"].as_u64() {
            Some(0) => Revocation::None,
            Some(1) => Revocation::Name,
            _ => Revocation::Key,
        },
    }
}

fn name(entry: &Value) -> Name {
    text(entry).parse().expect("a name")
}

fn text(entry: &Value) -> &str {
    entry.as_str().expect("a text")
}

fn digest(entry: &Value) -> Digest {
    key(text(entry))
}

fn key(digits: &str) -> Digest {
    Digest(digits.parse::<Fingerprint>().expect("a SHA-256").0)
}
