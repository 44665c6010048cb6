//! Owns the daemon's certificates and its TLS configuration: mints its own CA and leaf, checks them or an
//! operator's own pair, renews them, and swaps them while the daemon runs. The daemon opens it once, and calls
//! [`TlsState::check_due`] about once a minute. Never listens, never talks to a peer.

mod chain;
mod clients;
mod failure;
mod files;
mod mint;
mod note;
mod outgoing;
mod own;
mod pair;
mod serve;
mod state;

#[cfg(test)]
mod tests;

pub use clients::{ClientFacts, SignError};
pub use failure::handshake_failure;
pub use mint::{BACKDATED_MS, Minted};
pub use note::TlsNote;
pub use outgoing::{ClientFault, check_ca, check_client_pair};
pub use own::IssueReason;
pub use pair::Facts;
pub use state::{TlsChanges, TlsState};

use crate::settings;
use files::Signature;
use own::{FolderState, LeafSpec, Occasion};
use pair::{Pair, content};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tcp_chat_protocol::Name;
use tcp_chat_protocol::invite::Pin;

/// A fault of a certificate or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsError {
    /// The file.
    pub file: PathBuf,
    /// The fault and the remedy.
    pub reason: String,
    /// The kind of the fault.
    pub fault: Fault,
}

/// The kind of a [`TlsError`]; it determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// In the certificate, the key or the settings: exit code 78.
    Content,
    /// A missing permission: 77.
    Permission,
    /// In the disk: 74.
    Disk,
}

/// The certificates in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The facts in it.
    pub facts: Facts,
    /// The file of the daemon's own CA, for clients to trust; `None`: an operator's own pair is in use.
    pub ca: Option<PathBuf>,
    /// The pin for clients: the daemon's own CA, or the last certificate of the operator's chain.
    pub pin: Pin,
    /// The reason why the current files are not in use, or why the certificate was not renewed.
    pub fault: Option<String>,
    /// The reasons why all or some clients refuse the certificate; each sentence begins with a file.
    pub doubts: Vec<String>,
}

/// The result of [`check`] if a start would succeed. Each sentence begins with a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsReport {
    /// The action of a start, and the expiry of the certificate: one line, or empty.
    pub good: String,
    /// Faults for which clients refuse the server, or the server refuses clients.
    pub refused: Vec<String>,
    /// Faults for which some clients refuse it, or part of the chain has no effect.
    pub doubts: Vec<String>,
}

/// A certificate that was read and is valid.
#[derive(Debug)]
struct LoadedCertificates {
    certificate: PathBuf,
    key: PathBuf,
    pair: Pair,
    /// The daemon's own CA.
    ca: Option<(PathBuf, Facts)>,
    signatures: [Signature; 2],
    notes: Vec<TlsNote>,
    /// The reasons why all or some clients refuse the operator's own pair.
    doubts: Vec<TlsNote>,
    /// The faults of the CAs of client certificates.
    client_doubts: Vec<TlsNote>,
}

/// Reads the certificates, or mints them at the first start. [`TlsState::first_notes`] reports it.
///
/// # Errors
/// The certificates cannot be used or minted. A configured certificate is never replaced by a minted one.
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

