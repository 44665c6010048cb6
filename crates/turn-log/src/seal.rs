//! Owns the key of a cluster and the seal of an entry: XAES-256-GCM, which is AES-256-GCM under a key derived for each
//! nonce. The reader opens with it, the proposer seals with it. Never stores a key, and never decides whether an authentic
//! entry counts.
//!
//! # The nonce
//! AES-GCM has one rule: a nonce must not be used twice under one key for different content. A second use gives away the
//! difference of the two texts, and lets anyone forge. An entry already has a name, `(generation, node, epoch, n)`, and it
//! is tempting as the nonce. It is not safe, because it can come twice with different content:
//!
//! - A node that starts again from an old backup of its store proposes an epoch that it already used. The log refuses the
//!   second `NodeUp`. But the refused entry was sent, and stands in the log beside the first one.
//! - A copied store that runs on a second machine does the same.
//! - An entry that was never published can be withdrawn, and its `n` is then used for another one.
//! - After `reseed` two stores can both believe that they found the next generation.
//!
//! So nothing that is counted or stored enters the nonce: it is 192 random bits, drawn for each seal. 96 bits, the nonce
//! of plain AES-GCM, would be too few to draw at random: one key seals at most 2^32 entries, five months at 300 turns per
//! second. XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>) makes them enough: the first half of the nonce and the key give a
//! derived key (the key derivation of NIST SP 800-108 with AES-CMAC), the second half is the nonce of AES-256-GCM under it.
//! After 2^80 entries the risk of a repetition is 2^-32. It also lifts the bound of 2^32 entries from the life of a key.
//!
//! What remains is the random number generator. A virtual machine that is copied while it runs, memory included, has its
//! generator copied, too. Linux seeds it again when the hypervisor announces the copy (vmgenid). Without that, two copies
//! could draw the same nonce in the moment after the copy: do not run a copied node beside the original.
//!
//! A resend is not a second seal: the proposer keeps the bytes of an entry, and publishes the same bytes again.
//!
//! # What is authenticated
//! The header is associated data. So no field of it can be changed, and no body can be moved under another header. A stored
//! entry can be repeated by anyone who can publish: the place in the epoch makes the repetition void, and the tag of the
//! generation makes entries of another log under the same key void.

use crate::entry::{BODY_BYTES, ENTRY_BYTES, Header, ParseError, Sealed};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce as GcmNonce, UnboundKey};
use aws_lc_rs::{cmac, rand};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Length of a key.
pub const KEY_BYTES: usize = 32;
/// Length of the tag after a body.
pub const TAG_BYTES: usize = 16;
/// Length of a nonce.
pub(crate) const NONCE_BYTES: usize = 24;
/// What the associated data of a message begins with. That of an entry begins with its magic, so neither is ever taken for the
/// other.
const MESSAGE: &[u8] = b"tcp-chat turn-log: message";
/// The random bits of one seal.
pub(crate) type Nonce = [u8; NONCE_BYTES];

/// The key of a cluster. A copy refers to the same key.
#[derive(Clone)]
pub struct Key {
    derive: Arc<cmac::Key>,
    id: KeyId,
}

/// Tells keys apart without revealing them. A store keeps it, so that a node notices a changed key file: with another key
/// every entry of the others would look forged, and the node would apply only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyId(pub [u8; 8]);

/// Why a body cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is longer than [`BODY_BYTES`].
    #[error("a body of {0} bytes is longer than {BODY_BYTES}")]
    TooLong(usize),
    /// The kind cannot stand at the place that the header names.
    #[error(transparent)]
    Header(#[from] ParseError),
    /// The system gave no random bits, or no memory for the cipher.
    #[error("the cipher failed: no random bits, or no memory")]
    Cipher,
}

/// No holder of the key made these bytes: they were forged or altered, or sealed with another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the entry was not sealed with this key, or it was altered")]
pub struct Forged;

impl Key {
    /// Takes the bytes of a key file. The caller wipes its own copy.
    ///
    /// # Errors
    /// If the cipher gets no memory.
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Result<Self, SealError> {
        let derive = cmac::Key::new(cmac::AES_256, bytes).map_err(|_| SealError::Cipher)?;
        // Longer than the blocks of the derivation, so it is no input of one.
        let tag = cmac::sign(&derive, b"tcp-chat turn-log: id of the key").map_err(|_| SealError::Cipher)?;
        let id = tag.as_ref().first_chunk().copied().ok_or(SealError::Cipher)?;
        Ok(Self { derive: Arc::new(derive), id: KeyId(id) })
    }

