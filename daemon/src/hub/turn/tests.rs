//! Owns the test bench of a hub without a cluster, with its store in memory, and the tests of its turns. Tests of other parts
//! of the hub use it. Never uses a runtime or a socket.

mod sizes;

use super::*;
use crate::auth::Proof;
use crate::edge::{Ask, Command, LIGHT_BYTES, LoginAsk, Secret};
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
use tcp_chat_state::{ConnectionId, Evidence, Rules, Snapshot, UserCommand};

/// Messages of [`fill`].
const FILL: u64 = 20;

/// A hub in memory without limits on sent lines, with so many logged-in clients.
fn hub(connections: u64) -> (Hub, Vec<Arc<Outbox>>) {
    hub_at(None, connections)
}

/// The same with its store at that path.
pub(in crate::hub) fn hub_at(path: Option<PathBuf>, connections: u64) -> (Hub, Vec<Arc<Outbox>>) {
    hub_with(&history(path), connections)
}

/// The settings of a store at this path, or in memory, without limits.
pub(in crate::hub) fn history(path: Option<PathBuf>) -> History {
    let (durability, max_bytes) = (Durability::Crash, MaxBytes::Unlimited);
    History { path, durability, retain: None, retain_messages: None, max_bytes }
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
