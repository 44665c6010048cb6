//! Owns how the browser is opened: by a file for the user alone (0600) that leads to the address with the ticket. So the
//! ticket is in no list of processes. Called by `mod`. The file is removed when the ticket is used, after its time, and at
//! the end.

use crate::files;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
        let path = folder.join(format!("open-{port}.html"));
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
}
