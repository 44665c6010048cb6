//! Tests of the hub with a store that another program keeps locked, and after the lock is released.

use super::*;
use crate::edge::{Ask, Command};
use crate::hub::answers::KEPT_TIMEOUT;
use crate::hub::turn::tests::{heard, hub_at, say};
use crate::hub::waiting::Waiting;
use crate::hub::{Control, Entry, Item, Outbox, Taken};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tcp_chat_protocol::request::{Action, Conversation, Place, Redact};
use tcp_chat_protocol::{ErrorKind, Name, Role};
use tcp_chat_state::{ConnectionId, UserCommand, UserCommandError};
use tokio::sync::oneshot;

/// A hub with a locked store, and its logged-in clients.
fn locked(at: &Path, connections: u64) -> (Hub, Vec<Arc<Outbox>>, Connection) {
    let (hub, outboxes) = hub_at(Some(at.to_owned()), connections);
    let other = Connection::open(at).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    (hub, outboxes, other)
}

fn turn(hub: &mut Hub, entries: Vec<Entry>) {
    let mut waiting = Waiting::default();
    entries.into_iter().for_each(|entry| waiting.add(entry));
    while !waiting.is_empty() {
        hub.turn(&mut waiting);
    }
}

fn says(hub: &mut Hub, connection: u64) {
    turn(hub, vec![Entry::Commands(ConnectionId(connection), vec![say(10)])]);
}

fn tries_again(hub: &mut Hub) {
    let failing = hub.failing.take();
    hub.failing = failing.map(|(why, _)| (why, Instant::now()));
    hub.chores();
}

/// The kinds of the refusals that the connection receives.
fn refusals(outbox: &Outbox) -> Vec<ErrorKind> {
    let Poll::Ready(Taken::Items(items)) = outbox.poll_take(&Context::from_waker(Waker::noop()), usize::MAX)
    else {
        return Vec::new();
    };
    let kind = |item| match item {
        Item::Refused(refused) => Some(refused.refusal.kind),
        Item::Kept(_) | Item::Own(..) => panic!("a message"),
        _ => None,
    };
    items.into_iter().filter_map(kind).collect()
}

#[test]
fn a_held_message_is_delivered_once_it_is_kept_and_the_next_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut hub, outboxes, other) = locked(&dir.path().join("chat.db"), 2);
    says(&mut hub, 0);
    assert!(refusals(&outboxes[0]).is_empty() && heard(&outboxes[1]).is_empty());
    says(&mut hub, 1);
    assert_eq!(refusals(&outboxes[1]), [ErrorKind::Internal]);
    assert_eq!(hub.state.counts().head, 1, "nothing was ordered behind it");
    tries_again(&mut hub);
    assert!(hub.failing.is_some() && heard(&outboxes[0]).is_empty(), "it is locked yet");
    other.execute_batch("ROLLBACK").unwrap();
    tries_again(&mut hub);
    assert!(hub.failing.is_none());
    assert_eq!([heard(&outboxes[0]), heard(&outboxes[1])], [[1], [1]]);
    says(&mut hub, 1);
    assert_eq!([heard(&outboxes[0]), heard(&outboxes[1])], [[2], [2]]);
}

#[test]
fn a_held_event_does_not_reach_a_user_who_has_left_the_room_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut hub, outboxes) = hub_at(Some(path.clone()), 3);
    says(&mut hub, 0);
    outboxes.iter().for_each(|outbox| drop(heard(outbox)));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let place = || Place(Some("lobby".parse().unwrap()));
    let redact = Redact { of: Conversation::Room(place()), seq: 1, reason: String::new() };
    let redact = Command::Ask(None, Ask::Action(Box::new(Action::Redact(redact))));
    turn(&mut hub, vec![Entry::Commands(ConnectionId(0), vec![redact])]);
    turn(&mut hub, vec![Entry::Commands(ConnectionId(1), vec![Command::Ask(None, Ask::Leave(place()))])]);
    other.execute_batch("ROLLBACK").unwrap();
    tries_again(&mut hub);
    let is_told = |outbox: &Outbox| {
        let taken = outbox.poll_take(&Context::from_waker(Waker::noop()), usize::MAX);
        let Poll::Ready(Taken::Items(items)) = taken else { return false };
        items.iter().any(|item| match item {
            Item::Shared(line) => line.starts_with(br#"{"op":"REDACTED""#),
            _ => false,
        })
    };
    assert_eq!([0, 1, 2].map(|n| is_told(&outboxes[n])), [true, false, true]);
}

#[test]
fn an_operator_is_told_that_a_command_is_not_kept_yet_and_it_is_kept_later() {
    for patient in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        let (mut hub, _outboxes, other) = locked(&path, 1);
        let grant = |user: &str| {
            let (sender, receiver) = oneshot::channel();
            let user: Name = user.parse().unwrap();
            let action = Action::Grant { user, role: Some(Role::Member), room: None };
            (Entry::Control(Control::Action(0, Box::new(action), sender)), receiver)
        };
        let (entry, mut first) = grant("user0x");
        turn(&mut hub, vec![entry]);
        assert!(hub.failing.is_some() && first.try_recv().is_err(), "it waits");
        let (entry, mut second) = grant("user0x");
        turn(&mut hub, vec![entry]);
        assert!(second.try_recv().unwrap().unwrap_err().starts_with("it was not done"));
        let (sender, mut third) = oneshot::channel();
        turn(
            &mut hub,
            vec![Entry::Control(Control::User(0, UserCommand::Remove("x".parse().unwrap()), sender))],
        );
        assert_eq!(third.try_recv().unwrap(), Err(UserCommandError::StoreFails));
        let due = hub.next_answer().expect("somebody waits");
        assert!(due <= Instant::now() + KEPT_TIMEOUT);
        if !patient {
            hub.answers.iter_mut().for_each(|answer| answer.make_due());
            turn(&mut hub, vec![Entry::Commands(ConnectionId(0), vec![Command::Read(1)])]);
            let why = first.try_recv().unwrap().unwrap_err();
            assert!(why.starts_with("it is done, but not kept yet: "), "{why}");
        }
        other.execute_batch("ROLLBACK").unwrap();
        tries_again(&mut hub);
        if patient {
            assert!(first.try_recv().unwrap().is_ok(), "now it is kept");
        }
        drop(hub);
        let grants = "SELECT count(*) FROM grants";
        let count: i64 = Connection::open(path).unwrap().query_row(grants, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1);
    }
}
