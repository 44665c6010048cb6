//! Owns the beginning of a log: `cluster init` makes the store of a lone daemon that of the first node, and `cluster reseed`
//! begins again with the store of a node after the stream was lost. Called by these commands, while no daemon has the store.
//! Never makes the stream: the command has done so.

use crate::order::{Linked, Next, Order, OrderEvent, Stopped};
use crate::store::{Store, StoreError};
use std::time::{Duration, Instant};
use tcp_chat_protocol::Timestamp;
use tcp_chat_state::{Intent, NodeId, Rules, Snapshot, State, Turn};

/// How long the command waits for its entry to come back from the log.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it waits for the end of its epoch. Without it the next start waits a second longer.
const LEAVE: Duration = Duration::from_secs(2);

/// Why a log could not be begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum FoundError {
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The order ended.
    #[error("{}", .0.reason)]
    Stopped(Stopped),
    /// Nothing came back.
    #[error(
        "nothing came back from NATS within {} s: check the servers with `tcp-chatd cluster check`, then repeat this \
         command. That does no harm if the log was begun nevertheless",
        PATIENCE.as_secs()
    )]
    Silent,
}

/// A lone daemon's last turn: what its settings and its version require of the state. The policy is stored with it.
pub(super) fn settle(store: &mut Store, found: Snapshot, rules: Rules) -> Result<State, StoreError> {
    let now = Timestamp::now().0;
    let mut state = State::restore(rules.clone(), found, now);
    // The store can be that of a node that has left another cluster.
    let ups = state.nodes_before(NodeId::LOCAL).into_iter().map(Intent::NodeUp);
    let intents = ups.chain([Intent::Start(Box::new(rules))]).collect();
    let mut writes = state.apply(Turn { intents, ..Turn::empty(now) }, |_, _, _| {});
    store.commit(&mut writes)?;
    Ok(state)
}

/// Begins the log with the state of the store, and ends the epoch again: the daemon starts its own.
pub(super) async fn found(mut order: Linked, state: &mut State, store: &mut Store) -> Result<(), FoundError> {
    let began = Instant::now();
    let mut until = began + PATIENCE;
    let mut is_up = false;
    while Instant::now() < until {
        match order.next(began.elapsed()) {
            Some(Next::Turn(ordered)) => {
                state.follow(ordered.behaviour);
                let mut writes = state.apply(ordered.turn, |_, _, _| {});
                let place = order.applied(&writes);
                store.commit_at(&mut writes, place.as_ref().map(|place| &place.0[..]))?;
            }
            Some(Next::Event(OrderEvent::Up)) => {
                is_up = true;
                until = Instant::now() + LEAVE;
                order.leave(began.elapsed());
            }
            Some(Next::Event(OrderEvent::Fenced(_))) if is_up => return Ok(()),
            Some(Next::Event(OrderEvent::Ended(stopped))) => return Err(FoundError::Stopped(stopped)),
            Some(Next::Event(_)) => {}
            None => {
                let due = order.due().unwrap_or_default().saturating_sub(began.elapsed());
                let pause = due.clamp(Duration::from_millis(1), Duration::from_millis(250));
                let _ = tokio::time::timeout(pause, std::future::poll_fn(|context| order.poll_word(context)))
                    .await;
            }
        }
    }
    if is_up { Ok(()) } else { Err(FoundError::Silent) }
}
