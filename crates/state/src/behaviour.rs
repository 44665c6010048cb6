//! Owns what tells whether two nodes do the same with a turn: the behaviours that this version can follow, and the digest of a
//! turn's writes. Called by the order of a cluster, which compares the digests of its nodes, and by the tests that states stay
//! equal.
//! Never decides which of two nodes is right.

use super::{State, Writes};
use aws_lc_rs::digest::{Context, SHA256};
use postcard::ser_flavors::Flavor;

/// The number of the newest behaviour: which writes follow from a turn. A change after which any turn has other writes needs a
/// new number. The test `tests/states/recorded.rs` of the daemon notices such a change, and CONTRIBUTING.md says how to make one.
pub const BEHAVIOUR: u16 = 1;

/// The oldest behaviour that this version can follow: that of the release before, so that nodes of both versions can be in
/// one cluster during an upgrade.
const OLDEST: u16 = 1;

/// The behaviour of the version after this one, as the tests imagine it: a topic gets [`NEXT_TOPIC`] at its end.
#[cfg(any(test, feature = "next-behaviour"))]
pub(crate) const NEXT: Behaviour = Behaviour(BEHAVIOUR + 1);
/// The end of each topic that is set while [`NEXT`] is in force.
#[cfg(any(test, feature = "next-behaviour"))]
pub(crate) const NEXT_TOPIC: &str = " (next)";

/// The rules by which a turn is applied, as their number. All nodes of a cluster follow the same behaviour at each entry of the
/// log, even if their versions differ. Code whose rules changed asks [`State::behaviour`] whether the new ones are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Behaviour(pub u16);

impl Behaviour {
    /// The oldest that this version can follow.
    pub const OLDEST: Self = Self(OLDEST);
    /// The newest that this version can follow. A lone daemon follows it.
    pub const NEWEST: Self = Self(if cfg!(feature = "next-behaviour") { BEHAVIOUR + 1 } else { BEHAVIOUR });
}

impl State {
    /// The behaviour in force. What is proposed must follow it, too: an older version reads an intent that it does not know as
    /// nothing.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        self.behaviour
    }

    /// Sets the behaviour in force at the next turn. The caller takes it from the order. Without a call it is the newest.
    pub fn follow(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
    }
}

/// The bytes that are gathered before they are hashed: most fields have only a few.
const GATHERED: usize = 512;

impl Writes {
    /// SHA-256 of the writes of one turn, in the form in which postcard writes them. All nodes that apply the turn have the
    /// same digest. Every field counts, except those with `#[serde(skip)]`. Call it before the writes are committed, because
    /// the store takes parts out of them.
    ///
    /// A new field goes to the end and is skipped while it is empty (`skip_serializing_if`). So turns that do not use it
    /// keep their digest.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let hasher = Hasher { context: Context::new(&SHA256), gathered: [0; GATHERED], used: 0 };
        // Only a list whose length is not known in advance cannot be written; there is none.
        postcard::serialize_with_flavor(self, hasher).unwrap_or_default()
    }
}

/// Hashes what postcard writes. It never holds more than [`GATHERED`] bytes.
struct Hasher {
    context: Context,
    gathered: [u8; GATHERED],
    used: usize,
}

impl Hasher {
    fn flush(&mut self) {
        self.context.update(self.gathered.get(..self.used).unwrap_or_default());
        self.used = 0;
    }
}

impl Flavor for Hasher {
    type Output = [u8; 32];

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.used + bytes.len() > GATHERED {
            self.flush();
        }
        match self.gathered.get_mut(self.used..self.used + bytes.len()) {
            Some(free) => {
                free.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            None => self.context.update(bytes),
        }
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<[u8; 32]> {
        self.flush();
        self.context.finish().as_ref().first_chunk().copied().ok_or(postcard::Error::SerializeBufferFull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chunk, ConversationId, UserId};

    fn writes(lines: usize) -> Writes {
        let chunk = Chunk {
            conversation: ConversationId(1),
            first: 1,
            last: 2,
            prev: 0,
            ts: 7,
            lines: vec![b'x'; lines],
            authors: vec![UserId(1); 300],
        };
        Writes { chunks: vec![chunk.clone(), chunk], ..Writes::default() }
    }

    #[test]
    fn a_rule_of_a_newer_behaviour_counts_from_the_turn_on_that_follows_it() {
        use crate::codec::values::rules;
        use crate::{Intent, Past, Snapshot, Turn};
        use tcp_chat_protocol::Action;
        use tcp_chat_protocol::request::Place;
        let set = |topic: &str| {
            let action = Action::Topic { room: Place(rules().default_rooms.pop()), topic: topic.to_owned() };
            let intents = vec![Intent::OperatorAction(0, Box::new(action), Past::Absent)];
            Turn { intents, ..Turn::empty(1) }
        };
        let of = |second: Behaviour| {
            let mut state = State::restore(rules(), Snapshot::default(), 0);
            let intents = vec![Intent::Start(Box::new(rules()))];
            state.apply(Turn { intents, ..Turn::empty(1) }, |_, changes, _| changes.clear());
            state.follow(Behaviour(BEHAVIOUR));
            let first = state.apply(set("one"), |_, changes, _| changes.clear());
            state.follow(second);
            (first.digest(), state.apply(set("two"), |_, changes, _| changes.clear()).digest())
        };
        let (old, new) = (of(Behaviour(BEHAVIOUR)), of(NEXT));
        assert_eq!(old.0, new.0);
        assert_ne!(old.1, new.1);
    }

    #[test]
    fn the_digest_is_that_of_the_whole_form_at_any_length() {
        for lines in [0, 1, GATHERED - 1, GATHERED, GATHERED + 1, 3 * GATHERED, 100_000] {
            let writes = writes(lines);
            let form = postcard::to_allocvec(&writes).unwrap();
            let whole = aws_lc_rs::digest::digest(&SHA256, &form);
            assert_eq!(writes.digest(), whole.as_ref(), "{lines}");
        }
    }
}
