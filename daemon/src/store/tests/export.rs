//! What an export reads of a store that changes meanwhile, and of an older one. Run by the store's tests. The command is
//! tested from outside in `tests/e2e/exports.rs`.

use super::*;
use std::path::Path;

/// Opens an export of everything.
fn all(path: &Path) -> Export {
    Export::open(&history(path), ExportFilter::default()).unwrap()
}

/// Reads it to its end.
fn rest(mut export: Export) -> Vec<u8> {
    let mut lines = Vec::new();
    while export.next(&mut lines).unwrap().is_some() {}
    lines
}

fn files(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    files
}

#[test]
fn it_ends_where_the_log_ended_and_keeps_no_write_ahead_log_from_being_copied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, _readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    let long = "x".repeat(400_000);
    for _ in 0..8 {
        store.commit(&mut model.say(&[(1, &[("ana", &long)]), (2, &[("bo", "short")])])).unwrap();
    }
    let before = model.lines(|_| true);
    let mut export = all(&path);
    let mut lines = Vec::new();
    export.next(&mut lines).unwrap();
    assert!(lines.len() < before.len(), "a part");
    store.commit(&mut model.say(&[(1, &[("ana", "later")])])).unwrap();
    // All of the log can be copied, and its file cut: no reader is in the middle of it.
    let busy = store.count("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(busy, 0);
    while export.next(&mut lines).unwrap().is_some() {}
    assert_eq!(text(&lines), text(&before));
}

#[test]
fn a_daemon_that_starts_and_ends_meanwhile_changes_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "x".repeat(600_000);
    for _ in 0..6 {
        store.commit(&mut model.say(&[(1, &[("ana", &long)])])).unwrap();
    }
    let before = model.lines(|_| true);
    drop(readers);
    store.close().unwrap();
    let closed = files(dir.path());
    assert_eq!(text(&rest(all(&path))), text(&before));
    assert_eq!(files(dir.path()), closed, "it makes no file");

    // Read alone at first, then beside a daemon, and alone again.
    let mut export = all(&path);
    let mut lines = Vec::new();
    export.next(&mut lines).unwrap();
    let (mut store, readers, _) = open(&history(&path));
    let mut on = Model { head: model.head, heads: model.heads.clone(), ..Model::default() };
    store.commit(&mut on.say(&[(1, &[("bo", "meanwhile")])])).unwrap();
    // What is removed is gone for the export, too: it does not go on in pages of before.
    store.log().execute("DELETE FROM chunks WHERE first = 6", []).unwrap();
    export.next(&mut lines).unwrap();
    drop(readers);
    store.close().unwrap();
    while export.next(&mut lines).unwrap().is_some() {}
    let left = model.lines(|m| m.seq != 6);
    assert!(lines == left, "{} bytes, not {}", lines.len(), left.len());
    assert!(rest(all(&path)) == [left, on.lines(|_| true)].concat());
}

#[test]
fn what_a_removed_room_left_behind_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, _readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "stays")]), (2, &[("ana", "goes")])])).unwrap();
    store.commit(&mut Writes { gone: vec![room(2)], ..Writes::default() }).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM chunks"), 2, "it is removed later");
    assert_eq!(text(&rest(all(&path))), text(&model.lines(|m| m.conversation == room(1))));
    let room = |room: &str| ExportFilter { room: Some(name(room)), ..ExportFilter::default() };
    let of_room = |which: &str| Export::open(&history(&path), room(which));
    assert_eq!(text(&rest(of_room("ROOM1").unwrap())), text(&model.lines(|m| m.conversation.0 == 1)));
    assert!(matches!(of_room("room2"), Err(ExportError::NoRoom(_))));
}

#[test]
fn a_store_of_an_older_version_and_an_empty_one_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "old")])])).unwrap();
    store.make_version_6();
    drop((readers, store));
    assert_eq!(text(&rest(all(&path))), text(&model.lines(|_| true)));
    assert!(matches!(Export::open(&in_memory(), ExportFilter::default()), Err(ExportError::InMemory)));
    let empty = dir.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(rest(all(&empty)), b"");
    let nowhere = Export::open(&history(dir.path().join("nowhere.db")), ExportFilter::default()).unwrap_err();
    assert!(nowhere.to_string().contains("nowhere.db"), "{nowhere}");
}
