//! Owns the heights of entries on the screen, and the scroll position. Measures only entries near the position,
//! however long the conversation is. Part of the model. Never draws.

use super::conversation::{Anchor, ConversationWindow};
use super::{Effect, Model, Part};
use crate::tui::{layout, wrap};
use tcp_chat_client::protocol::Seq;

/// Rows from the oldest entry at which older ones are requested.
const NEAR: usize = 40;

/// The line before an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lead {
    /// A line with the day.
    pub(crate) day: bool,
    /// The "new since" line.
    pub(crate) new: bool,
}

/// The lines before the entry `at`.
pub(crate) fn lead(talk: &ConversationWindow, at: usize) -> Lead {
    let item = &talk.items[at];
    let before = at.checked_sub(1).and_then(|at| talk.items.get(at));
    let day = before.is_none_or(|b| b.stamp.day != item.stamp.day);
    let new = talk.new_from.is_some_and(|new| {
        item.seq.is_some_and(|s| s >= new) && newest_before(talk, at).is_none_or(|s| s < new)
    });
    Lead { day, new }
}

fn newest_before(talk: &ConversationWindow, at: usize) -> Option<Seq> {
    talk.items.range(..at).rev().find_map(|i| i.seq)
}

/// The rows of the entry, with the lines before it.
pub(crate) fn height(talk: &ConversationWindow, at: usize, width: usize) -> usize {
    let lead = lead(talk, at);
    usize::from(lead.day) + usize::from(lead.new) + wrap::rows(talk.items[at].text(), width).len()
}

/// The foot of the screen: the entry, and its rows below the screen.
pub(crate) fn foot(talk: &ConversationWindow) -> Option<(usize, usize)> {
    let last = talk.items.len().checked_sub(1)?;
    match talk.view {
        None => Some((last, 0)),
        Some(Anchor { id, below }) => Some(talk.position(id).map_or((0, 0), |at| (at, below))),
    }
}

/// The foot if the oldest entry is at the top; `None` if everything fits.
fn highest(talk: &ConversationWindow, rows: usize, width: usize) -> Option<(usize, usize)> {
    let mut sum = 0;
    for at in 0..talk.items.len() {
        sum += height(talk, at, width);
        if sum >= rows {
            let all = at + 1 == talk.items.len() && sum == rows;
            return (!all).then_some((at, sum - rows));
        }
    }
    None
}

/// `(entry, rows below)`: whether the first is higher than the second.
fn is_above(a: (usize, usize), b: (usize, usize)) -> bool {
    a.0 < b.0 || (a.0 == b.0 && a.1 > b.1)
}

impl Model {
    /// Rows and text columns of the messages.
    fn measures(&self) -> (usize, usize) {
        let area = self.areas().talk;
        (usize::from(area.height).max(1), layout::text_width(area))
    }

    /// Scrolls by rows; upwards if `by` is negative.
    pub(crate) fn scroll(&mut self, by: isize) -> Vec<Effect> {
        let (rows, width) = self.measures();
        let current = self.current;
        let Some(talk) = self.talks.get_mut(current) else { return Vec::new() };
        let Some((mut at, mut below)) = foot(talk) else { return Vec::new() };
        if by < 0 {
            below += by.unsigned_abs();
            while below >= height(talk, at, width) && at > 0 {
                below -= height(talk, at, width);
                at -= 1;
            }
            match highest(talk, rows, width) {
                Some(highest) if is_above((at, below), highest) => (at, below) = highest,
                Some(_) => {}
                None => return self.load_older(),
            }
            talk.view = Some(Anchor { id: talk.items[at].id, below });
            return if at < NEAR + rows { self.load_older() } else { Vec::new() };
        }
        let mut down = by.unsigned_abs();
        while down > below {
            if at + 1 == talk.items.len() {
                return self.reach_the_foot();
            }
            down -= below;
            at += 1;
            below = height(talk, at, width);
        }
        below -= down;
        if at + 1 == talk.items.len() && below == 0 && talk.at_head {
            return self.reach_the_foot();
        }
        talk.view = Some(Anchor { id: talk.items[at].id, below });
        if at + NEAR + rows > talk.items.len() { self.load_newer() } else { Vec::new() }
    }

