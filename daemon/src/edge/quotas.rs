//! Owns how much each session, user and network may request, send, store and moderate. A limit of a user or a network
//! does not begin again with a new session. Called by [`super::limits`] for each read and each request. Never limits
//! operators, and never writes a refusal.

use crate::rate::{Bucket, Buckets, Limit};
use std::collections::BTreeSet;
use std::net::IpAddr;
use tcp_chat_state::{QuotaOwner, Rules, UserId};

/// Moderation actions of one user. No human reaches this rate. Each action is a line of the audit log, which is kept.
const ACTIONS_A_MINUTE: Limit = Limit { per_second: 30, burst: 300 };

/// In this unit of time a limit per second is a limit per minute.
fn minutely(now: u64) -> u64 {
    now / 60
}

/// The limits of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) requests: Limit,
    pub(super) bytes: Limit,
    /// Users per minute to whom a session may write first; 0: no limit.
    pub(super) strangers: u32,
}

impl Rates {
    pub(super) fn of(rules: &Rules) -> Self {
        Self { requests: rules.rate, bytes: rules.flow, strangers: rules.strangers_per_minute }
    }

    fn of_strangers(self) -> Limit {
        let strangers = u64::from(self.strangers);
        Limit { per_second: strangers, burst: strangers }
    }
}

/// The remaining limits of one session, or of a connection without a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionBuckets {
    requests: Bucket,
    bytes: Bucket,
    strangers: Bucket,
}

impl SessionBuckets {
    /// Full limits at the moment `now`, in milliseconds.
    pub(super) fn full(now: u64) -> Self {
        Self { requests: Bucket::full(now), bytes: Bucket::full(now), strangers: Bucket::full(minutely(now)) }
    }

    /// Charges a request that counts as so many lines.
    ///
    /// # Errors
    /// How many milliseconds to wait.
    pub(super) fn request(&mut self, rates: Rates, lines: u32, now: u64) -> Result<(), u64> {
        self.requests.take(rates.requests, lines.into(), now)
    }

    /// Charges the bytes of one read, as [`Bucket::charge`] does.
    ///
    /// # Errors
    /// How many milliseconds an earlier read is still unpaid.
    pub(super) fn read(&mut self, rates: Rates, bytes: usize, now: u64) -> Result<u64, u64> {
        self.bytes.charge(rates.bytes, bytes, now)
    }

    /// Charges one user to whom the session writes first.
    ///
    /// # Errors
    /// How many milliseconds to wait.
    pub(super) fn stranger(&mut self, rates: Rates, now: u64) -> Result<(), u64> {
        self.strangers.take(rates.of_strangers(), 1, minutely(now)).map_err(|wait| wait * 60)
    }

    /// That user has answered, and is no longer a stranger.
    pub(super) fn remove_stranger(&mut self) {
        self.strangers.give_back(1);
    }
}

/// The largest number of users without an answer that are remembered for a session. The default burst is 100.
const UNANSWERED: usize = 1_024;

/// The limits of one session.
#[derive(Debug)]
pub(super) struct SessionLimits {
    pub(super) buckets: SessionBuckets,
    /// The users to whom it wrote first and who have not answered yet.
    pub(super) unanswered: BTreeSet<UserId>,
}

impl SessionLimits {
    pub(super) fn full(now: u64) -> Self {
        Self { buckets: SessionBuckets::full(now), unanswered: BTreeSet::new() }
    }

    /// The session has written first to that user. Beyond [`UNANSWERED`] users the one with the smallest id is
    /// forgotten: an answer of that user refunds nothing.
    pub(super) fn waits_for(&mut self, user: UserId) {
        self.unanswered.insert(user);
        if self.unanswered.len() > UNANSWERED {
            self.unanswered.pop_first();
        }
    }
}

/// The remaining quotas of each user and each network.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    /// Bytes that the sessions of a network send together.
    sent: Buckets<QuotaOwner>,
    /// Bytes of messages that a user has stored, or the names without an owner of a network.
    stored: Buckets<QuotaOwner>,
    actions: Buckets<QuotaOwner>,
}

impl Quotas {
    /// Charges the bytes of one read to its network.
    ///
    /// # Errors
    /// How many milliseconds an earlier read is still unpaid.
    pub(super) fn sends(&mut self, from: IpAddr, limit: Limit, bytes: usize, now: u64) -> Result<u64, u64> {
        let of = |party: QuotaOwner| limit.times(party.times());
        let from = QuotaOwner::at(from);
        self.sent.of(from, of, now).charge(of(from), bytes, now)
    }

