//! Owns `tcp-chatd cert`: the printed form of certificates, and the files of a client certificate. Called by
//! `commands`. Never mints a certificate itself.

use super::{Failure, exit, print};
use crate::settings;
use crate::tls::{self, ClientFacts, Facts};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tcp_chat_protocol::Name;

/// Names, expiry and SHA-256 of each certificate.
pub(super) fn show(settings: &settings::Tls) -> Result<(), Failure> {
    for (i, (file, facts)) in tls::show(settings)?.into_iter().enumerate() {
        if i > 0 {
            print("\n")?;
        }
        print(&text(&file, &facts, SystemTime::now()))?;
    }
    Ok(())
}

fn text(file: &Path, facts: &Facts, now: SystemTime) -> String {
    let Facts { names, subject, issuer, not_before, not_after, pin, is_ca, .. } = facts;
    let kind = if *is_ca { "a CA: clients trust it" } else { "a server's certificate" };
    let left = match not_after.duration_since(now) {
        Ok(left) => format!("in {} days", left.as_secs() / 86_400),
        Err(_) => "EXPIRED".to_owned(),
    };
    let names = if names.is_empty() {
        String::new()
    } else {
        format!("  names    {}\n", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    let time = humantime::format_rfc3339_seconds;
    format!(
        "{}: {kind}\n{names}  subject  {subject}\n  issuer   {issuer}\n  from     {}\n  until    {} ({left})\n  \
         SHA-256  {pin}\n",
        file.display(),
        time(*not_before),
        time(*not_after),
    )
}

/// Issues a client certificate into `NAME.pem` and `NAME.key` of a folder, or prints it. Registers it with a
/// running daemon, so that it can be revoked by the user's name.
pub(super) fn issue(
    settings: &settings::Tls,
    name: &str,
    out: Option<PathBuf>,
    socket: Option<&Path>,
) -> Result<(), Failure> {
    let name = Name::parse(name).map_err(|e| Failure::new(exit::USAGE, format!("{name:?}: {e}")))?;
    let Some(folder) = out else {
        let minted = tls::issue(settings, &name, SystemTime::now())?;
        register(&minted, socket);
        return print(&minted.key).and_then(|()| print(&minted.certificate));
    };
    let [certificate, key] = ["pem", "key"].map(|end| folder.join(format!("{name}.{end}")));
    // Checks both files first, so a refusal leaves no half pair.
    for file in [&certificate, &key] {
        if std::fs::symlink_metadata(file).is_ok() {
            return Err(failed(file, &io::Error::from(io::ErrorKind::AlreadyExists)));
        }
    }
    let minted = tls::issue(settings, &name, SystemTime::now())?;
    write(&key, 0o600, minted.key.as_bytes()).map_err(|e| failed(&key, &e))?;
    if let Err(e) = write(&certificate, 0o644, minted.certificate.as_bytes()) {
        let _ = std::fs::remove_file(&key);
        return Err(failed(&certificate, &e));
    }
    register(&minted, socket);
    print(&format!("{}\n{}\n", certificate.display(), key.display()))
}

fn register(minted: &tls::Minted, socket: Option<&Path>) {
    if let Some(shown) = ClientFacts::of_pem(minted.certificate.as_bytes()) {
        super::users::register_issued(socket, shown.into());
    }
}

fn write(file: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    file.write_all(content)?;
    file.sync_all()
}

fn failed(file: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::PermissionDenied => exit::PERMISSION,
        _ => exit::DISK,
    };
    let reason = match error.kind() {
        io::ErrorKind::AlreadyExists => "the file exists already, and is not overwritten".to_owned(),
        _ => format!("it cannot be written: {error}"),
    };
    Failure::new(exit, format!("{}: {reason}", file.display()))
}
