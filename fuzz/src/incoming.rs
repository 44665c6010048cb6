//! What a client reads: no line of a server makes it panic.

use tcp_chat_protocol::reply::read;

/// Reads one line as a client does.
pub fn run(line: &[u8]) {
    // The result does not matter: only a panic is a fault.
    let _ = read(line);
}
