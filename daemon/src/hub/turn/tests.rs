use super::*;
use crate::auth::Proof;
use crate::edge::{Ask, Command, LIGHT_BYTES, LoginAsk, Secret};
use crate::hub::gather::{ENCODED_BYTES, TURN_BYTES};
use crate::hub::{BannedAddresses, Control, Directory, Entry, Item, Outbox, Taken};
use crate::metrics::Metrics;
use crate::order::{Local, Orders};
use crate::settings::{Durability, History, MaxBytes, Settings};
use crate::store::Store;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tcp_chat_protocol::Name;
use tcp_chat_protocol::request::{
    Action, Against, Bounds, Conversation, Place, Redact, Request, Target, parse,
};
use tcp_chat_state::{ConnectionId, Evidence, Intent, Op, Rules, Snapshot, UserCommand};

/// Messages of [`fill`].
const FILL: u64 = 20;

/// A hub in memory without limits on sent lines, with so many logged-in clients.
fn hub(connections: u64) -> (Hub, Vec<Arc<Outbox>>) {
    hub_at(None, connections)
}

/// The same with its store at that path.
pub(in crate::hub) fn hub_at(path: Option<PathBuf>, connections: u64) -> (Hub, Vec<Arc<Outbox>>) {
    let history = History {
        path,
        durability: Durability::Crash,
        retain: None,
        retain_messages: None,
        max_bytes: MaxBytes::Unlimited,
    };
    hub_with(&history, connections)
}

/// The same with this history.
pub(in crate::hub) fn hub_with(history: &History, connections: u64) -> (Hub, Vec<Arc<Outbox>>) {
    let (store, _, found): (_, _, Snapshot) = Store::open(history).unwrap();
    let mut settings = Settings::default();
    let limits = &mut settings.limits;
    (limits.messages_per_second, limits.bytes_per_second) = (0, 0);
    (limits.network_bytes_per_second, limits.stored_bytes_per_network) = (0, 0);
    let (rules, metrics) = (Rules::from(&settings), Arc::new(Metrics::new().unwrap()));
    let mut hub = Hub::new(
        Orders::Local(Local::default()),
        rules,
        store,
        found,
        Directory::default(),
        BannedAddresses::default(),
        metrics,
    );
    let mut waiting = Waiting::default();
    let mut outboxes = Vec::new();
    for n in 0..connections {
        let outbox = Arc::new(Outbox::new(usize::MAX));
        waiting.add(Entry::Open(ConnectionId(n), Ipv4Addr::LOCALHOST.into(), outbox.clone()));
        waiting.add(Entry::Commands(ConnectionId(n), vec![login(n)]));
        outboxes.push(outbox);
    }
    turns(&mut hub, &mut waiting);
    outboxes.iter().for_each(|outbox| drop(heard(outbox)));
    (hub, outboxes)
}