/// Reports what [`open`] would do, and changes nothing.
///
/// # Errors
/// The fault with which a start fails.
pub fn check(settings: &settings::Tls, now: SystemTime) -> Result<TlsReport, TlsError> {
    let host = host_name();
    // The daemon's own CA may not exist yet.
    let mut checked = TlsReport::default();
    if let Some(file) = &settings.client_ca {
        clients::verifier(settings, &Default::default())?;
        let said = |why| format!("{}: {why}", file.display());
        checked.refused.extend(clients::non_ca_faults(file).into_iter().map(said));
    }
    if settings.operator_pair().is_some() {
        let loaded = load(settings, &host, now, Occasion::Start)?;
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
    let good = match own::inspect_folder(&leaf_spec(settings, &host), now)? {
        FolderState::Nothing | FolderState::OnlyCaKey => {
            format!("{}: none there yet; a start makes a CA and a certificate", settings.dir.display())
        }
        FolderState::Ca(_, reason) => format!("{}: a start issues a new one: {reason}", file.display()),
        FolderState::All(_, pair) => {
            format!("{}: good until {}", file.display(), pair::day(pair.facts.not_after))
        }
    };
    checked.good = good + "\n";
    Ok(checked)
}

/// The names of the certificate that a start issues for the page. `None`: `pair` is not the daemon's own leaf, or a
/// start uses the leaf as it is.
#[must_use]
pub fn issued_for_page(
    settings: &settings::Tls,
    pair: &settings::Tls,
    now: SystemTime,
) -> Option<BTreeSet<String>> {
    let (certificate, key) = pair.operator_pair()?;
    let is_own = |file: &Path, name| {
        let own = std::path::absolute(settings.dir.join(name));
        std::path::absolute(file).is_ok_and(|file| own.is_ok_and(|own| own == file))
    };
    if settings.operator_pair().is_some()
        || !is_own(certificate, files::CERTIFICATE)
        || !is_own(key, files::KEY)
    {
        return None;
    }
    let leaf_spec = leaf_spec(settings, &host_name());
    match own::inspect_folder(&leaf_spec, now).ok()? {
        FolderState::Nothing | FolderState::OnlyCaKey | FolderState::Ca(..) => Some(leaf_spec.names),
        FolderState::All(..) => None,
    }
}

/// The existing certificates with their files. The daemon's own CA comes first.
///
/// # Errors
/// A certificate cannot be read, or there is none yet.
pub fn show(settings: &settings::Tls) -> Result<Vec<(PathBuf, Facts)>, TlsError> {
    let files = match settings.operator_pair() {
        Some((certificate, _)) => vec![certificate.to_owned()],
        None => vec![settings.dir.join(files::CA_CERTIFICATE), settings.dir.join(files::CERTIFICATE)],
    };
    let mut all = Vec::new();
    for file in files {
        if settings.operator_pair().is_none() && !files::exists(&file)? {
            return Err(content(
                &file,
                "it does not exist yet; the first start of the daemon makes it".into(),
            ));
        }
        let chain = pair::read_chain(&file)?;
        // The daemon's own leaf has the CA behind it, which is shown already.
        let shown = if settings.operator_pair().is_some() { chain.len() } else { 1 };
        for certificate in chain.iter().take(shown) {
            all.push((file.clone(), Facts::read(certificate).map_err(|reason| content(&file, reason))?));
        }
    }
    Ok(all)
}

/// The files that a start or a reload with these settings reads, each with the setting that names it.
#[must_use]
pub fn files_of(settings: &settings::Tls) -> Vec<(&'static str, PathBuf)> {
    let mut all = match settings.operator_pair() {
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

/// Issues a new leaf from the daemon's own CA at once. A running daemon uses it after at most two checks.
///
/// # Errors
/// An operator's own pair is configured, or the CA cannot be used.
pub fn renew(settings: &settings::Tls, now: SystemTime) -> Result<Vec<TlsNote>, TlsError> {
    require_own_ca(settings, "renew it where it comes from")?;
    own::ensure(&leaf_spec(settings, &host_name()), now, Occasion::Renewal).map(|(_, _, notes)| notes)
}

/// Issues a client certificate from the daemon's own CA; writes no file.
///
/// # Errors
/// There is no own CA, or it cannot be used.
pub fn issue(settings: &settings::Tls, name: &Name, now: SystemTime) -> Result<Minted, TlsError> {
    require_own_ca(settings, "client certificates come from the daemon's own CA, and it has none")?;
    let file = settings.dir.join(files::CA_CERTIFICATE);
    if !files::exists(&file)? {
        return Err(content(&file, "there is no CA yet; the first start of the daemon makes it".into()));
    }
    let ca = own::Ca::read(&settings.dir, now)?;
    ca.client(name.as_str(), now).map_err(|e| mint::failed(&file, &e))
}

fn require_own_ca(settings: &settings::Tls, what: &str) -> Result<(), TlsError> {
    match settings.operator_pair() {
        Some((file, _)) => {
            Err(content(file, format!("this certificate is your own (tls.certificate): {what}")))
        }
        None => Ok(()),
    }
}

/// Reads the configured certificates; mints or issues the daemon's own ones.
fn load(
    settings: &settings::Tls,
    host: &str,
    now: SystemTime,
    at: Occasion,
) -> Result<LoadedCertificates, TlsError> {
    let mut loaded = load_pair(settings, host, now, at)?;
    if let Some(file) = &settings.client_ca {
        let note = |reason| TlsNote::Doubtful { file: file.clone(), reason };
        loaded.client_doubts = clients::non_ca_faults(file).into_iter().map(note).collect();
    }
    loaded.doubts = loaded.doubts_at(settings, now);
    loaded.notes.extend(loaded.doubts.iter().chain(&loaded.client_doubts).cloned());
    Ok(loaded)
}

impl LoadedCertificates {
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

    /// The reasons at that time why all or some clients refuse an operator's own pair.
    fn doubts_at(&self, settings: &settings::Tls, now: SystemTime) -> Vec<TlsNote> {
        if settings.operator_pair().is_none() {
            return Vec::new();
        }
        let chain::Findings { refused, doubts } = self.pair.findings(now);
        let note = |reason| TlsNote::Doubtful { file: self.certificate.clone(), reason };
        refused.into_iter().chain(doubts).map(note).collect()
    }
}

fn load_pair(
    settings: &settings::Tls,
    host: &str,
    now: SystemTime,
    at: Occasion,
) -> Result<LoadedCertificates, TlsError> {
    if let Some((certificate, key)) = settings.operator_pair() {
        // Taken before the read, so that the next check sees a change in between.
        let signatures = signatures(certificate, key);
        let pair = Pair::read(certificate, key)?;
        if let Some(fault) = pair.fault(now) {
            return Err(content(certificate, fault));
        }
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        return Ok(LoadedCertificates::new(certificate, key, pair, None, signatures, Vec::new()));
    }
    let (ca, pair, mut notes) = own::ensure(&leaf_spec(settings, host), now, at)?;
    let path = |name| settings.dir.join(name);
    let (certificate, key) = (path(files::CERTIFICATE), path(files::KEY));
    for file in [path(files::CA_KEY), key.clone()] {
        if files::is_open_to_others(&file) {
            notes.push(TlsNote::KeyOpen { file });
        }
    }
    let signatures = signatures(&certificate, &key);
    let ca = Some((path(files::CA_CERTIFICATE), ca.facts));
    Ok(LoadedCertificates::new(certificate, key, pair, ca, signatures, notes))
}

fn signatures(certificate: &Path, key: &Path) -> [Signature; 2] {
    [files::signature(certificate), files::signature(key)]
}

fn leaf_spec(settings: &settings::Tls, host: &str) -> LeafSpec {
    let mut names: BTreeSet<String> =
        ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned).collect();
    // The host's name may be invalid in a certificate.
    names.extend(settings::certificate_name(host));
    names.extend(settings.names.iter().cloned());
    LeafSpec { dir: settings.dir.clone(), host: host.to_owned(), names }
}

fn host_name() -> String {
    hostname::get().map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}
