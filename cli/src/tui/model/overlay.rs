//! Owns the overlays of the screen: help, lists, search results, the question before a long paste. Part of the
//! model. Never asks the server: `act` does.

use super::item::Item;
use tcp_chat_client::Conversation;
use tcp_chat_client::protocol::Seq;

/// Results that are kept of one search.
pub(crate) const HITS: usize = 500;

/// An overlay.
#[derive(Debug)]
pub(crate) enum Overlay {
    Help {
        scroll: usize,
    },
    /// The answer to `/who` or `/rooms`; lines are neutralised.
    List {
        title: String,
        lines: Vec<String>,
        scroll: usize,
    },
    Search(Search),
    /// A paste of many lines.
    Paste(String),
}

/// A search result.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) place: Conversation,
    pub(crate) title: String,
    pub(crate) seq: Seq,
    pub(crate) item: Item,
    /// The text on one line, in parts, each with whether a word of the search stands there. Neutralised.
    pub(crate) parts: Vec<(String, bool)>,
}

/// A search.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) query: String,
    /// Newest first.
    pub(crate) hits: Vec<Hit>,
    /// The selected one.
    pub(crate) at: usize,
    pub(crate) more: bool,
    pub(crate) loading: bool,
    /// The messages that the search did not cover: after the first number, up to the second one.
    pub(crate) not_indexed: Option<(Seq, Seq)>,
}

impl Overlay {
    /// Moves by this many lines.
    pub(crate) fn scroll(&mut self, by: isize) {
        match self {
            Self::Help { scroll } => *scroll = moved(*scroll, by, usize::MAX),
            Self::List { scroll, lines, .. } => *scroll = moved(*scroll, by, lines.len().saturating_sub(1)),
            Self::Search(search) => search.at = moved(search.at, by, search.hits.len().saturating_sub(1)),
            Self::Paste(_) => {}
        }
    }
}

fn moved(at: usize, by: isize, most: usize) -> usize {
    at.saturating_add_signed(by).min(most)
}
