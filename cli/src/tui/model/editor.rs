//! Owns the current input: text, cursor, the killed line. The editing is readline's; `keys` maps the keys, and
//! `input_history` has earlier inputs. Bounded. Never sends.

use super::input_history::InputHistory;
use crate::neutralise;
use crate::tui::wrap;
use unicode_segmentation::UnicodeSegmentation;
use zeroize::Zeroize;

/// The longest input, in bytes; a message is shorter.
const LONGEST: usize = 64 * 1024;

/// One input.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// In bytes, between two graphemes.
    cursor: usize,
    killed: String,
    input_history: InputHistory,
}

impl Editor {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Another text, with the cursor at its end.
    pub(crate) fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    /// Empties the input and wipes its memory.
    pub(crate) fn wipe(&mut self) {
        self.cursor = 0;
        self.text.zeroize();
        self.killed.zeroize();
    }

    /// Returns the text and empties the input.
    pub(crate) fn take(&mut self) -> String {
        self.input_history.leave();
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Adds a sent text to the history.
    pub(crate) fn remember(&mut self, text: &str) {
        self.input_history.remember(text);
    }

    /// Inserts text. Control characters other than line break and tab are dropped. False: there was no room.
    pub(crate) fn insert(&mut self, what: &str) -> bool {
        let what = what.replace("\r\n", "\n").replace('\r', "\n");
        let what: String = what.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        if self.text.len() + what.len() > LONGEST {
            return false;
        }
        self.text.insert_str(self.cursor, &what);
        self.cursor += what.len();
        true
    }

    /// Replaces the text between `from` and the cursor.
    pub(crate) fn replace_before(&mut self, from: usize, what: &str) {
        self.text.replace_range(from..self.cursor, what);
        self.cursor = from + what.len();
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.text[self.cursor..].graphemes(true).next().map_or(self.cursor, |g| self.cursor + g.len())
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }

    fn word_before(&self) -> usize {
        let head = &self.text[..self.cursor];
        let word = head.trim_end_matches(|c: char| !c.is_alphanumeric());
        word.rfind(|c: char| !c.is_alphanumeric())
            .map_or(0, |at| at + word[at..].chars().next().map_or(0, char::len_utf8))
    }

    fn word_after(&self) -> usize {
        let tail = &self.text[self.cursor..];
        let from = tail.find(char::is_alphanumeric).unwrap_or(tail.len());
        let end = tail[from..].find(|c: char| !c.is_alphanumeric()).unwrap_or(tail.len() - from);
        self.cursor + from + end
    }

    pub(crate) fn left(&mut self) {
        self.cursor = self.before();
    }

    pub(crate) fn right(&mut self) {
        self.cursor = self.after();
    }

    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(crate) fn word_right(&mut self) {
        self.cursor = self.word_after();
    }

    pub(crate) fn home(&mut self) {
        self.cursor = self.line_start();
    }

    pub(crate) fn end(&mut self) {
        self.cursor = self.line_end();
    }

    pub(crate) fn backspace(&mut self) {
        let from = self.before();
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    pub(crate) fn delete(&mut self) {
        let to = self.after();
        self.text.replace_range(self.cursor..to, "");
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to {
            self.killed = self.text.drain(from..to).collect();
            self.cursor = from;
        }
    }

    pub(crate) fn kill_to_end(&mut self) {
        // At the end of a line, removes its line break.
        let end = self.line_end();
        self.kill(self.cursor, if end == self.cursor { self.after() } else { end });
    }

    pub(crate) fn kill_to_start(&mut self) {
        self.kill(self.line_start(), self.cursor);
    }

    pub(crate) fn kill_word_before(&mut self) {
        self.kill(self.word_before(), self.cursor);
    }

    pub(crate) fn kill_word_after(&mut self) {
        self.kill(self.cursor, self.word_after());
    }

    /// As Ctrl-W: deletes back to the last blank.
    pub(crate) fn kill_to_blank(&mut self) {
        let head = self.text[..self.cursor].trim_end();
        self.kill(word_start(head), self.cursor);
    }

    pub(crate) fn yank(&mut self) {
        let killed = self.killed.clone();
        self.insert(&killed);
    }

    /// Swaps the two characters around the cursor.
    pub(crate) fn transpose(&mut self) {
        if self.cursor == self.text.len() {
            self.left();
        }
        let (first, last) = (self.before(), self.after());
        if first < self.cursor && self.cursor < last {
            let turned = format!("{}{}", &self.text[self.cursor..last], &self.text[first..self.cursor]);
            self.text.replace_range(first..last, &turned);
            self.cursor = last;
        }
    }

    /// A line up; in the first line, an earlier input.
    pub(crate) fn up(&mut self) {
        let start = self.line_start();
        if start == 0 {
            return self.older();
        }
        let column = self.text[start..self.cursor].graphemes(true).count();
        let above = self.text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        self.cursor = column_in(&self.text, above, start - 1, column);
    }

    /// A line down; in the last line, a later input.
    pub(crate) fn down(&mut self) {
        let end = self.line_end();
        if end == self.text.len() {
            return self.newer();
        }
        let column = self.text[self.line_start()..self.cursor].graphemes(true).count();
        let below = self.text[end + 1..].find('\n').map_or(self.text.len(), |at| end + 1 + at);
        self.cursor = column_in(&self.text, end + 1, below, column);
    }

    pub(crate) fn older(&mut self) {
        if let Some(text) = self.input_history.older(&self.text) {
            self.set(text);
        }
    }

    pub(crate) fn newer(&mut self) {
        if let Some(text) = self.input_history.newer() {
            self.set(text);
        }
    }

    /// The rows for `width` columns, and the row and column of the cursor.
    pub(crate) fn layout(&self, width: usize) -> (Vec<String>, (usize, usize)) {
        let mut rows = vec![String::new()];
        let mut columns = 0;
        let mut cursor = (0, 0);
        for (at, grapheme) in self.text.grapheme_indices(true) {
            if at == self.cursor {
                cursor = (rows.len() - 1, columns);
            }
            if grapheme == "\n" {
                rows.push(String::new());
                columns = 0;
                continue;
            }
            let shown = neutralise::part(&self.text, at..at + grapheme.len());
            let wide = wrap::width(&shown);
            if columns + wide > width && columns > 0 {
                rows.push(String::new());
                columns = 0;
                if at == self.cursor {
                    cursor = (rows.len() - 1, 0);
                }
            }
            if let Some(row) = rows.last_mut() {
                row.push_str(&shown);
            }
            columns += wide;
        }
        if self.cursor == self.text.len() {
            if columns >= width {
                rows.push(String::new());
                columns = 0;
            }
            cursor = (rows.len() - 1, columns);
        }
        (rows, cursor)
    }
}

/// The start of the last word of the text: after the last blank.
pub(crate) fn word_start(text: &str) -> usize {
    // A blank may have several bytes.
    text.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8())
}

fn column_in(text: &str, from: usize, to: usize, column: usize) -> usize {
    text[from..to].grapheme_indices(true).nth(column).map_or(to, |(at, _)| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Editor {
        let mut e = Editor::default();
        e.insert(text);
        e
    }

    #[test]
    fn readlines_keys() {
        type Does = fn(&mut Editor);
        let table: [(&str, Does, &str); 13] = [
            ("one two", Editor::kill_to_blank, "one |"),
            ("one\u{3000}two", Editor::kill_to_blank, "one\u{3000}|"),
            ("one tw-o", Editor::kill_word_before, "one tw-|"),
            ("one two", |e| [e.home(), e.kill_word_after()].into_iter().collect(), "| two"),
            ("one two", |e| [e.word_left(), e.kill_to_end()].into_iter().collect(), "one |"),
            ("one two", |e| [e.word_left(), e.kill_to_start()].into_iter().collect(), "|two"),
            ("one two", |e| [e.kill_to_blank(), e.home(), e.yank()].into_iter().collect(), "two|one "),
            ("one\ntwo", |e| [e.up(), e.kill_to_end()].into_iter().collect(), "one|two"),
            ("ab", Editor::transpose, "ba|"),
            ("ae\u{301}🦀", |e| [e.backspace(), e.backspace()].into_iter().collect(), "a|"),
            ("ab", |e| [e.home(), e.delete(), e.right()].into_iter().collect(), "b|"),
            ("山田\nx", |e| [e.up(), e.left()].into_iter().collect(), "|山田\nx"),
            ("a\u{7}\u{1b}[b\r\nc\rd", |_| (), "a[b\nc\nd|"),
        ];
        for (text, does, becomes) in table {
            let mut e = typed(text);
            does(&mut e);
            let (head, tail) = e.text.split_at(e.cursor);
            assert_eq!(format!("{head}|{tail}"), becomes, "{text:?}");
        }
    }

    #[test]
    fn earlier_inputs_come_back_and_the_typed_text_is_not_lost() {
        let mut e = Editor::default();
        e.remember("first");
        e.remember("second");
        e.remember("second");
        e.insert("now");
        e.up();
        assert_eq!(e.text(), "second");
        e.up();
        e.up();
        assert_eq!(e.text(), "first");
        e.down();
        e.down();
        assert_eq!(e.text(), "now");
        e.down();
        assert_eq!(e.text(), "now");
    }

    #[test]
    fn rows_and_cursor() {
        let (rows, cursor) = typed("山田太").layout(5);
        assert_eq!((rows, cursor), (vec!["山田".to_owned(), "太".into()], (1, 2)));
        let (rows, cursor) = typed("abcde").layout(5);
        assert_eq!((rows.len(), cursor), (2, (1, 0)), "the cursor has a place");
        let (rows, _) = typed("a\u{202e}b").layout(40);
        assert_eq!(rows, ["a<U+202E>b"], "also what was pasted is shown as what it is");
        let (rows, _) = typed("می\u{200c}خواهم a\tb").layout(40);
        assert_eq!(rows, ["می\u{200c}خواهم a    b"], "a joiner belongs to both of its neighbours");
    }
}
