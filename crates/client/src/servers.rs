//! Owns the servers of a session: the addresses of the nodes of one chat, which one comes next, and after which wait.
//! Called by `task`. Pure: randomness and times are arguments. Never connects.
//!
//! * The addresses that the caller gave stay. Those that the server named are replaced by each newer list.
//! * Each server has its own backoff. One that has not failed is tried at once, so a lost node costs no wait.
//! * A hostile server could name new addresses at each login, which never waited. So only [`AT_ONCE`] attempts are
//!   made at once until a connection lasts.

use crate::Error;
use crate::backoff::{Backoff, is_lasting};
use std::time::Duration;
use tcp_chat_protocol::ServerAddress;
use tcp_chat_protocol::server::{SERVERS, usable};
use tokio::time::Instant;

/// The largest number of attempts without a wait since the last connection that lasted.
const AT_ONCE: u32 = 16;
/// When a server is tried again whose certificate was refused.
const AFTER_REFUSAL: Duration = Duration::from_secs(600);

/// One server.
#[derive(Debug)]
struct Node {
    address: ServerAddress,
    backoff: Backoff,
    /// Not to be tried before.
    not_before: Option<Instant>,
    /// Its certificate was refused, or its host is invalid: waiting does not mend it.
    is_refused: bool,
}

impl Node {
    fn new(address: ServerAddress) -> Self {
        Self { address, backoff: Backoff::default(), not_before: None, is_refused: false }
    }

    fn wait(&self, now: Instant) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

/// The servers of a session; there is always one.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Those that the caller gave.
    given: Vec<ServerAddress>,
    nodes: Vec<Node>,
    /// The place of the current one: of the connection, or of the last attempt.
    at: usize,
    /// Attempts since the connection was lost.
    attempts: u32,
    /// Attempts without a wait since the last connection that lasted.
    at_once: u32,
    /// The waits beyond [`AT_ONCE`].
    brake: Backoff,
    /// The wait that the server requested (`SHUTDOWN`), for the next attempt only, at whichever server.
    requested: Option<Duration>,
}

impl Servers {
    /// The servers `first` and `more`, which the caller gave, and those that an earlier process knew.
    pub(crate) fn new(first: ServerAddress, more: Vec<ServerAddress>, known: &[String]) -> Self {
        let mut given = vec![first];
        for address in more {
            if !given.contains(&address) && given.len() < SERVERS {
                given.push(address);
            }
        }
        let mut nodes: Vec<_> = given.iter().cloned().map(Node::new).collect();
        let known = usable(known.iter().map(String::as_str));
        nodes.extend(known.into_iter().filter(|address| !given.contains(address)).map(Node::new));
        let (brake, requested) = (Backoff::default(), None);
        Self { given, nodes, at: 0, attempts: 0, at_once: 0, brake, requested }
    }

    /// The current one.
    pub(crate) fn current(&self) -> &ServerAddress {
        &self.nodes[self.at].address
    }

    /// The others that may be tried.
    pub(crate) fn others(&self) -> Vec<ServerAddress> {
        let (before, from) = self.nodes.split_at(self.at);
        let others = from.iter().skip(1).chain(before);
        others.filter(|node| !node.is_refused).map(|node| node.address.clone()).collect()
    }

