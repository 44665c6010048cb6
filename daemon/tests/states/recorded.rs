//! Owns the recorded log: sealed entries with the digest after each, in `recorded.log`. This version must come to the same
//! digests: a node of the version that recorded it would hold otherwise. Never changes the log, unless `RECORD_LOG` is set.

use super::recorder::Step;
use super::replayed;
use super::scripts::steps;
use super::sealed::{self, Writer};
use super::state::rules;
use super::steps::steps as any_steps;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tcp_chat_protocol::Action;
use tcp_chat_state::{
    Certificate, Digest, Intent, Op, Past, Revocation, Snapshot, Source, State, Turn, UserCommand,
};
use tcp_chat_turn_log::{Entry, LogTime, Reader, Record};

/// The largest log that the repository keeps, in bytes.
const MOST_BYTES: usize = 200_000;

/// How many sequences of random steps follow the script.
const RANDOM: usize = 8;

/// Requests, actions and commands of every kind. What else there is, `turns` adds.
const SCRIPT: &str = r##"
op {"command":"user add","user":"cy","certificate":false}
op {"command":"user add","user":"di","certificate":true}
op {"command":"grant","user":"op","role":"owner"}
turn
f {"op":"ENROL","data":{"name":"cy","code":"code of cy","password":"pw"}}
turn
a {"op":"LOGIN","data":{"name":"cy","password":"pw","rooms":["lobby","ops"],"color":"red"}}
b {"op":"LOGIN","data":{"name":"bo","rooms":["lobby","ops"],"color":"#0a0b0c"}}
c {"op":"LOGIN","data":{"name":"mo"}}
d {"op":"LOGIN","data":{"name":"op","rooms":["lobby","ops"]}}
e {"op":"LOGIN","data":{"name":"Zo\u00eb","rooms":["gr\u00f6\u00dfe","lobby"]}}
turn
a {"op":"MSG","data":{"room":"ops","msg":"one"},"id":1}
b {"op":"MSG","data":{"room":"lobby","msg":"two \"quoted\""},"id":"two"}
b {"op":"PING"}
b {"op":"MSG","data":{"to":"cy","msg":"three"}}
e {"op":"MSG","data":{"room":"gr\u00f6\u00dfe","msg":"vier"}}
turn
a {"op":"MSG","data":{"room":"ops","msg":"one"},"id":1}
a {"op":"MARK","data":{"room":"ops","seq":1}}
c {"op":"JOIN","data":{"room":"dev"}}
d {"op":"JOIN","data":{"room":"dev"}}
a {"op":"ROOM","data":{"room":"ops","topic":"a topic"}}
a {"op":"REDACT","data":{"room":"ops","seq":1,"reason":"a slip"}}
turn
d {"op":"MUTE","data":{"user":"bo","room":"ops","for_s":2,"reason":"loud"}}
d {"op":"UNMUTE","data":{"user":"bo","room":"ops"}}
d {"op":"BAN","data":{"user":"zo\u00eb","reason":"no"}}
d {"op":"UNBAN","data":{"user":"Zo\u00cb"}}
d {"op":"ROOM","data":{"room":"dev","private":true}}
d {"op":"GRANT","data":{"user":"cy","role":"moderator","room":"ops"}}
d {"op":"KICK","data":{"user":"mo"}}
turn
op {"command":"redact","seq":2,"reason":"r"}
op {"command":"ban","whom":"192.0.2.0/24","for_s":5,"reason":"x"}
op {"command":"room remove","room":"dev"}
turn 1
c {"op":"LEAVE","data":{"room":"lobby"}}
turn
turn
op {"command":"unban","whom":"192.0.2.0/24"}
op {"command":"mute","user":"bo","room":"ops"}
op {"command":"user password","user":"di","certificate":true}
reload 2
turn
a {"op":"QUIT"}
e gone
turn
pass 5000
turn
restart
turn
reload 0
retain 2
turn
op {"command":"cert revoke","user":"mo"}
op {"command":"user erase","user":"cy","lift":true}
turn
turn
turn
turn
turn
op {"command":"user remove","user":"di"}
turn
retain 0
turn
"##;

