//! Owns the rate limits: every line and every byte counts for its session, or for its connection if it has no session
//! yet. Called for each read and each request. Never refuses LOGIN, PING or QUIT, or a line that is not a request:
//! they count too, but only delay the next read, so that refusing a flood costs almost nothing.

use super::admit::Sender;
use super::ask::Ask;
use super::quotas::{Rates, SessionLimits};
use super::{Answer, Command, Edge, Effect};
use std::net::IpAddr;
use tcp_chat_protocol::{ErrorKind, Refusal};
use tcp_chat_state::{ConnectionId, Query, SessionId, Sought, State, WHO_MEMBERS};

/// The delay of the next read for one line above the rate, in milliseconds.
const LINE_MS: u64 = 1;
/// Members or rooms in a reply that cost as much as one line.
const LISTED_A_LINE: usize = 100;
/// The longest delay of the next read because of sent bytes, in milliseconds.
pub const SLOWEST_MS: u64 = 1_000;

impl Edge {
    /// Charges a request as so many lines. It is refused if the lines or the bytes exceed the limits.
    pub(super) fn charge_request(
        &mut self,
        state: &State,
        sender: Sender,
        session: SessionId,
        lines: u32,
    ) -> Answer {
        let Sender { connection, refused_for_ms, .. } = sender;
        if refused_for_ms > 0 {
            return Err(too_fast(
                refused_for_ms,
                format!("too much: wait {refused_for_ms} ms and send it again"),
            ));
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

    pub(super) fn limits_of(&mut self, session: SessionId, now: u64) -> &mut SessionLimits {
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
        let entry = self
            .connections
            .get(&connection)
            .filter(|entry| entry.refused_for_ms == 0 && !entry.is_closing)?;
        let session = entry.session?;
        // Other turns may come before this one, and an id can leave the window with them.
        let ahead = if self.flights.is_log { u64::MAX } else { 0 };
        if id.is_some_and(|id| !state.asks_past(session, id, ahead)) {
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
    pub(super) fn charge_bytes(&mut self, state: &State, connection: ConnectionId, bytes: usize) {
        let (rates, now) = (Rates::of(state.rules()), self.now);
        let Self { connections, limits, quotas, .. } = self;
        let Some(entry) = connections.get_mut(&connection) else { return };
        let buckets = match entry.session {
            Some(session) => &mut limits.entry(session).or_insert_with(|| SessionLimits::full(now)).buckets,
            None => &mut entry.buckets,
        };
        let read = buckets.read(rates, bytes, now);
        let sent = quotas.sends(entry.address, state.rules().network_flow, bytes, now);
        entry.refused_for_ms = read.err().max(sent.err()).unwrap_or(0);
        let (Ok(own) | Err(own)) = read;
        let (Ok(all) | Err(all)) = sent;
        let wait = own.max(all);
        if wait > 0 {
            self.effects.push(Effect::Slow(connection, wait.min(SLOWEST_MS)));
        }
    }

    /// May the session's user moderate once more? Operators always may. Without a limit of requests there is none
    /// here.
    pub(super) fn charge_action(
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
            too_fast(wait, format!("too many moderation actions: wait {seconds} s and send it again"))
        })
    }
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

/// The refusal of a request that comes too soon: the client waits so many milliseconds.
pub(super) fn too_fast(wait: u64, msg: String) -> Refusal {
    let mut refusal = Refusal::new(ErrorKind::RateLimited, msg);
    refusal.retry_after_ms = Some(wait);
    refusal
}
