//! Owns how the browser is opened: by a file for the user alone (0600) that leads to the address with the ticket. So the
//! ticket is in no list of processes. Called by `mod`. The file is removed when the ticket is used, after its time, and at
//! the end. A process that is killed leaves it behind; the next start removes it. Never opens a connection.

use crate::files;
use crate::web::door::TICKET;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The file that leads to the page. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Redirect {
    path: PathBuf,
}

impl Redirect {
    /// Writes the file. The address is our own: it has nothing in it that HTML would need to escape.
    ///
    /// # Errors
    /// The system's, with the file's name.
    pub(crate) fn write(address: &str, port: u16) -> io::Result<Self> {
        let folder = runtime_folder().ok_or_else(|| io::Error::other("this user has no home folder"))?;
        let path = folder.join(file_name(port));
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>tcp-chat</title>\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta http-equiv=\"refresh\" content=\"0; url={address}\">\n\
             <p><a href=\"{address}\">To the chat</a></p>\n</html>\n"
        );
        files::write(&path, page.as_bytes())
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        Ok(Self { path })
    }

    /// Has the system open the file. Blocks the thread, for as long as the browser runs where it was not running before.
    ///
    /// # Errors
    /// A sentence with what failed.
    pub(crate) fn open(path: PathBuf) -> Result<(), String> {
        let program = if cfg!(target_os = "macos") {
            "open"
        } else if cfg!(windows) {
            "explorer"
        } else {
            "xdg-open"
        };
        let mut command = Command::new(program);
        command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Not of our process group: Ctrl-C here must not end the browser.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        match command.status() {
            // Windows's explorer ends with 1 where all went well.
            Ok(status) if status.success() || cfg!(windows) => Ok(()),
            Ok(status) => Err(format!("{program} failed ({status})")),
            Err(e) => Err(format!("{program}: {e}")),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Drop for Redirect {
    fn drop(&mut self) {
        // Where it is not there, it is removed already.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The name of the file of a relay at this port.
fn file_name(port: u16) -> String {
    format!("open-{port}.html")
}

/// The port of a file with this name, or of the draft that [`files::write`] makes of it. `None`: it is another file.
fn port_of(name: &str) -> Option<u16> {
    let name = match name.strip_prefix('.') {
        Some(draft) => draft.rsplit_once('.').filter(|(_, process)| process.parse::<u32>().is_ok())?.0,
        None => name,
    };
    let port = name.strip_prefix("open-")?.strip_suffix(".html")?.parse().ok()?;
    (file_name(port) == name).then_some(port)
}

/// Removes the files that killed processes have left behind. The ticket in such a file opens nothing: it ended with its
/// process. `port` is that of this process.
pub(crate) fn remove_stale(port: u16) {
    if let Some(folder) = runtime_folder() {
        remove_stale_in(&folder, port, SystemTime::now());
    }
}

/// Removes the file for `port`, at which this process listens, and those for other ports whose tickets are too old.
fn remove_stale_in(folder: &Path, port: u16, now: SystemTime) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(of) = name.to_str().and_then(port_of) else { continue };
        // Of the entry itself: the file behind a symbolic link is none of ours.
        let Ok(metadata) = entry.metadata() else { continue };
        let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok());
        if metadata.is_file() && (of == port || age.is_some_and(|age| age > TICKET)) {
            // Another process may have removed it meanwhile.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Can a browser be shown? Without a screen `xdg-open` would start one for terminals, on ours.
pub(crate) fn has_screen() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", windows))
        || ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(is_set)
}

/// Where files are that need not outlive the login.
fn runtime_folder() -> Option<PathBuf> {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    runtime.map(|folder| folder.join("tcp-chat")).or_else(files::state_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_the_user_alone_and_goes_with_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("open.html");
        let page = "x";
        files::write(&path, page.as_bytes()).unwrap();
        let redirect = Redirect { path: path.clone() };
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(redirect);
        assert!(!path.exists());
    }
    #[test]
    fn files_of_killed_processes_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let old = now - TICKET - std::time::Duration::from_secs(1);
        for (name, modified, stays) in [
            ("open-4000.html", now, false),
            ("open-4001.html", old, false),
            ("open-4002.html", now, true),
            (".open-4001.html.77", old, false),
            (".open-4001.html.x", old, true),
            ("open-04001.html", old, true),
            ("open-.html", old, true),
            ("open-4001.htm", old, true),
            ("state.json", old, true),
        ] {
            let path = folder.path().join(name);
            std::fs::File::create(&path).unwrap().set_modified(modified).unwrap();
            remove_stale_in(folder.path(), 4000, now);
            assert_eq!(path.exists(), stays, "{name}");
        }
        std::fs::create_dir(folder.path().join("open-4000.html")).unwrap();
        remove_stale_in(folder.path(), 4000, now);
        assert!(folder.path().join("open-4000.html").exists(), "a folder is none of ours");
        remove_stale_in(&folder.path().join("missing"), 4000, now);
    }
}
