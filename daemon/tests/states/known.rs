//! Owns the list of known differences. Each entry says how the harness masks the difference, where its cause is, and
//! which step of issue 16 removes it. Used by the proof and by the fuzz target. Never compares anything itself.

/// A cause by which two states differ although they applied the same turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// If the store cannot be written, the state refuses requests and takes back the turn. Masked: every store can be
    /// written. Cause: `Chat::keeping` and `Chat::not_kept` in `chat/turn.rs`. Step 6: such a node waits.
    DiskDecides,
}

impl Known {
    /// All entries. A repair removes its entry.
    pub(crate) const ALL: [Self; 1] = [Self::DiskDecides];
}

/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
