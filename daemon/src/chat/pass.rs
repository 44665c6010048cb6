//! Owns who is too fast: every line and every byte counts against its session, or its connection
//! where there is none yet. Called for each. Never refuses what keeps a connection in order (LOGIN,
//! PING, QUIT) or what was no request: those count too, and cost only that the peer is read more
//! slowly, so that refusing a flood costs next to nothing.

use super::lookups::WHO_MEMBERS;
use super::party::Party;
use super::{Answer, Ask, Caller, Chat, ConnectionId, Effect, Refusal, SessionId, UserId, refusal};
use tcp_chat_protocol::request::{Place, Target};
use tcp_chat_protocol::{ErrorKind, RequestId};

/// For how long a line too many keeps its peer from being read, in milliseconds.
const LINE_MS: u64 = 1;
/// What is stored of a message beside its text, its names and its id, in bytes, about.
const AROUND_BYTES: usize = 150;
/// Members or rooms that a reply lists for the price of a line.
const LISTED_A_LINE: usize = 100;
/// The longest that a peer is not read because of what it has sent, in milliseconds.
pub const SLOWEST_MS: u64 = 1_000;

impl Chat {
    /// A request that counts as so many lines, and is refused where there are too many, or too many
    /// bytes: then it `owes` that many milliseconds.
    pub(super) fn pass_rate(&mut self, caller: Caller<'_>, owes: u64, lines: u32) -> Answer {
        let (rates, now) = (self.rules.rates(), self.turn.now.mono);
        if owes > 0 {
            return Err(too_fast(owes, format!("too much: wait {owes} ms and send it again")));
        }
        let Some(session) = self.sessions.get_mut(caller.session) else { return Ok(()) };
        session.buckets.request(rates, lines, now).map_err(|wait| {
            self.turn.effects.push(Effect::Slow(caller.connection, LINE_MS));
            too_fast(wait, format!("too fast: wait {wait} ms and send it again"))
        })
    }

    /// What will be stored counts against what its user, or the network of a name without an owner, may have stored.
    pub(super) fn pass_stored(&mut self, caller: Caller<'_>, target: &Target, json: &str) -> Answer {
        let Some(session) = self.sessions.get(caller.session) else { return Ok(()) };
        let by = Party::of(session.row.user, session.proven, self.address_of(caller.connection));
        let name = session.row.name.as_str().len();
        let place = match target {
            Target::Room(Place(Some(name))) | Target::User(Place(Some(name))) => name.as_str().len(),
            _ => 0,
        };
        let id = match caller.id {
            Some(RequestId::Text(id)) => id.len(),
            _ => 0,
        };
        // The author stands in the search index, too; an id is filed by number and by session.
        let bytes = json.len() + 3 * name + place + 2 * id + AROUND_BYTES;
        self.quotas.stores(by, self.rules.network_stored, bytes, self.turn.now.mono).map_err(|wait| {
            let seconds = wait.div_ceil(1_000);
            let msg = match by {
                Party::User(_) => format!("you have stored as much as you may in a day: wait {seconds} s"),
                Party::Network(_) => format!(
                    "your network has stored as much as it may in a day: wait {seconds} s, or log in with a name of your own"
                ),
            };
            too_fast(wait, msg)
        })
    }

    /// A request that only counts, as so many lines.
    pub(super) fn count(&mut self, connection: ConnectionId, lines: u32) {
        let (rates, now) = (self.rules.rates(), self.turn.now.mono);
        let Some(state) = self.connections.get_mut(&connection) else { return };
        let session = state.session.and_then(|session| self.sessions.get_mut(session));
        let buckets = session.map_or(&mut state.buckets, |session| &mut session.buckets);
        if buckets.request(rates, lines, now).is_err() {
            self.turn.effects.push(Effect::Slow(connection, LINE_MS * u64::from(lines)));
        }
    }

    /// What a read of the connection has brought, in bytes.
    pub(super) fn weigh(&mut self, connection: ConnectionId, bytes: usize) {
        let (rates, now) = (self.rules.rates(), self.turn.now.mono);
        let Some(state) = self.connections.get_mut(&connection) else { return };
        let session = state.session.and_then(|session| self.sessions.get_mut(session));
        let buckets = session.map_or(&mut state.buckets, |session| &mut session.buckets);
        let read = buckets.read(rates, bytes, now);
        let sent = self.quotas.sends(state.address, self.rules.network_flow, bytes, now);
        state.owes = read.err().max(sent.err()).unwrap_or(0);
        let (Ok(own) | Err(own)) = read;
        let (Ok(all) | Err(all)) = sent;
        let wait = own.max(all);
        if wait > 0 {
            self.turn.effects.push(Effect::Slow(connection, wait.min(SLOWEST_MS)));
        }
    }

    /// As how many lines a request counts: what names many rooms, or is answered by a long list, is
    /// many.
    pub(super) fn lines(&self, session: Option<SessionId>, ask: &Ask) -> u32 {
        let more = match ask {
            Ask::Login { login, .. } => login.rooms.as_ref().map_or(0, Vec::len),
            Ask::Who(_) => self.sessions.users().len().min(WHO_MEMBERS) / LISTED_A_LINE,
            Ask::Rooms => self.conversations.room_count() / LISTED_A_LINE,
            // It names all of its user's direct messages.
            Ask::Search(search) if search.room.is_none() => self.direct_count(session) / LISTED_A_LINE,
            _ => 0,
        };
        u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn direct_count(&self, session: Option<SessionId>) -> usize {
        let held = session.and_then(|session| self.sessions.get(session));
        held.map_or(0, |held| self.conversations.direct_count(held.row.user))
    }

    /// May the session's user moderate once more? Operators may always; and where requests have no limit, nor
    /// has this.
    pub(super) fn pass_act(&mut self, caller: Caller<'_>) -> Answer {
        if self.rules.rates().requests.per_second == 0 {
            return Ok(());
        }
        let Some(session) = self.sessions.get(caller.session) else { return Ok(()) };
        let who = Party::of(session.row.user, session.proven, self.address_of(caller.connection));
        self.quotas.acts(who, self.turn.now.mono).map_err(|wait| {
            let seconds = wait.div_ceil(1_000);
            too_fast(wait, format!("too much order for a minute: wait {seconds} s and send it again"))
        })
    }

    /// May the session write to this user, who may be one more to whom it writes first?
    pub(super) fn pass_stranger(&mut self, session: SessionId, theirs: UserId) -> Result<Stranger, Refusal> {
        let (rates, now) = (self.rules.rates(), self.turn.now.mono);
        let Some(session) = self.sessions.get_mut(session) else { return Ok(Stranger::No) };
        let mine = session.row.user;
        if mine == theirs || self.conversations.direct(mine, theirs).is_some() {
            return Ok(Stranger::No);
        }
        session.buckets.stranger(rates, now).map(|()| Stranger::Yes).map_err(|wait| {
            let seconds = wait.div_ceil(1_000);
            too_fast(wait, format!("too many who never wrote to you: wait {seconds} s and send it again"))
        })
    }

    /// Nothing was written to that user after all.
    pub(super) fn give_back(&mut self, session: SessionId, stranger: Stranger) {
        if let Some(session) = self.sessions.get_mut(session).filter(|_| stranger == Stranger::Yes) {
            session.buckets.is_no_stranger();
        }
    }
}

/// Was a token taken for a user to whom the session has not written before?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    No,
    Yes,
}

fn too_fast(wait: u64, msg: String) -> Refusal {
    let mut refusal = refusal(ErrorKind::RateLimited, msg);
    refusal.retry_after_ms = Some(wait);
    refusal
}
