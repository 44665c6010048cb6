//! Owns the layout of the screen for a size: pure arithmetic. Used by the view to draw, and by the model for
//! scrolling and clicks. Never draws.

use ratatui::layout::Rect;

/// The largest number of rows of the input.
const INPUT_ROWS: u16 = 8;
/// The list of conversations is shown from this width on.
const WITH_SIDE: u16 = 60;
/// The list of members is shown from this width on.
const WITH_MEMBERS: u16 = 110;

/// The parts of the screen. A part without a place is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Areas {
    /// The conversations.
    pub(crate) side: Rect,
    /// The messages.
    pub(crate) talk: Rect,
    /// The members of the room.
    pub(crate) members: Rect,
    /// One line of error or hint; empty if there is none.
    pub(crate) notice: Rect,
    /// The bar.
    pub(crate) bar: Rect,
    /// The input.
    pub(crate) input: Rect,
}

/// The columns before the text of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gutter {
    /// Whether there is room for the time.
    pub(crate) time: bool,
    /// The columns of the name.
    pub(crate) name: usize,
}

impl Gutter {
    /// For an area of this many columns.
    pub(crate) fn of(columns: u16) -> Self {
        Self { time: columns >= 36, name: usize::from(columns / 5).clamp(6, 20) }
    }

    /// The total number of columns: `14:05 name │ `.
    pub(crate) fn width(self) -> usize {
        self.name + 3 + if self.time { 6 } else { 0 }
    }
}

/// The columns for the text of messages.
pub(crate) fn text_width(talk: Rect) -> usize {
    usize::from(talk.width).saturating_sub(Gutter::of(talk.width).width()).max(1)
}

/// The columns of one row of the input, after its `> `.
pub(crate) fn input_width(columns: u16) -> usize {
    usize::from(columns).saturating_sub(3).max(1)
}

/// The layout. `input_rows` is the number of rows that the input needs.
pub(crate) fn areas(size: (u16, u16), input_rows: usize, notice: bool) -> Areas {
    let (columns, rows) = size;
    let most = INPUT_ROWS.min(rows / 3).max(1);
    let input_rows = u16::try_from(input_rows).unwrap_or(most).clamp(1, most).min(rows);
    let bar_rows = u16::from(rows > input_rows);
    let notice_rows = u16::from(notice && rows > input_rows + bar_rows);
    let above = rows - input_rows - bar_rows - notice_rows;
    let side = if columns >= WITH_SIDE { (columns / 6).clamp(14, 26) } else { 0 };
    let members = if columns >= WITH_MEMBERS { (columns / 8).clamp(14, 24) } else { 0 };
    Areas {
        side: Rect::new(0, 0, side, above),
        talk: Rect::new(side, 0, columns - side - members, above),
        members: Rect::new(columns - members, 0, members, above),
        notice: Rect::new(0, above, columns, notice_rows),
        bar: Rect::new(0, above + notice_rows, columns, bar_rows),
        input: Rect::new(0, rows - input_rows, columns, input_rows),
    }
}

/// The first visible conversation of the list, chosen so that the current one is visible.
pub(crate) fn side_first(count: usize, current: usize, side: Rect) -> usize {
    let rows = usize::from(side.height).max(1);
    if count <= rows { 0 } else { current.saturating_sub(rows / 2).min(count - rows) }
}

/// The conversation in a row of the list.
pub(crate) fn side_entry(count: usize, current: usize, side: Rect, row: u16) -> Option<usize> {
    let at = side_first(count, current, side) + usize::from(row.checked_sub(side.y)?);
    (at < count).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_terminal() {
        let a = areas((80, 24), 1, false);
        assert_eq!((a.side.width, a.talk.width, a.members.width), (14, 66, 0));
        assert_eq!((a.talk.height, a.bar.y, a.input.y), (22, 22, 23));
        assert_eq!(text_width(a.talk), 66 - 6 - 13 - 3);
    }

    proptest! {
        #[test]
        fn all_of_it_is_on_the_screen(columns in 1_u16..400, rows in 1_u16..120, input in 0_usize..99, notice: bool) {
            let a = areas((columns, rows), input, notice);
            let screen = Rect::new(0, 0, columns, rows);
            for part in [a.side, a.talk, a.members, a.notice, a.bar, a.input] {
                prop_assert_eq!(screen.union(part), screen);
            }
            prop_assert_eq!(a.talk.height + a.notice.height + a.bar.height + a.input.height, rows);
            prop_assert_eq!(a.side.width + a.talk.width + a.members.width, columns);
        }
    }
}
