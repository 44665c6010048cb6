//! Owns the encoding of lines as frames: chooses the part of a write that becomes one frame, and whether the message ends
//! with it. Called by `stream`. Pure. Never keeps a byte.

use super::frame::{self, Sent};

/// The longest payload of a frame that we send, in bytes. A longer write becomes several frames. A frame with its head
/// fits into four TLS records.
pub const MESSAGE_BYTES: usize = 60 * 1024;

/// Appends the next frame of `data` to `out`: as many whole lines as fit, or a piece of a longer line. Returns the number of
/// bytes of `data` in it, and whether the message continues after it. `continues` is that value of the previous frame.
pub(crate) fn frame(data: &[u8], continues: bool, out: &mut Vec<u8>) -> (usize, bool) {
    let most = data.get(..MESSAGE_BYTES).unwrap_or(data);
    let lines = memchr::memrchr(b'\n', most).map(|at| at + 1);
    let payload = most.get(..lines.unwrap_or(most.len())).unwrap_or(most);
    let kind = if continues { Sent::Continuation } else { Sent::Text };
    frame::write(kind, lines.is_some(), payload, out);
    (payload.len(), lines.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(mut data: &[u8]) -> Vec<(u8, usize)> {
        let (mut continues, mut all) = (false, Vec::new());
        while !data.is_empty() {
            let mut out = Vec::new();
            let (taken, then) = frame(data, continues, &mut out);
            assert!(out.ends_with(&data[..taken]));
            all.push((out[0], taken));
            (data, continues) = (&data[taken..], then);
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