    /// Charges the stored bytes of a message. The last message may exceed the remaining quota. The charge is
    /// immediate, so a connection that writes and closes at once has paid.
    ///
    /// # Errors
    /// How many milliseconds to wait: the message must not be stored.
    pub(super) fn stores(&mut self, by: QuotaOwner, limit: Limit, bytes: usize, now: u64) -> Result<(), u64> {
        if limit.per_second == 0 {
            return Ok(());
        }
        let of = |party: QuotaOwner| limit.times(party.times());
        self.stored.of(by, of, now).charge(of(by), bytes, now).map(drop)
    }

    /// Refunds a message that is not stored after all.
    pub(super) fn stores_not(&mut self, by: QuotaOwner, limit: Limit, bytes: usize, now: u64) {
        if limit.per_second > 0 {
            let of = |party: QuotaOwner| limit.times(party.times());
            self.stored.of(by, of, now).give_back(bytes);
        }
    }

    /// Charges one moderation action.
    ///
    /// # Errors
    /// How many milliseconds to wait.
    pub(super) fn acts(&mut self, by: QuotaOwner, now: u64) -> Result<(), u64> {
        let of = |party: QuotaOwner| ACTIONS_A_MINUTE.times(party.times());
        self.actions.of(by, of, minutely(now)).take(of(by), 1, minutely(now)).map_err(|wait| wait * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unanswered_strangers_take_bounded_memory() {
        let mut limits = SessionLimits::full(0);
        let last = i64::try_from(3 * UNANSWERED).unwrap();
        (1..=last).for_each(|user| limits.waits_for(UserId(user)));
        assert_eq!(limits.unanswered.len(), UNANSWERED);
        assert!(limits.unanswered.contains(&UserId(last)) && !limits.unanswered.contains(&UserId(1)));
    }

    #[test]
    fn a_network_sends_and_stores_as_one_and_loopback_as_four() {
        let (sent, stored) = (Limit { per_second: 1_000, burst: 10 }, Limit { per_second: 1, burst: 100 });
        let mut quotas = Quotas::default();
        let mut does = |from: &str, read, said| {
            let from = from.parse().unwrap();
            (quotas.sends(from, sent, read, 0), quotas.stores(QuotaOwner::at(from), stored, said, 0))
        };
        assert_eq!(does("2001:db8::1", 10, 100), (Ok(0), Ok(())));
        assert_eq!(does("2001:db8::2", 1, 1), (Ok(1), Ok(())), "the same network, in advance");
        assert_eq!(does("2001:db8::3", 1, 1), (Err(1), Err(1_000)));
        assert_eq!(does("2001:db8:1::1", 10, 100), (Ok(0), Ok(())), "another");
        assert_eq!(does("127.0.0.1", 40, 401), (Ok(0), Ok(())));
        assert_eq!(does("::ffff:127.0.0.1", 1, 4), (Ok(1), Err(250)));
    }

    #[test]
    fn a_network_moderates_as_one_and_loopback_as_four() {
        let mut quotas = Quotas::default();
        let mut taken = |by| (0..2_000).take_while(|_| quotas.acts(by, 0).is_ok()).count();
        let at = |address: &str| QuotaOwner::at(address.parse().unwrap());
        assert_eq!((taken(at("2001:db8::1")), taken(at("2001:db8::2"))), (300, 0));
        assert_eq!((taken(at("2001:db8:1::1")), taken(QuotaOwner::User(UserId(1)))), (300, 300));
        assert_eq!((taken(at("127.0.0.1")), taken(at("::ffff:127.0.0.1"))), (1_200, 0));
    }

    #[test]
    fn strangers_are_counted_by_the_minute_unless_they_answer() {
        let free = Limit { per_second: 0, burst: 1 };
        let rates = Rates { requests: free, bytes: free, strangers: 2 };
        let mut buckets = SessionBuckets::full(0);
        assert_eq!((buckets.stranger(rates, 0), buckets.stranger(rates, 0)), (Ok(()), Ok(())));
        assert_eq!(buckets.stranger(rates, 0), Err(30_000));
        assert_eq!(buckets.stranger(rates, 30_000), Ok(()));
        buckets.remove_stranger();
        assert_eq!(buckets.stranger(rates, 30_000), Ok(()));
    }
}
