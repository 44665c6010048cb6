//! Owns who is too fast: every line and every byte counts against its session, or its connection
//! where there is none yet. Called for each. Never refuses what keeps a connection in order (LOGIN,
//! PING, QUIT) or what was no request: those count too, and cost only that the peer is read more
//! slowly, so that refusing a flood costs next to nothing.

use super::admit::Peer;
use super::ask::Ask;
use super::quotas::{Rates, SessionLimits};
use super::{Answer, Command, Edge, Effect};
use std::net::IpAddr;
use tcp_chat_protocol::request::{Place, Target};
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId};
use tcp_chat_state::{ConnectionId, Past, Query, QuotaOwner, SessionId, Sought, State, UserId, WHO_MEMBERS};

/// For how long a line too many keeps its peer from being read, in milliseconds.
const LINE_MS: u64 = 1;
/// What is stored of a message beside its text, its names and its id, in bytes, about.
const AROUND_BYTES: usize = 150;
/// Members or rooms that a reply lists for the price of a line.
const LISTED_A_LINE: usize = 100;
/// The longest that a peer is not read because of what it has sent, in milliseconds.
pub const SLOWEST_MS: u64 = 1_000;

/// What was taken for a message that is to be stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    /// In whose quota, and how many bytes.
    stored: Option<(QuotaOwner, usize)>,
    /// Was a token taken for a user to whom the session has not written before?
    stranger: Stranger,
    /// Of a direct message: the author and the other user.
    pair: Option<(UserId, UserId)>,
    /// There was nothing to take it from: why it is refused if the state would keep it at its place.
    unpaid: Option<Unpaid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    No,
    Yes,
    /// One was taken for another message of the two in this turn. If that one is not kept, this one pays.
    Met,
}

/// What was used up, and for how many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unpaid {
    Stranger(u64),
    Stored(QuotaOwner, u64),
}

