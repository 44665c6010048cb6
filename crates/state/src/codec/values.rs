//! Owns random turns for the tests of the encoded form: every intent, op, action and piece of evidence. Never checks
//! one.

use crate::{
    Access, Allowance, Certificate, Code, CodePurpose, ConnectionId, ConversationId, Digest, EnrolOp,
    ErasureStage, ErasureStep, Evidence, Intent, Limit, LoginOp, NewCredential, NodeId, Op, Origin, Past,
    Presented, RecentMessage, Resumes, Revocation, Rules, SessionId, Source, StoredMessage, Turn,
    UserCommand, UserId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{Action, Against, Conversation, Mark, Place, Redact, Target};
use tcp_chat_protocol::{Banned, Colour, Fingerprint, Name, RequestId, Role};

fn name() -> BoxedStrategy<Name> {
    // The last one is a name that only an earlier version accepted.
    prop_oneof![
        "[a-zA-Z][a-z0-9]{0,8}".prop_map(|text| text.parse().unwrap()),
        Just("Zo\u{eb}".parse().unwrap()),
        Just(Name::parse_kept(&"\u{fdfa}".repeat(32)).unwrap()),
    ]
    .boxed()
}

fn place() -> BoxedStrategy<Place> {
    option::of(name()).prop_map(Place).boxed()
}

fn digest() -> BoxedStrategy<Digest> {
    any::<[u8; 32]>().prop_map(Digest).boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![Just(String::new()), "[ -~\u{e0}-\u{ff}]{1,40}", Just("two\nlines \"quoted\"".to_owned())]
        .boxed()
}

fn origin() -> BoxedStrategy<Origin> {
    (any::<u32>(), any::<u64>())
        .prop_map(|(node, on)| Origin { node: NodeId(node), connection: ConnectionId(on) })
        .boxed()
}

fn session() -> BoxedStrategy<SessionId> {
    any::<i64>().prop_map(SessionId).boxed()
}

fn allowance() -> BoxedStrategy<Allowance> {
    (any::<IpAddr>(), any::<usize>(), any::<usize>())
        .prop_map(|(network, sessions, rooms)| Allowance { network, sessions, rooms })
        .boxed()
}

fn past() -> BoxedStrategy<Past> {
    let direct = option::of((name(), name()).prop_map(Box::new));
    let message = (any::<i64>(), option::of(any::<i64>()), any::<u64>(), any::<bool>(), direct);
    prop_oneof![
        Just(Past::Absent),
        (any::<i64>(), any::<u64>()).prop_map(|(id, seq)| Past::Kept(ConversationId(id), seq)),
        message.prop_map(|(id, author, ts, is_redacted, direct)| Past::Message(StoredMessage {
            conversation: ConversationId(id),
            author: author.map(UserId),
            ts,
            is_redacted,
            direct,
        })),
        Just(Past::Unknown),
        Just(Past::Unwritable),
    ]
    .boxed()
}

fn certificate() -> BoxedStrategy<Certificate> {
    let revoked = prop_oneof![Just(Revocation::None), Just(Revocation::Name), Just(Revocation::Key)];
    (digest(), name(), any::<u64>(), revoked)
        .prop_map(|(key, name, until, revoked)| Certificate { key, name, until, revoked })
        .boxed()
}

fn evidence() -> BoxedStrategy<Evidence> {
    prop_oneof![
        Just(Evidence::NotNeeded),
        text().prop_map(|hash| Evidence::Accepted(hash.into())),
        Just(Evidence::Refused),
        text().prop_map(|why| Evidence::Unusable(why.into())),
        (any::<i64>(), text()).prop_map(|(user, hash)| Evidence::Password(UserId(user), hash.into())),
        (certificate(), any::<u64>()).prop_map(|(certificate, issued)| {
            Evidence::Certificate(Box::new(Presented { certificate, issued }))
        }),
        Just(Evidence::Endpoint),
    ]
    .boxed()
}

fn login() -> BoxedStrategy<LoginOp> {
    let resumes =
        prop_oneof![Just(Resumes::No), any::<[u8; 32]>().prop_map(Resumes::Token), Just(Resumes::NoToken),];
    let color = prop_oneof![
        Just(Colour::None),
        Just(Colour::Fuchsia),
        any::<[u8; 3]>().prop_map(|[r, g, b]| Colour::Rgb(r, g, b)),
    ];
    (
        option::of(name()),
        option::of(color),
        option::of(vec(name(), 0..3)),
        option::of(any::<u64>()),
        option::of(text()),
        any::<[u8; 32]>(),
        resumes,
        evidence(),
        allowance(),
    )
        .prop_map(|(name, color, rooms, after, log, token_hash, resumes, evidence, allowance)| LoginOp {
            name,
            color,
            rooms,
            after,
            log,
            token_hash,
            resumes,
            evidence,
            allowance,
        })
        .boxed()
}

fn enrol() -> BoxedStrategy<EnrolOp> {
    let made = prop_oneof![
        Just(NewCredential::Nothing),
        text().prop_map(|hash| NewCredential::Password(hash.into())),
        (certificate(), text()).prop_map(|(c, pem)| NewCredential::Certificate(Box::new(c), pem)),
    ];
    (name(), option::of(digest()), made).prop_map(|(name, code, made)| EnrolOp { name, code, made }).boxed()
}

fn against<T: std::fmt::Debug + 'static>(
    target: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Against<T>> {
    (target, option::of(place()), option::of(1..1_000_000u64), text())
        .prop_map(|(target, room, for_s, reason)| Against { target, room, for_s, reason })
        .boxed()
}

fn conversation() -> BoxedStrategy<Conversation> {
    prop_oneof![place().prop_map(Conversation::Room), place().prop_map(Conversation::With)].boxed()
}

fn action() -> BoxedStrategy<Action> {
    let banned = || {
        prop_oneof![
            name().prop_map(Banned::User),
            any::<[u8; 32]>().prop_map(|key| Banned::Certificate(Fingerprint(key))),
            prop_oneof![Just("192.0.2.0/24"), Just("2001:db8::/48"), Just("0.0.0.0/0")]
                .prop_map(|range| range.parse().unwrap()),
        ]
    };
    let role =
        prop_oneof![Just(Role::ReadOnly), Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)];
    prop_oneof![
        against(name()).prop_map(Action::Kick),
        against(name()).prop_map(Action::Mute),
        against(name()).prop_map(Action::Unmute),
        against(banned()).prop_map(Action::Ban),
        against(banned()).prop_map(Action::Unban),
        (place(), any::<bool>()).prop_map(|(room, private)| Action::Room { room, private }),
        (place(), text()).prop_map(|(room, topic)| Action::Topic { room, topic }),
        (any::<u64>(), text()).prop_map(|(seq, reason)| Action::RedactNumber { seq, reason }),
        (conversation(), any::<u64>(), text()).prop_map(|(of, seq, reason)| Action::Redact(Redact {
            of,
            seq,
            reason
        })),
        place().prop_map(Action::RemoveRoom),
        (name(), option::of(role), option::of(place())).prop_map(|(user, role, room)| Action::Grant {
            user,
            role,
            room
        }),
    ]
    .boxed()
}

