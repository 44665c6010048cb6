//! Owns the form of an entry: a fixed header in the clear, and a sealed body. The reader and the proposer call it. Never
//! interprets a body, and never decides whether an entry counts.
//!
//! | bytes | field |
//! | --- | --- |
//! | 0..4 | magic, `TCTL` |
//! | 4 | format: 1 |
//! | 5 | [`Kind`] |
//! | 6..8 | behaviour: the rules by which the proposer made the entry |
//! | 8..24 | [`Generation`]: number, tag |
//! | 24..28 | [`NodeId`] of the proposer |
//! | 28..36 | epoch: counts the starts of that node, from 1 |
//! | 36..44 | n: counts the entries of that epoch, from 0 |
//! | 44..84 | [`Claim`]: the position that the proposer had applied, digest of the log, digest of the state |
//! | 84..108 | nonce of the seal |
//! | 108.. | the body, sealed; its last 16 bytes are the tag |
//!
//! Numbers are big-endian. The whole header is authenticated with the body ([`crate::Key`]). The kind is in the header,
//! because a node must understand membership whatever the behaviour of the chat is: the body of a turn belongs to the
//! behaviour, the bodies of the other kinds belong to the format.

use crate::seal::{NONCE_BYTES, Nonce, TAG_BYTES};
use serde::{Deserialize, Serialize};

const MAGIC: [u8; 4] = *b"TCTL";
/// The format that this version writes, and the only one that it reads.
pub const FORMAT: u8 = 1;
/// Length of the header.
pub const HEADER_BYTES: usize = 108;
/// The longest entry: half of the largest message that NATS accepts by default.
pub const ENTRY_BYTES: usize = 512 * 1024;
/// The longest body.
pub const BODY_BYTES: usize = ENTRY_BYTES - HEADER_BYTES - TAG_BYTES;

/// A node of the cluster. Nodes are told apart by it alone; their names are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// One life of the whole log. A log that lost entries ends, and the next generation starts from the store of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// Grows with each generation. An entry of a lower number never replaces the present generation.
    pub number: u64,
    /// Random. It tells two generations apart that were made from different stores with the same number.
    pub tag: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A turn of the chat. This crate does not read its body.
    Turn,
    /// The first entry of a generation, and the start of its founder.
    Genesis,
    /// The start of a node: the first entry of an epoch.
    NodeUp,
    /// Closes an epoch of any node.
    NodeGone,
    /// Raises the behaviour of all nodes.
    Raise,
}

impl Kind {
    /// Every kind, with the byte that stands for it. Bytes are only appended.
    const ALL: [(u8, Self); 5] =
        [(0, Self::Turn), (1, Self::Genesis), (2, Self::NodeUp), (3, Self::NodeGone), (4, Self::Raise)];

    fn byte(self) -> u8 {
        match self {
            Self::Turn => 0,
            Self::Genesis => 1,
            Self::NodeUp => 2,
            Self::NodeGone => 3,
            Self::Raise => 4,
        }
    }

    fn parse(byte: u8) -> Option<Self> {
        Self::ALL.iter().find(|(b, _)| *b == byte).map(|(_, kind)| *kind)
    }

    /// Does an entry of this kind begin an epoch? Then its `n` is 0, and that of no other kind is.
    #[must_use]
    pub fn begins_an_epoch(self) -> bool {
        matches!(self, Self::Genesis | Self::NodeUp)
    }
}

/// A digest of everything up to a position. Two halves, because they ask for different answers: a node whose state
/// differs takes the state of another one, but where the logs differ, the log itself has forgotten something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Digest {
    /// Of the entries that counted, with their positions.
    pub log: [u8; 16],
    /// Of what they did to the state.
    pub state: [u8; 16],
}

/// What the proposer of an entry had applied when it made the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The stream's sequence of the last entry that counted; 0 before the first.
    pub applied: u64,
    /// The digest after it.
    pub digest: Digest,
}

