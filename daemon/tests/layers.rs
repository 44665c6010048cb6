//! Imports point down only: every `use crate::…` (and `crate::` path) of a module of the daemon names a module of a
//! lower layer. An import within a layer must be listed, and the list has no circle. The table is the one in `src/lib.rs`. And the
//! files that ARCHITECTURE.md and the openings of folders name are those that are there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The layer of a module, lowest first.
const LAYERS: [(&str, u8); 20] = [
    ("edge", 0),
    ("settings", 0),
    ("order", 0),
    ("store", 1),
    ("tls", 1),
    ("log", 0),
    ("metrics", 0),
    ("auth", 0),
    ("clock", 0),
    ("places", 0),
    ("rate", 0),
    ("cluster", 2),
    ("hub", 2),
    ("net", 3),
    ("admin", 4),
    ("http", 4),
    ("systemd", 4),
    ("web", 4),
    ("daemon", 5),
    ("commands", 5),
];

/// Allowed imports within a layer. No module here imports one that is above it in the list.
const BESIDE: [(&str, &str); 9] = [
    ("daemon", "commands"),
    ("log", "settings"),
    ("settings", "auth"),
    ("metrics", "edge"),
    ("edge", "auth"),
    ("edge", "order"),
    ("edge", "rate"),
    ("settings", "rate"),
    ("order", "auth"),
];

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The modules that a source names after `crate::`, with groups (`use crate::{a::B, c}`) split. Comments and
/// the part after `#[cfg(test)]` at the end of a file do not count.
fn named(source: &str) -> Vec<String> {
    let code: String = source
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some(group) = rest.strip_prefix('{') else {
            found.push(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && depth == 0 && c.is_alphabetic() => {
                    found.push(word(&group[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn the_reader_reads() {
    let source = "use crate::chat::{A, B};\nuse crate::{store::Kept, net::{x, y}, hub};\n// crate::admin\nlet a = crate::tls::b();\n#[cfg(test)]\nmod tests { use crate::daemon; }";
    assert_eq!(named(source), ["chat", "store", "net", "hub", "tls"]);
    let tests_at_the_top = "#[cfg(test)]\nmod tests;\nuse crate::auth;";
    assert_eq!(named(&format!("mod a;\n{tests_at_the_top}")), ["auth"]);
}

#[test]
fn imports_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut modules = BTreeSet::new();
    let mut beside = BTreeSet::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let module =
            inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let is_test = inside.components().any(|part| part.as_os_str().to_str().unwrap().starts_with("tests"));
        modules.insert(module.to_owned());
        let Some(own) = layer(module) else {
            wrong.push(format!(
                "{}: `{module}` has no layer; give it one here and in lib.rs",
                inside.display()
            ));
            continue;
        };
        for name in named(&std::fs::read_to_string(&path).unwrap()) {
            match layer(&name) {
                Some(other) if other > own => {
                    wrong.push(format!("{}: {module} ({own}) uses {name} ({other})", inside.display()))
                }
                Some(other) if other == own && name != module && !is_test => {
                    beside.insert((module.to_owned(), name));
                }
                Some(_) => {}
                None => wrong.push(format!("{}: what is crate::{name}?", inside.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "imports point up:\n{}", wrong.join("\n"));
    assert!(modules.len() >= 3, "{modules:?}");
    let listed = BESIDE.map(|(from, to)| (from.to_owned(), to.to_owned()));
    assert_eq!(
        beside,
        BTreeSet::from(listed),
        "on the left the imports within a layer, on the right the list"
    );
}

#[test]
fn imports_within_a_layer_make_no_circle() {
    for (at, (from, to)) in BESIDE.iter().enumerate() {
        assert_eq!(layer(from), layer(to), "{from} and {to}");
        let goes_back = BESIDE[at..].iter().any(|(_, later)| later == from);
        assert!(!goes_back, "{from} uses {to} and is used by a module below it in the list");
    }
}

/// The text between two backquotes, if it names a file.
fn named_files(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|quoted| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c);
        quoted.ends_with(".rs") && quoted.chars().all(is_part)
    })
}

#[test]
fn the_files_that_the_architecture_names_are_there() {
    let daemon = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = daemon.parent().unwrap();
    let text = std::fs::read_to_string(repository.join("ARCHITECTURE.md")).unwrap();
    let mut count = 0;
    for name in named_files(&text).filter(|name| !name.ends_with("/x.rs")) {
        let in_state = name.strip_prefix("state/").map(|rest| repository.join("crates/state/src").join(rest));
        let places = [Some(repository.join(name)), Some(daemon.join("src").join(name)), in_state];
        assert!(places.into_iter().flatten().any(|path| path.exists()), "{name} is not there");
        count += 1;
    }
    assert!(count > 60, "{count}");
}

/// The opening of some folders has a table of their files: no file is missing, and none is left over.
#[test]
fn the_tables_of_files_are_complete() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut tables = 0;
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.contains("//! | file | what |") {
            continue;
        }
        let is_mod = path.file_name().is_some_and(|name| name == "mod.rs");
        let folder = if is_mod { path.parent().unwrap().to_owned() } else { path.with_extension("") };
        let rows = text.lines().filter(|line| line.starts_with("//! | `"));
        let listed: BTreeSet<String> =
            rows.flat_map(|row| named_files(row.rsplit_once(" | ").unwrap().0)).map(str::to_owned).collect();
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let there: BTreeSet<String> = names
            .map(|name| name.into_string().unwrap())
            .filter(|name| name.ends_with(".rs") && !["mod.rs", "tests.rs"].contains(&name.as_str()))
            .collect();
        assert_eq!(listed, there, "left: the table in {}", path.display());
        tables += 1;
    }
    assert!(tables >= 3, "{tables}");
}
