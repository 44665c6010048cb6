//! Tests of held turns: how many are held, their order, and the part of a gap that is read at once.

use super::*;
use crate::settings::Settings;
use tcp_chat_protocol::request::Place;
use tcp_chat_state::{
    Chunk, ErasedSlice, Erasure, ErasureChange, ErasureStage, NodeId, Origin, Own, Redaction, Resent,
    ResentTo, Rules, SessionChange, SessionRow, Snapshot, UserId,
};

const ANA: ConnectionId = ConnectionId(1);

fn ends(sessions: std::ops::Range<i64>) -> Writes {
    let sessions = sessions.map(|n| SessionChange::End(SessionId(n))).collect();
    Writes { sessions, ..Writes::default() }
}

fn said(first: Seq) -> Outcome {
    let conversation = ConversationId(1);
    let lines = b"{}\n".to_vec();
    let chunk =
        Chunk { conversation, first, last: first, prev: first - 1, ts: 0, lines, authors: Vec::new() };
    let own = vec![Own { at: Origin { node: NodeId::LOCAL, connection: ANA }, seq: first, id: None }];
    let effects = vec![Effect::Chunk { index: 0, to: vec![ANA].into(), own }];
    Outcome { writes: Writes { chunks: vec![chunk], ..Writes::default() }, effects }
}

#[test]
fn turns_are_put_together_in_order_and_not_beyond_a_bound() {
    let mut edge = Edge::default();
    assert!(edge.hold(said(7)).is_empty() && edge.hold(said(8)).is_empty());
    for n in 0..1_000 {
        let _ = edge.hold(Outcome { writes: ends(n..n + 1), effects: Vec::new() });
    }
    assert_eq!((edge.hold.kept(), edge.hold.turns.len()), (6, 4));
    let first = &edge.hold.turns[0];
    assert_eq!(first.writes.chunks.iter().map(|chunk| chunk.first).collect::<Vec<_>>(), [7, 8]);
    let at = |effect: &Effect| matches!(effect, Effect::Chunk { index, .. } if *index == 1);
    assert!(at(&first.effects[1]), "its place among the chunks that are written together");
    let mut ended = Vec::new();
    while let Some(writes) = edge.held() {
        assert!(writes.weight() <= TOGETHER_BYTES);
        ended.extend(writes.sessions.clone());
        edge.hold.turns.pop_front();
    }
    assert_eq!(ended, ends(0..1_000).sessions);
}

/// What a redaction or an erasure rewrites is what the store has at that moment.
#[test]
fn a_turn_that_redacts_or_erases_is_held_alone() {
    let redaction = Redaction { seq: 1, by: None, reason: "".into() };
    let name = "ana".parse().unwrap();
    let erasure = Erasure { id: 1, name, user: None, until: 6, stage: ErasureStage::Messages, below: 7 };
    let slice = ErasedSlice { erasure, from: 0 };
    let alone = [
        Writes { redactions: vec![redaction], ..Writes::default() },
        Writes { erasures: vec![ErasureChange::Done(1)], ..Writes::default() },
        Writes { erased: vec![slice], ..Writes::default() },
    ];
    for writes in alone {
        let mut edge = Edge::default();
        for outcome in [said(7), Outcome { writes, effects: Vec::new() }, said(8), said(9)] {
            let _ = edge.hold(outcome);
        }
        let chunks: Vec<_> = edge.hold.turns.iter().map(|turn| turn.writes.chunks.len()).collect();
        assert_eq!(chunks, [1, 0, 2]);
    }
}

#[test]
fn a_login_beyond_the_bound_is_refused() {
    let mut edge = Edge::default();
    edge.store_fails();
    let mut turns = 0;
    while edge.hold.check_room().is_ok() {
        let _ = edge.hold(Outcome { writes: ends(0..250), effects: Vec::new() });
        turns += 1;
    }
    assert_eq!(turns, HELD_BYTES / (250 * 256) + 1);
    let state = State::restore(Rules::from(&Settings::default()), Snapshot::default(), 0);
    let leaves = Ask::Leave(Place(Some("lobby".parse().unwrap())));
    assert!(edge.hold.check_request(&state, None, &leaves).is_ok(), "who fills it keeps nobody from going");
    let mut edge = Edge::default();
    edge.connections.insert(ANA, crate::edge::connections::Connection::new([127, 0, 0, 1].into(), 0));
    let reply = |to| Outcome {
        writes: Writes::default(),
        effects: vec![Effect::IfKept(to, None, Vec::new()); HELD_EFFECTS],
    };
    let _ = edge.hold(reply(ConnectionId(2)));
    let _ = edge.hold(reply(ANA));
    assert!(edge.hold.check_room().is_ok(), "those of who is gone do not count");
    let _ = edge.hold(reply(ANA));
    assert!(edge.hold.check_room().is_err());
    edge.store_works();
    assert!(edge.hold.check_room().is_ok());
}

