//! What a client reads: no line of a server makes it panic.

use tcp_chat_protocol::reply::read;

/// Reads one line as a client does.
pub fn run(line: &[u8]) {
    // Whether the line is an event or an error plays no part: only a panic is a fault.
    let _ = read(line);
}
