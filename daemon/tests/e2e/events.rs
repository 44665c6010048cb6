//! Tests of the log as a contract: `docs/OPERATIONS.md` lists every event with its level and fields. The list
//! is compared with the source in both directions, and with each JSON line of every daemon that a test ends.
//! `events_for_real.rs` tests that each event is really written.

use crate::common::Log;
use crate::outside::repository;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The fields that each line has besides those of its event, if their names differ.
const OF_ALL: [&str; 5] = ["timestamp", "level", "target", "message", "event"];

/// The document's row of an event.
#[derive(Debug, Default, PartialEq)]
struct Row {
    levels: BTreeSet<String>,
    /// Whether the field can be missing.
    fields: BTreeMap<String, bool>,
}

static TABLE: LazyLock<BTreeMap<String, Row>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(repository().join("docs/OPERATIONS.md")).unwrap();
    let section = text.split("\n### Events\n").nth(1).unwrap().split("\n#").next().unwrap();
    let mut table = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, events, levels, fields, says, _] = cells[..] else { panic!("{line}") };
        assert!(!says.is_empty(), "{line}");
        for event in quoted(events) {
            let fields = quoted(fields).map(|f| (f.trim_end_matches('?').to_owned(), f.ends_with('?')));
            let row =
                Row { levels: levels.split(", ").map(str::to_owned).collect(), fields: fields.collect() };
            assert!(table.insert(event.to_owned(), row).is_none(), "{event} has two rows");
        }
    }
    table
});

/// The text between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of all events that the document lists.
pub(crate) fn documented() -> BTreeSet<String> {
    TABLE.keys().cloned().collect()
}

/// The events of a log, each as it is documented.
pub(crate) fn held(log: &Log) -> BTreeSet<String> {
    let text = log.text();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // Lines of the libraries have none, at `trace`.
    lines
        .filter(|line| line["target"].as_str().is_some_and(|t| t.starts_with("tcp_chatd")))
        .map(hold)
        .collect()
}

fn hold(line: Value) -> String {
    let event = line["event"].as_str().unwrap_or_else(|| panic!("no event: {line}")).to_owned();
    let row = TABLE.get(&event).unwrap_or_else(|| panic!("docs/OPERATIONS.md does not have {line}"));
    let level = line["level"].as_str().unwrap().to_lowercase();
    assert!(row.levels.contains(&level), "not the level in docs/OPERATIONS.md: {line}");
    let here: BTreeSet<&str> =
        line.as_object().unwrap().keys().map(String::as_str).filter(|key| !OF_ALL.contains(key)).collect();
    for (field, may_be_missing) in &row.fields {
        assert!(*may_be_missing || here.contains(field.as_str()), "{field} is missing: {line}");
    }
    for field in here {
        assert!(row.fields.contains_key(field), "docs/OPERATIONS.md does not have the field {field}: {line}");
    }
    event
}

/// A place in the source that logs.
#[derive(Debug)]
struct Call {
    at: String,
    event: String,
    level: &'static str,
    fields: BTreeSet<String>,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        match path.is_dir() {
            _ if is_test => {}
            true => sources(&path, found),
            false => found.extend(path.extension().is_some_and(|e| e == "rs").then_some(path)),
        }
    }
}

/// The arguments of a macro, from its opening parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut one, mut depth, mut in_text, mut escaped) =
        (Vec::new(), String::new(), 0, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                all.push(one);
                break;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(std::mem::take(&mut one));
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    all.into_iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

fn calls(file: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    let code: String =
        code.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    for other in ["trace!(", "event!(", "span!(", "#[instrument", "#[tracing"] {
        assert!(!code.contains(other), "{}: this test does not know {other}", file.display());
    }
    let mut found = Vec::new();
    for level in ["debug", "info", "warn", "error"] {
        let opening = format!("{level}!(");
        for (at, _) in code.match_indices(&opening) {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let at_line = format!("{}: {}", file.display(), code[at..].lines().next().unwrap());
            let (mut event, mut fields) = (None, BTreeSet::new());
            for argument in arguments(&code[at + opening.len()..]) {
                let (name, value) = argument.split_once(" = ").unwrap_or((&argument, ""));
                match name.trim_start_matches(['%', '?']) {
                    "event" => event = Some(value.trim_matches('"').to_owned()),
                    name if name.starts_with('"') || name.starts_with("target: ") => {}
                    name => drop(fields.insert(name.to_owned())),
                }
            }
            let event = event.unwrap_or_else(|| panic!("no event in {at_line}"));
            found.push(Call { at: at_line, event, level, fields });
        }
    }
    found
}

#[test]
fn the_logged_events_are_the_documented_events() {
    let mut files = Vec::new();
    sources(&repository().join("daemon/src"), &mut files);
    let mut by_event: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for call in files.iter().flat_map(|file| calls(file)) {
        by_event.entry(call.event.clone()).or_default().push(call);
    }
    let in_source: BTreeSet<String> = by_event.keys().cloned().collect();
    assert!(in_source.len() > 50, "{in_source:?}");
    assert_eq!(documented(), in_source, "on the left docs/OPERATIONS.md, on the right the source");
    for (event, calls) in &by_event {
        let row = &TABLE[event];
        let levels: BTreeSet<String> = calls.iter().map(|call| call.level.to_owned()).collect();
        assert_eq!(row.levels, levels, "{event}: {calls:?}");
        assert!(
            OF_ALL.iter().all(|name| !row.fields.contains_key(*name)),
            "{event} hides a part of its line"
        );
        let fields: BTreeSet<&String> = calls.iter().flat_map(|call| &call.fields).collect();
        assert_eq!(row.fields.keys().collect::<BTreeSet<_>>(), fields, "{event}: {calls:?}");
        for (field, may_be_missing) in &row.fields {
            for call in calls.iter().filter(|call| !call.fields.contains(field)) {
                assert!(may_be_missing, "{event}: {field} is not in {}", call.at);
            }
        }
    }
}
