//! Owns the shortest script for each known difference, with a fact that differs today. A repair moves its script to
//! `same.rs` and removes its entry from [`Known`].
//!
//! A script has one step a line. `a {…}` to `f {…}` send a line on a connection: `b` and `e` come from other networks, `c`
//! and `d` have the certificates of mo and op. `op {…}` is a line of the control socket.

use super::known::Known;
use super::recorder::{ENCODED, REBUILT, STEADY, Step};
use super::run;

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

/// The script must end in states that differ in this fact without the entries, and in equal states with them.
#[track_caller]
fn shows(entries: &[Known], fact: &str, script: &str) {
    let steps = steps(script);
    let known: Vec<_> = Known::ALL.into_iter().filter(|known| !entries.contains(known)).collect();
    let difference = run(&known, &steps).expect_err("the difference is gone: take its entry out of `Known`");
    let is_there = difference.facts.iter().any(|(path, ..)| path == fact);
    assert!(is_there, "{fact} does not differ: {difference:#?}");
    assert_eq!(run(&Known::ALL, &steps), Ok(()), "the entry does not hide it");
}

#[test]
fn all_are_away() {
    shows(
        &[Known::AllAreAway],
        "session/1/here",
        r#"
        a {"op":"LOGIN","data":{"name":"ana"}}
        turn
        rebuild
        "#,
    );
}
