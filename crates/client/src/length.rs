//! Owns the question whether a message fits a line of the wire. A text within the server's bound on texts may not:
//! JSON writes some characters as two bytes or six. Used by `session` alone. Never cuts anything.

use crate::Error;
use serde_json::value::RawValue;
use tcp_chat_protocol::RequestId;

/// What is around the data and the id of a `MSG`.
const ENVELOPE: &str = r#"{"op":"MSG","data":,"id":}"#;
/// The longest of the ids that the session gives out: 2^53 has 16 digits.
const OWN_ID: usize = 16;

/// Refuses what the server would answer with `TOO_LARGE`. It could not tell which request that was.
pub(crate) fn check(data: &RawValue, id: Option<&RequestId>, line_bytes: usize) -> Result<(), Error> {
    let id = id.and_then(|id| serde_json::to_string(id).ok()).map_or(OWN_ID, |id| id.len());
    let bytes = ENVELOPE.len() + data.get().len() + id;
    if bytes <= line_bytes {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the message takes a line of {bytes} bytes, because JSON writes quotes, line breaks and control characters \
         as two to six; the server takes lines of at most {line_bytes} bytes"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_what_counts() {
        let data = |text: &str| serde_json::value::to_raw_value(text).unwrap();
        let id = RequestId::Text("build".into());
        let line = r#"{"op":"MSG","data":"a\"b","id":"build"}"#;
        assert!(check(&data("a\"b"), Some(&id), line.len()).is_ok());
        assert!(check(&data("a\"b"), Some(&id), line.len() - 1).is_err());
        let own = r#"{"op":"MSG","data":"ab","id":9007199254740992}"#;
        assert!(check(&data("ab"), None, own.len()).is_ok());
        assert!(check(&data("ab"), None, own.len() - 1).unwrap_err().to_string().contains("46 bytes"));
    }
}
