//! The fuzzing program of `tcp_chat_fuzz::entry`; `fuzz/run` builds and runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tcp_chat_fuzz::entry::run(input));
