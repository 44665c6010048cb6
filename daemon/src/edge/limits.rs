//! Owns the rate limits: every line and every byte counts for its session, or for its connection if it has no session
//! yet. Called for each read and each request. Never refuses LOGIN, PING or QUIT, or a line that is not a request:
//! they count too, but only delay the next read, so that refusing a flood costs almost nothing.

use super::admit::Peer;
use super::ask::Ask;
use super::quotas::{Rates, SessionLimits};
use super::{Answer, Command, Edge, Effect};
use std::net::IpAddr;
use tcp_chat_protocol::request::{Place, Target};
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId};
use tcp_chat_state::{ConnectionId, Past, Query, QuotaOwner, SessionId, Sought, State, UserId, WHO_MEMBERS};

/// The delay of the next read for one line above the rate, in milliseconds.
const LINE_MS: u64 = 1;
/// The stored bytes of a message besides its text, its names and its id, about.
const AROUND_BYTES: usize = 150;
/// Members or rooms in a reply that cost as much as one line.
const LISTED_A_LINE: usize = 100;
/// The longest delay of the next read because of sent bytes, in milliseconds.
pub const SLOWEST_MS: u64 = 1_000;

/// The quotas that a message has used.
#[derive(Debug, Default)]
pub(super) struct Charge {
    /// The owner of the quota, and the number of bytes.
    stored: Option<(QuotaOwner, usize)>,
    /// Of a direct message.
    direct: Option<Box<Direct>>,
    /// The quota was used up: the refusal, if the state would keep the message at its place.
    unpaid: Option<Box<Unpaid>>,
}

/// The quotas that a direct message has used.
#[derive(Debug)]
struct Direct {
    author: UserId,
    other: UserId,
    /// Was a token used for a user to whom the session had not written before?
    stranger: Stranger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    No,
    Yes,
    /// Another message of the two users in this turn has paid. If that one is not kept, this one pays.
    Met,
}

/// Which quota was used up, and how many milliseconds to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unpaid {
    Stranger(u64),
    Stored(QuotaOwner, u64),
}

impl Unpaid {
    fn refusal(&self) -> Refusal {
        match *self {
            Self::Stranger(wait) => {
                let seconds = wait.div_ceil(1_000);
                let msg = format!("too many who never wrote to you: wait {seconds} s and send it again");
                too_fast(wait, msg)
            }
            Self::Stored(by, wait) => {
                let seconds = wait.div_ceil(1_000);
                let msg = match by {
                    QuotaOwner::User(_) => {
                        format!("you have stored as much as you may in a day: wait {seconds} s")
                    }
                    QuotaOwner::Network(_) => format!(
                        "your network has stored as much as it may in a day: wait {seconds} s, or log in with a name of your own"
                    ),
                };
                too_fast(wait, msg)
            }
        }
    }
}

impl Charge {
    /// The mark of an earlier message in the turn: an unpaid message is not kept, whatever is true at its place.
    pub(super) fn past(&self, past: Past) -> Past {
        if self.unpaid.is_some() && past == Past::Absent { Past::Unwritable } else { past }
    }

    /// The refusal for a message that the state has refused.
    pub(super) fn refused(&self, refusal: Refusal) -> Refusal {
        match &self.unpaid {
            Some(unpaid) if refusal.kind == ErrorKind::Internal => unpaid.refusal(),
            _ => refusal,
        }
    }
}

impl Edge {
    /// Charges a request as so many lines. It is refused if the lines or the bytes exceed the limits.
    pub(super) fn pass_rate(&mut self, state: &State, peer: Peer, session: SessionId, lines: u32) -> Answer {
        let Peer { connection, owes, .. } = peer;
        if owes > 0 {
            return Err(too_fast(owes, format!("too much: wait {owes} ms and send it again")));
        }
        if state.rules().rate.per_second == 0 {
            return Ok(());
        }
        let (rates, now) = (Rates::of(state.rules()), self.now);
        self.limits_of(session, now).buckets.request(rates, lines, now).map_err(|wait| {
            self.effects.push(Effect::Slow(connection, LINE_MS));
            too_fast(wait, format!("too fast: wait {wait} ms and send it again"))
        })
    }

    fn limits_of(&mut self, session: SessionId, now: u64) -> &mut SessionLimits {
        self.limits.entry(session).or_insert_with(|| SessionLimits::full(now))
    }

