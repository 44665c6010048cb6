//! The request parser: no line makes it panic, it accepts the same values as another JSON reader, and a request
//! survives being written and read again.

use serde_json::Value;
use tcp_chat_protocol::request::{Bounds, Request, parse, write};

const BOUNDS: Bounds = Bounds { msg_bytes: 8192, rooms: 0 };

/// Parses one line as the daemon does.
///
/// # Panics
/// If the parser reads another value than a strict JSON reader, or a request does not survive being written and
/// read again.
pub fn run(line: &[u8]) {
    if line.contains(&b'\n') {
        return;
    }
    let Ok((id, request)) = parse(line, &BOUNDS) else { return };
    // The parser skips unknown fields, and data that no op needs. A strict reader may refuse those: numbers out
    // of range, lone surrogates, deep nesting.
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
    assert!(value.is_object());
    if let Request::Msg { text, .. } = &request {
        let said = if value["data"].is_string() { &value["data"] } else { &value["data"]["msg"] };
        assert_eq!(said.as_str(), Some(&**text));
    }
    let mut again = Vec::new();
    write(id.as_ref(), &request, &mut again);
    assert_eq!(parse(&again, &BOUNDS).as_ref(), Ok(&(id, request)));
}