pub(in crate::hub) fn login(n: u64) -> Command {
    let line = format!(r#"{{"op":"LOGIN","data":{{"name":"user{n}x"}}}}"#);
    let Ok((None, Request::Login(login))) = parse(line.as_bytes(), &Bounds { msg_bytes: 1, rooms: 0 }) else {
        panic!("{line}");
    };
    let hash = [u8::try_from(n).unwrap(); 32];
    let fresh = Secret { token: format!("token{n}").into(), hash };
    let proof = Proof::for_tests(Evidence::NotNeeded);
    Command::Ask(None, Ask::Login(Box::new(LoginAsk { login: *login, fresh, resumes: None, proof })))
}

pub(in crate::hub) fn join() -> Command {
    Command::Ask(None, Ask::Join("ops".parse::<Name>().unwrap()))
}

pub(in crate::hub) fn say(bytes: usize) -> Command {
    let room = Target::Room(Place(Some("lobby".parse().unwrap())));
    Command::Ask(None, Ask::Say(room, format!("\"{}\"", "x".repeat(bytes)).into()))
}

/// Messages of the first connection that fill more than two turns.
fn fill(waiting: &mut Waiting) {
    for _ in 0..FILL {
        waiting.add(Entry::Commands(ConnectionId(0), vec![say(LIGHT_BYTES - 2)]));
    }
}

/// Turns until no command waits: how many messages of each connection they have.
fn turns(hub: &mut Hub, waiting: &mut Waiting) -> Vec<u64> {
    let mut said = Vec::new();
    while !waiting.is_empty() || hub.has_work() {
        let before = hub.state.counts().head;
        hub.turn(waiting);
        said.push(hub.state.counts().head - before);
    }
    said.retain(|said| *said > 0);
    said
}

/// The numbers of the messages that the connection receives.
pub(in crate::hub) fn heard(outbox: &Outbox) -> Vec<u64> {
    let Poll::Ready(Taken::Items(items)) = outbox.poll_take(&Context::from_waker(Waker::noop()), usize::MAX)
    else {
        return Vec::new();
    };
    let of = |item: Item| match item {
        Item::Kept(kept) | Item::Own(kept, _) => kept.chunk().first..kept.chunk().last + 1,
        _ => 0..0,
    };
    items.into_iter().flat_map(of).collect()
}

#[test]
fn a_turn_ends_by_its_total_of_bytes_and_loses_no_message() {
    for (what, before, bytes, wanted) in [
        ("long ones", vec![], TURN_BYTES, vec![1, 1, 1, 1]),
        ("long ones behind something else", vec![join()], TURN_BYTES, vec![1, 1, 1, 1]),
        ("halves", vec![], ENCODED_BYTES / 2 - 1024, vec![2, 2]),
        ("short ones", vec![], 100, vec![4]),
    ] {
        let (mut hub, outboxes) = hub(4);
        let mut waiting = Waiting::default();
        for n in 0..4 {
            let list = before.iter().cloned().chain([say(bytes)]).collect();
            waiting.add(Entry::Commands(ConnectionId(n), list));
        }
        assert_eq!(turns(&mut hub, &mut waiting), wanted, "{what}");
        for outbox in &outboxes {
            assert_eq!(heard(outbox), [1, 2, 3, 4], "{what}");
        }
    }
}

/// However long the messages are, and whatever waits beside them: one entry of a log takes each turn.
#[test]
fn a_gathered_turn_can_be_encoded() {
    for bytes in [1, 300, 8 * 1024, LIGHT_BYTES - 2, LIGHT_BYTES, 200 * 1024, ENCODED_BYTES - 1024] {
        let (mut hub, _outboxes) = hub(8);
        let mut waiting = Waiting::default();
        let short = bytes.min(LIGHT_BYTES - 2);
        let count = (2 * 1024 * 1024 / short).min(5_000);
        for n in 0..4 {
            waiting.add(Entry::Commands(ConnectionId(n), vec![say(short); count]));
            let long = (0..4).flat_map(|_| [say(bytes), join()]).collect();
            waiting.add(Entry::Commands(ConnectionId(n + 4), long));
        }
        let (mut said, mut turns) = (0, 0);
        while !waiting.is_empty() {
            hub.gather(hub.now(), &mut waiting, Readiness::Ready);
            let turn = hub.edge.take_turn(0, 0);
            said += turn.intents.iter().filter(|i| matches!(i, Intent::Request(_, _, Op::Say(..)))).count();
            assert!(turn.encode().is_ok_and(|bytes| bytes.len() > 1), "{bytes}: {:?}", turn.encode().err());
            turns += 1;
        }
        assert_eq!(said, 4 * count + 16, "{bytes}: none is lost");
        assert!(turns < 60, "{bytes}: {turns}");
    }
}

#[test]
fn a_request_proceeds_beside_messages_that_fill_the_turn() {
    let (mut hub, _) = hub(2);
    let mut waiting = Waiting::default();
    fill(&mut waiting);
    waiting.add(Entry::Commands(ConnectionId(1), vec![join()]));
    hub.turn(&mut waiting);
    let counts = hub.state.counts();
    assert_eq!((counts.head, counts.rooms), (5, 2), "so much talk, and the room is open");
}

/// A WHO of an empty room is answered in microseconds: many of them take less than a turn.
#[test]
fn many_requests_share_a_turn_beside_messages_that_fill_it() {
    const MANY: u64 = 100;
    let (mut hub, _) = hub(MANY);
    let mut waiting = Waiting::default();
    let leave = Ask::Leave(Place(Some("ops".parse().unwrap())));
    for n in 1..MANY {
        waiting.add(Entry::Commands(ConnectionId(n), vec![Command::Ask(None, leave.clone())]));
    }
    let mut turns = 0;
    while waiting.waits_in_line() {
        fill(&mut waiting);
        hub.turn(&mut waiting);
        turns += 1;
    }
    assert!(turns < MANY - 1, "{turns} turns for {} requests", MANY - 1);
}

#[test]
fn long_messages_proceed_one_by_one_beside_messages_that_fill_the_turn() {
    let (mut hub, _) = hub(4);
    let mut waiting = Waiting::default();
    for n in 1..4 {
        waiting.add(Entry::Commands(ConnectionId(n), vec![say(LIGHT_BYTES)]));
    }
    let mut said = Vec::new();
    for _ in 0..3 {
        fill(&mut waiting);
        let before = hub.state.counts().head;
        hub.turn(&mut waiting);
        said.push(hub.state.counts().head - before);
    }
    assert_eq!(said, [6, 6, 6], "five of what fills it, and one long one");
    assert!(!waiting.waits_in_line());
}

#[test]
fn a_turn_may_end_within_a_batch_and_its_rest_is_first_in_the_next() {
    for (what, bytes, count, wanted, ends) in [
        ("many short ones", 1, 5000, vec![2048, 2048, 905], 2),
        ("few large ones", LIGHT_BYTES - 2, 20, vec![5, 5, 5, 6], 3),
        ("as many as a turn takes", 1, 2048, vec![2048, 1], 0),
    ] {
        let (mut hub, outboxes) = hub(2);
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(ConnectionId(0), vec![say(bytes); count]));
        // Its own next request, and the messages of another connection.
        waiting.add(Entry::Commands(ConnectionId(0), vec![Command::Ask(None, Ask::Quit)]));
        waiting.add(Entry::Commands(ConnectionId(1), vec![say(10)]));
        // So many that its next batch waits until one of them is taken.
        let may_ask = || outboxes[0].poll_may_ask(&Context::from_waker(Waker::noop())).is_ready();
        while may_ask() {
            outboxes[0].asks();
        }
        for (turn, wanted) in wanted.iter().enumerate() {
            let before = hub.state.counts().head;
            hub.turn(&mut waiting);
            assert_eq!(hub.state.counts().head - before, *wanted, "{what}, turn {turn}");
            assert_eq!(may_ask(), turn >= ends, "{what}, turn {turn}: it is taken once all of it is");
        }
        turns(&mut hub, &mut waiting);
        assert_eq!(hub.state.counts().sessions, 1, "{what}: its next request comes after it");
    }
}