    /// The message that must be searched in the store before this request becomes part of a turn: one that the session
    /// may have sent under this id and that the state does not know, or one to redact. A request that its rate refuses
    /// causes no search.
    pub fn asks_past(
        &mut self,
        state: &State,
        connection: ConnectionId,
        command: &Command,
    ) -> Option<Sought> {
        let (id, redacts) = match command {
            Command::Ask(Some(id), Ask::Say(..)) => (Some(id), None),
            Command::Ask(_, Ask::Action(action)) => (None, Some(State::redacts(action)?)),
            _ => return None,
        };
        let entry = self.connections.get(&connection).filter(|entry| entry.owes == 0 && !entry.closing)?;
        let session = entry.session?;
        if id.is_some_and(|id| !state.asks_past(session, id)) {
            return None;
        }
        let (rates, now) = (Rates::of(state.rules()), self.now);
        let is_too_fast = self.limits.get(&session).is_some_and(|limits| {
            let mut buckets = limits.buckets;
            buckets.request(rates, 1, now).is_err()
        });
        let sought = id.map(|id| Sought::Sent(session, id.clone())).or(redacts.map(Sought::Message));
        sought.filter(|_| !is_too_fast)
    }

    /// Charges a message: a token for a first message to a user, and bytes of the user's storage quota, or of the
    /// network's for a name without an owner. A message that is not stored is not refused for it: neither a resend nor
    /// a message that the state refuses.
    pub(super) fn charge(
        &mut self,
        state: &State,
        (peer, session): (Peer, SessionId),
        id: Option<&RequestId>,
        (target, json): (&Target, &str),
        past: Past,
    ) -> Answer<Charge> {
        let now = self.now;
        let mut charge = Charge::default();
        if let Target::User(to) = target
            && let Some((mine, theirs, is_known)) = state.pair(session, to)
        {
            let direct = |stranger| Some(Box::new(Direct { author: mine, other: theirs, stranger }));
            if is_known {
                charge.direct = direct(Stranger::No);
            } else if self.gathering.are_met(mine, theirs) {
                charge.direct = direct(Stranger::Met);
            } else {
                let rates = Rates::of(state.rules());
                match self.limits_of(session, now).buckets.stranger(rates, now) {
                    Ok(()) => {
                        charge.direct = direct(Stranger::Yes);
                        self.gathering.meet(mine, theirs);
                    }
                    Err(wait) => {
                        charge.direct = direct(Stranger::No);
                        let unpaid = Unpaid::Stranger(wait);
                        if state.would_keep(session, id, target, past) {
                            return Err(unpaid.refusal());
                        }
                        charge.unpaid = (past == Past::Absent).then(|| Box::new(unpaid));
                        return Ok(charge);
                    }
                }
            }
        }
        let Some((name, by)) = state.quota_owner_of(session, peer.address) else { return Ok(charge) };
        let bytes = stored_bytes(name, id, target, json);
        match self.quotas.stores(by, state.rules().network_stored, bytes, now) {
            Ok(()) => charge.stored = Some((by, bytes)),
            Err(wait) => {
                let unpaid = Unpaid::Stored(by, wait);
                if state.would_keep(session, id, target, past) {
                    self.refund(state, session, &charge);
                    return Err(unpaid.refusal());
                }
                charge.unpaid = (past == Past::Absent).then(|| Box::new(unpaid));
            }
        }
        Ok(charge)
    }

    /// Refunds a message that is not stored after all.
    pub(super) fn refund(&mut self, state: &State, session: SessionId, charge: &Charge) {
        let now = self.now;
        if let Some((by, bytes)) = charge.stored {
            self.quotas.stores_not(by, state.rules().network_stored, bytes, now);
        }
        if let Some(Direct { author, other, stranger: Stranger::Yes }) = charge.direct.as_deref() {
            // The session may have ended in this turn: its limits are gone.
            if let Some(limits) = self.limits.get_mut(&session) {
                limits.buckets.remove_stranger();
            }
            self.gathering.part(*author, *other);
        }
    }

    /// A direct message will be kept. A stranger to its author waits for an answer from now on. If it is an answer,
    /// the other user has written to one stranger fewer.
    pub(super) fn note_direct(&mut self, state: &State, session: SessionId, charge: &Charge) {
        let Some(Direct { author: mine, other: theirs, stranger }) = charge.direct.as_deref() else { return };
        let (mine, theirs, stranger) = (*mine, *theirs, *stranger);
        // Of the messages of the two users in this turn, the first kept one pays.
        let pays_now = stranger == Stranger::Met && !self.gathering.are_met(mine, theirs);
        if pays_now {
            let (rates, now) = (Rates::of(state.rules()), self.now);
            let _ = self.limits_of(session, now).buckets.stranger(rates, now);
            self.gathering.meet(mine, theirs);
        }
        if pays_now || stranger == Stranger::Yes {
            self.limits_of(session, self.now).waits_for(theirs);
        }
        for other in state.sessions_of(theirs) {
            if let Some(limits) = self.limits.get_mut(other)
                && limits.unanswered.remove(&mine)
            {
                limits.buckets.remove_stranger();
            }
        }
    }

