//! Owns the form in which the lines of a chunk are stored: the parts that are the same in every `MSG` line are one byte each.
//! With 80 bytes of text they are almost a third of a line. Called wherever lines are written to or read from a row.
//! Never parses a line further than to find these parts, and never changes what is read back.
//!
//! A control character stands for a part. JSON has none, so a row of an older version reads as what it is. All `MSG` lines
//! have the same parts. So two lines that differ by some bytes differ by as many when they are packed: a redacted line
//! that is padded to its old length keeps the length of its row.

use std::borrow::Cow;

/// A part of a line, and the byte that stands for it.
struct Part<const N: usize>(u8, &'static [u8; N]);

/// The beginning of a line: in a room, or to a user.
const IN_ROOM: Part<42> = Part(0x01, br#"{"op":"MSG","status":"OK","data":{"room":""#);
const TO_USER: Part<40> = Part(0x02, br#"{"op":"MSG","status":"OK","data":{"to":""#);
/// What follows, in this order. Shorter parts would save little for the time that they take.
const USER: Part<10> = Part(0x03, br#"","user":""#);
const COLOR: Part<11> = Part(0x04, br#"","color":""#);
const MSG: Part<9> = Part(0x05, br#"","msg":""#);
/// The next byte stands for itself.
const ITSELF: u8 = 0x06;

/// Bytes that are looked at before the answer counts.
const BLOCK: usize = 1024;

/// The part that a byte stands for.
fn part(byte: u8) -> Option<&'static [u8]> {
    match byte {
        0x01 => Some(IN_ROOM.1),
        0x02 => Some(TO_USER.1),
        0x03 => Some(USER.1),
        0x04 => Some(COLOR.1),
        0x05 => Some(MSG.1),
        _ => None,
    }
}

/// Where the parts were in a line, each counted from the end of the part before it.
#[derive(Default)]
struct Places {
    user: usize,
    color: usize,
    msg: usize,
}

/// The lines of a chunk as they are stored.
pub(super) fn pack(lines: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(lines.len());
    if !is_packed(lines) {
        let (mut rest, mut places) = (lines, Places::default());
        while !rest.is_empty() {
            rest = pack_line(rest, &mut places, &mut packed);
        }
        return packed;
    }
    // JSON escapes control characters, so this does not happen.
    for byte in lines {
        if !is_plain(*byte) {
            packed.push(ITSELF);
        }
        packed.push(*byte);
    }
    packed
}

/// Packs the first line, and returns the others. `places`: those of the line before. Most lines of a chunk have the same.
fn pack_line<'l>(lines: &'l [u8], places: &mut Places, out: &mut Vec<u8>) -> &'l [u8] {
    let rest = pack_parts(lines, places, out);
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
    let (line, others) = rest.split_at(end);
    out.extend_from_slice(line);
    others
}

/// Packs as many parts as the line has, and returns what follows them.
fn pack_parts<'l>(line: &'l [u8], places: &mut Places, out: &mut Vec<u8>) -> &'l [u8] {
    let after_head = if let Some(rest) = line.strip_prefix(IN_ROOM.1) {
        out.push(IN_ROOM.0);
        rest
    } else if let Some(rest) = line.strip_prefix(TO_USER.1) {
        out.push(TO_USER.0);
        rest
    } else {
        return line;
    };
    let Some(after_user) = pack_part(after_head, &USER, &mut places.user, out) else { return after_head };
    let Some(after_color) = pack_part(after_user, &COLOR, &mut places.color, out) else { return after_user };
    pack_part(after_color, &MSG, &mut places.msg, out).unwrap_or(after_color)
}

/// Packs up to a part, and returns what follows it. `None`: the part is not there, and nothing was packed.
fn pack_part<'l, const N: usize>(
    rest: &'l [u8],
    part: &Part<N>,
    place: &mut usize,
    out: &mut Vec<u8>,
) -> Option<&'l [u8]> {
    if rest.get(*place..).is_none_or(|rest| !rest.starts_with(part.1)) {
        *place = memchr::memmem::find(rest, part.1)?;
    }
    out.extend_from_slice(rest.get(..*place)?);
    out.push(part.0);
    rest.get(*place + N..)
}

/// Does the byte stand for itself? Also in a row of an older version.
fn is_plain(byte: u8) -> bool {
    // Both are evaluated: a branch would be slower.
    (byte >= 0x20) | (byte == b'\n')
}

