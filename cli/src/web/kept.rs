//! Owns what outlives the relay: its port, so that a tab finds it again under the same address, the tabs that were let in,
//! and the server that was chosen last. Called by `host`. The file is for the user alone (0600) and is locked: a second
//! relay for the same server gets another port and stores nothing. Never holds a bearer or a ticket: only digests.

use crate::output::say;
use crate::state::State;
use crate::web::door::Tab;
use serde::{Deserialize, Serialize};

/// What is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The port that was listened at.
    pub(crate) port: u16,
    /// The SERVER line that was chosen on the page last, where the command line has none.
    pub(crate) server: Option<String>,
    /// The tabs.
    pub(crate) tabs: Vec<Tab>,
}

/// The file, and what is in it.
#[derive(Debug)]
pub(crate) struct Keeper {
    state: Option<State>,
    kept: Kept,
}

impl Keeper {
    /// For the server of the command line (`host:port`), or for none.
    pub(crate) fn open(server: Option<String>) -> Self {
        let state = State::claim("web", &server.unwrap_or_default(), "").unwrap_or_else(|e| {
            say(&format!("* tabs will not find this program again after its end: {e}"));
            None
        });
        let kept = state.as_ref().and_then(State::load).unwrap_or_default();
        Self { state, kept }
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Stores what has changed.
    pub(crate) fn keep(&mut self, change: impl FnOnce(&mut Kept)) {
        let mut kept = self.kept.clone();
        change(&mut kept);
        if kept == self.kept {
            return;
        }
        self.kept = kept;
        if let Some(state) = &self.state
            && let Err(e) = state.save(&self.kept)
        {
            say(&format!("* tabs will not find this program again after its end: {e}"));
            self.state = None;
        }
    }
}
