//! Owns the earlier inputs, and the position in them. Used by `editor`. Bounded. Never edits one.

use std::collections::VecDeque;

/// The number of inputs that are kept.
const REMEMBERED: usize = 200;

/// Inputs, the oldest first.
#[derive(Debug, Default)]
pub(super) struct InputHistory {
    inputs: VecDeque<String>,
    /// The index of the shown input, and the unfinished input before it.
    shown: Option<(usize, String)>,
}

impl InputHistory {
    pub(super) fn remember(&mut self, text: &str) {
        if !text.trim().is_empty() && self.inputs.back().is_none_or(|last| last != text) {
            self.inputs.push_back(text.to_owned());
        }
        if self.inputs.len() > REMEMBERED {
            self.inputs.pop_front();
        }
    }

    /// The next input is a new one.
    pub(super) fn leave(&mut self) {
        self.shown = None;
    }

    /// The previous input; keeps `typed` if it is not an earlier input.
    pub(super) fn older(&mut self, typed: &str) -> Option<String> {
        let at = self.shown.as_ref().map_or(self.inputs.len(), |(at, _)| *at).checked_sub(1)?;
        let older = self.inputs.get(at)?.clone();
        let typed = self.shown.take().map_or_else(|| typed.to_owned(), |(_, typed)| typed);
        self.shown = Some((at, typed));
        Some(older)
    }

    /// The next input, or the unfinished one.
    pub(super) fn newer(&mut self) -> Option<String> {
        let (at, typed) = self.shown.take()?;
        let Some(newer) = self.inputs.get(at + 1) else { return Some(typed) };
        self.shown = Some((at + 1, typed));
        Some(newer.clone())
    }
}
