//! Owns the encoded form of a turn, for the log that several daemons share. Called by whatever sends a turn to other
//! nodes or stores it, and by the proof that states stay equal. Never applies a turn, and never asks who has made it:
//! only a member of the cluster can seal an entry of that log.
//!
//! The form is one byte, [`FORMAT`], then the turn as postcard writes it: the fields in their order, without names, and
//! numbers of variable length. A name that is not ASCII carries its keys ([`tcp_chat_protocol::Name::keys_text`]), because
//! nodes may have other Unicode tables. So a new field, a new variant before another one, or another type is another format. The
//! golden bytes in the tests fail then.
//!
//! A decoded turn has at most [`MOST_BYTES`] and [`MOST_INTENTS`]. Each name is a name, each text is one JSON string that is
//! not empty and has no NUL, reasons, durations and topics have their bounds, and a node speaks only for its own connections.
//! The length of a text is not checked here: the policy bounds it, and the reader of the log trusts the members of the
//! cluster.

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod values;

use super::{Intent, NodeId, Op, Turn};
use serde_json::value::RawValue;
use tcp_chat_protocol::request::{Redact, check_action, check_topic};
use tcp_chat_protocol::{Action, text};

/// The format that this version writes, and the only one that it reads.
pub const FORMAT: u8 = 1;
/// The longest encoded turn, in bytes: an entry of the log has 512 KiB, and a KiB of that is for its header and seal. The hub
/// gathers shorter turns. Only a single request or a policy can be longer; it has a turn of its own, which no log takes.
pub const MOST_BYTES: usize = 511 * 1024;
/// The largest number of intents of a decoded turn, so that a short entry does not become a large one in memory: `Seal` is
/// one byte. The hub gathers fewer.
pub const MOST_INTENTS: usize = 16 * 1024;

/// Why a turn was not encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is too long for one entry of the log.
    #[error("the turn has {0} bytes, and an entry of the log takes {MOST_BYTES}")]
    TooLong(usize),
    /// The encoder has refused it.
    #[error("the turn cannot be encoded: {0}")]
    Form(postcard::Error),
}

/// Why bytes are no turn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They are longer than any turn.
    #[error("{0} bytes are no turn: the longest has {MOST_BYTES}")]
    TooLong(usize),
    /// Another version has written them.
    #[error("format {0:?} of a turn is not known: this version reads {FORMAT}")]
    Format(Option<u8>),
    /// They end too early, or a part is not what stands in that place.
    #[error("the bytes are no turn: {0}")]
    Form(postcard::Error),
    /// It has more intents than any turn.
    #[error("{0} intents are no turn: the longest has {MOST_INTENTS}")]
    TooMany(usize),
    /// More bytes follow the turn.
    #[error("{0} bytes follow the turn")]
    Rest(usize),
    /// An intent breaks a rule that its proposer has to check.
    #[error("intent {index} is not valid: {why}")]
    Intent {
        /// Its index.
        index: usize,
        /// The rule that it breaks.
        why: String,
    },
}

impl Turn {
    /// The encoded form.
    ///
    /// # Errors
    /// The turn has more than [`MOST_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let bytes = postcard::to_extend(self, vec![FORMAT]).map_err(EncodeError::Form)?;
        if bytes.len() > MOST_BYTES { Err(EncodeError::TooLong(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads a turn from its encoded form.
    ///
    /// # Errors
    /// The bytes are not a turn of this format, or break its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MOST_BYTES {
            return Err(DecodeError::TooLong(bytes.len()));
        }
        let Some((&FORMAT, body)) = bytes.split_first() else {
            return Err(DecodeError::Format(bytes.first().copied()));
        };
        // The fields before the intents, and the number of intents.
        let (_, _, count) =
            postcard::take_from_bytes::<(NodeId, u64, usize)>(body).map_err(DecodeError::Form)?.0;
        if count > MOST_INTENTS {
            return Err(DecodeError::TooMany(count));
        }
        let (turn, rest): (Self, _) = postcard::take_from_bytes(body).map_err(DecodeError::Form)?;
        if !rest.is_empty() {
            return Err(DecodeError::Rest(rest.len()));
        }
        for (index, intent) in turn.intents.iter().enumerate() {
            check(turn.node, intent).map_err(|why| DecodeError::Intent { index, why })?;
        }
        Ok(turn)
    }
}

fn check(node: NodeId, intent: &Intent) -> Result<(), String> {
    match intent {
        Intent::Request(source, _, op) => {
            check_node(node, source.origin.node)?;
            match op {
                Op::Say(_, json, _) => check_text(json),
                Op::Action(action, _) => check_terms(action),
                _ => Ok(()),
            }
        }
        Intent::OperatorAction(_, action, _) => check_terms(action),
        Intent::Away(origin, _) => check_node(node, origin.node),
        Intent::NodeUp(of) => check_node(node, *of),
        Intent::EvictBanned { who, reason, .. } => {
            check_action(None, who).and_then(|()| check_action(None, reason))
        }
        _ => Ok(()),
    }
}

/// A node knows the connections of its own process, and of no other.
fn check_node(proposer: NodeId, of: NodeId) -> Result<(), String> {
    if proposer == of { Ok(()) } else { Err(format!("node {} speaks for node {}", proposer.0, of.0)) }
}

/// A text becomes a part of a stored line as it is.
fn check_text(json: &str) -> Result<(), String> {
    match serde_json::from_str::<&RawValue>(json) {
        // A string has no line feed and no blank around it.
        Ok(raw) if raw.get() == json && json.starts_with('"') => {}
        _ => return Err("the text is no JSON string".to_owned()),
    }
    let text: String = serde_json::from_str(json).map_err(|why| why.to_string())?;
    // The policy bounds its length.
    text::check(&text, usize::MAX).map_err(|why| why.to_string())
}

fn check_terms(action: &Action) -> Result<(), String> {
    match action {
        Action::Kick(of) | Action::Mute(of) | Action::Unmute(of) => check_action(of.for_s, &of.reason),
        Action::Ban(of) | Action::Unban(of) => check_action(of.for_s, &of.reason),
        Action::Redact(Redact { reason, .. }) | Action::RedactNumber { reason, .. } => {
            check_action(None, reason)
        }
        Action::Topic { topic, .. } => check_topic(topic),
        Action::Room { .. } | Action::RemoveRoom(_) | Action::Grant { .. } => Ok(()),
    }
}
