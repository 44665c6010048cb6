//! The request parser: no line makes it panic, what it accepts is what any JSON reader reads, and a
//! request written again from what was read is the same request.

use serde_json::Value;
use tcp_chat_protocol::request::{Bounds, Request, parse, write};

const BOUNDS: Bounds = Bounds { msg_bytes: 8192, rooms: 0 };

/// Parses one line as the daemon does.
///
/// # Panics
/// Where the parser reads something else than a strict JSON reader, or a request does not survive
/// being written and read again.
pub fn run(line: &[u8]) {
    if line.contains(&b'\n') {
        return;
    }
    let Ok((id, request)) = parse(line, &BOUNDS) else { return };
    // What is passed over unread (unknown fields, data that no op needs) may be what a strict reader
    // refuses: numbers out of range, lone surrogates, deep nesting.
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
