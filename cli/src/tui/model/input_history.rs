//! Owns what was typed before, and where in it the input is. Used by `editor`. Bounded.

use std::collections::VecDeque;

/// How many inputs are remembered.
const REMEMBERED: usize = 200;

/// Inputs, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Past {
    inputs: VecDeque<String>,
    /// Which of them is shown, and what was being typed before.
    shown: Option<(usize, String)>,
}

impl Past {
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

    /// The input before the one that is shown; `typed` is kept if it is none of the past.
    pub(super) fn older(&mut self, typed: &str) -> Option<String> {
        let at = self.shown.as_ref().map_or(self.inputs.len(), |(at, _)| *at).checked_sub(1)?;
        let older = self.inputs.get(at)?.clone();
        let typed = self.shown.take().map_or_else(|| typed.to_owned(), |(_, typed)| typed);
        self.shown = Some((at, typed));
        Some(older)
    }

    /// The input behind the one that is shown, or what was being typed.
    pub(super) fn newer(&mut self) -> Option<String> {
        let (at, typed) = self.shown.take()?;
        let Some(newer) = self.inputs.get(at + 1) else { return Some(typed) };
        self.shown = Some((at + 1, typed));
        Some(newer.clone())
    }
}