    /// Goes to one of them.
    pub(crate) fn go_to(&mut self, address: &ServerAddress) {
        if let Some(at) = self.nodes.iter().position(|node| node.address == *address) {
            self.at = at;
        } else {
            self.nodes.push(Node::new(address.clone()));
            self.at = self.nodes.len() - 1;
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All, the current one first.
    pub(crate) fn all(&self) -> Vec<String> {
        let (before, from) = self.nodes.split_at(self.at);
        from.iter().chain(before).map(|node| node.address.to_string()).collect()
    }

    /// The next one in the order of the list, for the first login.
    pub(crate) fn step(&mut self) {
        self.at = (self.at + 1) % self.nodes.len();
    }

    /// The number of attempts since the connection was lost.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Takes the list of the current server, which is first in it. The current one keeps the address at which it was
    /// reached: that one works. The others begin at a random place, so that the clients of a lost node spread.
    pub(crate) fn named(&mut self, list: &[String], chance: u32) {
        let named = usable(list.iter().map(String::as_str));
        let Some((_, others)) = named.split_first() else { return };
        let mut old = std::mem::take(&mut self.nodes);
        let mut nodes = vec![old.swap_remove(self.at)];
        let mut others = others.to_vec();
        if !others.is_empty() {
            let first = chance as usize % others.len();
            others.rotate_left(first);
        }
        for address in others.into_iter().chain(self.given.iter().cloned()) {
            if named.first() == Some(&address) || nodes.iter().any(|node| node.address == address) {
                continue;
            }
            let known = old.iter().position(|node| node.address == address);
            nodes.push(known.map_or_else(|| Node::new(address), |at| old.swap_remove(at)));
        }
        (self.nodes, self.at) = (nodes, 0);
    }

    /// The server requests a wait before the next attempt.
    pub(crate) fn requested(&mut self, wait: Duration) {
        self.nodes[self.at].backoff.requested(wait);
        self.requested = Some(wait);
    }

    /// The session continues. Only a connection that lasts shortens later waits.
    pub(crate) fn connected(&mut self) {
        self.attempts = 0;
        self.nodes[self.at].is_refused = false;
    }

    /// A connection has ended after this time.
    pub(crate) fn lived(&mut self, so_long: Duration) {
        self.nodes[self.at].backoff.lived(so_long);
        self.brake.lived(so_long);
        if is_lasting(so_long) {
            self.at_once = 0;
        }
    }

    /// The connection to the current server is lost, or the attempt failed. `requested`: it said when to try again.
    pub(crate) fn failed(&mut self, now: Instant, requested: Option<Duration>, chance: u32) {
        let node = &mut self.nodes[self.at];
        if let Some(wait) = requested {
            node.backoff.requested(wait);
        }
        let at = now + node.backoff.next(chance);
        node.not_before = node.not_before.filter(|_| node.is_refused).max(Some(at));
    }

    /// The current server cannot be verified. Returns whether another one is left.
    pub(crate) fn refused(&mut self, now: Instant) -> bool {
        let node = &mut self.nodes[self.at];
        node.is_refused = true;
        node.not_before = Some(now + AFTER_REFUSAL);
        self.nodes.iter().any(|node| !node.is_refused)
    }

    /// Goes to the server of the next attempt, and returns the wait before it.
    pub(crate) fn next(&mut self, now: Instant, chance: u32) -> Duration {
        let n = self.nodes.len();
        let order = (1..=n).map(|step| (self.at + step) % n);
        self.at = order.min_by_key(|at| self.nodes[*at].wait(now)).unwrap_or(self.at);
        self.attempts = self.attempts.saturating_add(1);
        let mut wait = self.nodes[self.at].wait(now);
        // A server that is alone has its own request in its backoff.
        if let Some(requested) = self.requested.take().filter(|_| n > 1) {
            wait = wait.max(requested.min(LONGEST_REQUEST));
        }
        if wait.is_zero() {
            self.at_once = self.at_once.saturating_add(1);
            if self.at_once > AT_ONCE {
                wait = self.brake.next(chance);
            }
        }
        wait
    }
}

/// The longest wait that a server can request for another one.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);

/// Whether another server may do better. An error of the login itself is the same everywhere.
pub(crate) fn is_of_one_server(e: &Error) -> bool {
    let is_refused = matches!(e, Error::CertificateRefused(_) | Error::Protocol(_) | Error::Invalid(_));
    is_refused || e.is_transient()
}

/// The error that tells more about why no server could be used.
pub(crate) fn more_telling(one: Option<Error>, other: Error) -> Error {
    let rank = |e: &Error| match e {
        Error::LoginRefused { .. } => 4,
        Error::CertificateRefused(_) => 3,
        Error::Protocol(_) | Error::Invalid(_) => 2,
        Error::TimedOut { .. } => 1,
        _ => 0,
    };
    match one {
        Some(one) if rank(&one) >= rank(&other) => one,
        _ => other,
    }
}

#[cfg(test)]
mod tests;