/// The header of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// What the entry is.
    pub kind: Kind,
    /// The rules by which the proposer made the entry. They say how the body of a turn is encoded.
    pub behaviour: u16,
    /// The life of the log that it belongs to.
    pub generation: Generation,
    /// The proposer.
    pub node: NodeId,
    /// The start of the proposer, from 1.
    pub epoch: u64,
    /// The number of the entry within the epoch: 0 begins it.
    pub n: u64,
    /// What the proposer had applied.
    pub claim: Claim,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than a header and a tag, or longer than [`ENTRY_BYTES`].
    #[error("{0} bytes cannot be an entry")]
    Length(usize),
    /// It does not begin as an entry does.
    #[error("not an entry of a turn log")]
    Magic,
    /// Of a format that this version does not know. An authentic one can only follow a raise of the behaviour, and that
    /// raise has already stopped this version ([`crate::Halt::TooOld`]).
    #[error("format {0} is not known")]
    Format(u8),
    /// A kind that the format does not have.
    #[error("kind {0} is not known")]
    Kind(u8),
    /// An epoch or an n that the kind cannot have.
    #[error("a {kind:?} cannot be entry {n} of epoch {epoch}")]
    Place {
        /// The kind.
        kind: Kind,
        /// The epoch.
        epoch: u64,
        /// The number within it.
        n: u64,
    },
}

/// An entry whose header is well-formed. Nothing in it is authenticated yet: only [`crate::Key::open`] says whether a
/// holder of the key made it.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    pub(crate) header: Header,
    pub(crate) nonce: Nonce,
    /// The header as it stands in the entry.
    pub(crate) clear: &'a [u8],
    /// Ciphertext and tag.
    pub(crate) body: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the bytes are no entry of this format.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let long = HEADER_BYTES + TAG_BYTES..=ENTRY_BYTES;
        let Some((clear, body)) =
            bytes.split_at_checked(HEADER_BYTES).filter(|_| long.contains(&bytes.len()))
        else {
            return Err(ParseError::Length(bytes.len()));
        };
        let mut fields = Fields(clear);
        if fields.take() != MAGIC {
            return Err(ParseError::Magic);
        }
        let [format, kind] = fields.take();
        if format != FORMAT {
            return Err(ParseError::Format(format));
        }
        let header = Header {
            kind: Kind::parse(kind).ok_or(ParseError::Kind(kind))?,
            behaviour: u16::from_be_bytes(fields.take()),
            generation: Generation { number: fields.number(), tag: fields.number() },
            node: NodeId(u32::from_be_bytes(fields.take())),
            epoch: fields.number(),
            n: fields.number(),
            claim: Claim {
                applied: fields.number(),
                digest: Digest { log: fields.take(), state: fields.take() },
            },
        };
        header.check()?;
        Ok(Self { header, nonce: fields.take::<NONCE_BYTES>(), clear, body })
    }

    /// What the header says. Anyone can have written it.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl Header {
    /// Is the place one that the kind can have?
    fn check(&self) -> Result<(), ParseError> {
        let Self { kind, epoch, n, .. } = *self;
        let is_first = kind.begins_an_epoch();
        if epoch == 0 || is_first != (n == 0) || (kind == Kind::Genesis && epoch != 1) {
            return Err(ParseError::Place { kind, epoch, n });
        }
        Ok(())
    }

    /// Appends the header to an entry.
    ///
    /// # Errors
    /// If the kind cannot stand at this place.
    pub(crate) fn write(&self, nonce: &Nonce, entry: &mut Vec<u8>) -> Result<(), ParseError> {
        self.check()?;
        entry.extend_from_slice(&MAGIC);
        entry.extend_from_slice(&[FORMAT, self.kind.byte()]);
        entry.extend_from_slice(&self.behaviour.to_be_bytes());
        entry.extend_from_slice(&self.generation.number.to_be_bytes());
        entry.extend_from_slice(&self.generation.tag.to_be_bytes());
        entry.extend_from_slice(&self.node.0.to_be_bytes());
        entry.extend_from_slice(&self.epoch.to_be_bytes());
        entry.extend_from_slice(&self.n.to_be_bytes());
        entry.extend_from_slice(&self.claim.applied.to_be_bytes());
        entry.extend_from_slice(&self.claim.digest.log);
        entry.extend_from_slice(&self.claim.digest.state);
        entry.extend_from_slice(nonce);
        Ok(())
    }
}

/// Takes fields from the front of a header.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next bytes. The caller has checked the length of the header; past its end there are only zeros.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else {
            return [0; N];
        };
        self.0 = rest;
        *field
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}

#[cfg(test)]
mod tests;