    /// A page up or down.
    pub(crate) fn scroll_page(&mut self, up: bool) -> Vec<Effect> {
        let page = isize::try_from(self.measures().0.saturating_sub(2).max(1)).unwrap_or(1);
        self.scroll(if up { -page } else { page })
    }

    /// To the oldest entry in the window.
    pub(crate) fn scroll_to_top(&mut self) -> Vec<Effect> {
        let (rows, width) = self.measures();
        let Some(talk) = self.talks.get_mut(self.current) else { return Vec::new() };
        if let Some((at, below)) = highest(talk, rows, width) {
            talk.view = Some(Anchor { id: talk.items[at].id, below });
        }
        self.load_older()
    }

    /// To the newest message, and follows it.
    pub(crate) fn scroll_to_end(&mut self) -> Vec<Effect> {
        if let Some(talk) = self.talks.get_mut(self.current)
            && !talk.at_head
        {
            talk.reset();
        }
        self.reach_the_foot()
    }

    fn reach_the_foot(&mut self) -> Vec<Effect> {
        let Some(talk) = self.talks.get_mut(self.current) else { return Vec::new() };
        if !talk.at_head {
            return self.load_newer();
        }
        talk.view = None;
        self.look()
    }

    /// Scrolls an entry to the middle of the screen.
    pub(crate) fn scroll_to(&mut self, seq: Seq) -> Vec<Effect> {
        let (rows, width) = self.measures();
        let Some(talk) = self.talks.get_mut(self.current) else { return Vec::new() };
        let Some(mut at) = talk.items.iter().position(|i| i.seq >= Some(seq)) else { return Vec::new() };
        let mut under = rows / 2;
        while under > 0 && at + 1 < talk.items.len() {
            at += 1;
            under = under.saturating_sub(height(talk, at, width));
        }
        if at + 1 == talk.items.len() && talk.at_head {
            return self.reach_the_foot();
        }
        talk.view = Some(Anchor { id: talk.items[at].id, below: 0 });
        self.settle_view();
        [self.load_older(), self.load_newer()].concat()
    }

    /// Corrects the position after a change of size or entries.
    pub(crate) fn settle_view(&mut self) {
        let (rows, width) = self.measures();
        let Some(talk) = self.talks.get_mut(self.current) else { return };
        let (Some(Anchor { id, .. }), Some((at, below))) = (talk.view, foot(talk)) else { return };
        let below = below.min(height(talk, at, width).saturating_sub(1));
        let foot = match highest(talk, rows, width) {
            Some(highest) if is_above((at, below), highest) => highest,
            Some(_) => (at, below),
            None if talk.at_head => {
                talk.view = None;
                return;
            }
            None => (at, below),
        };
        let id = talk.items.get(foot.0).map_or(id, |i| i.id);
        talk.view = Some(Anchor { id, below: foot.1 });
    }

    fn load_older(&mut self) -> Vec<Effect> {
        self.load(|talk| (!talk.at_start).then(|| talk.oldest().map(Part::Before)).flatten())
    }

    fn load_newer(&mut self) -> Vec<Effect> {
        self.load(|talk| (!talk.at_head).then(|| talk.newest().map(Part::After)).flatten())
    }

    fn load(&mut self, part: impl Fn(&ConversationWindow) -> Option<Part>) -> Vec<Effect> {
        let Some(talk) = self.talks.get_mut(self.current) else { return Vec::new() };
        let (None, Some(part)) = (talk.asked, part(talk)) else { return Vec::new() };
        talk.asked = Some(part);
        vec![Effect::History { of: talk.place.clone(), part }]
    }
}