fn op() -> BoxedStrategy<Op> {
    let target =
        prop_oneof![Just(Target::Default), place().prop_map(Target::Room), place().prop_map(Target::User),];
    prop_oneof![
        login().prop_map(|login| Op::Login(Box::new(login))),
        enrol().prop_map(|enrol| Op::Enrol(Box::new(enrol))),
        (name(), allowance()).prop_map(|(room, allowance)| Op::Join(room, Box::new(allowance))),
        place().prop_map(Op::Leave),
        (target, text(), past()).prop_map(|(to, text, past)| Op::Say(
            to,
            json_text(&format!("x{text}")),
            past
        )),
        (action(), past()).prop_map(|(action, past)| Op::Action(Box::new(action), past)),
        (conversation(), any::<u64>()).prop_map(|(of, seq)| Op::Mark(Box::new(Mark { of, seq }))),
        Just(Op::Quit),
    ]
    .boxed()
}

fn erasure_step() -> BoxedStrategy<ErasureStep> {
    let direct = option::of((name(), name()).prop_map(Box::new));
    let recent = (any::<u64>(), any::<i64>(), direct).prop_map(|(seq, id, direct)| RecentMessage {
        seq,
        conversation: ConversationId(id),
        direct,
    });
    (any::<i64>(), 0..ErasureStage::ALL.len(), any::<u64>(), vec(recent, 0..3))
        .prop_map(|(id, stage, down_to, recent)| {
            let stage = ErasureStage::ALL[stage];
            ErasureStep { id, stage, down_to, recent }
        })
        .boxed()
}

