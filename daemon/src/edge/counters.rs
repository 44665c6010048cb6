//! Owns what is counted of requests: plain numbers, taken by the hub after each turn. The edge adds to them where it
//! answers. Never knows what becomes of them.

use tcp_chat_protocol::ErrorKind;
use tcp_chat_state::ResumeOutcome;

/// What happened since it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    refusals: [u64; ErrorKind::ALL.len()],
    /// Logins that began a session.
    pub logins: u64,
    /// Attempts to go on with a session: how each ended, and for how long it had been away, in
    /// milliseconds.
    pub resumes: Vec<(ResumeOutcome, u64)>,
    any: bool,
}

impl Counters {
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

    /// What was counted since the last call; `None`: nothing.
    pub(super) fn take(&mut self) -> Option<Self> {
        self.any.then(|| std::mem::take(self))
    }

    /// How many requests were refused, by kind; without those of which there were none.
    pub fn refusals(&self) -> impl Iterator<Item = (ErrorKind, u64)> {
        ErrorKind::ALL.into_iter().zip(self.refusals).filter(|(_, count)| *count > 0)
    }
}
