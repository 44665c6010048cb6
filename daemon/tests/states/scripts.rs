//! Owns the form of the scripts: one step a line. `a {…}` to `f {…}` send a line on a connection: `b` and `e` come from
//! other networks, `c` and `d` have the certificates of mo and op. `op {…}` is a line of the control socket. Used by the
//! tests of scripts. Never runs a step.

use super::recorder::{ENCODED, REBUILT, STEADY, Step};

/// Reads a script.
pub(crate) fn steps(script: &str) -> Vec<Step> {
    script.lines().map(str::trim).filter(|line| !line.is_empty()).map(step).collect()
}

fn step(line: &str) -> Step {
    let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
    let number = || rest.parse().unwrap_or_else(|_| panic!("{line}"));
    let state = || match rest.split(' ').next() {
        Some("steady") => STEADY,
        Some("rebuilt") => REBUILT,
        Some("encoded") => ENCODED,
        other => panic!("{other:?}"),
    };
    match what {
        "op" => Step::Operator(rest.to_owned()),
        "turn" => Step::Turn(rest.parse().ok()),
        "pass" => Step::Pass(number()),
        "set-clock" => Step::SetClock(number()),
        "retain" => Step::Retain(number()),
        "rebuild" => Step::Rebuild,
        "restart" => Step::Restart,
        "reload" => Step::Reload(rest.parse().unwrap_or_else(|_| panic!("{line}"))),
        "full" => Step::Full(state(), true),
        "roomy" => Step::Full(state(), false),
        "blind" => Step::Blind(state(), true),
        "slow" => Step::Slow(Some(1)),
        "keeps" => Step::KeepsLonger(state(), true),
        slot if slot.len() == 1 => {
            let slot = slot.as_bytes()[0] - b'a';
            if rest == "gone" { Step::Lose(slot) } else { Step::Line(slot, rest.to_owned()) }
        }
        _ => panic!("{line}"),
    }
}