/// The turns to record: those of the script, of some random steps after it, and the kinds that no script can make.
fn turns() -> Vec<Turn> {
    let mut steps: Vec<Step> = steps(SCRIPT);
    let mut runner = TestRunner::deterministic();
    for _ in 0..RANDOM {
        steps.extend(any_steps().new_tree(&mut runner).unwrap().current());
    }
    let mut turns = replayed::record(&steps);
    let last = turns.last().unwrap().clone();
    let name = |text: &str| text.parse().unwrap();
    let certificate = |key, of: &str| Certificate {
        key: Digest([key; 32]),
        name: name(of),
        until: last.time + 1_000,
        revoked: Revocation::None,
    };
    let commands = [
        UserCommand::Issued(certificate(1, "mo")),
        UserCommand::Issued(certificate(2, "Zo\u{eb}")),
        UserCommand::Revoke(certificate(2, "Zo\u{eb}")),
        UserCommand::RevokeKey(Digest([1; 32])),
    ];
    let action = Action::RemoveRoom(tcp_chat_protocol::request::Place(Some(name("gr\u{f6}\u{df}e"))));
    let mut intents: Vec<_> = commands.into_iter().map(|command| Intent::ChangeUser(0, command)).collect();
    intents.push(Intent::OperatorAction(0, Box::new(action), Past::Absent));
    intents.extend([Intent::Notice("back at noon".into()), Intent::Seal]);
    turns.push(Turn { time: last.time + 1, intents, steps: 3, ..last.clone() });
    turns.push(Turn { time: last.time + 2, intents: Vec::new(), steps: usize::MAX, ..last });
    turns
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states/recorded.log")
}

/// A state that reads a log from its beginning.
struct Replica {
    reader: Reader,
    state: State,
}

impl Replica {
    fn new() -> Self {
        Self { reader: sealed::reader(), state: State::restore(rules(), Snapshot::default(), 0) }
    }

