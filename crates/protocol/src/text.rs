//! Owns the rules for the text of a message. Used where a request is read, and by clients before they send. Never
//! changes a text: it arrives exactly as it was sent.

/// Why a text cannot be sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TextError {
    /// The text is empty.
    #[error("the text is empty: send at least one character")]
    Empty,
    /// The text exceeds the bound.
    #[error("the text has {bytes} bytes of UTF-8, and {bound} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound (`limits.msg_bytes`).
        bound: usize,
    },
    /// U+0000 is in it.
    #[error("the text contains NUL (U+0000), which is not allowed")]
    Nul,
}

/// Checks a text: 1 to `bound` bytes, no NUL.
///
/// # Errors
/// The first rule that the text breaks.
pub fn check(text: &str, bound: usize) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > bound {
        return Err(TextError::TooLong { bytes: text.len(), bound });
    }
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(TextError::Nul);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_rules() {
        assert_eq!(check("", 8), Err(TextError::Empty));
        assert_eq!(check("12345678", 8), Ok(()));
        assert_eq!(check("123456789", 8), Err(TextError::TooLong { bytes: 9, bound: 8 }));
        assert_eq!(check("ééééé", 8), Err(TextError::TooLong { bytes: 10, bound: 8 }));
        assert_eq!(check("a\0b", 8), Err(TextError::Nul));
        assert_eq!(check("a\n\tb\u{1b}", 8), Ok(()));
    }
}