fn user_command() -> BoxedStrategy<UserCommand> {
    let code = || {
        let gives = prop_oneof![Just(CodePurpose::Password), Just(CodePurpose::Certificate)];
        (digest(), any::<u64>(), gives).prop_map(|(hash, until, gives)| Code { hash, until, gives })
    };
    prop_oneof![
        (name(), code()).prop_map(|(name, code)| UserCommand::Add(name, code)),
        name().prop_map(UserCommand::Remove),
        (name(), code()).prop_map(|(name, code)| UserCommand::Reset(name, code)),
        certificate().prop_map(UserCommand::Revoke),
        name().prop_map(UserCommand::RevokeAll),
        digest().prop_map(UserCommand::RevokeKey),
        certificate().prop_map(UserCommand::Issued),
        (name(), any::<bool>()).prop_map(|(name, lift)| UserCommand::Erase(name, lift)),
    ]
    .boxed()
}

pub(crate) fn rules() -> Rules {
    let name = |text: &str| text.parse().unwrap();
    let limit = |per_second, burst| Limit { per_second, burst };
    Rules {
        default_rooms: vec![name("lobby"), name("ops")],
        posted_rooms: vec![name("builds")],
        endpoint: Some(name("bot")),
        create: true,
        topic_by_members: false,
        presence_limit: 100,
        ttl_ms: 1_000,
        rate: limit(10, 20),
        flow: limit(30, 40),
        strangers_per_minute: 5,
        errors: 6,
        sessions: 7,
        sessions_per_user: 8,
        redact_ms: 9,
        access: Access::Open,
        certificate_required: false,
        rooms: 10,
        rooms_per_session: 11,
        rooms_per_network: 12,
        network_flow: limit(50, 60),
        network_stored: limit(70, 80),
        window: 8_192,
        line_bytes: 13,
        msg_bytes: 14,
    }
}

fn intent() -> BoxedStrategy<Intent> {
    let id = prop_oneof![
        any::<u64>().prop_map(RequestId::Number),
        "[a-z0-9]{0,64}".prop_map(|text| RequestId::Text(text.into())),
    ];
    prop_oneof![
        8 => (origin(), option::of(session()), option::of(id), op())
            .prop_map(|(origin, session, id, op)| Intent::Request(Source { origin, session }, id, op)),
        1 => (origin(), session()).prop_map(|(origin, session)| Intent::Away(origin, session)),
        1 => any::<u32>().prop_map(|node| Intent::NodeUp(NodeId(node))),
        1 => (vec(session(), 0..3), text(), text()).prop_map(|(sessions, who, reason)| {
            Intent::EvictBanned { sessions: sessions.into(), who: who.into(), reason: reason.into() }
        }),
        1 => vec(session(), 0..3).prop_map(Intent::Expire),
        2 => (any::<u32>(), action(), past())
            .prop_map(|(uid, action, past)| Intent::OperatorAction(uid, Box::new(action), past)),
        2 => (any::<u32>(), user_command()).prop_map(|(uid, command)| Intent::ChangeUser(uid, command)),
        1 => any::<u64>().prop_map(|errors| {
            let access = match errors % 3 {
                0 => Access::Open,
                1 => Access::Password("hash".into()),
                _ => Access::Accounts,
            };
            let certificate_required = errors % 2 == 1;
            Intent::Policy(Box::new(Rules { window: errors, access, certificate_required, ..rules() }))
        }),
        1 => Just(Intent::Seal),
        1 => Just(Intent::Start(Box::new(rules()))),
        1 => any::<u64>().prop_map(Intent::Retain),
        1 => erasure_step().prop_map(Intent::Erase),
        1 => text().prop_map(|text| Intent::Notice(text.into())),
    ]
    .boxed()
}

/// The intent is one of that node.
fn speak_for(node: NodeId, intent: &mut Intent) {
    match intent {
        Intent::Request(source, ..) => source.origin.node = node,
        Intent::Away(origin, _) => origin.node = node,
        Intent::NodeUp(of) => *of = node,
        _ => {}
    }
}

pub(super) fn turn() -> BoxedStrategy<Turn> {
    let steps = prop_oneof![Just(usize::MAX), 0..300usize];
    (any::<u32>(), any::<u64>(), vec(intent(), 0..6), steps)
        .prop_map(|(node, time, mut intents, steps)| {
            let node = NodeId(node);
            intents.iter_mut().for_each(|intent| speak_for(node, intent));
            Turn { node, time, intents, steps }
        })
        .boxed()
}