#[test]
fn messages_do_not_wait_for_a_queue_of_long_messages() {
    let (mut hub, outboxes) = hub(4);
    let mut waiting = Waiting::default();
    for n in 0..3 {
        waiting.add(Entry::Commands(ConnectionId(n), vec![say(ENCODED_BYTES / 2)]));
    }
    waiting.add(Entry::Commands(ConnectionId(3), vec![say(10)]));
    hub.turn(&mut waiting);
    assert_eq!(hub.state.counts().head, 2, "it is kept beside the first of them");
    assert_eq!(heard(&outboxes[3]), [1, 2]);
}

#[test]
fn messages_do_not_wait_for_a_queue_of_messages_that_need_a_turn_each() {
    let (mut hub, _outboxes) = hub(4);
    let mut waiting = Waiting::default();
    for n in 0..6 {
        waiting.add(Entry::Commands(ConnectionId(n % 3), vec![say(ENCODED_BYTES + 1_000)]));
    }
    hub.turn(&mut waiting);
    waiting.add(Entry::Commands(ConnectionId(3), vec![say(10)]));
    hub.turn(&mut waiting);
    hub.turn(&mut waiting);
    assert!(waiting.next_first(|_| true).is_none(), "it still waits");
    assert!(!waiting.is_empty(), "the long ones were all taken before");
}

#[test]
fn a_message_comes_before_the_next_request_of_its_sender_after_a_full_turn() {
    let leave = Ask::Leave(Place(Some("lobby".parse().unwrap())));
    for next in [Command::Ask(None, leave), Command::Ask(None, Ask::Quit), Command::Lost, say(LIGHT_BYTES)] {
        let (mut hub, _outboxes) = hub(2);
        let mut waiting = Waiting::default();
        fill(&mut waiting);
        waiting.add(Entry::Commands(ConnectionId(1), vec![say(10)]));
        waiting.add(Entry::Commands(ConnectionId(1), vec![next.clone()]));
        let is_said = matches!(next, Command::Ask(_, Ask::Say(..)));
        turns(&mut hub, &mut waiting);
        assert_eq!(
            hub.state.counts().head,
            FILL + 1 + u64::from(is_said),
            "its message is kept before {next:?}"
        );
    }
}

#[test]
fn a_connection_opens_before_its_login_after_a_full_turn() {
    let (mut hub, _outboxes) = hub(1);
    let mut waiting = Waiting::default();
    fill(&mut waiting);
    waiting.add(Entry::Open(ConnectionId(9), Ipv4Addr::LOCALHOST.into(), Arc::new(Outbox::new(usize::MAX))));
    waiting.add(Entry::Commands(ConnectionId(9), vec![login(9)]));
    turns(&mut hub, &mut waiting);
    assert_eq!(hub.state.counts().sessions, 2, "its login is heard");
}

#[test]
fn a_connection_that_is_lost_after_a_full_turn_does_not_stay() {
    let (mut hub, _outboxes) = hub(1);
    let mut waiting = Waiting::default();
    fill(&mut waiting);
    waiting.add(Entry::Open(ConnectionId(9), Ipv4Addr::LOCALHOST.into(), Arc::new(Outbox::new(usize::MAX))));
    waiting.add(Entry::Commands(ConnectionId(9), vec![Command::Lost]));
    turns(&mut hub, &mut waiting);
    assert_eq!((hub.edge.connection_count(), hub.outboxes.len()), (1, 1), "only the other one is left");
}