#[test]
fn a_gap_is_read_up_to_the_last_kept_message() {
    let mut edge = Edge::default();
    let _ = edge.hold(said(7));
    let range = |first, last| Range { conversation: ConversationId(1), first, last };
    let gap = |ranges: &[Range]| Effect::Read(ANA, Read::Gap(SessionId(1), ranges.to_vec()));
    for (whole, now, later) in [
        (range(2, 6), Some(range(2, 6)), None),
        (range(2, 7), Some(range(2, 6)), Some(range(7, 7))),
        (range(7, 9), None, Some(range(7, 9))),
    ] {
        let expected = [now, later].map(|part| part.map(|part| gap(&[part])));
        let (now, later) = edge.hold.split(gap(&[whole]));
        assert_eq!([now, later], expected, "{whole:?}");
    }
}

#[test]
fn a_kept_turn_is_delivered_while_later_turns_wait() {
    let mut edge = Edge::default();
    let _ = edge.hold(said(7));
    for n in 0..1_000 {
        let _ = edge.hold(Outcome { writes: ends(n..n + 1), effects: Vec::new() });
    }
    assert_eq!(edge.hold.kept(), 6);
    let _ = edge.release(&State::restore(Rules::from(&Settings::default()), Snapshot::default(), 0));
    assert!(edge.held().is_some());
    assert_eq!(
        edge.hold.kept(),
        Seq::MAX,
        "who has seen 7 and comes again must not be told that the newest one is 6"
    );
}

#[test]
fn the_bound_counts_waiting_effects() {
    let mut edge = Edge::default();
    edge.connections.insert(ANA, crate::edge::connections::Connection::new([127, 0, 0, 1].into(), 0));
    let _ = edge.hold(said(7));
    let resent = || Resent {
        id: RequestId::Number(1),
        conversation: ConversationId(1),
        seq: 7,
        target: ResentTo::Room(None),
        json: "x".repeat(8_192).into(),
    };
    let mut times = 0;
    while edge.hold.check_room().is_ok() {
        let effects = vec![Effect::Read(ANA, Read::Again(Box::new(resent()))); 8];
        let _ = edge.hold(Outcome { writes: Writes::default(), effects });
        times += 8;
    }
    assert!(times * 8_192 <= HELD_BYTES, "{times} texts of 8 KiB wait");
}

#[test]
fn a_session_that_logs_in_and_quits_is_held_once() {
    let mut edge = Edge::default();
    let put = |n, connection| {
        let origin = Some(Origin { node: NodeId::LOCAL, connection: ConnectionId(connection) });
        let row = SessionRow {
            id: SessionId(n),
            token_hash: [0; 32],
            user: UserId(n),
            name: "ana".parse().unwrap(),
            color: tcp_chat_protocol::Colour::default(),
            origin,
        };
        let sessions = vec![SessionChange::Put(row)];
        Outcome { writes: Writes { sessions, ..Writes::default() }, effects: Vec::new() }
    };
    for n in 0..1_000 {
        let _ = edge.hold(put(1 + n % 400, n.unsigned_abs()));
    }
    assert_eq!(edge.hold.weight, put(1, 1).writes.weight() * 400);
    let newest = |edge: &mut Edge| match edge.held().map(|writes| writes.sessions[0].clone()) {
        Some(SessionChange::Put(row)) => row.origin.map(|origin| origin.connection.0),
        other => panic!("{other:?}"),
    };
    assert_eq!(newest(&mut edge), Some(800), "the newest row, in the place of the first");
    // An ended session does not come back, and a written row does not change.
    let _ = edge.hold(Outcome { writes: ends(1..2), effects: Vec::new() });
    let state = State::restore(Rules::from(&Settings::default()), Snapshot::default(), 0);
    let _ = edge.release(&state);
    let before = edge.hold.weight;
    let _ = edge.hold(put(2, 2_000));
    assert_eq!(edge.hold.weight, before + put(1, 1).writes.weight());
}
