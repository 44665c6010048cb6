//! Owns the counters of requests: plain numbers that the hub takes after each turn. The edge increments them with each
//! answer. Never knows what the hub does with them.

use tcp_chat_protocol::ErrorKind;
use tcp_chat_state::ResumeOutcome;

/// The counters since the last call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    refusals: [u64; ErrorKind::ALL.len()],
    /// Logins that began a session.
    pub logins: u64,
    /// Attempts to resume a session: the result of each, and how long the session had been away, in milliseconds.
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

    /// The counters since the last call; `None`: nothing was counted.
    pub(super) fn take(&mut self) -> Option<Self> {
        self.any.then(|| std::mem::take(self))
    }

    /// How many requests were refused, by kind; kinds without a refusal are left out.
    pub fn refusals(&self) -> impl Iterator<Item = (ErrorKind, u64)> {
        ErrorKind::ALL.into_iter().zip(self.refusals).filter(|(_, count)| *count > 0)
    }
}
