//! config.toml held against the types, both ways.

use super::*;

/// What config.toml says of each key: the default, or nothing where there is none.
fn documented() -> Vec<(String, Option<toml::Value>)> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in REFERENCE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((name, value)) = line
            .strip_prefix('#')
            .filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
            .and_then(|l| l.split_once(" = "))
        {
            let parsed: toml::Table = format!("x = {value}").parse().unwrap();
            keys.push((format!("{section}.{name}"), Some(parsed["x"].clone())));
        } else if let Some((name, _)) =
            line.strip_prefix("#   ").filter(|_| !section.is_empty()).and_then(|l| l.split_once(" = "))
        {
            keys.push((format!("{section}.{name}"), None));
        } else {
            assert!(
                line.is_empty() || line.starts_with("# ") || line == "#" || line.starts_with("#   "),
                "{line}"
            );
        }
    }
    keys
}

#[test]
fn the_reference_has_every_key_with_its_default_and_no_other() {
    let built_in: Vec<_> =
        show::entries(&Settings::default()).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    assert_eq!(documented(), built_in);
}

#[test]
fn the_reference_is_the_defaults_as_it_stands_and_with_everything_uncommented() {
    let folder = Folder::with(REFERENCE);
    assert_eq!(folder.load(&[], &[]).unwrap().settings, defaults_in(folder.dir.path()));
    let uncommented: String = REFERENCE
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
