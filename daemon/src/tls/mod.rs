//! Owns the daemon's certificates and what it offers in a handshake: mints the own CA and leaf,
//! checks them or an operator's own pair, renews, and swaps while the daemon runs. The daemon
//! opens it once, and calls [`TlsState::check_due`] about once a minute. Never listens, never
//! speaks to a peer.

mod files;
mod mint;
mod note;
mod own;
mod pair;
mod serve;

#[cfg(test)]
mod tests;

pub use mint::Minted;
pub use note::TlsNote;
pub use own::Reason;
pub use pair::Facts;

use crate::settings;
use files::Signature;
use own::{Found, Wanted};
use pair::{Pair, content};
use rustls::ServerConfig;
use rustls::server::ProducesTickets;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
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
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Is another certificate in use?
    pub certificate: bool,
    /// Is another [`TlsState::server_config`] to be used for new connections?
    pub config: bool,
    /// What to log.
    pub notes: Vec<TlsNote>,
}

/// The certificates in use. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct TlsState {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    in_use: Arc<serve::InUse>,
    tickets: Arc<dyn ProducesTickets>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    settings: settings::Tls,
    host: String,
    config: Arc<ServerConfig>,
    loaded: Loaded,
    /// How the files looked at the last check, if they are not those in use.
    seen: Option<[Signature; 2]>,
    /// The files that were refused: said once.
    refused: Option<[Signature; 2]>,
    /// The number of days of the last warning, for leaf and CA.
    warned: [Option<u64>; 2],
    fault: Option<String>,
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
}

/// Reads the certificates, or makes them at the first start. [`TlsState::first_notes`] says what
/// was done.
///
/// # Errors
/// They cannot be used or made; never is another one made in place of a configured one.
pub fn open(settings: &settings::Tls, now: SystemTime) -> Result<TlsState, TlsError> {
    open_as(settings, &host_name(), now)
}

fn open_as(settings: &settings::Tls, host: &str, now: SystemTime) -> Result<TlsState, TlsError> {
    let loaded = load(settings, host, now, false)?;
    let in_use = Arc::new(serve::InUse::new(Arc::clone(&loaded.pair.certified)));
    let broken = |e: rustls::Error| content(&loaded.certificate, format!("TLS cannot be set up: {e}"));
    let tickets = serve::ticketer().map_err(broken)?;
    let config =
        serve::config(Arc::clone(&in_use), Arc::clone(&tickets), settings.allow_1_2).map_err(broken)?;
    let state = State {
        settings: settings.clone(),
        host: host.to_owned(),
        config,
        loaded,
        seen: None,
        refused: None,
        warned: [None, None],
        fault: None,
    };
    Ok(TlsState { shared: Arc::new(Shared { in_use, tickets, state: Mutex::new(state) }) })
}

/// Looks at the certificates as [`open`] would, and changes nothing: says what a start would do.
///
/// # Errors
/// What would make a start fail.
pub fn check(settings: &settings::Tls, now: SystemTime) -> Result<String, TlsError> {
    let host = host_name();
    if settings.own.is_some() {
        let loaded = load(settings, &host, now, false)?;
        return Ok(format!(
            "{}: good until {}",
            loaded.certificate.display(),
            pair::day(loaded.pair.facts.not_after)
        ));
    }
    let file = settings.dir.join(files::CERTIFICATE);
    Ok(match own::survey(&wanted(settings, &host), now)? {
        Found::Nothing | Found::OnlyCaKey => {
            format!("{}: none there yet; a start makes a CA and a certificate", settings.dir.display())
        }
        Found::Ca(_, reason) => format!("{}: a start issues a new one: {reason}", file.display()),
        Found::All(_, pair) => format!("{}: good until {}", file.display(), pair::day(pair.facts.not_after)),
    })
}

/// The certificates that are there, each with its file: the CA first where it is the own one.
///
/// # Errors
/// One cannot be read, or there is none yet.
pub fn show(settings: &settings::Tls) -> Result<Vec<(PathBuf, Facts)>, TlsError> {
    let files = match &settings.own {
        Some((certificate, _)) => vec![certificate.clone()],
        None => vec![settings.dir.join(files::CA_CERTIFICATE), settings.dir.join(files::CERTIFICATE)],
    };
    let mut all = Vec::new();
    for file in files {
        if settings.own.is_none() && !files::is_there(&file)? {
            return Err(content(&file, "there is none yet; the first start of the daemon makes it".into()));
        }
        let chain = pair::read_chain(&file)?;
        // The own leaf has the CA behind it, which is shown already.
        let shown = if settings.own.is_some() { chain.len() } else { 1 };
        for certificate in chain.iter().take(shown) {
            all.push((file.clone(), Facts::read(certificate).map_err(|reason| content(&file, reason))?));
        }
    }
    Ok(all)
}

