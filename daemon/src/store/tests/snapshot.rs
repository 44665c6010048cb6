//! Tests that a start finds the whole state, after a crash and after a commit that was tried again.

use super::*;
use crate::settings::Settings;
use tcp_chat_state::{
    Certificate, Code, CodePurpose, Digest, EndedSession, EndedSessionChange, Erasure, ErasureChange,
    ErasureStage, MarkChange, PermissionPlace, Removed, Revocation, Rules, StoredMark, Sweep, User,
    UserChange, WorkChange,
};

#[test]
fn a_restart_finds_the_committed_state() {
    check_restart(InFile::No);
}

/// As when the sync to the disk fails after the write, and the turn is held and committed again.
#[test]
fn a_turn_that_is_in_the_file_after_a_failed_commit_is_stored_once() {
    check_restart(InFile::Already);
}

/// Is the turn in the file before it is committed?
#[derive(Clone, Copy, PartialEq, Eq)]
enum InFile {
    No,
    Already,
}

fn check_restart(in_file: InFile) {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("new/folder/chat.db"));
    let (mut store, _, found) = open(&history);
    let log = found.log.clone();
    assert_eq!(found, Snapshot { log: log.clone(), ..Snapshot::default() });
    let mut model = Model::default();
    let mut writes = model.say(&[(1, &[("ana", "a"), ("bo", "b")])]);
    writes.conversations = vec![
        (room(1), ConversationKind::Room(name("Lobby"))),
        (room(2), ConversationKind::Direct(UserId(1), UserId(2))),
        (room(9), ConversationKind::Room(name("empty"))),
    ];
    let join = |session, n, since, joined| {
        let (session, room) = (SessionId(session), room(n));
        SessionChange::Join { session, room, since, joined }
    };
    writes.sessions = vec![
        SessionChange::Put(session_row(1)),
        SessionChange::Put(session_row(2)),
        SessionChange::Put(session_row(7)),
        join(1, 9, 2, 3),
        join(1, 1, 0, 4),
        join(2, 1, 1, 5),
        join(7, 1, 1, 6),
        SessionChange::Leave { session: SessionId(2), room: room(1) },
        SessionChange::End(SessionId(7)),
    ];
    writes.sessions.push(SessionChange::Lose { session: SessionId(1), room: room(9) });
    let leaving = |n, rooms: &[i64]| EndedSession {
        session: SessionId(n),
        user: UserId(n),
        name: name("Ana"),
        color: Colour::Red,
        origin: session_row(n).origin,
        rooms: rooms.iter().copied().map(room).collect(),
    };
    writes.ended_sessions = vec![
        EndedSessionChange::Put(leaving(41, &[1, 9])),
        EndedSessionChange::Put(leaving(42, &[])),
        EndedSessionChange::Put(leaving(43, &[i64::MAX])),
        EndedSessionChange::Gone(SessionId(43)),
    ];
    let work = every_sweep();
    let added = [(4, Sweep::EndedPenalties), (5, Sweep::OldCertificates)]
        .into_iter()
        .chain(work.iter().cloned())
        .collect();
    writes.work = WorkChange { below: None, added };
    writes.gone = vec![room(9)];
    let code = Code { hash: Digest([9; 32]), until: 77, gives: CodePurpose::Certificate };
    let ana = User { id: UserId(30), name: name("Ana"), password: None, code: Some(code), added: 5 };
    let bo = User { id: UserId(31), name: name("bo"), password: Some("$hash".into()), code: None, added: 6 };
    let of = |key, who, revoked| Certificate { key: Digest([key; 32]), name: name(who), until: 88, revoked };
    let certificate = |key, revoked| of(key, "Ana", revoked);
    let removed = |who, at| Removed { name: name(who), at };
    writes.users = vec![
        UserChange::Put(User { code: None, ..ana.clone() }),
        UserChange::Put(User { id: UserId(33), name: name("cy"), ..bo.clone() }),
        UserChange::Put(bo.clone()),
        UserChange::Put(ana.clone()),
        UserChange::Gone(UserId(33)),
        UserChange::Certificate(certificate(1, Revocation::None)),
        UserChange::Certificate(of(1, "bo", Revocation::Key)),
        UserChange::Certificate(of(1, "di", Revocation::None)),
        UserChange::Certificate(certificate(1, Revocation::Name)),
        UserChange::Forget(Digest([1; 32]), name("di")),
        UserChange::Removed(removed("Cy", 3)),
        UserChange::Removed(removed("di", 3)),
        UserChange::Removed(removed("di", 4)),
        UserChange::ForgetRemoved(name("Cy")),
    ];
    writes.topics =
        vec![(room(1), Some("old".into())), (room(9), Some("x".into())), (room(1), Some("t".into()))];
    let put = |user, conversation, seq| MarkChange::Put {
        user: UserId(user),
        conversation: room(conversation),
        seq,
    };
    writes.marks = vec![
        put(30, 1, 1),
        put(30, 1, 2),
        put(30, 9, 2),
        put(31, 1, 1),
        put(31, 2, 1),
        MarkChange::Remove { user: UserId(31), conversation: room(1) },
        put(33, 1, 1),
        MarkChange::RemoveUser(UserId(33)),
    ];
    writes.opened = vec![(room(1), "192.0.2.1".parse().unwrap()), (room(2), "user:7".parse().unwrap())];
    writes.default_rooms = Some(vec![(0, room(1)), (2, room(9))]);
    let erasure = |id, stage, below| {
        let user = (id == 31).then_some(UserId(30));
        Erasure { id, name: name("Di"), user, until: 2, stage, below }
    };
    let policy = Rules::from(&Settings::default());
    writes.policy = Some(Box::new(policy.clone()));
    writes.erasures = vec![
        ErasureChange::Put(erasure(31, ErasureStage::Messages, 3)),
        ErasureChange::Put(erasure(32, ErasureStage::Messages, 3)),
        ErasureChange::Put(erasure(31, ErasureStage::End, i64::MAX.unsigned_abs())),
        ErasureChange::Put(erasure(33, ErasureStage::Audit, 1)),
        ErasureChange::Done(33),
    ];
    if in_file == InFile::Already {
        store.write_without_commit(&writes);
        store.count("UPDATE totals SET head = head + 2, messages = messages + 2 RETURNING head");
        store.lose_connection();
    }
    store.commit(&mut writes).unwrap();
    let change = WorkChange { below: Some(6), added: vec![] };
    store.commit(&mut Writes { work: change, ..Writes::default() }).unwrap();
    drop(store); // as a crash does: nothing is closed in order

    let conversation = |id, kind, head| {
        let topic = (id == room(1)).then(|| "t".into());
        StoredConversation { id, kind, head, topic }
    };
    let mark =
        |user, conversation, seq| StoredMark { user: UserId(user), conversation: room(conversation), seq };
    let wanted = Snapshot {
        opened: vec![(room(1), "192.0.2.1".parse().unwrap()), (room(2), "user:7".parse().unwrap())],
        default_rooms: vec![(0, room(1)), (2, room(9))],
        conversations: vec![
            conversation(room(1), ConversationKind::Room(name("Lobby")), 2),
            conversation(room(2), ConversationKind::Direct(UserId(1), UserId(2)), 0),
        ],
        sessions: vec![
            StoredSession { row: session_row(1), rooms: vec![(room(9), 2), (room(1), 0)] },
            StoredSession { row: session_row(2), rooms: vec![] },
        ],
        lost: vec![(SessionId(1), room(9))],
        ended_sessions: vec![leaving(41, &[1, 9]), leaving(42, &[])],
        work: work.clone(),
        permissions: StoredPermissions::default(),
        sent: vec![],
        users: vec![ana, bo.clone()],
        certificates: vec![certificate(1, Revocation::Name), of(1, "bo", Revocation::Key)],
        marks: vec![mark(30, 1, 2), mark(31, 2, 1)],
        erasures: vec![
            erasure(31, ErasureStage::End, i64::MAX.unsigned_abs()),
            erasure(32, ErasureStage::Messages, 3),
        ],
        removed: vec![removed("di", 4)],
        head: 2,
        oldest: 0,
        last_conversation: 9,
        last_session: 33,
        last_join: 4,
        log: log.clone(),
        rules: Some(policy),
    };
    let (.., found) = open(&history);
    assert_eq!(found, wanted);
}

