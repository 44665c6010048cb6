//! Owns the files of the login at NATS: it reads them again for each connection, so that others in their place are used
//! without a restart, and says what is wrong with one. Called by `connect`; by the daemon at its start and at a reload, and by
//! the checks of the commands. Never keeps or shows what is in them.

use crate::settings::{NatsLogin, nats_password};
use crate::tls::{ClientFault, check_ca, check_client_pair};
use async_nats::ConnectOptions;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// A longer file is no login.
const MAX_BYTES: u64 = 1 << 20;

/// What is wrong with a file of the login.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {file}: {why}", file = .file.display())]
pub struct LoginError {
    /// The setting that names the file.
    pub key: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The fault, and the remedy.
    pub why: String,
    /// Its kind.
    pub kind: LoginFault,
}

/// The kind of a [`LoginError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFault {
    /// The file is missing, or is not what it should be.
    Content,
    /// This user may not read it.
    Permission,
    /// Its time is over, or has not come. A start does not fail because of it: a file that is put in its place later is used.
    Outdated,
}

/// The files of a login.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) login: &'a NatsLogin,
    /// The CA of the servers.
    pub(super) ca: Option<&'a Path>,
}

impl Login<'_> {
    /// Puts the login into the options of a connection.
    ///
    /// # Errors
    /// A file cannot be used, or its time is over.
    pub(super) fn apply(
        self,
        options: ConnectOptions,
        now: SystemTime,
    ) -> Result<ConnectOptions, LoginError> {
        let mut options = options;
        if let Some(file) = self.ca {
            check_ca(file).map_err(|fault| of_tls("cluster.ca", &fault))?;
            options = options.add_root_certificates(file.to_owned());
        }
        Ok(match self.login {
            NatsLogin::Open => options,
            NatsLogin::Credentials(file) => {
                let key = "cluster.credentials";
                let text = read(key, file)?;
                if let Some(end) = end_of_jwt(&text).filter(|end| *end <= now) {
                    let end = humantime::format_rfc3339_seconds(end);
                    let why = format!(
                        "its JWT ended at {end}: put new credentials in its place, which are used at once"
                    );
                    return Err(LoginError { key, file: file.clone(), why, kind: LoginFault::Outdated });
                }
                options.credentials(&text).map_err(|_| {
                    let why = "it has no JWT with a seed, each between its two lines of dashes, as `nsc generate creds` \
                               writes them";
                    content(key, file, why)
                })?
            }
            NatsLogin::Password(user, file) => {
                let key = "cluster.password_file";
                let text = read(key, file)?;
                let password = nats_password(&text).ok_or_else(|| {
                    content(key, file, "it holds no password: a password is one line that is not empty")
                })?;
                options.user_and_password(user.clone(), password.as_str().to_owned())
            }
            NatsLogin::Certificate(certificate, key) => {
                check_client_pair(certificate, key, now).map_err(|fault| {
                    let is_key = fault.error().file == *key && key != certificate;
                    of_tls(if is_key { "cluster.key" } else { "cluster.certificate" }, &fault)
                })?;
                options.add_client_certificate(certificate.clone(), key.clone())
            }
        })
    }

    /// What a server has refused.
    pub(super) fn refused(self) -> String {
        match self.login {
            NatsLogin::Open => {
                "it wants a login, and none is set (cluster.credentials, user or certificate)".to_owned()
            }
            NatsLogin::Credentials(file) => format!(
                "it refuses the credentials in {} (cluster.credentials): they may be revoked, or of another operator. Its \
                 log says more",
                file.display()
            ),
            NatsLogin::Password(user, file) => format!(
                "it refuses the user {user:?} with the password in {} (cluster.user, cluster.password_file)",
                file.display()
            ),
            NatsLogin::Certificate(file, _) => format!(
                "it has no user for the certificate in {} (cluster.certificate). Its log says which names it searched",
                file.display()
            ),
        }
    }

    /// Why TLS failed, if the library's text says something that has a remedy in the settings.
    pub(super) fn tls_remedy(self, text: &str) -> Option<String> {
        let ca = || match self.ca {
            Some(file) => format!("the CA in {} (cluster.ca)", file.display()),
            None => "a CA of this system (cluster.ca is not set)".to_owned(),
        };
        let own = || match self.login {
            NatsLogin::Certificate(file, _) => {
                format!("the certificate in {} (cluster.certificate)", file.display())
            }
            _ => "a connection without a client certificate (cluster.certificate, cluster.key)".to_owned(),
        };
        let is = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if is(&["UnknownIssuer", "BadSignature"]) {
            return Some(format!("its certificate is not signed by {}", ca()));
        }
        if is(&["NotValidForName"]) {
            return Some("its certificate is not for the name or address in cluster.nats".to_owned());
        }
        if is(&["invalid peer certificate: Expired", "certificate expired"]) {
            return Some("its certificate has expired, or the clock of this host is wrong".to_owned());
        }
        let alerts = [
            "BadCertificate",
            "CertificateRequired",
            "CertificateExpired",
            "CertificateUnknown",
            "UnknownCA",
        ];
        is(&alerts).then(|| format!("it refuses {}: {text}", own()))
    }
}

