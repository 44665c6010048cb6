//! Owns the daemon's certificates and what it offers in a handshake: mints the own CA and leaf,
//! checks them or an operator's own pair, renews, and swaps while the daemon runs. The daemon
//! opens it once, and calls [`TlsState::check_due`] about once a minute. Never listens, never
//! speaks to a peer.

mod chain;
mod clients;
mod failure;
mod files;
mod mint;
mod note;
mod own;
mod pair;
mod serve;
mod state;

#[cfg(test)]
mod tests;

pub use clients::{NotSigned, Shown};
pub use failure::handshake_failure;
pub use mint::{BACKDATED_MS, Minted};
pub use note::TlsNote;
pub use own::Reason;
pub use pair::Facts;
pub use state::{Changed, TlsState};

use crate::settings;
use files::Signature;
use own::{At, Found, Wanted};
use pair::{Pair, content};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tcp_chat_protocol::Name;
use tcp_chat_protocol::invite::Pin;

/// What is wrong with a certificate or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it and what to do.
    pub reason: String,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Whose fault a [`TlsError`] is, and so how the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The certificate's, the key's, or the settings': exit code 78.
    Content,
    /// This process may not: 77.
    Permission,
    /// The disk's: 74.
    Disk,
}

/// What is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// What it says.
    pub facts: Facts,
    /// The own CA's certificate, for clients to trust; `None`: an operator's own pair is in use.
    pub ca: Option<PathBuf>,
    /// What clients can pin: the own CA, or the last certificate of the operator's chain.
    pub pin: Pin,
    /// Why the files that are there now are not in use, or why the certificate was not renewed.
    pub fault: Option<String>,
    /// Why clients refuse what is in use, or some do; each sentence begins with a file.
    pub doubts: Vec<String>,
}

/// What [`check`] found where a start would succeed. Each sentence begins with a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// What a start does, and until when the certificate is good: a line, or nothing.
    pub good: String,
    /// Clients that trust a CA refuse the server for it, or it refuses clients that should come in.
    pub refused: Vec<String>,
    /// Some clients do, or something is not as it was meant.
    pub doubts: Vec<String>,
}

/// A certificate that was read and found good.
#[derive(Debug)]
struct Loaded {
    certificate: PathBuf,
    key: PathBuf,
    pair: Pair,
    /// The own CA.
    ca: Option<(PathBuf, Facts)>,
    signatures: [Signature; 2],
    notes: Vec<TlsNote>,
    /// Why clients refuse the operator's own pair, or some do.
    doubts: Vec<TlsNote>,
    /// What is wrong with the CAs of clients.
    client_doubts: Vec<TlsNote>,
}

/// Reads the certificates, or makes them at the first start. [`TlsState::first_notes`] says what
/// was done.
///
/// # Errors
/// They cannot be used or made; never is another one made in place of a configured one.
pub fn open(settings: &settings::Tls, now: SystemTime) -> Result<TlsState, TlsError> {
    TlsState::open_for(settings, &host_name(), now, tcp_chat_protocol::ALPN)
}

/// The same for the page, over HTTP/1.1. `settings` name an operator's pair ([`settings::Web::tls`]).
///
/// # Errors
/// The pair cannot be used.
pub fn open_web(settings: &settings::Tls, now: SystemTime) -> Result<TlsState, TlsError> {
    TlsState::open_for(settings, &host_name(), now, b"http/1.1")
}

/// Looks at the certificates as [`open`] would, and changes nothing: says what a start would do.
///
/// # Errors
/// What would make a start fail.
pub fn check(settings: &settings::Tls, now: SystemTime) -> Result<Checked, TlsError> {
    let host = host_name();
    // The own CA may not be there yet.
    let mut checked = Checked::default();
    if let Some(file) = &settings.client_ca {
        clients::verifier(settings, &Default::default())?;
        let said = |why| format!("{}: {why}", file.display());
        checked.refused.extend(clients::no_cas(file).into_iter().map(said));
    }
    if settings.own().is_some() {
        let loaded = load(settings, &host, now, At::Start)?;
        let file = loaded.certificate.display();
        let chain::Findings { refused, doubts } = loaded.pair.findings(now);
        let said = |why: String| format!("{file}: {why}");
        let is_good = refused.is_empty();
        checked.refused.splice(0..0, refused.into_iter().map(said));
        checked.doubts = doubts.into_iter().map(said).collect();
        if is_good {
            checked.good = format!("{file}: good until {}\n", pair::day(loaded.pair.facts.not_after));
        }
        return Ok(checked);
    }
    let file = settings.dir.join(files::CERTIFICATE);
    let good = match own::survey(&wanted(settings, &host), now)? {
        Found::Nothing | Found::OnlyCaKey => {
            format!("{}: none there yet; a start makes a CA and a certificate", settings.dir.display())
        }
        Found::Ca(_, reason) => format!("{}: a start issues a new one: {reason}", file.display()),
        Found::All(_, pair) => format!("{}: good until {}", file.display(), pair::day(pair.facts.not_after)),
    };
    checked.good = good + "\n";
    Ok(checked)
}

/// The certificates that are there, each with its file: the CA first where it is the own one.
///
/// # Errors
/// One cannot be read, or there is none yet.
pub fn show(settings: &settings::Tls) -> Result<Vec<(PathBuf, Facts)>, TlsError> {
    let files = match settings.own() {
        Some((certificate, _)) => vec![certificate.to_owned()],
        None => vec![settings.dir.join(files::CA_CERTIFICATE), settings.dir.join(files::CERTIFICATE)],
    };
    let mut all = Vec::new();
    for file in files {
        if settings.own().is_none() && !files::is_there(&file)? {
            return Err(content(&file, "there is none yet; the first start of the daemon makes it".into()));
        }
        let chain = pair::read_chain(&file)?;
        // The own leaf has the CA behind it, which is shown already.
        let shown = if settings.own().is_some() { chain.len() } else { 1 };
        for certificate in chain.iter().take(shown) {
            all.push((file.clone(), Facts::read(certificate).map_err(|reason| content(&file, reason))?));
        }
    }
    Ok(all)
}

