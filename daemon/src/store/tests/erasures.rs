//! The erasure of a user: its name and its texts are gone from messages, from the audit log and from the raw files; all else
//! stays.

use super::disk::Disk;
use super::*;
use tcp_chat_protocol::MsgEvent;
use tcp_chat_protocol::event::data_of;
use tcp_chat_state::{Audit, By, ErasedSlice, Erasure, ErasureChange, ErasureStage, ErasureStep, Redaction};

fn erasure(user: Option<&str>, until: Seq) -> Erasure {
    let (stage, below) = (ErasureStage::Messages, until + 1);
    Erasure { id: 700, name: name("ana"), user: user.map(user_id), until, stage, below }
}

/// Does one step, as the state decides it. `None`: that was the last one.
fn step(store: &mut Store, erasure: Erasure) -> Option<Erasure> {
    let step = store.propose_erasure(&erasure, 0).unwrap().unwrap();
    step_beside(store, erasure, step, Writes::default())
}

/// The same, beside other writes of the turn.
fn step_beside(
    store: &mut Store,
    mut erasure: Erasure,
    step: ErasureStep,
    mut beside: Writes,
) -> Option<Erasure> {
    assert!(step.down_to < erasure.below);
    beside.erased.push(ErasedSlice { erasure: erasure.clone(), from: step.down_to });
    erasure.below = step.down_to;
    if erasure.below == 0 {
        let next = ErasureStage::ALL.get(erasure.stage.number() + 1);
        let Some(next) = next.filter(|next| **next != ErasureStage::End) else {
            beside.erasures.push(ErasureChange::Done(erasure.id));
            store.commit(&mut beside).unwrap();
            return None;
        };
        erasure.stage = *next;
        erasure.below = match next {
            ErasureStage::LongMessages => erasure.until + 1,
            _ => i64::MAX.unsigned_abs(),
        };
    }
    beside.erasures.push(ErasureChange::Put(erasure.clone()));
    store.commit(&mut beside).unwrap();
    Some(erasure)
}

fn begin(store: &mut Store, erasure: &Erasure) {
    let erasures = vec![ErasureChange::Put(erasure.clone())];
    store.commit(&mut Writes { erasures, ..Writes::default() }).unwrap();
}

/// Erases to the end, and returns the number of steps.
fn erase(store: &mut Store, erasure: Erasure) -> usize {
    begin(store, &erasure);
    let mut steps = 1;
    let mut next = step(store, erasure);
    while let Some(erasure) = next {
        next = step(store, erasure);
        steps += 1;
    }
    steps
}

fn messages(store: &mut Store) -> Vec<MsgEvent<'static>> {
    let mut chunks = store.log().prepare("SELECT lines FROM chunks ORDER BY first").unwrap();
    let lines: Vec<Vec<u8>> = chunks.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let lines: Vec<_> = lines.into_iter().flat_map(packed::unpack_owned).collect();
    lines
        .split_inclusive(|b| *b == b'\n')
        .map(|line| serde_json::from_slice::<MsgEvent<'static>>(data_of(line).unwrap()).unwrap())
        .collect()
}

fn shown(store: &mut Store) -> Vec<String> {
    let of = |m: MsgEvent<'_>| {
        let by = m.by.map(|by| format!(" by {by}")).unwrap_or_default();
        let to = m.to.map(|to| format!(" to {to}")).unwrap_or_default();
        let reason = m.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{}{to}: {}{by}{reason}", m.user, m.msg)
    };
    messages(store).into_iter().map(of).collect()
}