/// The text of a file that the login needs.
fn read(key: &'static str, file: &Path) -> Result<Zeroizing<String>, LoginError> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            ErrorKind::PermissionDenied => LoginFault::Permission,
            _ => LoginFault::Content,
        };
        let shown = file.display();
        let why = match error.kind() {
            ErrorKind::NotFound => {
                "it does not exist: put it there, so that the daemon's user can read it".to_owned()
            }
            ErrorKind::PermissionDenied => {
                format!("this user may not read it: `chgrp tcp-chatd {shown}; chmod 640 {shown}`")
            }
            _ => format!("it cannot be read: {error}"),
        };
        LoginError { key, file: file.to_owned(), why, kind }
    };
    if std::fs::metadata(file).map_err(failed)?.len() > MAX_BYTES {
        return Err(content(key, file, "it is too long for a login"));
    }
    let bytes = Zeroizing::new(std::fs::read(file).map_err(failed)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| content(key, file, "it is not UTF-8"))?;
    Ok(Zeroizing::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()))
}

/// The end of the JWT of a file of credentials. `None`: it has no end, or it cannot be read here: the server decides.
fn end_of_jwt(text: &str) -> Option<SystemTime> {
    let jwt = text.lines().map(str::trim).find(|line| line.split('.').count() == 3)?;
    let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let end = claims.get("exp")?.as_u64().filter(|end| *end > 0)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end))
}

fn content(key: &'static str, file: &Path, why: &str) -> LoginError {
    LoginError { key, file: file.to_owned(), why: why.to_owned(), kind: LoginFault::Content }
}

fn of_tls(key: &'static str, fault: &ClientFault) -> LoginError {
    let kind = match fault {
        ClientFault::Outdated(_) => LoginFault::Outdated,
        ClientFault::File(_) if fault.is_permission() => LoginFault::Permission,
        ClientFault::File(_) => LoginFault::Content,
    };
    let error = fault.error();
    LoginError { key, file: error.file.clone(), why: error.reason.clone(), kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_jwt_is_found() {
        let of =
            |claims: &str| format!("-----BEGIN NATS USER JWT-----\na.{}.c\n", URL_SAFE_NO_PAD.encode(claims));
        let end = |claims: &str| end_of_jwt(&of(claims));
        assert_eq!(end(r#"{"exp":7}"#), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(7)));
        for without in [r#"{"exp":0}"#, r#"{"exp":-1}"#, r#"{}"#, "no JSON"] {
            assert_eq!(end(without), None, "{without}");
        }
        for text in ["", "a.b.c", "-----BEGIN NATS USER JWT-----\n"] {
            assert_eq!(end_of_jwt(text), None, "{text}");
        }
    }
}
