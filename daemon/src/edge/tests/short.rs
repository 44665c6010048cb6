//! What a connection hears, in short: a line of the wire as a few words.

use tcp_chat_protocol::RequestId;
use tcp_chat_protocol::reply::{self, Incoming, JoinReply, LeaveReply, LoginReply, RoomsReply, WhoReply};

/// The line in short; as it is where it is none.
pub(super) fn short(line: &[u8]) -> String {
    let Ok(incoming) = reply::read(line) else { return String::from_utf8_lossy(line).into_owned() };
    let with = |id: Option<RequestId>| match id {
        None => String::new(),
        Some(RequestId::Number(n)) => format!("#{n}"),
        Some(RequestId::Text(t)) => format!("#{t}"),
    };
    match incoming {
        Incoming::Msg(id, m) => {
            let place = m
                .room
                .as_ref()
                .map_or_else(|| format!("@{}", m.to.as_deref().unwrap_or("?")), |r| r.to_string());
            format!("MSG{} {}<{} {place} {}: {}", with(id), m.seq, m.prev, m.user, m.msg)
        }
        Incoming::Presence(p) => {
            format!("PRESENCE {} {} {}", p.room, p.user, format!("{:?}", p.state).to_lowercase())
        }
        Incoming::Notice(n) => {
            let kind = serde_json::to_string(&n.kind).unwrap();
            let wait = n.retry_after_ms.map_or(String::new(), |ms| format!(" {ms} ms"));
            let room = n.room.map_or(String::new(), |room| format!(" {room}"));
            format!("NOTICE {}{room}{wait}", kind.trim_matches('"'))
        }
        Incoming::Error(id, e) => {
            let wait = e.retry_after_ms.map_or(String::new(), |ms| format!(" {ms} ms"));
            let until = e.until.map_or(String::new(), |until| format!(" until {until}"));
            format!("ERROR_MSG{} {}{wait}{until}", with(id), e.kind)
        }
        Incoming::Reply { op, id, data } => {
            let data = data.get();
            let rest = match &*op {
                "LOGIN" => {
                    let r: LoginReply = serde_json::from_str(data).unwrap();
                    format!(" {} {} head {}", r.name, r.rooms.join(","), r.head)
                }
                "JOIN" => {
                    let r: JoinReply = serde_json::from_str(data).unwrap();
                    format!(" {} head {} {} of {}", r.room, r.head, members(&r.members), r.member_count)
                }
                "LEAVE" => format!(" {}", serde_json::from_str::<LeaveReply>(data).unwrap().room),
                "WHO" => {
                    let r: WhoReply = serde_json::from_str(data).unwrap();
                    format!(" {} {} of {}", r.room.unwrap_or("*".into()), members(&r.members), r.member_count)
                }
                "ROOMS" => serde_json::from_str::<RoomsReply>(data)
                    .unwrap()
                    .rooms
                    .iter()
                    .map(|r| {
                        let private = if r.private { ",private" } else { "" };
                        format!(" {}({},{}{private})", r.room, r.members, r.head)
                    })
                    .collect(),
                _ => String::new(),
            };
            format!("{op}{}{rest}", with(id))
        }
    }
}

fn members(members: &[reply::Member]) -> String {
    let member = |m: &reply::Member| {
        let role = m.role.map_or(String::new(), |role| format!(" {role}"));
        format!("{} {}{role}", m.user, format!("{:?}", m.state).to_lowercase())
    };
    format!("[{}]", members.iter().map(member).collect::<Vec<_>>().join(", "))
}