#[test]
fn texts_and_names_of_one_user_go_and_all_others_stay() {
    let (mut store, _, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "a text that is longer than the fields of a redaction";
    let said = [("ana", "ok"), ("bo", "hi ana"), ("ANA", long), ("bo", "spam"), ("anna", "no")];
    store.commit(&mut model.say(&[(1, &said)])).unwrap();
    let redactions = vec![Redaction { seq: 4, by: Some(name("Ana")), reason: "x".into() }];
    store.commit(&mut Writes { redactions, ..Writes::default() }).unwrap();
    // A line of an older version has no author: its name tells.
    store.log().execute("UPDATE chunks SET authors = NULL", []).unwrap();
    let head = model.head;
    store.commit(&mut model.say(&[(1, &[("ana", "later")])])).unwrap();
    erase(&mut store, erasure(Some("ana"), head));
    assert_eq!(
        shown(&mut store),
        [
            "erased-700:  (erased)",
            "bo: hi ana",
            "erased-700:  (erased)",
            "bo:  by erased-700 ()",
            "anna: no",
            "ana: later",
        ]
    );
    let rest = "SELECT (SELECT count(*) FROM erasing) + (SELECT count(*) FROM erasures)";
    assert_eq!(store.count(rest), 0);
    assert_eq!(store.erased_messages(700), Some(2));
    // The redaction of before, and two texts.
    assert_eq!(store.count("SELECT redactions FROM totals"), 3);
    let bytes = store.totals.bytes;
    assert_eq!(store.count("SELECT bytes FROM totals").cast_unsigned(), bytes);
}

#[test]
fn a_registered_user_is_known_by_its_id_and_another_one_by_the_name() {
    for (user, wanted) in [(Some("ana"), "ana: another's"), (None, "erased-700:  (erased)")] {
        let (mut store, _, _) = open(&in_memory());
        let mut model = Model::default();
        store.commit(&mut Model::open(1)).unwrap();
        let mut said = model.say(&[(1, &[("ana", "hers"), ("ana", "another's")])]);
        // The second one was said before the name was registered.
        said.chunks[0].authors[1] = UserId(12_345);
        store.commit(&mut said).unwrap();
        erase(&mut store, erasure(user, 2));
        assert_eq!(shown(&mut store), ["erased-700:  (erased)", wanted]);
    }
}

#[test]
fn direct_messages_to_the_user_lose_the_name_and_keep_the_text() {
    let (mut store, _, _) = open(&in_memory());
    let mut chunk = |first, id, (a, b): (i64, i64), user: &str, to: &str| {
        let mut lines = Vec::new();
        let ts = &Timestamp(START).to_string();
        MsgLine { place: Spoken::To(to), seq: first, prev: 0, ts, user, color: "red", msg_json: "\"psst\"" }
            .write(&mut lines);
        let direct = (room(id), ConversationKind::Direct(UserId(a), UserId(b)));
        let authors = vec![UserId(if user == "ana" { a } else { b })];
        let chunk = Chunk { conversation: room(id), first, last: first, prev: 0, ts: START, lines, authors };
        store
            .commit(&mut Writes { conversations: vec![direct], chunks: vec![chunk], ..Writes::default() })
            .unwrap();
    };
    let ana = user_id("ana").0;
    chunk(1, 1, (ana, 7), "ana", "bo");
    chunk(2, 2, (ana, 8), "cy", "ana");
    // Of another user with that name, before it was registered.
    chunk(3, 3, (ana + 1, 9), "cy", "ana");
    erase(&mut store, erasure(Some("ana"), 3));
    assert_eq!(
        shown(&mut store),
        ["erased-700 to bo:  (erased)", "cy to erased-700: psst", "cy to ana: psst"]
    );
}

#[tokio::test]
async fn no_file_has_the_name_or_a_text_also_after_a_crash_in_the_middle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    // Pairs of short rows that grow, among those of another user, over many pages: the first of a pair may move the second to
    // another page, and a copy of that one must not stay.
    let mut secrets = Vec::new();
    for n in 0..1_500_usize {
        if n % 12 > 1 {
            let text = format!("stays{}", "y".repeat(n * 53 % 150));
            store.commit(&mut model.say(&[(1, &[("bo", &text)])])).unwrap();
            continue;
        }
        let text = format!("sec{n}zx");
        let mut said = model.say(&[(1, &[("anazx", &text)])]);
        secrets.push(text);
        let by = By::User(name("anazx"));
        let whom = Some(if n % 2 == 0 { "user:anazx".into() } else { "anazx".into() });
        let (did, reason) = ("kick".into(), "".into());
        said.audit.push(Audit { at: n as u64, by, did, whom, room: None, what: None, until: None, reason });
        store.commit(&mut said).unwrap();
    }
    store.wait_until_indexed().await;
    store.hold_index(true);
    // No pause comes before the crash.
    *store.parts().2 = checkpoint::Checkpoints::default();
    let mut begun = Erasure { name: name("anazx"), ..erasure(Some("anazx"), model.head) };
    begin(&mut store, &begun);
    for _ in 0..2 {
        begun = step(&mut store, begun).unwrap();
    }
    assert_eq!(begun.stage, ErasureStage::Messages, "there are steps left");
    // The process is killed.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    drop((store, readers));
    let (mut store, readers, found) = open(&history(copy.path().join("chat.db")));
    assert_eq!(found.erasures, [begun.clone()]);
    let mut next = Some(begun);
    while let Some(erasure) = next {
        next = step(&mut store, erasure);
    }
    redactions::wait_until_gone(copy.path(), b"anazx");
    for secret in &secrets {
        redactions::wait_until_gone(copy.path(), secret.as_bytes());
    }
    let audit = readers.read_audit(10_000).await.unwrap();
    assert_eq!(audit.len(), 250);
    assert!(audit.iter().all(|line| line.by == By::User(name("erased-700"))));
    assert_eq!(audit[0].whom.as_deref(), Some("user:erased-700"));
    assert_eq!(audit[1].whom.as_deref(), Some("erased-700"));
    let messages = messages(&mut store);
    let (stays, erased): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.user == "bo");
    assert_eq!((stays.len(), erased.len()), (1_250, 250));
    assert!(stays.iter().all(|message| message.msg.starts_with("stays") && !message.redacted));
    assert!(erased.iter().all(|m| m.user == "erased-700" && m.msg.is_empty() && m.redacted));
}

