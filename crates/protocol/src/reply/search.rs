//! Owns the data of the reply to `SEARCH`: the found messages, the places of the words in them, and how far the search
//! reached. The daemon writes it; clients read it and show it. Never searches.

use crate::Seq;
use crate::event::MsgEvent;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The data of the reply to `SEARCH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchReply {
    /// The messages, newest first.
    pub messages: Vec<FoundMessage>,
    /// Whether the search found more messages, with a smaller `seq`.
    pub more: bool,
    /// The search covered all messages up to this `seq`. `None`: the daemon is of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexed: Option<Seq>,
    /// The newest `seq` when the daemon took the request. `None`: the daemon is of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Seq>,
}

impl SearchReply {
    /// The messages that the search did not cover: those after the first seq, up to the second one. `None`: the search
    /// covered all, or the daemon does not say.
    #[must_use]
    pub fn not_indexed(&self) -> Option<(Seq, Seq)> {
        self.indexed.zip(self.head).filter(|(indexed, head)| indexed < head)
    }
}

/// A message that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundMessage {
    /// The message.
    #[serde(flatten)]
    pub message: MsgEvent<'static>,
    /// The places of the words in the text: the first code point of each, and the number of code points.
    #[serde(default)]
    pub highlights: Vec<(usize, usize)>,
}

impl FoundMessage {
    /// The text in parts, each as a range of its bytes with whether a word of the search stands there. A place that is
    /// empty, that begins before the end of the one before it, or that ends after the text is ignored.
    #[must_use]
    pub fn parts(&self) -> Vec<(Range<usize>, bool)> {
        let text = &*self.message.msg;
        // Where each code point begins, and the end.
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (mut parts, mut at) = (Vec::new(), 0);
        for (start, length) in &self.highlights {
            let from = starts.get(*start).copied();
            let Some((from, to)) = from.zip(starts.get(start.saturating_add(*length)).copied()) else {
                continue;
            };
            if from < at || to == from {
                continue;
            }
            if from > at {
                parts.push((at..from, false));
            }
            parts.push((from..to, true));
            at = to;
        }
        if at < text.len() {
            parts.push((at..text.len(), false));
        }
        parts
    }
}