    /// Reads a record. Returns the entry, and the digest of the state after it, as hexadecimal digits.
    fn read(&mut self, record: &Record, see: impl FnOnce(&Turn)) -> (Entry, String) {
        let Self { reader, state } = self;
        let entry = sealed::read(reader, record, |turn| {
            see(&turn);
            state.apply(turn, |_, changes, _| changes.clear()).digest()
        })
        .expect("an entry that counts");
        let digest = reader.claim().digest.state;
        (entry, digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// One line for each entry: its time, the digest after it, and its bytes.
fn write_log() {
    let mut replica = Replica::new();
    let turns = turns();
    let mut log = Writer::new(&replica.reader, turns[0].time);
    let mut text = String::new();
    for turn in std::iter::once(None).chain(turns.iter().map(Some)) {
        if let Some(turn) = turn {
            log.seal(&replica.reader, turn);
        }
        let record = log.records.last().unwrap().clone();
        let (entry, digits) = replica.read(&record, |_| {});
        log.counted(&entry);
        writeln!(text, "{} {digits} {}", record.stamp.0, STANDARD.encode(&record.bytes)).unwrap();
    }
    std::fs::write(file(), text).unwrap();
}

#[test]
fn this_version_comes_to_the_digests_of_the_recorded_log() {
    if std::env::var_os("RECORD_LOG").is_some() {
        write_log();
    }
    let text = std::fs::read_to_string(file()).unwrap();
    assert!(text.len() <= MOST_BYTES, "{} bytes", text.len());
    let mut replica = Replica::new();
    let mut kinds = BTreeSet::new();
    for (sequence, line) in (1..).zip(text.lines()) {
        let [time, digest, bytes] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let bytes = STANDARD.decode(bytes).unwrap().into();
        let record = Record { sequence, stamp: LogTime(time.parse().unwrap()), bytes };
        let mut turn = None;
        let (_, now) = replica.read(&record, |of| {
            kinds.extend(of.intents.iter().flat_map(kinds_of));
            turn = Some(of.clone());
        });
        assert_eq!(
            now, digest,
            "entry {sequence} has another digest than with the version that recorded it. Nodes of both versions in one \
             cluster would hold. Raise `BEHAVIOUR` in crates/state/src/behaviour.rs, keep the old behaviour for one \
             release, and record the log again: RECORD_LOG=1 cargo test -p tcp-chatd --test states recorded\n{turn:#?}"
        );
    }
    let missing: Vec<_> = KINDS.iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "the log has no {missing:?}: add them to the script, and record it again");
}

/// Every kind of intent, op, action and command.
const KINDS: [&str; 39] = [
    "login",
    "enrol",
    "join",
    "leave",
    "say",
    "action",
    "mark",
    "quit",
    "away",
    "node up",
    "evict banned",
    "expire",
    "operator action",
    "change user",
    "policy",
    "seal",
    "start",
    "retain",
    "erase step",
    "notice",
    "kick",
    "mute",
    "unmute",
    "ban",
    "unban",
    "room",
    "topic",
    "redact",
    "redact number",
    "remove room",
    "grant",
    "add",
    "remove",
    "reset",
    "revoke",
    "revoke all",
    "revoke key",
    "issued",
    "erase",
];

/// What of [`KINDS`] an intent is. A new kind does not compile until it is here; it belongs into the list, too.
fn kinds_of(intent: &Intent) -> Vec<&'static str> {
    match intent {
        Intent::Request(Source { .. }, _, op) => match op {
            Op::Login(_) => vec!["login"],
            Op::Enrol(_) => vec!["enrol"],
            Op::Join(..) => vec!["join"],
            Op::Leave(_) => vec!["leave"],
            Op::Say(..) => vec!["say"],
            Op::Action(action, _) => vec!["action", kind_of_action(action)],
            Op::Mark(_) => vec!["mark"],
            Op::Quit => vec!["quit"],
        },
        Intent::Away(..) => vec!["away"],
        Intent::NodeUp(_) => vec!["node up"],
        Intent::EvictBanned { .. } => vec!["evict banned"],
        Intent::Expire(_) => vec!["expire"],
        Intent::OperatorAction(_, action, _) => vec!["operator action", kind_of_action(action)],
        Intent::ChangeUser(_, command) => vec!["change user", kind_of_command(command)],
        Intent::Policy(_) => vec!["policy"],
        Intent::Seal => vec!["seal"],
        Intent::Start(_) => vec!["start"],
        Intent::Retain(_) => vec!["retain"],
        Intent::Erase(_) => vec!["erase step"],
        Intent::Notice(_) => vec!["notice"],
    }
}

fn kind_of_action(action: &Action) -> &'static str {
    match action {
        Action::Kick(_) => "kick",
        Action::Mute(_) => "mute",
        Action::Unmute(_) => "unmute",
        Action::Ban(_) => "ban",
        Action::Unban(_) => "unban",
        Action::Room { .. } => "room",
        Action::Topic { .. } => "topic",
        Action::Redact(_) => "redact",
        Action::RedactNumber { .. } => "redact number",
        Action::RemoveRoom(_) => "remove room",
        Action::Grant { .. } => "grant",
    }
}

fn kind_of_command(command: &UserCommand) -> &'static str {
    match command {
        UserCommand::Add(..) => "add",
        UserCommand::Remove(_) => "remove",
        UserCommand::Reset(..) => "reset",
        UserCommand::Revoke(_) => "revoke",
        UserCommand::RevokeAll(_) => "revoke all",
        UserCommand::RevokeKey(_) => "revoke key",
        UserCommand::Issued(_) => "issued",
        UserCommand::Erase(..) => "erase",
    }
}