impl Unpaid {
    fn refusal(self) -> Refusal {
        match self {
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
    /// What stands in the turn of an earlier message: what is not paid is not kept, whatever is true at its place.
    pub(super) fn past(self, past: Past) -> Past {
        if self.unpaid.is_some() && past == Past::Absent { Past::Unwritable } else { past }
    }

    /// How the message is refused that the state has refused.
    pub(super) fn refused(self, refusal: Refusal) -> Refusal {
        match self.unpaid {
            Some(unpaid) if refusal.kind == ErrorKind::Internal => unpaid.refusal(),
            _ => refusal,
        }
    }
}

impl Edge {
    /// A request that counts as so many lines, and is refused where there are too many, or too many bytes.
    pub(super) fn pass_rate(
        &mut self,
        chat: &mut State,
        peer: Peer,
        session: SessionId,
        lines: u32,
    ) -> Answer {
        let Peer { connection, owes, .. } = peer;
        if owes > 0 {
            return Err(too_fast(owes, format!("too much: wait {owes} ms and send it again")));
        }
        if chat.rules().rate.per_second == 0 {
            return Ok(());
        }
        let (rates, now) = (Rates::of(chat.rules()), self.now);
        self.limits_of(session, now).buckets.request(rates, lines, now).map_err(|wait| {
            self.effects.push(Effect::Slow(connection, LINE_MS));
            too_fast(wait, format!("too fast: wait {wait} ms and send it again"))
        })
    }

    fn limits_of(&mut self, session: SessionId, now: u64) -> &mut SessionLimits {
        self.limits.entry(session).or_insert_with(|| SessionLimits::full(now))
    }

    /// What has to be looked for in the store before this becomes part of a turn. What is refused for its rate is not
    /// looked for.
    pub fn asks_past(
        &mut self,
        chat: &mut State,
        connection: ConnectionId,
        command: &Command,
    ) -> Option<Sought> {
        let (id, redacts) = match command {
            Command::Ask(Some(id), Ask::Say(..)) => (Some(id), None),
            Command::Ask(_, Ask::Action(action)) => (None, Some(State::redacts(action)?)),
            _ => return None,
        };
        let state = self.connections.get(&connection).filter(|state| state.owes == 0 && !state.closing)?;
        let session = state.session?;
        if id.is_some_and(|id| !chat.asks_past(session, id)) {
            return None;
        }
        let (rates, now) = (Rates::of(chat.rules()), self.now);
        let is_too_fast = self.limits.get(&session).is_some_and(|limits| {
            let mut buckets = limits.buckets;
            buckets.request(rates, 1, now).is_err()
        });
        let sought = id.map(|id| Sought::Sent(session, id.clone())).or(redacts.map(Sought::Message));
        sought.filter(|_| !is_too_fast)
    }

    /// Takes what a message costs: of the users to whom the session may write first, and of the bytes that its user, or
    /// the network of a name without an owner, may have stored. Nothing that is not stored is refused for it: neither a
    /// resend nor what the state refuses.
    pub(super) fn charge(
        &mut self,
        chat: &mut State,
        (peer, session): (Peer, SessionId),
        id: Option<&RequestId>,
        (target, json): (&Target, &str),
        past: Past,
    ) -> Answer<Charge> {
        let now = self.now;
        let mut charge = Charge { stored: None, stranger: Stranger::No, pair: None, unpaid: None };
        if let Target::User(to) = target
            && let Some((mine, theirs, is_known)) = chat.pair(session, to)
        {
            charge.pair = Some((mine, theirs));
            if !is_known && self.gathering.are_met(mine, theirs) {
                charge.stranger = Stranger::Met;
            } else if !is_known {
                let rates = Rates::of(chat.rules());
                match self.limits_of(session, now).buckets.stranger(rates, now) {
                    Ok(()) => {
                        charge.stranger = Stranger::Yes;
                        self.gathering.meet(mine, theirs);
                    }
                    Err(wait) => {
                        let unpaid = Unpaid::Stranger(wait);
                        if chat.would_keep(session, id, target, past) {
                            return Err(unpaid.refusal());
                        }
                        charge.unpaid = (past == Past::Absent).then_some(unpaid);
                        return Ok(charge);
                    }
                }
            }
        }
        let Some((name, by)) = chat.quota_owner_of(session, peer.address) else { return Ok(charge) };
        let bytes = stored_bytes(name, id, target, json);
        match self.quotas.stores(by, chat.rules().network_stored, bytes, now) {
            Ok(()) => charge.stored = Some((by, bytes)),
            Err(wait) => {
                let unpaid = Unpaid::Stored(by, wait);
                if chat.would_keep(session, id, target, past) {
                    self.refund(chat, session, charge);
                    return Err(unpaid.refusal());
                }
                charge.unpaid = (past == Past::Absent).then_some(unpaid);
            }
        }
        Ok(charge)
    }

    /// The message is not stored after all.
    pub(super) fn refund(&mut self, chat: &State, session: SessionId, charge: Charge) {
        let now = self.now;
        if let Some((by, bytes)) = charge.stored {
            self.quotas.stores_not(by, chat.rules().network_stored, bytes, now);
        }
        if charge.stranger == Stranger::Yes {
            // The session may have ended in this turn: nothing is left of it.
            if let Some(limits) = self.limits.get_mut(&session) {
                limits.buckets.is_no_stranger();
            }
            charge.pair.into_iter().for_each(|(mine, theirs)| self.gathering.part(mine, theirs));
        }
    }

    /// A direct message will be kept: who was a stranger to its author waits for an answer now, and whoever it answers
    /// has written to one stranger fewer.
    pub(super) fn note_direct(&mut self, chat: &State, session: SessionId, charge: Charge) {
        let Some((mine, theirs)) = charge.pair else { return };
        // Of the two's messages in this turn, the first one that is kept pays.
        let pays_now = charge.stranger == Stranger::Met && !self.gathering.are_met(mine, theirs);
        if pays_now {
            let (rates, now) = (Rates::of(chat.rules()), self.now);
            let _ = self.limits_of(session, now).buckets.stranger(rates, now);
            self.gathering.meet(mine, theirs);
        }
        if pays_now || charge.stranger == Stranger::Yes {
            self.limits_of(session, self.now).waits_for(theirs);
        }
        for other in chat.sessions_of(theirs) {
            if let Some(limits) = self.limits.get_mut(other)
                && limits.unanswered.remove(&mine)
            {
                limits.buckets.is_no_stranger();
            }
        }
    }

    /// What it costs to apply what happened on a connection, as compared with other things: as many as a request counts
    /// lines. What is only gathered costs nothing.
    #[must_use]
    pub fn weight(&self, chat: &State, connection: ConnectionId, command: &Command) -> usize {
        match command {
            Command::Ask(_, Ask::Say(..)) | Command::Read(_) | Command::Refused(_) => 0,
            Command::Ask(_, ask) => lines(chat, self.session_at(connection), ask) as usize,
            Command::Open(_) | Command::Lost => 1,
        }
    }

    /// A request that only counts, as so many lines.
    pub(super) fn count(
        &mut self,
        chat: &mut State,
        connection: ConnectionId,
        session: Option<SessionId>,
        lines: u32,
    ) {
        let (rates, now) = (Rates::of(chat.rules()), self.now);
        let Self { connections, limits, .. } = self;
        let Some(state) = connections.get_mut(&connection) else { return };
        let buckets = match session {
            Some(session) => &mut limits.entry(session).or_insert_with(|| SessionLimits::full(now)).buckets,
            None => &mut state.buckets,
        };
        if buckets.request(rates, lines, now).is_err() {
            self.effects.push(Effect::Slow(connection, LINE_MS * u64::from(lines)));
        }
    }

    /// What a read of the connection has brought, in bytes.
    pub(super) fn weigh(&mut self, chat: &mut State, connection: ConnectionId, bytes: usize) {
        let (rates, now) = (Rates::of(chat.rules()), self.now);
        let Self { connections, limits, quotas, .. } = self;
        let Some(state) = connections.get_mut(&connection) else { return };
        let buckets = match state.session {
            Some(session) => &mut limits.entry(session).or_insert_with(|| SessionLimits::full(now)).buckets,
            None => &mut state.buckets,
        };
        let read = buckets.read(rates, bytes, now);
        let sent = quotas.sends(state.address, chat.rules().network_flow, bytes, now);
        state.owes = read.err().max(sent.err()).unwrap_or(0);
        let (Ok(own) | Err(own)) = read;
        let (Ok(all) | Err(all)) = sent;
        let wait = own.max(all);
        if wait > 0 {
            self.effects.push(Effect::Slow(connection, wait.min(SLOWEST_MS)));
        }
    }

    /// May the session's user moderate once more? Operators may always; and where requests have no limit, nor
    /// has this.
    pub(super) fn pass_action(
        &mut self,
        chat: &State,
        connection: ConnectionId,
        session: SessionId,
    ) -> Answer {
        if chat.rules().rate.per_second == 0 {
            return Ok(());
        }
        let address = self.address(connection).unwrap_or(IpAddr::from([0; 4]));
        let Some((_, by)) = chat.quota_owner_of(session, address) else { return Ok(()) };
        self.quotas.acts(by, self.now).map_err(|wait| {
            let seconds = wait.div_ceil(1_000);
            too_fast(wait, format!("too much order for a minute: wait {seconds} s and send it again"))
        })
    }
}

/// What a message takes of the store, about, in bytes.
fn stored_bytes(name: &Name, id: Option<&RequestId>, target: &Target, json: &str) -> usize {
    let place = match target {
        Target::Room(Place(Some(name))) | Target::User(Place(Some(name))) => name.as_str().len(),
        _ => 0,
    };
    let id = match id {
        Some(RequestId::Text(id)) => id.len(),
        _ => 0,
    };
    // The author stands in the search index, too; an id is filed by number and by session.
    json.len() + 3 * name.as_str().len() + place + 2 * id + AROUND_BYTES
}

/// As how many lines a request counts: what names many rooms, or is answered by a long list, is
/// many.
pub(super) fn lines(chat: &State, session: Option<SessionId>, ask: &Ask) -> u32 {
    let more = match ask {
        Ask::Login { login, .. } => login.rooms.as_ref().map_or(0, Vec::len),
        Ask::Query(Query::Who(_)) => chat.user_count().min(WHO_MEMBERS) / LISTED_A_LINE,
        Ask::Query(Query::Rooms) => chat.room_count() / LISTED_A_LINE,
        // It names all of its user's direct messages.
        Ask::Query(Query::Search(search)) if search.room.is_none() => {
            session.map_or(0, |session| chat.direct_count(session)) / LISTED_A_LINE
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
