//! Owns what tells whether two nodes do the same with a turn: the number of the behaviour, and the digest of a turn's writes.
//! Called by the order of a cluster, which compares the digests of its nodes, and by the tests that states stay equal.
//! Never decides which of two nodes is right.

use super::Writes;
use aws_lc_rs::digest::{Context, SHA256};
use postcard::ser_flavors::Flavor;

/// The number of the behaviour: which writes follow from a turn. Nodes of one cluster apply turns by the same behaviour,
/// even if their versions differ. A change after which any turn has other writes needs a new number, and the old
/// behaviour stays in the code for one release. The test `tests/states/recorded.rs` of the daemon notices such a change.
pub const BEHAVIOUR: u16 = 1;

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
    fn the_digest_is_that_of_the_whole_form_at_any_length() {
        for lines in [0, 1, GATHERED - 1, GATHERED, GATHERED + 1, 3 * GATHERED, 100_000] {
            let writes = writes(lines);
            let form = postcard::to_allocvec(&writes).unwrap();
            let whole = aws_lc_rs::digest::digest(&SHA256, &form);
            assert_eq!(writes.digest(), whole.as_ref(), "{lines}");
        }
    }
}