#[test]
fn after_a_crash_all_sessions_are_away_and_their_time_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = Some(folder.path().join("chat.db"));
    let (hub, _outboxes) = hub_at(path.clone(), 2);
    assert_eq!((hub.state.counts().sessions, hub.state.counts().away), (2, 0));
    drop(hub);
    let began = Instant::now();
    let (hub, _) = hub_at(path, 0);
    assert_eq!((hub.state.counts().sessions, hub.state.counts().away), (2, 2));
    // It counts from the first turn.
    let (ttl, passed) = (Duration::from_millis(hub.state.rules().ttl_ms), began.elapsed());
    let ending = Duration::from_millis(hub.edge.next_ending().unwrap());
    assert!(ttl <= ending && ending <= ttl + passed, "{ending:?} after {passed:?}");
}

#[test]
fn a_redaction_reaches_the_outbox_of_a_connection_that_has_left_the_room() {
    let (mut hub, outboxes) = hub(2);
    let mut waiting = Waiting::default();
    let place = || Place(Some("lobby".parse().unwrap()));
    waiting.add(Entry::Commands(ConnectionId(0), vec![say(100)]));
    turns(&mut hub, &mut waiting);
    waiting.add(Entry::Commands(ConnectionId(1), vec![Command::Ask(None, Ask::Leave(place()))]));
    turns(&mut hub, &mut waiting);
    let of = Conversation::Room(place());
    let redact = Redact { of, seq: 1, reason: String::new() };
    let redact = Command::Ask(None, Ask::Action(Box::new(Action::Redact(redact))));
    waiting.add(Entry::Commands(ConnectionId(0), vec![redact]));
    turns(&mut hub, &mut waiting);
    assert_eq!(heard(&outboxes[1]), [0; 0], "its text is in memory");
}

/// Chunks of five and of three messages that fill a turn together are read and written again for a redaction in each.
#[test]
fn redactions_fill_a_turn_by_the_chunks_that_they_write() {
    let (mut hub, _outboxes) = hub(1);
    // So that only bytes end a turn.
    hub.turn_time = Duration::from_secs(60);
    let mut waiting = Waiting::default();
    // Chunks of five, three, five and three messages.
    for _ in 0..2 {
        waiting.add(Entry::Commands(ConnectionId(0), (0..8).map(|_| say(LIGHT_BYTES - 2)).collect()));
        turns(&mut hub, &mut waiting);
    }
    let head = hub.state.counts().head;
    let redact = |seq| {
        let of = Conversation::Room(Place(Some("lobby".parse().unwrap())));
        let redact = Redact { of, seq, reason: String::new() };
        Command::Ask(None, Ask::Action(Box::new(Action::Redact(redact))))
    };
    waiting.add(Entry::Commands(ConnectionId(0), [1, head, 2, head - 1].map(redact).into()));
    let mut counts = Vec::new();
    while !waiting.is_empty() {
        counts.push(hub.gather(hub.now(), &mut waiting, Readiness::Ready).commands);
        hub.edge.take_turn(0, 0);
    }
    assert_eq!(counts, [2, 2]);
}

#[test]
fn an_erasure_is_answered_at_its_end_and_holds_up_no_other_answer() {
    let (mut hub, outboxes) = hub(2);
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(ConnectionId(0), vec![say(100)]));
    turns(&mut hub, &mut waiting);
    // So much that the first step does not reach the message.
    for _ in 0..2 {
        waiting.add(Entry::Commands(ConnectionId(1), vec![say(LIGHT_BYTES - 2)]));
        turns(&mut hub, &mut waiting);
    }
    assert_eq!(heard(&outboxes[0]), [1, 2, 3]);
    let name = || "user0x".parse::<Name>().unwrap();
    let (erased, mut is_erased) = tokio::sync::oneshot::channel();
    waiting.add(Entry::Control(Control::User(0, UserCommand::Erase(name(), false), erased)));
    hub.turn(&mut waiting);
    let (muted, mut is_muted) = tokio::sync::oneshot::channel();
    let mute = Action::Mute(Against::new("user1x".parse().unwrap()));
    waiting.add(Entry::Control(Control::Action(0, Box::new(mute), muted)));
    hub.turn(&mut waiting);
    assert!(is_muted.try_recv().unwrap().is_ok());
    assert!(is_erased.try_recv().is_err(), "it goes on");
    assert!(hub.health().erasing_left.is_some());
    // No client asks for anything: the hub continues by itself.
    while hub.has_work() {
        hub.turn(&mut waiting);
    }
    assert!(is_erased.try_recv().unwrap().is_ok());
    assert_eq!(hub.health().erasing_left, None);
    assert_eq!(heard(&outboxes[1]), [0; 0], "what waited is read from the store");
}
