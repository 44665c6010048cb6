//! Owns the check that a message fits into a line of the wire. A text within `msg_bytes` may not fit, because
//! JSON writes some characters as two or six bytes. Used by `session`. Never cuts a text.

use crate::Error;
use tcp_chat_protocol::request::{Request, write};
use tcp_chat_protocol::{RequestId, Seq};

/// The longest id that the session assigns: 2^53.
const OWN_ID: Seq = 9_007_199_254_740_992;

/// Refuses a message that the server would answer with `TOO_LARGE`, which does not name the request.
pub(crate) fn check(message: &Request<'_>, id: Option<&RequestId>, line_bytes: usize) -> Result<(), Error> {
    let mut line = Vec::new();
    write(Some(id.unwrap_or(&RequestId::Number(OWN_ID))), message, &mut line);
    // The newline does not count.
    let bytes = line.len() - 1;
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
    use tcp_chat_protocol::request::Target;

    #[test]
    fn the_line_is_what_counts() {
        let message = |text: &'static str| Request::Msg { to: Target::Default, text: text.into() };
        let id = RequestId::Text("build".into());
        let line = r#"{"op":"MSG","data":"a\"b","id":"build"}"#;
        assert!(check(&message("a\"b"), Some(&id), line.len()).is_ok());
        assert!(check(&message("a\"b"), Some(&id), line.len() - 1).is_err());
        let own = r#"{"op":"MSG","data":"ab","id":9007199254740992}"#;
        assert!(check(&message("ab"), None, own.len()).is_ok());
        assert!(check(&message("ab"), None, own.len() - 1).unwrap_err().to_string().contains("46 bytes"));
    }
}
