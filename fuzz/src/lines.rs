//! The line decoder against a model: the division into reads does not change the lines, and the decoder never
//! stores more than the bound.

use arbitrary::{Arbitrary, Unstructured};
use tcp_chat_protocol::{Line, LineDecoder};

/// The definition of the framing, in a slow form.
fn model(bytes: &[u8], bound: usize) -> Vec<Option<Vec<u8>>> {
    let mut parts: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    parts.pop();
    parts
        .into_iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(|line| (line.len() <= bound).then(|| line.to_vec()))
        .collect()
}

/// Takes a bound, the sizes of the pieces and the bytes from the input, and decodes them.
///
/// # Panics
/// If the decoder and the model disagree, or more than the bound is stored.
pub fn run(input: &[u8]) {
    let Ok((bound, cuts, bytes)) = <(u8, Vec<u8>, Vec<u8>)>::arbitrary_take_rest(Unstructured::new(input))
    else {
        return;
    };
    let bound = usize::from(bound % 64) + 1;
    let mut decoder = LineDecoder::new(bound);
    let mut got = Vec::new();
    let mut rest = &bytes[..];
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let take = cuts.next().map_or(rest.len(), |c| usize::from(*c) + 1).min(rest.len());
        let (now, later) = rest.split_at(take);
        let mut lines = decoder.feed(now);
        while let Some(line) = lines.next() {
            got.push(match line {
                Line::Bytes(bytes) => Some(bytes.to_vec()),
                Line::TooLong => None,
            });
        }
        drop(lines);
        assert!(decoder.kept() <= bound + 1);
        rest = later;
    }
    assert_eq!(got, model(&bytes, bound));
}
