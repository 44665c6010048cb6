//! Owns what the settings say of who may come in: `[auth]`, and client certificates in `[tls]`. Notes
//! problems as all of [`super::sections`] does. Reads no file but the one with the password's hash.

use super::sections::Reader;
use super::{Auth, AuthMode, ClientAuth};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

impl Reader<'_> {
    pub(super) fn client_auth(&mut self, has_own: bool) -> (ClientAuth, Option<PathBuf>) {
        use ClientAuth::{Off, Optional, Required};
        let words = [("off", Off), ("optional", Optional), ("required", Required)];
        let client_auth = self.values.choice("tls.client_auth", &words).unwrap_or_default();
        let client_ca = self.path("tls.client_ca");
        match (client_auth, &client_ca) {
            (Off, Some(_)) => {
                let reason = "tls.client_auth is \"off\", so nobody is asked for a certificate; write \
                              client_auth = \"optional\" or \"required\", or remove this";
                self.values.refuse("tls.client_ca", reason);
            }
            (Optional | Required, None) if has_own && !self.values.is_set("tls.client_ca") => {
                let reason = "with tls.certificate there is no CA of the daemon's own; write tls.client_ca \
                              too: the file with the CA that signs the users' certificates";
                self.values.refuse("tls.client_auth", reason);
            }
            _ => {}
        }
        (client_auth, client_ca)
    }

    pub(super) fn auth(&mut self) -> Auth {
        use AuthMode::{Accounts, Open, Password};
        let words = [("open", Open), ("password", Password), ("accounts", Accounts)];
        let mode = self.values.choice("auth.mode", &words);
        match (mode, self.path("auth.password_file")) {
            (Some(Password), Some(file)) => {
                let hash = self.password_hash(&file);
                Auth { mode: Password, password_file: Some(file), password_hash: hash }
            }
            (Some(Password), None) if !self.values.is_set("auth.password_file") => {
                let reason = "\"password\" needs auth.password_file: a file with what \
                              `tcp-chatd password` prints";
                self.values.refuse("auth.mode", reason);
                Auth::default()
            }
            (Some(mode @ (Open | Accounts)), Some(_)) => {
                let shown = if mode == Open { "open" } else { "accounts" };
                let reason = format!(
                    "auth.mode is \"{shown}\", so nobody would be asked for it; write mode = \"password\" \
                     too, or remove this"
                );
                self.values.refuse("auth.password_file", reason);
                Auth::default()
            }
            (Some(mode), None) => Auth { mode, ..Auth::default() },
            (None, _) => Auth::default(),
        }
    }

    fn password_hash(&mut self, file: &Path) -> Option<String> {
        let shown = self.shown_file("auth.password_file", file);
        let checked = self.secret_in(file, &shown).and_then(|text| {
            let hash = text.trim().to_owned();
            // The file's content is a secret even if it is wrong: it may be the bare password.
            crate::auth::check(&hash)
                .map(|()| hash)
                .map_err(|why| format!("{shown}: {why}; write what `tcp-chatd password` prints"))
        });
        checked.map_err(|reason| self.values.refuse("auth.password_file", reason)).ok()
    }

    /// The text of a file with a secret. Editors of some systems put a byte order mark before it.
    pub(super) fn secret_in(&mut self, file: &Path, shown: &str) -> Result<Zeroizing<String>, String> {
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