/// Issues a new leaf from the own CA at once. A running daemon takes it within two checks.
///
/// # Errors
/// An operator's own pair is configured, or the CA cannot be used.
pub fn renew(settings: &settings::Tls, now: SystemTime) -> Result<Vec<TlsNote>, TlsError> {
    refuse_own(settings, "renew it where it comes from")?;
    own::ensure(&wanted(settings, &host_name()), now, true).map(|(_, _, notes)| notes)
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
    match &settings.own {
        Some((file, _)) => {
            Err(content(file, format!("this certificate is your own (tls.certificate): {what}")))
        }
        None => Ok(()),
    }
}

impl TlsState {
    /// For new connections. A reload may change it; the certificate in it is swapped by itself.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.with(|state| Arc::clone(&state.config))
    }

    /// What was done and found when the certificates were opened; for the log, once.
    #[must_use]
    pub fn first_notes(&self) -> Vec<TlsNote> {
        self.with(|state| std::mem::take(&mut state.loaded.notes))
    }

    /// What is in use.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.with(|state| {
            let Loaded { certificate, pair, ca, .. } = &state.loaded;
            Summary {
                certificate: certificate.clone(),
                facts: pair.facts.clone(),
                ca: ca.as_ref().map(|(file, _)| file.clone()),
                pin: pair.last.pin,
                fault: state.fault.clone(),
            }
        })
    }

    /// Takes other settings, and whatever certificates they name.
    ///
    /// # Errors
    /// They cannot be used. Everything goes on as before then.
    pub fn reload(&self, settings: &settings::Tls, now: SystemTime) -> Result<Changed, TlsError> {
        self.reload_as(settings, &host_name(), now)
    }

    fn reload_as(&self, settings: &settings::Tls, host: &str, now: SystemTime) -> Result<Changed, TlsError> {
        self.with(|state| {
            let mut loaded = load(settings, host, now, false)?;
            let config = if settings.allow_1_2 == state.settings.allow_1_2 {
                None
            } else {
                let Shared { in_use, tickets, .. } = &*self.shared;
                let made = serve::config(Arc::clone(in_use), Arc::clone(tickets), settings.allow_1_2);
                Some(made.map_err(|e| content(&loaded.certificate, format!("TLS cannot be set up: {e}")))?)
            };
            let mut changed = Changed {
                certificate: loaded.pair.facts.pin != state.loaded.pair.facts.pin,
                config: config.is_some(),
                notes: std::mem::take(&mut loaded.notes),
            };
            if changed.certificate && !changed.notes.iter().any(|n| matches!(n, TlsNote::LeafIssued { .. })) {
                let (file, until) = (loaded.certificate.clone(), loaded.pair.facts.not_after);
                changed.notes.push(TlsNote::Replaced { file, until });
            }
            if let Some(config) = config {
                state.config = config;
            }
            state.settings = settings.clone();
            state.host = host.to_owned();
            self.take(state, loaded);
            Ok(changed)
        })
    }

    /// What time and other people do to certificates: renews the own leaf, notices files that
    /// were replaced, warns before the end. Reads a few files' dates; call it about once a
    /// minute, off the async threads, and log what it returns.
    ///
    /// Files that changed are taken at the second check that sees them so: whoever replaces a
    /// pair does it in two steps.
    #[must_use]
    pub fn check_due(&self, now: SystemTime) -> Vec<TlsNote> {
        self.check_due_as(&host_name(), now)
    }

    fn check_due_as(&self, host: &str, now: SystemTime) -> Vec<TlsNote> {
        self.with(|state| {
            let mut notes = self.look_after(state, host, now);
            notes.extend(warn_of_the_end(state, now));
            notes
        })
    }

    fn look_after(&self, state: &mut State, host: &str, now: SystemTime) -> Vec<TlsNote> {
        let found = signatures(&state.loaded.certificate, &state.loaded.key);
        let replaced = found != state.loaded.signatures;
        let settled = state.seen.replace(found) == Some(found);
        if replaced && !settled {
            return Vec::new();
        }
        if !replaced {
            // Whoever broke it brought the old files back.
            state.refused = None;
            if state.settings.own.is_some() || !self.is_outdated(state, host, now) {
                state.fault = None;
                return Vec::new();
            }
        } else if state.refused == Some(found) {
            return Vec::new();
        }
        match load(&state.settings, host, now, false) {
            Ok(mut loaded) => {
                let mut notes = std::mem::take(&mut loaded.notes);
                if !notes.iter().any(|note| matches!(note, TlsNote::LeafIssued { .. })) {
                    let (file, until) = (loaded.certificate.clone(), loaded.pair.facts.not_after);
                    notes.push(TlsNote::Replaced { file, until });
                }
                state.host = host.to_owned();
                self.take(state, loaded);
                notes
            }
            Err(e) => {
                let reason = e.to_string();
                // The same every minute would bury the rest of the log.
                let is_news = state.fault.as_ref() != Some(&reason);
                state.refused = replaced.then_some(found);
                state.fault = Some(reason.clone());
                if is_news { vec![TlsNote::Kept { reason }] } else { Vec::new() }
            }
        }
    }

    /// Has the own leaf in use to be issued anew, though nobody touched it?
    fn is_outdated(&self, state: &State, host: &str, now: SystemTime) -> bool {
        let Loaded { pair, ca, .. } = &state.loaded;
        pair.facts.names != wanted(&state.settings, host).names
            || ca.as_ref().is_some_and(|(_, ca)| own::is_due(&pair.facts, ca, now))
            || pair.facts.out_of_time(now).is_some()
    }

    fn take(&self, state: &mut State, loaded: Loaded) {
        if loaded.pair.facts.pin != state.loaded.pair.facts.pin {
            state.warned = [None, None];
        }
        self.shared.in_use.swap(Arc::clone(&loaded.pair.certified));
        state.loaded = loaded;
        state.seen = None;
        state.refused = None;
        state.fault = None;
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // A panic in between leaves whole values: each field is replaced at once.
        act(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Warnings at 30, 7 and 1 days, each once for each certificate.
fn warn_of_the_end(state: &mut State, now: SystemTime) -> Vec<TlsNote> {
    let leaf = Some((state.loaded.certificate.clone(), state.loaded.pair.facts.not_after));
    let ca = state.loaded.ca.as_ref().map(|(file, facts)| (file.clone(), facts.not_after));
    let mut notes = Vec::new();
    for (which, certificate) in [leaf, ca].into_iter().enumerate() {
        let Some((file, until)) = certificate else { continue };
        let left = until.duration_since(now).unwrap_or_default();
        let days = left.as_secs().div_ceil(86_400);
        let Some(step) = [1, 7, 30].into_iter().find(|step| days <= *step) else { continue };
        if state.warned[which].is_none_or(|warned| step < warned) {
            state.warned[which] = Some(step);
            notes.push(TlsNote::Ends { file, until, days: left.as_secs() / 86_400 });
        }
    }
    notes
}

/// Reads what the settings name; makes or issues what is the daemon's own.
fn load(settings: &settings::Tls, host: &str, now: SystemTime, asked: bool) -> Result<Loaded, TlsError> {
    if let Some((certificate, key)) = &settings.own {
        // Before reading: a change in between is then seen at the next check.
        let signatures = signatures(certificate, key);
        let pair = Pair::read(certificate, key)?;
        if let Some(fault) = pair.fault(now) {
            return Err(content(certificate, fault));
        }
        let (certificate, key) = (certificate.clone(), key.clone());
        return Ok(Loaded { certificate, key, pair, ca: None, signatures, notes: Vec::new() });
    }
    let (ca, pair, mut notes) = own::ensure(&wanted(settings, host), now, asked)?;
    let path = |name| settings.dir.join(name);
    let (certificate, key) = (path(files::CERTIFICATE), path(files::KEY));
    for file in [path(files::CA_KEY), key.clone()] {
        if files::is_open_to_others(&file) {
            notes.push(TlsNote::KeyOpen { file });
        }
    }
    let signatures = signatures(&certificate, &key);
    let ca = Some((path(files::CA_CERTIFICATE), ca.facts));
    Ok(Loaded { certificate, key, pair, ca, signatures, notes })
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
