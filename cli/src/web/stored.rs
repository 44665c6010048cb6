//! Owns the state file of the relay: its port, so that open tabs find the next process at the same address, the tabs with a
//! bearer, and the last chosen server. Called by `host`. Only the user can read the file (0600). It is locked: a second
//! relay for the same server gets another port and stores nothing. Never holds a bearer or a ticket, only digests.

use crate::output::say;
use crate::state::State;
use crate::web::access::Tab;
use serde::{Deserialize, Serialize};

/// The content of the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// The port of the last process.
    pub(crate) port: u16,
    /// The last SERVER line that was chosen on the page, for a command line without one.
    pub(crate) server: Option<String>,
    /// The tabs.
    pub(crate) tabs: Vec<Tab>,
}

/// The state file and its content.
#[derive(Debug)]
pub(crate) struct StateFile {
    state: Option<State>,
    stored: Stored,
}

impl StateFile {
    /// Opens the file for the server of the command line (`host:port`), or for none.
    pub(crate) fn open(server: Option<String>) -> Self {
        let state = State::claim("web", &server.unwrap_or_default(), "").unwrap_or_else(|e| {
            say(&format!("* open tabs cannot continue with the next run of this program: {e}"));
            None
        });
        let stored = state.as_ref().and_then(State::load).unwrap_or_default();
        Self { state, stored }
    }

    pub(crate) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Changes the content, and writes the file if it differs.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut Stored)) {
        let mut stored = self.stored.clone();
        change(&mut stored);
        if stored == self.stored {
            return;
        }
        self.stored = stored;
        if let Some(state) = &self.state
            && let Err(e) = state.save(&self.stored)
        {
            say(&format!("* open tabs cannot continue with the next run of this program: {e}"));
            self.state = None;
        }
    }
}
