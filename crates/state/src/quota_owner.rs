//! Owns the owner of a quota: a registered user, or the network of users without a proven name. Also owns which of
//! them opened which room. Called by the ops and the edge; the store keeps the opener of a room. Never decides the
//! size of a quota.

use super::network::{THIS_HOST_IS, is_this_host, network};
use super::{ConversationId, UserId};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The owner of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum QuotaOwner {
    /// A registered user.
    User(UserId),
    /// All users of a network whose names are not proven.
    Network(IpAddr),
}

impl QuotaOwner {
    /// A registered user, or the users without a proven name in the network of that address.
    #[must_use]
    pub fn of(user: UserId, is_proven: bool, address: IpAddr) -> Self {
        if is_proven { Self::User(user) } else { Self::at(address) }
    }

    /// The users without a proven name in the network of that address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self::Network(network(address))
    }

    /// The number of parties that it counts as: several networks may be behind loopback, through a tunnel.
    #[must_use]
    pub fn times(self) -> u32 {
        match self {
            Self::Network(address) if is_this_host(address) => THIS_HOST_IS,
            Self::User(_) | Self::Network(_) => 1,
        }
    }
}

/// The prefix of a user in the text form, before the number.
const USER: &str = "user:";

impl fmt::Display for QuotaOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(UserId(id)) => write!(f, "{USER}{id}"),
            Self::Network(address) => address.fmt(f),
        }
    }
}

/// The text is neither `user:` and a number nor an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a user nor a network")]
pub struct NotAQuotaOwner;

impl FromStr for QuotaOwner {
    type Err = NotAQuotaOwner;

    fn from_str(text: &str) -> Result<Self, NotAQuotaOwner> {
        match text.strip_prefix(USER) {
            Some(id) => id.parse().map(|id| Self::User(UserId(id))).map_err(|_| NotAQuotaOwner),
            None => text.parse().map(Self::Network).map_err(|_| NotAQuotaOwner),
        }
    }
}

/// The openers of rooms.
#[derive(Debug, Default)]
pub(super) struct RoomOpeners {
    of: HashMap<ConversationId, QuotaOwner>,
    counts: HashMap<QuotaOwner, usize>,
}

impl RoomOpeners {
    /// May the owner have so many more rooms, with a `quota` per party? A quota of 0 is no limit.
    pub(super) fn is_within(&self, by: QuotaOwner, more: usize, quota: usize) -> bool {
        let has = self.counts.get(&by).copied().unwrap_or(0);
        quota == 0 || has + more <= quota.saturating_mul(by.times() as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConversationId, QuotaOwner)> {
        self.of.iter().map(|(room, by)| (*room, *by))
    }

    pub(super) fn add(&mut self, room: ConversationId, by: QuotaOwner) {
        self.remove(room);
        self.of.insert(room, by);
        *self.counts.entry(by).or_default() += 1;
    }

    pub(super) fn remove(&mut self, room: ConversationId) {
        let Some(by) = self.of.remove(&room) else { return };
        if let Some(count) = self.counts.get_mut(&by) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_per_party_and_loopback_has_four() {
        let at = |address: &str| QuotaOwner::at(address.parse().unwrap());
        let user = QuotaOwner::User(UserId(7));
        let mut opened = RoomOpeners::default();
        opened.add(ConversationId(1), at("192.0.2.1"));
        opened.add(ConversationId(2), user);
        assert!(opened.is_within(at("192.0.2.1"), 1, 2) && !opened.is_within(at("192.0.2.1"), 2, 2));
        assert!(
            opened.is_within(user, 1, 2) && !opened.is_within(user, 2, 2) && opened.is_within(user, 9, 0)
        );
        assert!(opened.is_within(at("127.0.0.1"), 8, 2) && !opened.is_within(at("127.0.0.1"), 9, 2));
        opened.remove(ConversationId(1));
        opened.remove(ConversationId(1));
        assert!(opened.is_within(at("192.0.2.1"), 2, 2) && opened.counts.len() == 1);
    }

    #[test]
    fn a_quota_owner_is_parsed_as_it_is_written() {
        for party in [QuotaOwner::User(UserId(12)), QuotaOwner::at([192, 0, 2, 1].into())] {
            assert_eq!(party.to_string().parse(), Ok(party));
        }
        assert_eq!(
            ("user:x".parse::<QuotaOwner>(), "".parse::<QuotaOwner>()),
            (Err(NotAQuotaOwner), Err(NotAQuotaOwner))
        );
    }
}
