//! Owns the tests of the encoded form: its bytes, the way back for all intents, and what is refused.

use super::values::{rules, turn};
use super::*;
use crate::{
    Allowance, ConnectionId, ConversationId, Evidence, LoginOp, NodeId, Origin, Past, Resumes, SessionId,
    Source, UserId,
};
use proptest::prelude::*;
use tcp_chat_protocol::request::{Against, Place, Target};
use tcp_chat_protocol::{Colour, Name, RequestId, Role};

proptest! {
    #[test]
    fn a_decoded_turn_is_the_encoded_one(turn in turn()) {
        let bytes = turn.encode().unwrap();
        let decoded = Turn::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Ok(&turn));
        // A name that is not ASCII is looked up often, and comes from the wire with its keys.
        prop_assert_eq!(decoded.unwrap().encode().unwrap(), bytes);
    }

    #[test]
    fn damaged_bytes_are_refused_or_are_another_turn(
        turn in turn(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to in any::<u8>()
    ) {
        let bytes = turn.encode().unwrap();
        let cut = cut.index(bytes.len());
        prop_assert!(Turn::decode(&bytes[..cut]).is_err(), "{} of {}", cut, bytes.len());
        let mut damaged = bytes;
        let at = at.index(damaged.len());
        damaged[at] = to;
        if let Ok(other) = Turn::decode(&damaged) {
            prop_assert_eq!(Turn::decode(&other.encode().unwrap()), Ok(other));
        }
    }
}

/// A turn with one of the intents that are in most turns, and of those with many fields.
fn golden() -> Turn {
    let name = |text: &str| -> Name { text.parse().unwrap() };
    let origin = Origin { node: NodeId(2), connection: ConnectionId(300) };
    let source = Source { origin, session: Some(SessionId(7)) };
    let login = LoginOp {
        name: Some(name("ana")),
        color: Some(Colour::Red),
        rooms: Some(vec![name("ops")]),
        after: Some(5),
        log: Some("log".to_owned()),
        token_hash: [1; 32],
        resumes: Resumes::NoToken,
        evidence: Evidence::Password(UserId(3), "hash".into()),
        allowance: Allowance { network: [192, 0, 2, 1].into(), sessions: 8, rooms: 9 },
    };
    let ban =
        Against { for_s: Some(60), reason: "spam".to_owned(), ..Against::new("10.0.0.0/8".parse().unwrap()) };
    let action = Action::Grant { user: name("bo"), role: Some(Role::Moderator), room: Some(Place(None)) };
    Turn {
        node: NodeId(2),
        time: 1_795_468_094_007,
        intents: vec![
            Intent::Request(
                Source { session: None, ..source },
                Some(RequestId::Number(1)),
                Op::Login(Box::new(login)),
            ),
            Intent::Request(
                source,
                Some(RequestId::Text("x".into())),
                Op::Say(
                    Target::Room(Place(Some(name("ops")))),
                    "\"hi\"".into(),
                    Past::Kept(ConversationId(6), 11),
                ),
            ),
            Intent::Request(source, None, Op::Action(Box::new(Action::Ban(ban)), Past::Absent)),
            Intent::OperatorAction(1000, Box::new(action), Past::Unknown),
            Intent::Away(origin, SessionId(-1)),
            Intent::Policy(Box::new(rules())),
            Intent::Seal,
            Intent::Retain(4),
        ],
        steps: usize::MAX,
    }
}

/// If this test fails, the form is another one. As soon as a released daemon writes turns into a log, that needs
/// another [`FORMAT`], and the earlier one must still be read.
#[test]
fn the_bytes_of_a_format_stay_the_same() {
    let bytes = golden().encode().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
    assert_eq!(Turn::decode(&bytes), Ok(golden()));
}

const GOLDEN: &str = "\
    0102b7d4f3d1a034080002ac0200010001000103616e6101037265640101036f7073010501036c6f6701010101010101\
    01010101010101010101010101010101010101010101010101020406046861736800c000020108090002ac02010e0101\
    01780401036f70730422686922010c0b0002ac02010e000503020a31302e302e302e302f3800013c047370616d0005e8\
    070902626f01020100030102ac02010702056c6f626279036f707301066275696c64730103626f74010064e8070a141e\
    28050607080900000a0b0c323c465080400d0e080a04ffffffffffffffffff01";

