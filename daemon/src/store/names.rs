//! Owns the keys of names that are not ASCII, in the store of a node. They came with the turns: another version may compute
//! other ones from the same names, and the states of the nodes would differ after its start. Written with the turns, and
//! given back to the snapshot. A lone daemon computes the keys, and writes none.

use rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use tcp_chat_protocol::Name;
use tcp_chat_state::{Snapshot, Writes};

/// Names with their keys, as [`Name::keys_text`] writes them.
pub(super) type NameKeys = Vec<(String, String)>;

/// The keys of the names in the writes of a turn.
pub(super) fn of_writes(writes: &mut Writes) -> NameKeys {
    let mut found = NameKeys::new();
    writes.visit_names(&mut |name| found.extend(keys_of(name)));
    found
}

/// The same of a snapshot.
pub(super) fn of_snapshot(snapshot: &mut Snapshot) -> NameKeys {
    let mut found = NameKeys::new();
    snapshot.visit_names(&mut |name| found.extend(keys_of(name)));
    found
}

fn keys_of(name: &Name) -> Option<(String, String)> {
    Some((name.as_str().to_owned(), name.keys_text()?))
}

/// Writes keys. If a name has others already, the newer ones count.
pub(super) fn write(log: &Connection, keys: &NameKeys) -> rusqlite::Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut put = log.prepare_cached("INSERT OR REPLACE INTO names (name, keys) VALUES (?1, ?2)")?;
    keys.iter().try_for_each(|key| put.execute([&key.0, &key.1]).map(|_| ()))
}

/// Gives the names of a snapshot the keys that the store has, and removes those of names that are gone.
pub(super) fn restore(log: &Connection, snapshot: &mut Snapshot) -> rusqlite::Result<()> {
    let mut all = log.prepare("SELECT name, keys FROM names")?;
    let all: HashMap<String, String> =
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut used = HashSet::new();
    snapshot.visit_names(&mut |name| {
        if let Some((text, keys)) = all.get_key_value(name.as_str()) {
            used.insert(text);
            *name = name.with_keys(keys).unwrap_or_else(|| name.clone());
        }
    });
    for name in all.keys().filter(|name| !used.contains(name)) {
        // On a full disk they stay until the next start.
        let _ = log.execute("DELETE FROM names WHERE name = ?1", [name]);
    }
    Ok(())
}
