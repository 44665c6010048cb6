//! Owns the secret files that settings name: reads the hash of the password and the token, if the settings need
//! them. Called by `checks`; notes problems. Never shows the content of such a file.

use super::reader::SettingsReader;
use crate::auth::{self, Digest};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The number of characters of a token: 32 hexadecimal digits have 128 random bits.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 32..=512;

/// A secret file and its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T> {
    /// The file.
    pub file: PathBuf,
    /// The secret; `None`: not readable, and a problem is noted.
    pub content: Option<T>,
}

impl<T> std::fmt::Debug for Secret<T> {
    /// Leaves out the content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("file", &self.file).finish_non_exhaustive()
    }
}

impl<T> From<PathBuf> for Secret<T> {
    fn from(file: PathBuf) -> Self {
        Self { file, content: None }
    }
}

impl<T> AsRef<Path> for Secret<T> {
    fn as_ref(&self) -> &Path {
        &self.file
    }
}

/// The password of such a file. `None`: it is not one line with something in it.
pub(crate) fn nats_password(text: &str) -> Option<Zeroizing<String>> {
    let password = text.trim_end_matches(['\r', '\n']);
    let is_one = !password.is_empty() && !password.contains(['\r', '\n']);
    is_one.then(|| Zeroizing::new(password.to_owned()))
}

impl SettingsReader<'_> {
    /// Reads the hash of the password from its file.
    pub(super) fn read_password(&mut self, secret: &mut Secret<String>) {
        self.read_secret("auth.password_file", secret, |text, shown| {
            let hash = text.trim().to_owned();
            // The content is a secret even if it is wrong: it may be the password itself.
            auth::check(&hash)
                .map(|()| hash)
                .map_err(|why| format!("{shown}: {why}; write what `tcp-chatd password` prints"))
        });
    }

    /// Checks the file with the password for NATS. It is read again for each connection.
    pub(super) fn check_nats_password(&mut self, file: &Path) {
        self.read_secret("cluster.password_file", &mut Secret::from(file.to_owned()), |text, shown| {
            nats_password(text)
                .ok_or_else(|| format!("{shown} holds no password: a password is one line that is not empty"))
        });
    }

    /// Reads the token from its file.
    pub(super) fn read_token(&mut self, secret: &mut Secret<Digest>) {
        self.read_secret("http.token_file", secret, |text, shown| {
            let token = text.trim();
            let is_one = TOKEN_CHARS.contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
            is_one.then(|| auth::sha256(token.as_bytes())).ok_or_else(|| {
                let (low, high) = (TOKEN_CHARS.start(), TOKEN_CHARS.end());
                format!(
                    "{shown} holds no token: a token has {low} to {high} visible ASCII characters, as `openssl rand -hex \
                     32` prints them"
                )
            })
        });
    }

    fn read_secret<T>(
        &mut self,
        key: &'static str,
        secret: &mut Secret<T>,
        parse: impl FnOnce(&str, &str) -> Result<T, String>,
    ) {
        let shown = self.shown_file(key, &secret.file);
        let content = self.secret_text(&secret.file, &shown).and_then(|text| parse(&text, &shown));
        secret.content = self.value_or_note(key, content);
    }

    /// The text of a secret file. Some editors write a byte order mark at its start.
    fn secret_text(&mut self, file: &Path, shown: &str) -> Result<Zeroizing<String>, String> {
        let bytes = std::fs::read(file).map(Zeroizing::new).map_err(|e| {
            self.permission |= e.kind() == std::io::ErrorKind::PermissionDenied;
            format!("{shown} cannot be read: {e}")
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            format!("{shown}: byte {} is not UTF-8; save the file as UTF-8", e.valid_up_to() + 1)
        })?;
        Ok(Zeroizing::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()))
    }
}