#[test]
fn a_step_is_small_and_finds_the_newest_messages_first() {
    let (mut store, _, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let text = "x".repeat(30_000);
    for _ in 0..10 {
        store.commit(&mut model.say(&[(1, &[("ana", &text), ("bo", "y")])])).unwrap();
    }
    let first = store.propose_erasure(&erasure(Some("ana"), model.head), 0).unwrap().unwrap();
    assert_eq!(first.down_to, 15, "three chunks are more than 64 KiB");
    assert_eq!(first.recent.iter().map(|of| of.seq).collect::<Vec<_>>(), [19, 17, 15]);
    let second = Erasure { below: 15, ..erasure(Some("ana"), model.head) };
    assert!(
        store.propose_erasure(&second, 0).unwrap().unwrap().recent.is_empty(),
        "only the first step tells"
    );
    // Four for the messages, and one for each other stage.
    assert_eq!(erase(&mut store, erasure(Some("ana"), model.head)), 7);
    assert!(messages(&mut store).iter().all(|m| m.user == "bo" || m.redacted));
}

/// As when the sync to the disk fails after the write, and the turn is held and committed again.
#[test]
fn a_step_that_is_committed_twice_is_one() {
    let (mut store, _, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "a"), ("bo", "b")])])).unwrap();
    for user in [Some("ana"), None] {
        let erasure = Erasure { name: name(if user.is_some() { "ana" } else { "bo" }), ..erasure(user, 2) };
        begin(&mut store, &erasure);
        let slice = ErasedSlice { erasure: erasure.clone(), from: 0 };
        store.write_without_commit(&Writes { erased: vec![slice], ..Writes::default() });
        erase(&mut store, erasure);
    }
    assert_eq!(shown(&mut store), ["erased-700:  (erased)", "erased-700:  (erased)"]);
}

#[test]
fn the_audit_log_stays_as_it_is_while_nobody_is_erased() {
    let (mut store, _, _) = open(&in_memory());
    let line = Audit {
        at: 1,
        by: By::Operator(7),
        did: "kick".into(),
        whom: Some("ana".into()),
        room: None,
        what: None,
        until: None,
        reason: "".into(),
    };
    store.commit(&mut Writes { audit: vec![line], ..Writes::default() }).unwrap();
    let rename = "UPDATE audit SET whom = 'x'";
    assert!(store.log().execute(rename, []).is_err());
    begin(&mut store, &erasure(None, 0));
    assert!(store.log().execute("UPDATE audit SET did = 'x'", []).is_err());
    assert!(store.log().execute("DELETE FROM audit", []).is_err());
    assert!(store.log().execute(rename, []).is_ok());
}

