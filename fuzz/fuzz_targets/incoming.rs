//! What a client reads: no line of a server makes it panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tcp_chat_protocol::reply::read;

fuzz_target!(|line: &[u8]| {
    let _ = read(line);
});