/// Is a row packed? Those of older versions are not, and stay so: a row must not change its length.
pub(super) fn is_packed(row: &[u8]) -> bool {
    // Without a branch for each byte, so that the compiler takes many at once.
    row.chunks(BLOCK).any(|block| block.iter().fold(false, |found, byte| found | !is_plain(*byte)))
}

/// The lines of a row.
pub(super) fn unpack(row: &[u8]) -> Cow<'_, [u8]> {
    if !is_packed(row) {
        return Cow::Borrowed(row);
    }
    let mut lines = Vec::with_capacity(row.len() * 2);
    let mut rest = row;
    while let Some(at) = rest.iter().position(|byte| !is_plain(*byte)) {
        lines.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        rest = &rest[at + 1..];
        if byte == ITSELF {
            let (itself, after) = rest.split_at(rest.len().min(1));
            lines.extend_from_slice(itself);
            rest = after;
        } else {
            // Nothing writes a byte without a part.
            lines.extend_from_slice(part(byte).unwrap_or(&[byte]));
        }
    }
    lines.extend_from_slice(rest);
    Cow::Owned(lines)
}

/// The same as a vector.
pub(super) fn unpack_owned(row: Vec<u8>) -> Vec<u8> {
    match unpack(&row) {
        Cow::Owned(lines) => lines,
        Cow::Borrowed(_) => row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tcp_chat_protocol::event::{
        ErasedFields, MsgLine, Spoken, blank, erase, json_text, padded_to, redact,
    };

    fn line(place: Spoken<'_>, user: &str, text: &str) -> Vec<u8> {
        let mut line = Vec::new();
        let msg_json = &json_text(text);
        let ts = "2026-11-29T10:00:00.000Z";
        MsgLine { place, seq: 1_234_567, prev: 1_234_566, ts, user, color: "red", msg_json }.write(&mut line);
        line
    }

    #[test]
    fn a_short_message_takes_little_more_than_its_text_and_names() {
        let line = line(Spoken::In("lobby"), "ana", &"x".repeat(80));
        let packed = pack(&line);
        assert_eq!(
            line.len() - packed.len(),
            [IN_ROOM.1.len(), USER.1.len(), COLOR.1.len(), MSG.1.len()]
                .map(|len| len - 1)
                .iter()
                .sum::<usize>()
        );
        assert!(packed.len() < 170, "{}", packed.len());
        assert!(is_packed(&packed) && !is_packed(&line));
        assert_eq!(*unpack(&packed), line);
    }

    #[test]
    fn a_row_of_an_older_version_is_read_as_it_is() {
        let line = line(Spoken::To("bo"), "ana", "a \"quote\", a comma\n and }}\n");
        assert!(matches!(unpack(&line), Cow::Borrowed(row) if row == line));
        assert_eq!(unpack_owned(line.clone()), line);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_back(lines in proptest::collection::vec(any::<u8>(), 0..300)) {
            let packed = pack(&lines);
            prop_assert_eq!(&*unpack(&packed), &lines[..]);
        }

        #[test]
        fn any_row_is_read(row in proptest::collection::vec(0..40_u8, 0..60)) {
            let _ = unpack(&row);
        }

        #[test]
        fn lines_that_differ_by_some_bytes_do_so_when_packed(text in ".{0,90}", to in any::<bool>(), reason in ".{0,20}") {
            let place = if to { Spoken::To("bo") } else { Spoken::In("lobby") };
            let before = line(place, "somebody", &reason);
            let line = line(place, "ana", &text);
            let saved = line.len() - pack(&line).len();
            let fields = ErasedFields { user: true, to, by: false };
            let others = [
                redact(&line, Some("bo"), &reason),
                redact(&line, None, ""),
                erase(&line, fields, "erased-12345"),
                blank(&line, fields),
                Some(padded_to(line.clone(), line.len() + 9)),
            ];
            for other in others.into_iter().flatten() {
                // Alone, and between two lines with their parts in other places.
                for chunk in [other.clone(), [&*before, &*other, &*before].concat()] {
                    let packed = pack(&chunk);
                    let lines = chunk.iter().filter(|byte| **byte == b'\n').count();
                    prop_assert_eq!(chunk.len() - packed.len(), lines * saved, "{}", String::from_utf8_lossy(&chunk));
                    prop_assert_eq!(&*unpack(&packed), &chunk[..]);
                }
            }
        }
    }
}
