//! Owns the files that the configuration names and that the next reload or start reads again: certificates, keys,
//! CAs, the password's hash, the token, and the configuration itself. Looks every few seconds whether they can still
//! be read, and says once when one cannot, and when it can again. Called by the life of the process. Never reads
//! them: what was loaded goes on being used.

use crate::settings::Loaded;
use crate::tls;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tracing::{error, info};

/// Looks in a row that must fail before a file counts as gone: some programs replace a file in two steps.
const LOOKS: u8 = 2;

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Gone,
    Denied,
    NoFile,
    Other,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "it is no longer there",
            Self::Denied => "the daemon is not permitted to read it",
            Self::NoFile => "it is no longer a file",
            Self::Other => "it cannot be read",
        })
    }
}

/// One file that could be read once.
#[derive(Debug)]
struct Watched {
    /// The setting that names it, or `config`.
    key: &'static str,
    /// How many looks in a row have failed.
    failed: u8,
    trouble: Option<Trouble>,
}

/// The files, as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct NamedFiles {
    watched: BTreeMap<PathBuf, Watched>,
}

impl NamedFiles {
    /// Looks at all files that the configuration names, and tells the log what has changed. A file counts from the
    /// first look on that finds it readable: a pipe, or a file that was never there, is not missed.
    pub(super) fn look(&mut self, loaded: &Loaded) {
        let named = named(loaded);
        self.watched.retain(|path, _| named.iter().any(|(_, named)| named == path));
        for (key, path) in named {
            match (readable(&path), self.watched.get_mut(&path)) {
                (Ok(()), None) => {
                    self.watched.insert(path, Watched { key, failed: 0, trouble: None });
                }
                (Ok(()), Some(watched)) => {
                    watched.failed = 0;
                    if watched.trouble.take().is_some() {
                        info!(event = "file_back", file = %path.display(), key, "a file can be read again");
                    }
                }
                (Err(trouble), Some(watched)) => {
                    watched.failed = watched.failed.saturating_add(1);
                    if watched.failed >= LOOKS && watched.trouble.is_none() {
                        watched.trouble = Some(trouble);
                        error!(
                            event = "file_gone",
                            file = %path.display(),
                            key,
                            reason = %trouble,
                            "a file of the configuration cannot be read: what was loaded from it stays in use"
                        );
                    }
                }
                (Err(_), None) => {}
            }
        }
    }

    /// What is wrong with them, for STATUS.
    pub(super) fn warnings(&self) -> Vec<String> {
        let warning = |(path, watched): (&PathBuf, &Watched)| {
            let (key, trouble) = (watched.key, watched.trouble?);
            Some(format!(
                "{} ({key}): {trouble}; what was loaded from it stays in use, and the next reload or start needs it",
                path.display()
            ))
        };
        self.watched.iter().filter_map(warning).collect()
    }
}

/// Every file that the configuration names, with the setting.
fn named(loaded: &Loaded) -> Vec<(&'static str, PathBuf)> {
    let settings = &loaded.settings;
    let others = [
        ("config", loaded.file.as_deref()),
        ("auth.password_file", settings.auth.password_file.as_ref().map(|secret| secret.file.as_path())),
        ("web.certificate", settings.web.certificate.as_deref()),
        ("web.key", settings.web.key.as_deref()),
        ("http.token_file", settings.http.token_file.as_ref().map(|secret| secret.file.as_path())),
    ];
    let mut all = tls::files_of(&settings.tls);
    all.extend(others.into_iter().filter_map(|(key, path)| Some((key, path?.to_owned()))));
    all
}

fn readable(path: &Path) -> Result<(), Trouble> {
    let trouble = |errno| match errno {
        Errno::NOENT | Errno::NOTDIR => Trouble::Gone,
        Errno::ACCESS | Errno::PERM => Trouble::Denied,
        _ => Trouble::Other,
    };
    // Opening would wait for the other end of a pipe.
    access(path, Access::READ_OK).map_err(trouble)?;
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(Trouble::NoFile),
        Err(_) => Err(Trouble::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Inputs, load};

    fn loaded(folder: &Path, config: &str) -> Loaded {
        let file = folder.join("config.toml");
        std::fs::write(&file, config).unwrap();
        load(&Inputs { config: Some(file), ..Inputs::default() }).unwrap()
    }

    #[test]
    fn a_file_is_missed_at_the_second_look_and_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = loaded(folder.path(), "tls.client_auth = \"optional\"\ntls.client_ca = \"their.pem\"");
        let file = folder.path().join("their.pem");
        let mut files = NamedFiles::default();
        files.look(&loaded);
        files.look(&loaded);
        files.look(&loaded);
        assert!(files.warnings().is_empty(), "what was never there is not missed");
        std::fs::write(&file, "").unwrap();
        files.look(&loaded);
        std::fs::remove_file(&file).unwrap();
        files.look(&loaded);
        assert!(files.warnings().is_empty(), "it may be replaced in two steps");
        files.look(&loaded);
        let shown = file.display();
        let said = format!(
            "{shown} (tls.client_ca): it is no longer there; what was loaded from it stays in use, and the next \
             reload or start needs it"
        );
        assert_eq!(files.warnings(), [said]);
        std::fs::create_dir(&file).unwrap();
        files.look(&loaded);
        assert_eq!(files.warnings().len(), 1, "a folder is no file");
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, "").unwrap();
        files.look(&loaded);
        assert!(files.warnings().is_empty());
    }

    #[test]
    fn a_file_that_is_no_longer_named_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("their.pem"), "").unwrap();
        let mut files = NamedFiles::default();
        let before = loaded(folder.path(), "tls.client_auth = \"optional\"\ntls.client_ca = \"their.pem\"");
        files.look(&before);
        std::fs::remove_file(folder.path().join("their.pem")).unwrap();
        files.look(&before);
        files.look(&before);
        assert_eq!(files.warnings().len(), 1);
        files.look(&loaded(folder.path(), ""));
        assert!(files.warnings().is_empty());
    }
}
