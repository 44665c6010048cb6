//! Owns the paths of the client's files, and their writing: completely or not at all, and only for the user.
//! Called by `profile`, `state` and `enrol`. Never knows the content.

use etcetera::BaseStrategy;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const FOLDER: &str = "tcp-chat";

/// `$XDG_CONFIG_HOME/tcp-chat/config.toml`, or its equivalent on this system.
#[must_use]
pub fn config_file() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join(FOLDER).join("config.toml"))
}

/// `$XDG_STATE_HOME/tcp-chat`, or its equivalent on this system.
#[must_use]
pub fn state_folder() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.state_dir().unwrap_or_else(|| base.data_dir()).join(FOLDER))
}

/// `$XDG_DATA_HOME/tcp-chat`, or its equivalent on this system.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.data_dir().join(FOLDER))
}

/// A text as part of a file name: lower-case letters, digits, `-` and `.` stay, other characters become numbers.
#[must_use]
pub fn plain_name(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for c in text.chars() {
        if (c.is_alphanumeric() && c.to_lowercase().eq([c])) || matches!(c, '.' | '-') {
            out.push(c);
        } else {
            let _ = write!(out, "_{:02x}", u32::from(c)); // Writing into a string cannot fail.
        }
    }
    out
}

/// Writes a file so that a crash leaves the old one or the new one, with mode 0600. Creates the folder with mode
/// 0700 if it does not exist.
///
/// # Errors
/// The error of the system.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let written = private(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&draft, path));
    if done.is_err() {
        // The error is returned below; the temporary file has no use.
        let _ = fs::remove_file(&draft);
    }
    done
}

/// Creates a folder that only the user can access.
///
/// # Errors
/// The error of the system.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file for writing that only the user can access; creates or empties it.
///
/// # Errors
/// The error of the system.
pub fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_of_files_are_plain_and_differ() {
        assert_eq!(plain_name("localhost:3000"), "localhost_3a3000");
        assert_eq!(plain_name("../a/B"), ".._2fa_2f_42");
        assert_ne!(plain_name("Ana"), plain_name("ana"), "also where file names have no case");
    }
}
