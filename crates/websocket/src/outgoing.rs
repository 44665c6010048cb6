//! Owns how lines become frames: which part of a write is one frame, and whether its message ends with it. Called by
//! `stream`. Pure.

use super::frame::{self, Sent};

/// The longest payload of a frame that we send, in bytes: a write of more becomes several. With its head a frame fits
/// four TLS records.
pub const MESSAGE_BYTES: usize = 60 * 1024;

/// Appends the next frame of `data` to `out`: as many whole lines as it may hold, or a piece of a longer line. Returns how
/// much of `data` is in it, and whether the message goes on after it. `goes_on` says the same of the frame before.
pub(crate) fn frame(data: &[u8], goes_on: bool, out: &mut Vec<u8>) -> (usize, bool) {
    let most = data.get(..MESSAGE_BYTES).unwrap_or(data);
    let lines = memchr::memrchr(b'\n', most).map(|at| at + 1);
    let payload = most.get(..lines.unwrap_or(most.len())).unwrap_or(most);
    let kind = if goes_on { Sent::Continuation } else { Sent::Text };
    frame::write(kind, lines.is_some(), payload, out);
    (payload.len(), lines.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(mut data: &[u8]) -> Vec<(u8, usize)> {
        let (mut goes_on, mut all) = (false, Vec::new());
        while !data.is_empty() {
            let mut out = Vec::new();
            let (taken, then) = frame(data, goes_on, &mut out);
            assert!(out.ends_with(&data[..taken]));
            all.push((out[0], taken));
            (data, goes_on) = (&data[taken..], then);
        }
        all
    }

    #[test]
    fn a_message_holds_whole_lines() {
        assert_eq!(frames(b"a\nbc\n"), [(0x81, 5)]);
        assert_eq!(frames(b"a\nbc"), [(0x81, 2), (0x01, 2)]);
        let line = [vec![b'x'; 20 * 1024 - 1], vec![b'\n']].concat();
        assert_eq!(frames(&line.repeat(4)), [(0x81, MESSAGE_BYTES), (0x81, 20 * 1024)]);
        let long = [vec![b'x'; 2 * MESSAGE_BYTES], b"y\nz\n".to_vec()].concat();
        assert_eq!(frames(&long), [(0x01, MESSAGE_BYTES), (0x00, MESSAGE_BYTES), (0x80, 4)]);
    }
}
