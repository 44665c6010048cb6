//! Owns the strategies of the properties: steps of every kind, with few names and rooms, so that they interact. Used by
//! the proof. Never applies one.

use super::recorder::{DAY_MS, ENCODED, REBUILT, SLOTS, STEADY, Step};
use proptest::prelude::*;
use proptest::sample::select;

const NAMES: [&str; 6] = ["ana", "bo", "cy", "mo", "op", "Ana"];
const ROOMS: [&str; 8] = ["lobby", "ops", "ops", "ops", "dev", "dev", "Dev", "I0bby"];
const ROLES: [&str; 5] = ["read-only", "member", "moderator", "owner", "none"];

fn name() -> impl Strategy<Value = &'static str> {
    select(&NAMES[..])
}

fn room() -> impl Strategy<Value = &'static str> {
    select(&ROOMS[..])
}

/// `,"room":"ops"`, or nothing.
fn there() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        room().prop_map(|room| format!(r#","room":"{room}""#)),
        room().prop_map(|room| format!(r#","room":"{room}""#)),
    ]
}

fn login() -> impl Strategy<Value = String> {
    let rooms = proptest::option::of(proptest::collection::vec(room(), 0..3));
    prop_oneof![
        3 => (name(), rooms, any::<bool>()).prop_map(|(name, rooms, password)| {
            let rooms = rooms.map_or(String::new(), |rooms| format!(r#","rooms":{rooms:?}"#));
            let password = if password { r#","password":"pw""# } else { "" };
            format!(r#"{{"op":"LOGIN","data":{{"name":"{name}"{rooms}{password}}}}}"#)
        }),
        2 => (1u8..12).prop_map(|token| {
            format!(r#"{{"op":"LOGIN","data":{{"session":"{token}","color":"red","after":0}}}}"#)
        }),
        1 => name().prop_map(|name| {
            format!(r#"{{"op":"ENROL","data":{{"name":"{name}","code":"code of {name}","password":"pw"}}}}"#)
        }),
    ]
}

fn talk() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        Just(String::new()),
        (1u8..6).prop_map(|id| format!(r#","id":{id}"#)),
        (1u8..4).prop_map(|id| format!(r#","id":"{id}""#)),
    ];
    let target = prop_oneof![
        Just(r#""hello""#.to_owned()),
        room().prop_map(|room| format!(r#"{{"room":"{room}","msg":"m"}}"#)),
        room().prop_map(|room| format!(r#"{{"room":"{room}","msg":"\"m\"\n"}}"#)),
        name().prop_map(|name| format!(r#"{{"to":"{name}","msg":"w"}}"#)),
    ];
    (target, id).prop_map(|(data, id)| format!(r#"{{"op":"MSG","data":{data}{id}}}"#))
}

/// The data of a moderation action, for the wire and for the control socket.
fn act() -> impl Strategy<Value = (&'static str, String)> {
    let against = |op: &'static str, time: &'static str| {
        (name(), there()).prop_map(move |(name, there)| (op, format!(r#""user":"{name}"{there}{time}"#)))
    };
    let grant = (name(), there(), select(&ROLES[..]))
        .prop_map(|(name, there, role)| ("GRANT", format!(r#""user":"{name}","role":"{role}"{there}"#)));
    let private =
        (room(), any::<bool>()).prop_map(|(room, is)| ("ROOM", format!(r#""room":"{room}","private":{is}"#)));
    prop_oneof![
        1 => against("KICK", r#","reason":"x""#),
        1 => against("MUTE", r#","for_s":2"#),
        1 => against("MUTE", ""),
        1 => against("UNMUTE", ""),
        1 => against("BAN", r#","for_s":2,"reason":"x""#),
        1 => against("UNBAN", ""),
        4 => grant,
        2 => private,
        3 => (room(), 1u8..12).prop_map(|(room, seq)| ("REDACT", format!(r#""room":"{room}","seq":{seq}"#))),
        2 => (room(), select(&["", "t", "\"u\""][..])).prop_map(|(room, topic)| {
            ("ROOM", format!(r#""room":"{room}","topic":{topic:?}"#))
        }),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let other = prop_oneof![
        room().prop_map(|room| format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#)),
        room().prop_map(|room| format!(r#"{{"op":"LEAVE","data":{{"room":"{room}"}}}}"#)),
        Just(r#"{"op":"PING"}"#.to_owned()),
        Just(r#"{"op":"WHO"}"#.to_owned()),
        (room(), 0u8..12)
            .prop_map(|(room, seq)| { format!(r#"{{"op":"MARK","data":{{"room":"{room}","seq":{seq}}}}}"#) }),
        (name(), 0u8..12)
            .prop_map(|(name, seq)| { format!(r#"{{"op":"MARK","data":{{"with":"{name}","seq":{seq}}}}}"#) }),
        (name(), 1u8..12).prop_map(|(name, seq)| {
            format!(r#"{{"op":"REDACT","data":{{"with":"{name}","seq":{seq},"reason":"x"}}}}"#)
        }),
        Just(r#"{"op":"SEARCH","data":{"query":"m"}}"#.to_owned()),
        Just(r#"{"op":"HISTORY","data":{"room":"lobby"}}"#.to_owned()),
        Just("no request".to_owned()),
    ];
    prop_oneof![
        1 => Just(r#"{"op":"QUIT"}"#.to_owned()),
        4 => login(),
        12 => talk(),
        8 => wire_action(),
        6 => other,
    ]
}

fn wire_action() -> impl Strategy<Value = String> {
    act().prop_map(|(op, data)| format!(r#"{{"op":"{op}","data":{{{data}}}}}"#))
}

/// A line of the control socket. The recorder ignores the invalid ones.
fn operator() -> impl Strategy<Value = String> {
    let action = act().prop_map(|(op, data)| {
        let data = if op.ends_with("BAN") { data.replace("\"user\"", "\"whom\"") } else { data };
        let data = data.replace(r#","role":"none""#, "");
        format!(r#"{{"command":"{}",{data}}}"#, op.to_lowercase())
    });
    let user = prop_oneof![
        name().prop_map(|name| format!(r#"{{"command":"user add","user":"{name}","certificate":false}}"#)),
        name().prop_map(|name| format!(r#"{{"command":"user remove","user":"{name}"}}"#)),
        name().prop_map(|name| format!(r#"{{"command":"user erase","user":"{name}","lift":true}}"#)),
        name()
            .prop_map(|name| format!(r#"{{"command":"user password","user":"{name}","certificate":true}}"#)),
        name().prop_map(|name| format!(r#"{{"command":"cert revoke","user":"{name}"}}"#)),
    ];
    let other = prop_oneof![
        room().prop_map(|room| format!(r#"{{"command":"room remove","room":"{room}"}}"#)),
        Just(r#"{"command":"ban","whom":"192.0.2.0/24","for_s":2}"#.to_owned()),
        Just(r#"{"command":"unban","whom":"192.0.2.0/24"}"#.to_owned()),
        (1_u64..8).prop_map(|seq| format!(r#"{{"command":"redact","seq":{seq}}}"#)),
    ];
    prop_oneof![2 => action, 2 => user, 1 => other]
}

/// Sequences that begin with four users, some rooms and a password. Half of them have no messages, so that rooms are
/// removed as soon as their members have left.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let line = |slot, line: &str| Step::Line(slot, line.to_owned());
    let here = vec![
        line(3, r#"{"op":"LOGIN","data":{"name":"op","rooms":["lobby","ops"]}}"#),
        Step::Operator(r#"{"command":"grant","user":"op","role":"owner"}"#.to_owned()),
        Step::Operator(r#"{"command":"user add","user":"cy","certificate":false}"#.to_owned()),
        line(0, r#"{"op":"ENROL","data":{"name":"cy","code":"code of cy","password":"pw"}}"#),
        Step::Turn(None),
        line(0, r#"{"op":"LOGIN","data":{"name":"cy","password":"pw"}}"#),
        line(1, r#"{"op":"LOGIN","data":{"name":"bo","rooms":["lobby","ops"]}}"#),
        line(2, r#"{"op":"LOGIN","data":{"name":"mo","rooms":["lobby","dev"]}}"#),
        Step::Turn(None),
    ];
    let some = prop_oneof![
        12 => step().prop_map(|step| vec![step]),
        1 => burst(),
    ];
    (any::<bool>(), proptest::collection::vec(some, 1..120)).prop_map(move |(is_quiet, steps)| {
        let is_said = |step: &Step| matches!(step, Step::Line(_, line) if line.starts_with(r#"{"op":"MSG""#));
        here.iter()
            .cloned()
            .chain(steps.into_iter().flatten())
            .filter(|step| !is_quiet || !is_said(step))
            .collect()
    })
}

/// One connection writes to two rooms in one turn, with queries in between.
fn burst() -> impl Strategy<Value = Vec<Step>> {
    let said = prop_oneof![
        2 => select(&["lobby", "ops"][..])
            .prop_map(|room| format!(r#"{{"op":"MSG","data":{{"room":"{room}","msg":"m"}}}}"#)),
        1 => select(&[r#"{"op":"PING"}"#, r#"{"op":"ROOMS"}"#, "no request"][..]).prop_map(str::to_owned),
    ];
    (0..SLOTS, proptest::collection::vec(said, 3..7))
        .prop_map(|(slot, lines)| lines.into_iter().map(|line| Step::Line(slot, line)).collect())
}

fn step() -> impl Strategy<Value = Step> {
    let state = || select(vec![STEADY, REBUILT, ENCODED]);
    let few = || proptest::option::of(0usize..4);
    let fault = prop_oneof![
        (state(), any::<bool>()).prop_map(|(state, is)| Step::Full(state, is)),
        (state(), any::<bool>()).prop_map(|(state, is)| Step::Blind(state, is)),
        few().prop_map(Step::Slow),
        (state(), any::<bool>()).prop_map(|(state, is)| Step::KeepsLonger(state, is)),
        (0u64..2_000).prop_map(Step::SetClock),
    ];
    prop_oneof![
        30 => (0..SLOTS, line()).prop_map(|(slot, line)| Step::Line(slot, line)),
        4 => (0..SLOTS).prop_map(Step::Lose),
        6 => operator().prop_map(Step::Operator),
        3 => wire_action().prop_map(Step::Action),
        1 => prop_oneof![6 => Just(0u8), 2 => Just(2), 1 => 0u8..4].prop_map(Step::Reload),
        1 => (0u64..4).prop_map(Step::Retain),
        4 => (0u64..1_500).prop_map(Step::Pass),
        1 => (0u64..100).prop_map(|days| Step::Pass(days * DAY_MS)),
        12 => few().prop_map(Step::Turn),
        3 => Just(Step::Rebuild),
        1 => Just(Step::Restart),
        4 => fault,
    ]
}
