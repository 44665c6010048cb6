//! Owns the addresses that the servers of a chat named at the last login: one file for each server in the state folder,
//! so that the next start finds another node while the first one is away. Called by `connect` and `web`. Never the only
//! source: a lost file costs nothing.

use crate::files;
use std::io;
use std::path::{Path, PathBuf};
use tcp_chat_client::protocol::server::{SERVER_BYTES, SERVERS, usable};

/// The largest file that is read, in bytes.
const BYTES: u64 = ((SERVER_BYTES + 4) * SERVERS) as u64;

fn path(server: &str) -> Option<PathBuf> {
    Some(files::state_folder()?.join(format!("servers-{}.json", files::plain_name(server))))
}

/// What was remembered for a server, as `host:port`.
#[must_use]
pub(crate) fn load(server: &str) -> Vec<String> {
    path(server).map_or_else(Vec::new, |path| read(&path))
}

/// Remembers the list of a login reply. `None`: the daemon is alone, and nothing is remembered.
///
/// # Errors
/// The system's.
pub(crate) fn store(server: &str, named: Option<&[String]>) -> io::Result<()> {
    path(server).map_or(Ok(()), |path| write(&path, named.unwrap_or_default()))
}

fn read(path: &Path) -> Vec<String> {
    // A pipe in its place would never end.
    let is_small = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= BYTES);
    let bytes = if is_small { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    plain(&serde_json::from_slice::<Vec<String>>(&bytes).unwrap_or_default())
}

fn write(path: &Path, named: &[String]) -> io::Result<()> {
    let named = plain(named);
    if named == read(path) {
        return Ok(());
    }
    match named.as_slice() {
        [] => std::fs::remove_file(path),
        named => files::write(path, &serde_json::to_vec(named).map_err(io::Error::from)?),
    }
}

/// The usable addresses of a list.
fn plain(list: &[String]) -> Vec<String> {
    usable(list.iter().map(String::as_str)).iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_list_is_remembered_and_a_lone_daemon_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join("servers-a.json");
        assert!(read(&path).is_empty());
        write(&path, &[]).unwrap();
        assert!(!path.exists());
        for list in [vec!["a:1", "b:1"], vec!["B:1", "no address"], vec!["c:1"]] {
            let list: Vec<String> = list.into_iter().map(Into::into).collect();
            write(&path, &list).unwrap();
            assert_eq!(read(&path), plain(&list));
        }
        write(&path, &[]).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_damaged_file_names_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        for text in ["", "[", "{}", "[1]", r#"["a b:1"]"#, &format!("[{}\"a:1\"]", " ".repeat(9_000))] {
            std::fs::write(&path, text).unwrap();
            assert!(read(&path).is_empty(), "{text}");
        }
        std::fs::write(&path, r#"["a:1"]"#).unwrap();
        assert_eq!(read(&path), ["a:1"]);
        assert!(read(folder.path()).is_empty(), "a folder");
    }
}
