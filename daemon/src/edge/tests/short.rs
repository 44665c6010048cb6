//! Owns the short form of received lines: a line of the wire as a few words. Never checks a line.

use tcp_chat_protocol::RequestId;
use tcp_chat_protocol::reply::{self, Incoming, JoinReply, LeaveReply, LoginReply, RoomsReply, WhoReply};

/// The line in short form; unchanged if it has none.
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
            let text = match (m.redacted, m.by) {
                (false, _) => m.msg.into_owned(),
                (true, by) => format!("(redacted by {})", by.as_deref().unwrap_or("an operator")),
            };
            format!("MSG{} {}<{} {place} {}: {text}", with(id), m.seq, m.prev, m.user)
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
        Incoming::Redacted(r) => {
            let place = match (&r.room, &r.user, &r.to) {
                (Some(room), ..) => room.to_string(),
                (None, user, to) => {
                    format!("{} @{}", user.as_deref().unwrap_or("?"), to.as_deref().unwrap_or("?"))
                }
            };
            let by = r.by.as_deref().unwrap_or("an operator");
            let reason = r.reason.map_or(String::new(), |reason| format!(": {reason}"));
            format!("REDACTED {place} {} by {by}{reason}", r.seq)
        }
        Incoming::Room(r) => {
            format!("ROOM {} {:?} by {}", r.room, r.topic, r.user.as_deref().unwrap_or("an operator"))
        }
        Incoming::Mark(m) => {
            let with = m.with.map(|with| format!("@{with}"));
            format!("MARK {} {}", m.room.map(String::from).or(with).unwrap_or_default(), m.seq)
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
                    let topic = r.topic.map_or(String::new(), |topic| format!(" {topic:?}"));
                    let mark = r.mark.map_or(String::new(), |mark| format!(" read {mark}"));
                    let all = members(&r.members);
                    format!(" {} head {} {all} of {}{topic}{mark}", r.room, r.head, r.member_count)
                }
                "LEAVE" => format!(" {}", serde_json::from_str::<LeaveReply>(data).unwrap().room),
                "WHO" => {
                    let r: WhoReply = serde_json::from_str(data).unwrap();
                    let topic = r.topic.map_or(String::new(), |topic| format!(" {topic:?}"));
                    let room = r.room.unwrap_or("*".into());
                    format!(" {room} {} of {}{topic}", members(&r.members), r.member_count)
                }
                "ROOMS" => serde_json::from_str::<RoomsReply>(data)
                    .unwrap()
                    .rooms
                    .iter()
                    .map(|r| {
                        let private = if r.private { ",private" } else { "" };
                        let topic = r.topic.as_ref().map_or(String::new(), |topic| format!(",{topic:?}"));
                        format!(" {}({},{}{private}{topic})", r.room, r.members, r.head)
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
