//! Owns the watch over the files that the next reload or start reads: certificates, keys, CAs, the hash of the
//! password, the token, and the configuration. Checks every few seconds whether they are readable, and logs once
//! when a file becomes unreadable and when it is readable again. Called by `daemon`. Never reads them: the loaded
//! content stays in use.

use crate::settings::Loaded;
use crate::tls;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tracing::{error, info};

/// Checks in a row that must fail before a file counts as unreadable: some programs replace a file in two steps.
const FAILED_CHECKS: u8 = 2;

/// Why a file is unreadable.
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
            Self::Gone => "it no longer exists",
            Self::Denied => "the daemon is not permitted to read it",
            Self::NoFile => "it is no longer a file",
            Self::Other => "it cannot be read",
        })
    }
}

/// A file that was readable once.
#[derive(Debug)]
struct Watched {
    /// The setting that names it, or `config`.
    key: &'static str,
    /// The number of failed checks in a row.
    failed: u8,
    trouble: Option<Trouble>,
}

/// The files in their state at the last check.
#[derive(Debug, Default)]
pub(super) struct NamedFiles {
    watched: BTreeMap<PathBuf, Watched>,
}

impl NamedFiles {
    /// Checks all files that the configuration names, and logs the changes. A file is watched from the first
    /// check that finds it readable: so a pipe, or a file that never existed, is not reported.
    pub(super) fn check(&mut self, loaded: &Loaded) {
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
                    if watched.failed >= FAILED_CHECKS && watched.trouble.is_none() {
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

    /// The faults, for STATUS.
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

/// Each file that the configuration names, with its setting.
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
    // Opening a pipe would wait for its other end.
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
        files.check(&loaded);
        files.check(&loaded);
        files.check(&loaded);
        assert!(files.warnings().is_empty(), "what was never there is not missed");
        std::fs::write(&file, "").unwrap();
        files.check(&loaded);
        std::fs::remove_file(&file).unwrap();
        files.check(&loaded);
        assert!(files.warnings().is_empty(), "it may be replaced in two steps");
        files.check(&loaded);
        let shown = file.display();
        let said = format!(
            "{shown} (tls.client_ca): it no longer exists; what was loaded from it stays in use, and the next \
             reload or start needs it"
        );
        assert_eq!(files.warnings(), [said]);
        std::fs::create_dir(&file).unwrap();
        files.check(&loaded);
        assert_eq!(files.warnings().len(), 1, "a folder is no file");
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, "").unwrap();
        files.check(&loaded);
        assert!(files.warnings().is_empty());
    }

    #[test]
    fn a_file_that_is_no_longer_named_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("their.pem"), "").unwrap();
        let mut files = NamedFiles::default();
        let before = loaded(folder.path(), "tls.client_auth = \"optional\"\ntls.client_ca = \"their.pem\"");
        files.check(&before);
        std::fs::remove_file(folder.path().join("their.pem")).unwrap();
        files.check(&before);
        files.check(&before);
        assert_eq!(files.warnings().len(), 1);
        files.check(&loaded(folder.path(), ""));
        assert!(files.warnings().is_empty());
    }
}
