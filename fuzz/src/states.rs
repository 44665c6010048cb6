//! The three states of `daemon/tests/states`, with inputs like those of the target `turns`: one is steady, one is
//! rebuilt, one reads the turns in their encoded form. After each turn all facts are equal.
//!
//! As in [`crate::turns`], each line of the input is one step: its first byte selects the connection and the action.

/// The parts of the proof. `main.rs` beside them explains it.
#[path = "../../daemon/tests/states/recorder.rs"]
#[allow(dead_code, reason = "of local faults an input of the fuzz target has only a full disk")]
mod recorder;
#[path = "../../daemon/tests/states/state.rs"]
mod state;

use crate::disk::{self, Disk};
use recorder::{Recorder, SLOTS, Step};

/// Runs one step per line.
///
/// # Panics
/// If two states differ.
pub fn run(input: &[u8]) {
    let mut recorder =
        Recorder::new([Box::<Disk>::default(), Box::<Disk>::default(), Box::<Disk>::default()]);
    let lines = input.split(|b| *b == b'\n').filter_map(<[u8]>::split_first);
    let steps = lines.flat_map(|(what, rest)| steps(*what, rest));
    if let Err(difference) = recorder.run(steps) {
        panic!("{difference:#?}");
    }
}

fn steps(what: u8, rest: &[u8]) -> Vec<Step> {
    /// As in the target `turns`, so that its seeds can be used here, too.
    const SLOTS_THERE: u8 = 4;
    let text = || String::from_utf8_lossy(rest).into_owned();
    let slot = what % SLOTS_THERE;
    match what % (SLOTS_THERE * 8) / SLOTS_THERE {
        0 => {
            let mut steps = vec![Step::Turn(None), Step::Pass(100 * rest.len() as u64)];
            if rest.first() == Some(&b'r') {
                steps.push(Step::Rebuild);
            }
            if rest.first() == Some(&b's') {
                steps.push(Step::Restart);
            }
            steps
        }
        1 => vec![Step::Lose(slot)],
        2 if rest.starts_with(b"full") => vec![Step::Full(usize::from(slot % 3), rest == b"full")],
        2 => vec![Step::Retain(u64::from(slot))],
        3 if rest.starts_with(br#"{"command""#) => vec![Step::Operator(text())],
        3 if rest.is_empty() => vec![Step::Reload(slot)],
        3 => vec![Step::Action(text())],
        more => vec![Step::Line((slot + SLOTS_THERE * (more & 1)) % SLOTS, text())],
    }
}