/// The files that a start or a reload with these settings reads, each with the setting that names it.
#[must_use]
pub fn files_of(settings: &settings::Tls) -> Vec<(&'static str, PathBuf)> {
    let mut all = match settings.own() {
        Some((certificate, key)) => {
            vec![("tls.certificate", certificate.to_owned()), ("tls.key", key.to_owned())]
        }
        None => [files::CA_CERTIFICATE, files::CA_KEY, files::CERTIFICATE, files::KEY]
            .map(|name| ("tls.dir", settings.dir.join(name)))
            .into(),
    };
    all.extend(settings.client_ca.iter().map(|file| ("tls.client_ca", file.clone())));
    all
}

/// Issues a new leaf from the own CA at once. A running daemon takes it within two checks.
///
/// # Errors
/// An operator's own pair is configured, or the CA cannot be used.
pub fn renew(settings: &settings::Tls, now: SystemTime) -> Result<Vec<TlsNote>, TlsError> {
    refuse_own(settings, "renew it where it comes from")?;
    own::ensure(&wanted(settings, &host_name()), now, At::Renewal).map(|(_, _, notes)| notes)
}

/// Issues a client certificate from the own CA; nothing is written.
///
/// # Errors
/// There is no own CA, or it cannot be used.
pub fn issue(settings: &settings::Tls, name: &Name, now: SystemTime) -> Result<Minted, TlsError> {
    refuse_own(settings, "client certificates come from the daemon's own CA, and it has none")?;
    let file = settings.dir.join(files::CA_CERTIFICATE);
    if !files::is_there(&file)? {
        return Err(content(&file, "there is no CA yet; the first start of the daemon makes it".into()));
    }
    let ca = own::Ca::read(&settings.dir, now)?;
    ca.client(name.as_str(), now).map_err(|e| mint::failed(&file, &e))
}

fn refuse_own(settings: &settings::Tls, what: &str) -> Result<(), TlsError> {
    match settings.own() {
        Some((file, _)) => {
            Err(content(file, format!("this certificate is your own (tls.certificate): {what}")))
        }
        None => Ok(()),
    }
}

/// Reads what the settings name; makes or issues what is the daemon's own.
fn load(settings: &settings::Tls, host: &str, now: SystemTime, at: At) -> Result<Loaded, TlsError> {
    let mut loaded = load_pair(settings, host, now, at)?;
    if let Some(file) = &settings.client_ca {
        let note = |reason| TlsNote::Doubtful { file: file.clone(), reason };
        loaded.client_doubts = clients::no_cas(file).into_iter().map(note).collect();
    }
    loaded.doubts = loaded.doubts_at(settings, now);
    loaded.notes.extend(loaded.doubts.iter().chain(&loaded.client_doubts).cloned());
    Ok(loaded)
}

impl Loaded {
    fn new(
        certificate: PathBuf,
        key: PathBuf,
        pair: Pair,
        ca: Option<(PathBuf, Facts)>,
        signatures: [Signature; 2],
        notes: Vec<TlsNote>,
    ) -> Self {
        let (doubts, client_doubts) = (Vec::new(), Vec::new());
        Self { certificate, key, pair, ca, signatures, notes, doubts, client_doubts }
    }

    /// Why clients refuse an operator's own pair at that moment, or some do.
    fn doubts_at(&self, settings: &settings::Tls, now: SystemTime) -> Vec<TlsNote> {
        if settings.own().is_none() {
            return Vec::new();
        }
        let chain::Findings { refused, doubts } = self.pair.findings(now);
        let note = |reason| TlsNote::Doubtful { file: self.certificate.clone(), reason };
        refused.into_iter().chain(doubts).map(note).collect()
    }
}

fn load_pair(settings: &settings::Tls, host: &str, now: SystemTime, at: At) -> Result<Loaded, TlsError> {
    if let Some((certificate, key)) = settings.own() {
        // Before reading: a change in between is then seen at the next check.
        let signatures = signatures(certificate, key);
        let pair = Pair::read(certificate, key)?;
        if let Some(fault) = pair.fault(now) {
            return Err(content(certificate, fault));
        }
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        return Ok(Loaded::new(certificate, key, pair, None, signatures, Vec::new()));
    }
    let (ca, pair, mut notes) = own::ensure(&wanted(settings, host), now, at)?;
    let path = |name| settings.dir.join(name);
    let (certificate, key) = (path(files::CERTIFICATE), path(files::KEY));
    for file in [path(files::CA_KEY), key.clone()] {
        if files::is_open_to_others(&file) {
            notes.push(TlsNote::KeyOpen { file });
        }
    }
    let signatures = signatures(&certificate, &key);
    let ca = Some((path(files::CA_CERTIFICATE), ca.facts));
    Ok(Loaded::new(certificate, key, pair, ca, signatures, notes))
}

fn signatures(certificate: &Path, key: &Path) -> [Signature; 2] {
    [files::signature(certificate), files::signature(key)]
}

fn wanted(settings: &settings::Tls, host: &str) -> Wanted {
    let mut names: BTreeSet<String> =
        ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned).collect();
    // A host may be called what no certificate can say.
    names.extend(settings::certificate_name(host));
    names.extend(settings.names.iter().cloned());
    Wanted { dir: settings.dir.clone(), host: host.to_owned(), names }
}

fn host_name() -> String {
    hostname::get().map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}