fn says(json: &str) -> Turn {
    let Intent::Request(source, _, _) = golden().intents.remove(1) else { panic!("a request") };
    let say = Op::Say(Target::Default, json.into(), Past::Absent);
    Turn {
        node: NodeId(2),
        intents: vec![Intent::Seal, Intent::Request(source, None, say)],
        ..Turn::empty(1)
    }
}

#[test]
fn what_no_proposer_may_write_is_refused() {
    let decode = |turn: &Turn| Turn::decode(&turn.encode().unwrap());
    assert!(decode(&says("\"a\\n\"")).is_ok());
    // Each of these would end a stored line, or its JSON, or is no text of a message.
    for json in [
        "\"\"",
        "\"a\\u0000\"",
        "\"\\ud800\"",
        "",
        "a",
        "\"a\"\n",
        " \"a\"",
        "\"a\nb\"",
        "\"a\",\"b\"",
        "{}",
        "\"a",
    ] {
        assert!(matches!(decode(&says(json)), Err(DecodeError::Intent { index: 1, .. })), "{json:?}");
    }
    let operates = |action| {
        let intents = vec![Intent::OperatorAction(0, Box::new(action), Past::Absent)];
        decode(&Turn { intents, ..Turn::empty(1) })
    };
    let user: Name = "bo".parse().unwrap();
    let mute = |for_s, reason| Action::Mute(Against { for_s, reason, ..Against::new(user.clone()) });
    assert!(operates(mute(Some(1), "r".repeat(256))).is_ok());
    for action in [
        mute(Some(0), String::new()),
        mute(None, "r".repeat(257)),
        Action::Topic { room: Place(Some(user.clone())), topic: "t".repeat(401) },
    ] {
        assert!(matches!(operates(action), Err(DecodeError::Intent { index: 0, .. })));
    }
    let bytes = Turn::empty(1).encode().unwrap();
    assert_eq!(Turn::decode(&[&bytes[..], &[0, 0]].concat()), Err(DecodeError::Rest(2)));
    assert_eq!(Turn::decode(&[]), Err(DecodeError::Format(None)));
    assert_eq!(
        Turn::decode(&[&[FORMAT + 1], &bytes[1..]].concat()),
        Err(DecodeError::Format(Some(FORMAT + 1)))
    );
    assert_eq!(Turn::decode(&vec![FORMAT; MOST_BYTES + 1]), Err(DecodeError::TooLong(MOST_BYTES + 1)));
    let long = says(&format!("\"{}\"", "a".repeat(MOST_BYTES)));
    assert!(matches!(long.encode(), Err(EncodeError::TooLong(_))));
    // A text id is never longer than on the wire.
    let intents =
        vec![Intent::Request(golden_source(), Some(RequestId::Text("i".repeat(65).into())), Op::Quit)];
    assert!(matches!(
        decode(&Turn { node: NodeId(2), intents, ..Turn::empty(1) }),
        Err(DecodeError::Form(_))
    ));
}

fn golden_source() -> Source {
    Source { origin: Origin { node: NodeId(2), connection: ConnectionId(300) }, session: None }
}

#[test]
fn a_node_speaks_for_no_other_node() {
    let of = |node, intent| {
        let turn = Turn { node, intents: vec![intent], ..Turn::empty(1) };
        Turn::decode(&turn.encode().unwrap()).is_ok()
    };
    for intent in [
        Intent::Request(golden_source(), None, Op::Quit),
        Intent::Away(golden_source().origin, SessionId(7)),
        Intent::NodeUp(NodeId(2)),
    ] {
        assert!(of(NodeId(2), intent.clone()));
        assert!(!of(NodeId(3), intent.clone()) && !of(NodeId::LOCAL, intent.clone()), "{intent:?}");
    }
}

#[test]
fn a_turn_has_bounds_for_what_it_tells_and_for_its_intents() {
    let of = |intents| Turn::decode(&Turn { intents, ..Turn::empty(1) }.encode().unwrap());
    let evicts = |who: usize, reason: usize| Intent::EvictBanned {
        sessions: [SessionId(1)].into(),
        who: "w".repeat(who).into(),
        reason: "r".repeat(reason).into(),
    };
    assert!(of(vec![evicts(256, 256)]).is_ok());
    for wrong in [evicts(257, 0), evicts(1, 257)] {
        assert!(matches!(of(vec![wrong]), Err(DecodeError::Intent { index: 0, .. })));
    }
    assert!(of(vec![Intent::Seal; MOST_INTENTS]).is_ok());
    assert_eq!(of(vec![Intent::Seal; MOST_INTENTS + 1]), Err(DecodeError::TooMany(MOST_INTENTS + 1)));
}
