//! Owns the measuring and wrapping of text to the width of the screen: by graphemes, with the width that a
//! terminal gives them. Used by the model for scrolling, and by the view. Never changes the text.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The number of columns of the text.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Wraps a text into rows of at most `width` columns: at line ends, then between words, and inside a word only if
/// it is wider than a row. Returns at least one row.
pub(crate) fn rows(text: &str, width: usize) -> Vec<Range<usize>> {
    let width = width.max(1);
    let mut rows = Vec::new();
    let mut from = 0;
    for line in text.split('\n') {
        cut(text, from..from + line.len(), width, &mut rows);
        from += line.len() + 1;
    }
    rows
}

fn cut(text: &str, line: Range<usize>, width: usize, rows: &mut Vec<Range<usize>>) {
    let mut start = line.start;
    let mut columns = 0;
    // The position after the last blank of this row, and the width up to there.
    let mut blank = None;
    for (at, grapheme) in text[line.clone()].grapheme_indices(true) {
        let at = line.start + at;
        let wide = grapheme.width();
        if grapheme == " " && columns + wide > width && at > start {
            // A blank that no longer fits ends the row.
            rows.push(start..at);
            (start, columns, blank) = (at + 1, 0, None);
            continue;
        }
        // Twice, if the rest after the blank does not fit either.
        while columns + wide > width && at > start {
            let (behind, before) = blank.take().unwrap_or((at, columns));
            rows.push(start..behind);
            (start, columns) = (behind, columns - before);
        }
        columns += wide;
        if grapheme == " " {
            blank = Some((at + 1, columns));
        }
    }
    rows.push(start..line.end.max(start));
}

/// The text, or as much as fits, with `…` at the end.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    format!("{}…", head(text, width.saturating_sub(1)))
}

/// The text, or its beginning and its end with `…` between: names with the same beginning stay distinct.
pub(crate) fn squeeze(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let tail_width = room / 3;
    let mut tail = text.len();
    for (at, _) in text.grapheme_indices(true).rev() {
        if text[at..].width() > tail_width {
            break;
        }
        tail = at;
    }
    let tail = &text[tail..];
    format!("{}…{tail}", head(text, room - tail.width()))
}

fn head(text: &str, width: usize) -> &str {
    let mut columns = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        columns += grapheme.width();
        if columns > width {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str, width: usize) -> Vec<&str> {
        rows(text, width).into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn rows_end_between_words() {
        assert_eq!(cut("", 5), [""]);
        assert_eq!(cut("one two", 7), ["one two"]);
        assert_eq!(cut("one two", 5), ["one ", "two"]);
        assert_eq!(cut("one two", 3), ["one", "two"]);
        assert_eq!(cut("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(cut("a abcdefgh b", 4), ["a ", "abcd", "efgh", "b"]);
        assert_eq!(cut("a\n\nb", 4), ["a", "", "b"]);
    }

    #[test]
    fn wide_characters_are_measured_as_wide() {
        assert_eq!(cut("山田太郎", 5), ["山田", "太郎"]);
        assert_eq!(cut("👩\u{200d}🚀👩\u{200d}🚀", 3), ["👩\u{200d}🚀", "👩\u{200d}🚀"]);
        assert_eq!(cut("e\u{301}e\u{301}", 1), ["e\u{301}", "e\u{301}"]);
        assert_eq!(cut("山", 1), ["山"], "what is wider than the screen stands alone");
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_visibly() {
        assert_eq!(fit("山田太郎", 6), "山田…");
        assert_eq!(fit("ana", 3), "ana");
        assert_eq!(squeeze("administrator-bob", 10), "admini…bob");
        assert_eq!(squeeze("administrator-eve", 10), "admini…eve");
    }

    proptest! {
        #[test]
        fn rows_fit_and_lose_nothing(text in "[ab山 \n\u{301}🦀]{0,60}", width in 2_usize..12) {
            let rows = cut(&text, width);
            for row in &rows {
                prop_assert!(row.trim_end_matches(' ').width() <= width, "{row:?}");
            }
            let solid = |t: &str| t.chars().filter(|c| !matches!(c, ' ' | '\n')).collect::<String>();
            prop_assert_eq!(solid(&rows.concat()), solid(&text));
        }
    }
}