/// Sweeps of every kind.
fn every_sweep() -> Vec<(u64, Sweep)> {
    let (who, reason) = ("an operator has banned you and".into(), "spam".into());
    let authored = |after| Sweep::Authored { erased: 40, name: name("Cy"), after };
    let sweeps = [
        Sweep::Directs(UserId(1), None),
        Sweep::Directs(UserId(1), Some((2, room(2)))),
        Sweep::Strangers(UserId(i64::MIN)),
        Sweep::Lost(room(1)),
        Sweep::Room(room(1), (UserId(i64::MIN), SessionId(7))),
        Sweep::BannedRange { sessions: [1, 2, i64::MAX].map(SessionId).into(), who, reason },
        Sweep::EndedPenalties,
        Sweep::OldCertificates,
        Sweep::Grants(UserId(33), name("Cy")),
        Sweep::Empty(room(2)),
        authored(None),
        authored(Some(PermissionPlace::Grant(None, name("Bo")))),
        authored(Some(PermissionPlace::Mute(Some(room(2)), name("\u{e4}x")))),
        authored(Some(PermissionPlace::Ban(Some(room(2)), "user:bo".parse().unwrap()))),
        authored(Some(PermissionPlace::Ban(None, "10.0.0.0/8".parse().unwrap()))),
    ];
    (6..).zip(sweeps).collect()
}

#[test]
fn a_topic_is_stored_and_found_at_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    store.commit(&mut Model::open(2)).unwrap();
    let topics = vec![(room(1), Some("old".into())), (room(2), Some("x".into())), (room(2), None)];
    store.commit(&mut Writes { topics, ..Writes::default() }).unwrap();
    store.close().unwrap();
    drop(readers);
    let (_, _, found) = open(&history);
    let topics: Vec<_> = found.conversations.iter().map(|c| c.topic.as_deref()).collect();
    assert_eq!(topics, [Some("old"), None]);
}