    /// The id of the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Makes an entry. Each call draws a new nonce, so the same content gives other bytes.
    ///
    /// # Errors
    /// If the body is too long, the header is none, or the cipher fails.
    pub fn seal(&self, header: &Header, body: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| SealError::Cipher)?;
        self.seal_with(&nonce, header, body)
    }

    /// As [`Self::seal`]; the golden bytes need a nonce of their own.
    pub(crate) fn seal_with(
        &self,
        nonce: &Nonce,
        header: &Header,
        body: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        if body.len() > BODY_BYTES {
            return Err(SealError::TooLong(body.len()));
        }
        let mut entry = Vec::with_capacity(ENTRY_BYTES - BODY_BYTES + body.len());
        header.write(nonce, &mut entry)?;
        let clear = entry.len();
        entry.extend_from_slice(body);
        let (aad, text) = entry.split_at_mut(clear);
        let (key, nonce) = self.under(nonce)?;
        let tag =
            key.seal_in_place_separate_tag(nonce, Aad::from(&*aad), text).map_err(|_| SealError::Cipher)?;
        entry.extend_from_slice(tag.as_ref());
        Ok(entry)
    }

    /// The body of an entry.
    ///
    /// # Errors
    /// If no holder of the key made the entry.
    pub fn open(&self, entry: &Sealed<'_>) -> Result<Vec<u8>, Forged> {
        let (key, nonce) = self.under(&entry.nonce).map_err(|_| Forged)?;
        let mut body = entry.body.to_vec();
        let length = key.open_in_place(nonce, Aad::from(entry.clear), &mut body).map_err(|_| Forged)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// Seals a message between two nodes that is no entry of a log. `context` says what it is, and to which question it is
    /// the answer: the other node must give the same bytes to [`Self::open_message`].
    ///
    /// # Errors
    /// If the cipher fails.
    pub fn seal_message(&self, context: &[u8], body: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| SealError::Cipher)?;
        let mut message = Vec::with_capacity(NONCE_BYTES + body.len() + TAG_BYTES);
        message.extend_from_slice(&nonce);
        message.extend_from_slice(body);
        let (key, gcm_nonce) = self.under(&nonce)?;
        let aad = Aad::from([MESSAGE, context].concat());
        let tag = key
            .seal_in_place_separate_tag(gcm_nonce, aad, &mut message[NONCE_BYTES..])
            .map_err(|_| SealError::Cipher)?;
        message.extend_from_slice(tag.as_ref());
        Ok(message)
    }

    /// The body of a message.
    ///
    /// # Errors
    /// If no holder of the key made it, or it belongs to another context.
    pub fn open_message(&self, context: &[u8], message: &[u8]) -> Result<Vec<u8>, Forged> {
        let (nonce, sealed) = message.split_first_chunk::<NONCE_BYTES>().ok_or(Forged)?;
        let (key, nonce) = self.under(nonce).map_err(|_| Forged)?;
        let mut body = sealed.to_vec();
        let aad = Aad::from([MESSAGE, context].concat());
        let length = key.open_in_place(nonce, aad, &mut body).map_err(|_| Forged)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// The derived key and the nonce under it, as XAES-256-GCM defines them.
    fn under(&self, nonce: &Nonce) -> Result<(LessSafeKey, GcmNonce), SealError> {
        let (first, second) = nonce.split_at(NONCE_BYTES / 2);
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        for (counter, half) in (1..).zip(derived.chunks_exact_mut(KEY_BYTES / 2)) {
            let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            block[4..].copy_from_slice(first);
            let tag = cmac::sign(&self.derive, &block).map_err(|_| SealError::Cipher)?;
            half.copy_from_slice(tag.as_ref());
        }
        let key = UnboundKey::new(&AES_256_GCM, &derived[..]).map_err(|_| SealError::Cipher)?;
        let nonce = GcmNonce::try_assume_unique_for_key(second).map_err(|_| SealError::Cipher)?;
        Ok((LessSafeKey::new(key), nonce))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
