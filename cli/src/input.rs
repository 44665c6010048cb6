//! Owns reading standard input to its end. Called by line mode and by `send`, each from a thread of
//! its own, since a terminal cannot be read otherwise on every system. Never cuts lines.

use crate::output::say;
use std::io::Read;

/// What one read takes at most, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// Hands every read to `take`, until the input ends (true) or `take` wants no more (false). An
/// input that cannot be read is told, and ends.
pub(crate) fn read_all(mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let mut buffer = vec![0; READ_BYTES];
    let mut input = std::io::stdin().lock();
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) if take(&buffer[..n]) => {}
            Ok(_) => return false,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => {
                say(&format!("* standard input: {e}"));
                return true;
            }
        }
    }
}