    /// The cost to apply a command, in relation to others: a request costs as much as the lines that it counts. A
    /// message costs nothing here, because it is only gathered.
    #[must_use]
    pub fn weight(&self, state: &State, connection: ConnectionId, command: &Command) -> usize {
        match command {
            Command::Ask(_, Ask::Say(..)) | Command::Read(_) | Command::Refused(_) => 0,
            Command::Ask(_, ask) => lines(state, self.session_at(connection), ask) as usize,
            Command::Open(_) | Command::Lost => 1,
        }
    }

    /// Counts a request as so many lines, without a refusal.
    pub(super) fn count(
        &mut self,
        state: &State,
        connection: ConnectionId,
        session: Option<SessionId>,
        lines: u32,
    ) {
        let (rates, now) = (Rates::of(state.rules()), self.now);
        let Self { connections, limits, .. } = self;
        let Some(entry) = connections.get_mut(&connection) else { return };
        let buckets = match session {
            Some(session) => &mut limits.entry(session).or_insert_with(|| SessionLimits::full(now)).buckets,
            None => &mut entry.buckets,
        };
        if buckets.request(rates, lines, now).is_err() {
            self.effects.push(Effect::Slow(connection, LINE_MS * u64::from(lines)));
        }
    }

    /// Counts the bytes of one read of the connection.
    pub(super) fn weigh(&mut self, state: &State, connection: ConnectionId, bytes: usize) {
        let (rates, now) = (Rates::of(state.rules()), self.now);
        let Self { connections, limits, quotas, .. } = self;
        let Some(entry) = connections.get_mut(&connection) else { return };
        let buckets = match entry.session {
            Some(session) => &mut limits.entry(session).or_insert_with(|| SessionLimits::full(now)).buckets,
            None => &mut entry.buckets,
        };
        let read = buckets.read(rates, bytes, now);
        let sent = quotas.sends(entry.address, state.rules().network_flow, bytes, now);
        entry.owes = read.err().max(sent.err()).unwrap_or(0);
        let (Ok(own) | Err(own)) = read;
        let (Ok(all) | Err(all)) = sent;
        let wait = own.max(all);
        if wait > 0 {
            self.effects.push(Effect::Slow(connection, wait.min(SLOWEST_MS)));
        }
    }

    /// May the session's user moderate once more? Operators always may. Without a limit of requests there is none
    /// here.
    pub(super) fn pass_action(
        &mut self,
        state: &State,
        connection: ConnectionId,
        session: SessionId,
    ) -> Answer {
        if state.rules().rate.per_second == 0 {
            return Ok(());
        }
        let address = self.address(connection).unwrap_or(IpAddr::from([0; 4]));
        let Some((_, by)) = state.quota_owner_of(session, address) else { return Ok(()) };
        self.quotas.acts(by, self.now).map_err(|wait| {
            let seconds = wait.div_ceil(1_000);
            too_fast(wait, format!("too much order for a minute: wait {seconds} s and send it again"))
        })
    }
}

/// The stored bytes of a message, about.
fn stored_bytes(name: &Name, id: Option<&RequestId>, target: &Target, json: &str) -> usize {
    let place = match target {
        Target::Room(Place(Some(name))) | Target::User(Place(Some(name))) => name.as_str().len(),
        _ => 0,
    };
    let id = match id {
        Some(RequestId::Text(id)) => id.len(),
        _ => 0,
    };
    // The author is in the search index, too; an id is stored by number and by session.
    json.len() + 3 * name.as_str().len() + place + 2 * id + AROUND_BYTES
}

/// The number of lines that a request counts as: one that names many rooms, or whose answer is a long list, counts as
/// many.
pub(super) fn lines(state: &State, session: Option<SessionId>, ask: &Ask) -> u32 {
    let more = match ask {
        Ask::Login(ask) => ask.login.rooms.as_ref().map_or(0, Vec::len),
        Ask::Query(Query::Who(_)) => state.user_count().min(WHO_MEMBERS) / LISTED_A_LINE,
        Ask::Query(Query::Rooms) => state.room_count() / LISTED_A_LINE,
        // It names all direct messages of its user.
        Ask::Query(Query::Search(search)) if search.room.is_none() => {
            session.map_or(0, |session| state.direct_count(session)) / LISTED_A_LINE
        }
        _ => 0,
    };
    u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1)
}

fn too_fast(wait: u64, msg: String) -> Refusal {
    let mut refusal = Refusal::new(ErrorKind::RateLimited, msg);
    refusal.retry_after_ms = Some(wait);
    refusal
}
