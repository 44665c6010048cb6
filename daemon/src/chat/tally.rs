//! Owns what the chat counts as it goes: plain numbers, taken by the hub after each turn. The chat adds
//! where it refuses and resumes. Never knows what becomes of them.

use super::Chat;
use tcp_chat_protocol::ErrorKind;

/// How an attempt to go on with a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// It was away, and goes on.
    Resumed,
    /// It was taken over from a connection that still looked alive.
    TakenOver,
    /// There is no such session any more.
    Expired,
    /// It is there, and whoever asked may not have it.
    Refused,
}

impl ResumeOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Resumed, Self::TakenOver, Self::Expired, Self::Refused];

    /// The word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::TakenOver => "taken_over",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }
}

/// What happened since it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    refusals: [u64; ErrorKind::ALL.len()],
    /// Logins that began a session.
    pub logins: u64,
    /// Attempts to go on with a session: how each ended, and for how long it had been away, in
    /// milliseconds.
    pub resumes: Vec<(ResumeOutcome, u64)>,
    any: bool,
}

impl Tally {
    pub(super) fn refused(&mut self, kind: ErrorKind) {
        self.any = true;
        if let Some(at) = ErrorKind::ALL.iter().position(|known| *known == kind) {
            self.refusals[at] += 1;
        }
    }

    pub(super) fn logged_in(&mut self) {
        self.any = true;
        self.logins += 1;
    }

    pub(super) fn resume(&mut self, outcome: ResumeOutcome, away_ms: u64) {
        self.any = true;
        self.resumes.push((outcome, away_ms));
    }

    /// How many requests were refused, by kind; without those of which there were none.
    pub fn refusals(&self) -> impl Iterator<Item = (ErrorKind, u64)> {
        ErrorKind::ALL.into_iter().zip(self.refusals).filter(|(_, count)| *count > 0)
    }
}

impl Chat {
    /// What happened since it was last asked; `None`: nothing that is counted.
    pub fn take_tally(&mut self) -> Option<Tally> {
        self.tally.any.then(|| std::mem::take(&mut self.tally))
    }
}