/// Messages must go on beside an erasure as they do without one; the erasure waits for room instead.
#[test]
fn on_a_nearly_full_disk_an_erasure_takes_no_room_that_messages_need() {
    for free_kib in [760, 1_000, 2_000] {
        let Some(disk) = Disk::small() else { return };
        let (mut store, ..) = open(&history(disk.store()));
        let mut model = Model::default();
        store.commit(&mut Model::open(1)).unwrap();
        for _ in 0..300 {
            store.commit(&mut model.say(&[(1, &[("ana", "her own"), ("bo", "another's")])])).unwrap();
        }
        store.free_wal_space();
        let filler = vec![1; (disk.free() - (free_kib << 10)) as usize];
        std::fs::write(disk.0.path().join("filler"), filler).unwrap();
        let mut next = Some(erasure(Some("ana"), model.head));
        begin(&mut store, next.as_ref().unwrap());
        let mut said = 0;
        for _ in 0..80 {
            let proposed = next.as_ref().and_then(|of| store.propose_erasure(of, 4).unwrap());
            if let Some(of) = next.take_if(|_| proposed.is_some()) {
                next = step_beside(&mut store, of, proposed.unwrap(), model.say(&[(1, &[("bo", "hi")])]));
            } else {
                store.commit(&mut model.say(&[(1, &[("bo", "hi")])])).unwrap();
            }
            said += 1;
            // As an erasure has it done in each pause.
            store.free_wal_space();
        }
        assert!(said == 80 && (free_kib < 2_000 || next.is_none()), "{free_kib} KiB");
        std::fs::remove_file(disk.0.path().join("filler")).unwrap();
        while let Some(of) = next {
            next = step(&mut store, of);
        }
        assert!(messages(&mut store).iter().all(|m| m.user == "bo" || m.redacted), "{free_kib} KiB");
    }
}

/// What the next user of the name does while the erasure runs is its own; what the erased user wrote in reasons is gone.
#[tokio::test]
async fn the_next_user_of_the_name_keeps_its_lines() {
    let (mut store, readers, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("bo", "a"), ("bo", "b"), ("ana", "c")])])).unwrap();
    let redact = |seq, by, reason: &str| Redaction { seq, by: Some(name(by)), reason: reason.into() };
    let line = |by: &str, whom: &str, reason: &str| Audit {
        at: 7,
        by: By::User(name(by)),
        did: "kick".into(),
        whom: Some(whom.into()),
        room: None,
        what: None,
        until: None,
        reason: reason.into(),
    };
    let audit = vec![line("ana", "bo", "my phone 555"), line("bo", "ana", "spam")];
    let redactions = vec![redact(1, "ana", "my phone 555")];
    store.commit(&mut Writes { audit, redactions, ..Writes::default() }).unwrap();
    let begun = erasure(None, model.head);
    // The lines of its own turn are the erased user's.
    let audit = vec![line("ana", "cy", "bye")];
    let erasures = vec![ErasureChange::Put(begun.clone())];
    store.commit(&mut Writes { audit, erasures, ..Writes::default() }).unwrap();
    let audit = vec![line("ana", "bo", "hers"), line("bo", "ana", "his")];
    let redactions = vec![redact(2, "ana", "hers"), redact(3, "ana", "old")];
    store.commit(&mut Writes { audit, redactions, ..Writes::default() }).unwrap();
    let mut next = Some(begun);
    while let Some(erasure) = next {
        next = step(&mut store, erasure);
    }
    assert_eq!(
        shown(&mut store),
        ["bo:  by erased-700 ()", "bo:  by ana (hers)", "erased-700:  by ana (old)"]
    );
    let audit = readers.read_audit(10).await.unwrap();
    let audit: Vec<_> =
        audit.iter().map(|of| (format!("{:?}", of.by), of.whom.as_deref(), &*of.reason)).collect();
    let by = |text: &str| format!("{:?}", By::User(name(text)));
    assert_eq!(
        audit,
        [
            (by("erased-700"), Some("bo"), ""),
            (by("bo"), Some("erased-700"), "spam"),
            (by("erased-700"), Some("cy"), ""),
            (by("ana"), Some("bo"), "hers"),
            (by("bo"), Some("ana"), "his"),
        ]
    );
}
