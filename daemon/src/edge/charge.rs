//! Owns the quotas that a message uses: bytes to store, and first direct messages to other users. They are charged when
//! the message is admitted, and refunded if it is not kept. Called by the edge. Never decides whether it is kept.

use super::admit::Sender;
use super::limits::too_fast;
use super::quotas::Rates;
use super::{Answer, Edge};
use tcp_chat_protocol::request::{Place, Target};
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId};
use tcp_chat_state::{Past, QuotaOwner, SessionId, State, UserId};

/// The stored bytes of a message besides its text, its names and its id, about.
const AROUND_BYTES: usize = 150;

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
    /// The token for a first message to a user.
    first: FirstMessage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstMessage {
    /// It needs no token.
    No,
    /// It has used one.
    Paid,
    /// Another message of the two users that is under way has used one. If that one is not kept, this one uses one.
    PaidByOther,
}

/// Which quota was used up, and how many milliseconds to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unpaid {
    FirstMessage(u64),
    Stored(QuotaOwner, u64),
}

impl Unpaid {
    fn refusal(&self) -> Refusal {
        match *self {
            Self::FirstMessage(wait) => {
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
    /// Charges a message: a token for a first message to a user, and bytes of the user's storage quota, or of the
    /// network's for a name without an owner. A message that is not stored is not refused for it: neither a resend nor
    /// a message that the state refuses.
    pub(super) fn charge(
        &mut self,
        state: &State,
        (sender, session): (Sender, SessionId),
        id: Option<&RequestId>,
        (target, json): (&Target, &str),
        past: &Past,
    ) -> Answer<Charge> {
        let now = self.now;
        let mut charge = Charge::default();
        if let Target::User(to) = target
            && let Some((mine, theirs, is_known)) = state.pair(session, to)
        {
            let direct = |first| Some(Box::new(Direct { author: mine, other: theirs, first }));
            if is_known {
                charge.direct = direct(FirstMessage::No);
            } else if self.has_first_direct(mine, theirs) {
                charge.direct = direct(FirstMessage::PaidByOther);
            } else {
                let rates = Rates::of(state.rules());
                match self.limits_of(session, now).buckets.stranger(rates, now) {
                    Ok(()) => {
                        charge.direct = direct(FirstMessage::Paid);
                        self.gathering.flight.first_direct(mine, theirs);
                    }
                    Err(wait) => {
                        charge.direct = direct(FirstMessage::No);
                        let unpaid = Unpaid::FirstMessage(wait);
                        if state.would_keep(session, id, target, past.clone()) {
                            return Err(unpaid.refusal());
                        }
                        charge.unpaid = (*past == Past::Absent).then(|| Box::new(unpaid));
                        return Ok(charge);
                    }
                }
            }
        }
        let Some((name, by)) = state.quota_owner_of(session, sender.address) else { return Ok(charge) };
        let bytes = stored_bytes(name, id, target, json);
        match self.quotas.stores(by, state.rules().network_stored, bytes, now) {
            Ok(()) => charge.stored = Some((by, bytes)),
            Err(wait) => {
                let unpaid = Unpaid::Stored(by, wait);
                if state.would_keep(session, id, target, past.clone()) {
                    self.refund(state, session, &charge);
                    return Err(unpaid.refusal());
                }
                charge.unpaid = (*past == Past::Absent).then(|| Box::new(unpaid));
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
        if let Some(Direct { author, other, first: FirstMessage::Paid }) = charge.direct.as_deref() {
            // The session may have ended in this turn: its limits are gone.
            if let Some(limits) = self.limits.get_mut(&session) {
                limits.buckets.remove_stranger();
            }
            self.cancel_first_direct(*author, *other);
        }
    }

    /// A direct message will be kept. If it is the first one to its recipient, it is unanswered from now on. If it is an
    /// answer, one first message of the other user is answered.
    pub(super) fn note_direct(&mut self, state: &State, session: SessionId, charge: &Charge) {
        let Some(Direct { author: mine, other: theirs, first }) = charge.direct.as_deref() else { return };
        let (mine, theirs, first) = (*mine, *theirs, *first);
        // Of the messages of the two users under way, the first kept one pays.
        let pays_now = first == FirstMessage::PaidByOther && !self.has_first_direct(mine, theirs);
        if pays_now {
            let (rates, now) = (Rates::of(state.rules()), self.now);
            let _ = self.limits_of(session, now).buckets.stranger(rates, now);
            self.flights.current.first_direct(mine, theirs);
        }
        if pays_now || first == FirstMessage::Paid {
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
