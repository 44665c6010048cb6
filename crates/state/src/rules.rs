//! Owns the policy that the state follows: its limits and its configured rooms. The settings of the daemon make it, and
//! every op reads it. It never changes by itself: a reload brings another one. The store keeps it, in the form that
//! [`Rules::encode`] writes.

use super::{Access, Limit};
use serde::{Deserialize, Serialize};
use tcp_chat_protocol::Name;

/// The minimum time that the session of the HTTP endpoint outlives its connection, in milliseconds.
const ENDPOINT_TTL_MS: u64 = 10 * 60 * 1000;

/// The policy that the state follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The rooms of a login that names none; the first takes the bare `MSG`.
    pub default_rooms: Vec<Name>,
    /// The rooms that webhooks may post to.
    pub posted_rooms: Vec<Name>,
    /// The name of the HTTP endpoint's user; `None`: there is no endpoint.
    pub endpoint: Option<Name>,
    /// May users open rooms?
    pub create: bool,
    /// May members set the topic of a room where no user was granted the role of a moderator or an owner?
    pub topic_by_members: bool,
    /// The largest room in which presence is announced, in members.
    pub presence_limit: usize,
    /// How long a session outlives its connection, in milliseconds.
    pub ttl_ms: u64,
    /// The rate limit of a session, in requests.
    pub rate: Limit,
    /// The rate limit of a session, in bytes.
    pub flow: Limit,
    /// Users per minute to whom one session may write first; 0: no limit.
    pub strangers_per_minute: u32,
    /// Errors in a row before a connection is closed; 0: no limit.
    pub errors: u32,
    /// Sessions at once; 0: no limit.
    pub sessions: usize,
    /// Sessions of one registered user at once; 0: no limit.
    pub sessions_per_user: usize,
    /// How long after a message its author may redact it, in milliseconds; 0: never.
    pub redact_ms: u64,
    /// Which users may log in under a name that nobody owns.
    pub access: Access,
    /// Must each login show a certificate?
    pub certificate_required: bool,
    /// Rooms at once; 0: no limit.
    pub rooms: usize,
    /// Rooms that one session may be in; 0: no limit.
    pub rooms_per_session: usize,
    /// Rooms that names without an owner may have opened from one network; 0: no limit.
    pub rooms_per_network: usize,
    /// The rate limit of a network, in bytes.
    pub network_flow: Limit,
    /// The bytes of messages that users without a proven name may store from one network: the burst at once, and the
    /// same again within a day.
    pub network_stored: Limit,
    /// The number of newest messages whose ids are known. Not a setting: see [`super::WINDOW`].
    pub window: u64,
    /// The longest line, for the reply to LOGIN, in bytes.
    pub line_bytes: usize,
    /// The longest text, for the reply to LOGIN, in bytes.
    pub msg_bytes: usize,
}

/// The form in which this version stores a policy, and the only one that it reads.
const FORMAT: u8 = 2;

/// Why bytes are no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// An older version has written them. The policy of a lone daemon is in its settings.
    #[error("format {0} of a policy is older than {FORMAT}, which this version reads")]
    Older(u8),
    /// A later version has written them.
    #[error("format {0:?} of a policy is not known: this version reads {FORMAT}")]
    Format(Option<u8>),
    /// They end too early or too late, or a part is not what stands in that place.
    #[error("the bytes are no policy")]
    Form,
}

impl Rules {
    /// The form in which the store keeps the policy: one byte for the format, then the policy as in an encoded turn.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Only a list whose length is not known in advance cannot be written; there is none.
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }

    /// Reads a policy from its stored form.
    ///
    /// # Errors
    /// The bytes are not a policy of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, RulesError> {
        let body = match bytes.split_first() {
            Some((&FORMAT, body)) => body,
            Some((older @ 1..FORMAT, _)) => return Err(RulesError::Older(*older)),
            _ => return Err(RulesError::Format(bytes.first().copied())),
        };
        match postcard::take_from_bytes(body) {
            Ok((rules, [])) => Ok(rules),
            _ => Err(RulesError::Form),
        }
    }

    /// The rooms that belong to the operator, because the settings name them.
    pub(super) fn configured_rooms(&self) -> impl Iterator<Item = &Name> {
        self.default_rooms.iter().chain(&self.posted_rooms)
    }

    /// How long a session of that name outlives its connection, in milliseconds. The session of the HTTP endpoint
    /// knows its idempotency keys, and must exist after a restart.
    pub(super) fn ttl_of(&self, name: &Name) -> u64 {
        let is_endpoint = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.key() == name.key());
        if is_endpoint { self.ttl_ms.max(ENDPOINT_TTL_MS) } else { self.ttl_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::values::rules;

    /// A store has these bytes. Who changes them raises the format, and still reads the old one.
    #[test]
    fn a_policy_is_stored_in_a_known_form() {
        let stored = rules().encode();
        let digits: String = stored.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            digits,
            "0202056c6f626279036f707301066275696c64730103626f74010064e8070a141e28050607080900000a0b0c323c465080400d0e"
        );
        assert_eq!(Rules::decode(&stored), Ok(rules()));
        assert_eq!(Rules::decode(&[]), Err(RulesError::Format(None)));
        assert_eq!(Rules::decode(&[&[1], &stored[1..]].concat()), Err(RulesError::Older(1)));
        assert_eq!(Rules::decode(&[&[3], &stored[1..]].concat()), Err(RulesError::Format(Some(3))));
        assert_eq!(Rules::decode(&stored[..stored.len() - 1]), Err(RulesError::Form));
        assert_eq!(Rules::decode(&[&stored[..], &[0]].concat()), Err(RulesError::Form));
    }
}
