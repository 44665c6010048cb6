//! The written documentation of the settings, compared with their descriptions.

use super::*;

#[test]
fn config_toml_says_what_the_descriptions_say() {
    let written = include_str!("../../../../config.toml");
    assert_eq!(written, reference(), "write it: cargo run -- config --reference >config.toml");
}

#[test]
fn the_table_of_settings_says_what_the_descriptions_say() {
    let operations = include_str!("../../../../docs/OPERATIONS.md");
    let written = operations.split("\n## All settings\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let written: String =
        written.lines().filter(|l| l.starts_with('|')).map(|line| format!("{line}\n")).collect();
    assert!(written == table(), "write this table there:\n{}", table());
}

#[test]
fn the_reference_is_the_defaults_as_it_stands_and_with_everything_uncommented() {
    let folder = Folder::with(&reference());
    assert_eq!(folder.load(&[], &[]).unwrap().settings, defaults_in(folder.dir.path()));
    let uncommented: String = reference()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let folder = Folder::with(&uncommented);
    let loaded = folder.load(&[], &[]).unwrap();
    assert_eq!(loaded.settings, defaults_in(folder.dir.path()));
    assert!(loaded.origin_of("limits.stall").starts_with("file"), "it was really uncommented");
}
