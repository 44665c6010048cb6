//! Owns the opening of the browser: a file that only the user can read (0600) redirects to the address with the ticket, so
//! no list of processes shows the ticket. Called by `mod`. The file is removed when the ticket is used or has expired, and
//! at the end. A killed process leaves it behind, and the next start removes it. Never opens a connection.

use crate::files;
use crate::web::access::TICKET;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The file that redirects to the page. Dropping this removes it.
#[derive(Debug)]
pub(crate) struct Redirect {
    path: PathBuf,
}

impl Redirect {
    /// Writes the file. The address is our own, so it has no character that HTML must escape.
    ///
    /// # Errors
    /// The error of the system, with the name of the file.
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

    /// Lets the system open the file. Blocks the thread: if the browser was not running before, until the browser ends.
    ///
    /// # Errors
    /// A sentence with the failed program.
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
        // In a process group of its own, because Ctrl-C here must not end the browser.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        match command.status() {
            // On Windows, explorer also returns 1 if it succeeds.
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
        // It fails if the file is removed already.
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

/// Whether there is a screen for a browser. Without one, `xdg-open` would start a text browser in our terminal.
pub(crate) fn has_screen() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", windows))
        || ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(is_set)
}

/// The folder for files that need not outlive the login.
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
    fn only_the_user_can_read_the_file_and_a_drop_removes_it() {
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
