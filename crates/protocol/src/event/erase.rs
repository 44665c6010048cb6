//! Owns the lines of an erased user: its texts and its name leave the stored `MSG` lines. The store calls it. Never decides
//! which lines are the user's.

use super::{MsgEvent, data_of};
use crate::reply;
use std::borrow::Cow;

/// Why the texts of an erased user are gone, as readers see it.
pub const ERASED: &str = "erased";

/// The fields of a `MSG` line that name an erased user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErasedFields {
    /// The user is the author: the text goes, too.
    pub user: bool,
    /// The user is the recipient.
    pub to: bool,
    /// The user has redacted it: its reason goes, too.
    pub by: bool,
}

impl ErasedFields {
    /// Is there nothing to erase?
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// As a number for the store.
    #[must_use]
    pub fn bits(self) -> i64 {
        i64::from(self.user) | i64::from(self.to) << 1 | i64::from(self.by) << 2
    }

    /// What [`ErasedFields::bits`] has written.
    #[must_use]
    pub fn from_bits(bits: i64) -> Self {
        Self { user: bits & 1 != 0, to: bits & 2 != 0, by: bits & 4 != 0 }
    }
}

/// The line with `name` in these fields, without its text if the user is the author. `None`: it is not a `MSG` line of the
/// daemon.
#[must_use]
pub fn erase(line: &[u8], fields: ErasedFields, name: &str) -> Option<Vec<u8>> {
    let mut message: MsgEvent<'_> = serde_json::from_slice(data_of(line)?).ok()?;
    if fields.user {
        message.msg = Cow::Borrowed("");
        message.user = Cow::Borrowed(name);
        if !message.redacted {
            message.redacted = true;
            message.reason = Some(Cow::Borrowed(ERASED));
        }
    }
    if fields.to {
        message.to = message.to.map(|_| Cow::Borrowed(name));
    }
    if fields.by {
        message.by = message.by.map(|_| Cow::Borrowed(name));
        message.reason = message.reason.map(|_| Cow::Borrowed(""));
    }
    Some(reply::event("MSG", &message))
}

/// The line at the same length without the text and the name: other letters and blanks stand in their place. A line that
/// [`erase`] would make longer is this at first.
#[must_use]
pub fn blank(line: &[u8], fields: ErasedFields) -> Option<Vec<u8>> {
    let mut message: MsgEvent<'_> = serde_json::from_slice(data_of(line)?).ok()?;
    let filler = |name: &str| Cow::Owned("e".repeat(name.len()));
    // Without the quotation marks.
    let blanks = |text: &str| Cow::Owned(" ".repeat(super::json_text(text).len().saturating_sub(2)));
    if fields.user {
        message.msg = blanks(&message.msg);
        message.user = filler(&message.user);
    }
    if fields.to {
        message.to = message.to.map(|name| filler(&name));
    }
    if fields.by {
        message.by = message.by.map(|name| filler(&name));
        message.reason = message.reason.map(|reason| blanks(&reason));
    }
    Some(reply::event("MSG", &message))
}

/// Makes a line as long as it was, with blanks behind its data. JSON allows them. A line that is longer stays so.
#[must_use]
pub fn padded_to(mut line: Vec<u8>, len: usize) -> Vec<u8> {
    let blanks = len.saturating_sub(line.len());
    if let Some(at) = line.len().checked_sub(b"}}\n".len()) {
        line.splice(at..at, std::iter::repeat_n(b' ', blanks));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::{MsgLine, Spoken, json_text, seq_of};
    use super::*;
    use proptest::prelude::*;

    const USER: ErasedFields = ErasedFields { user: true, to: false, by: false };

    fn line(user: &str, text: &str) -> Vec<u8> {
        let mut line = Vec::new();
        let (ts, msg_json) = ("2026-11-29T10:00:00.000Z", &json_text(text));
        MsgLine { place: Spoken::To("山田"), seq: 7, prev: 3, ts, user, color: "red", msg_json }
            .write(&mut line);
        line
    }

    fn read(line: &[u8]) -> MsgEvent<'static> {
        serde_json::from_slice(data_of(line).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn a_blank_line_is_as_long_and_has_no_text_and_no_name(text in "[^ e]{0,60}", user in "[ab山]{1,9}") {
            let before = line(&user, &text);
            let blank = blank(&before, USER).unwrap();
            prop_assert_eq!(blank.len(), before.len());
            let message = read(&blank);
            prop_assert!(message.msg.trim().is_empty() && message.user.chars().all(|c| c == 'e'));
            let erased = read(&erase(&blank, USER, "erased-7").unwrap());
            prop_assert_eq!(erased, read(&erase(&before, USER, "erased-7").unwrap()));
        }

        #[test]
        fn a_padded_line_says_the_same(text in ".{0,60}", more in 0..50_usize) {
            let before = line("ana", &text);
            let padded = padded_to(before.clone(), before.len() + more);
            prop_assert_eq!(padded.len(), before.len() + more);
            prop_assert_eq!(seq_of(&padded), Some(7));
            prop_assert_eq!(read(&padded), read(&before));
            prop_assert!(padded.ends_with(b"}}\n"));
        }
    }

    #[test]
    fn each_field_is_erased_alone() {
        let before = line("ana", "psst");
        let erased = read(&erase(&before, USER, "erased-7").unwrap());
        assert_eq!((&*erased.user, &*erased.msg, erased.redacted), ("erased-7", "", true));
        assert_eq!((erased.reason.as_deref(), erased.to.as_deref()), (Some(ERASED), Some("山田")));
        let to = ErasedFields { to: true, ..ErasedFields::default() };
        let renamed = read(&erase(&before, to, "erased-7").unwrap());
        assert_eq!(
            (renamed.to.as_deref(), &*renamed.msg, renamed.redacted),
            (Some("erased-7"), "psst", false)
        );
        // What others have redacted before keeps why; the reasons of the user are its own words.
        let redacted = super::super::redact(&before, Some("山田"), "my \"phone\"").unwrap();
        assert_eq!(
            read(&erase(&redacted, USER, "erased-7").unwrap()).reason.as_deref(),
            Some("my \"phone\"")
        );
        let by = ErasedFields { by: true, ..USER };
        let erased = read(&erase(&redacted, by, "erased-7").unwrap());
        assert_eq!((erased.by.as_deref(), erased.reason.as_deref()), (Some("erased-7"), Some("")));
        let blank = blank(&redacted, by).unwrap();
        assert!(blank.len() == redacted.len() && !String::from_utf8_lossy(&blank).contains("phone"));
        for bits in 0..8 {
            assert_eq!(ErasedFields::from_bits(bits).bits(), bits);
        }
        assert_eq!(erase(b"{}\n", USER, "erased-7"), None);
    }
}
