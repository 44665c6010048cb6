//! Owns the certificate in use while the daemon runs: applies new settings, renews in time, and keeps the old
//! certificate if a new one fails. Called by `daemon`, `net` and `http`. Never mints itself, never listens.

use super::files::Signature;
use super::own::Occasion;
use super::pair::content;
use super::{ClientFacts, LoadedCertificates, SignError, Summary, TlsError, TlsNote};
use super::{clients, host_name, leaf_spec, load, own, serve, signatures};
use crate::settings;
use rustls::ServerConfig;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tcp_chat_protocol::Name;

/// The fault is not the certificate's: it was read successfully before.
const NOT_SET_UP: &str = "TLS cannot be set up with it: the system gave no random numbers (getrandom)";

/// The changes of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsChanges {
    /// Whether another certificate is in use.
    pub certificate: bool,
    /// Whether new connections must use a new [`TlsState::server_config`].
    pub config: bool,
    /// The notes to log.
    pub notes: Vec<TlsNote>,
}

/// The certificates in use. Cheap to clone; all clones share one state.
#[derive(Debug, Clone)]
pub struct TlsState {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    in_use: Arc<serve::CertificateInUse>,
    /// Until when a peer may come without a certificate to fetch one, in milliseconds since 1970.
    fetching_until: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    settings: settings::Tls,
    host: String,
    alpn: &'static [u8],
    config: Arc<ServerConfig>,
    loaded: LoadedCertificates,
    /// The signatures of the files at the last check, if they are not the ones in use.
    seen: Option<[Signature; 2]>,
    /// The signatures of the files that were refused and reported.
    refused: Option<[Signature; 2]>,
    /// The number of days of the last warning, for leaf and CA.
    warned: [Option<u64>; 2],
    fault: Option<String>,
}

impl State {
    /// While a CA is in use, none is minted.
    fn at(&self) -> Occasion {
        if self.loaded.ca.is_some() { Occasion::Running } else { Occasion::Start }
    }
}

impl TlsState {
    /// Reads or mints the certificates of a host with this name.
    #[cfg(test)]
    pub(super) fn open_as(settings: &settings::Tls, host: &str, now: SystemTime) -> Result<Self, TlsError> {
        Self::open_for(settings, host, now, tcp_chat_protocol::ALPN)
    }

    /// The same, for connections that negotiate `alpn`.
    pub(super) fn open_for(
        settings: &settings::Tls,
        host: &str,
        now: SystemTime,
        alpn: &'static [u8],
    ) -> Result<Self, TlsError> {
        let loaded = load(settings, host, now, Occasion::Start)?;
        let in_use = Arc::new(serve::CertificateInUse::new(Arc::clone(&loaded.pair.certified)));
        let broken = |_| content(&loaded.certificate, NOT_SET_UP.into());
        let fetching_until = Arc::default();
        let clients = clients::verifier(settings, &fetching_until)?;
        let config = serve::config(Arc::clone(&in_use), clients, settings.allow_1_2, alpn).map_err(broken)?;
        let state = State {
            settings: settings.clone(),
            host: host.to_owned(),
            alpn,
            config,
            loaded,
            seen: None,
            refused: None,
            warned: [None, None],
            fault: None,
        };
        Ok(Self { shared: Arc::new(Shared { in_use, fetching_until, state: Mutex::new(state) }) })
    }

    /// The configuration for new connections. A reload may replace it; the certificate in it is swapped without
    /// that.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.with(|state| Arc::clone(&state.config))
    }

    /// The notes of the opening, for the log. Returns them once.
    #[must_use]
    pub fn first_notes(&self) -> Vec<TlsNote> {
        self.with(|state| std::mem::take(&mut state.loaded.notes))
    }

    /// The certificates in use.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.with(|state| {
            let LoadedCertificates { certificate, pair, ca, doubts, client_doubts, .. } = &state.loaded;
            Summary {
                certificate: certificate.clone(),
                facts: pair.facts.clone(),
                ca: ca.as_ref().map(|(file, _)| file.clone()),
                pin: pair.last.pin,
                fault: state.fault.clone(),
                doubts: doubts.iter().chain(client_doubts).map(ToString::to_string).collect(),
            }
        })
    }

    /// Until when a peer without a certificate passes the handshake, if one is required, to fetch one; in
    /// milliseconds since 1970. The hub sets it with each code.
    #[must_use]
    pub fn fetching_until(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.fetching_until)
    }

    /// Checks whether a certificate of the daemon's own CA would be accepted.
    ///
    /// # Errors
    /// The reason and the remedy.
    pub fn check_can_sign(&self) -> Result<(), TlsError> {
        self.with(|state| clients::check_can_sign(&state.settings))
    }

    /// Signs a client's request with the daemon's own CA, for the user `name`. Reads files and computes, so it
    /// must not run on async threads.
    ///
    /// # Errors
    /// The request is invalid, or there is no CA that can sign.
    pub fn sign(
        &self,
        request: &str,
        name: &Name,
        now: SystemTime,
    ) -> Result<(ClientFacts, String), SignError> {
        let settings = self.with(|state| state.settings.clone());
        clients::sign(&settings, request, name, now)
    }

    /// Applies other settings with their certificates.
    ///
    /// # Errors
    /// They cannot be used; the old ones stay in use.
    pub fn reload(&self, settings: &settings::Tls, now: SystemTime) -> Result<TlsChanges, TlsError> {
        self.reload_as(settings, &host_name(), now)
    }

    pub(super) fn reload_as(
        &self,
        settings: &settings::Tls,
        host: &str,
        now: SystemTime,
    ) -> Result<TlsChanges, TlsError> {
        self.with(|state| {
            let mut loaded = load(settings, host, now, state.at())?;
            let is_same = settings.allow_1_2 == state.settings.allow_1_2
                && settings.client_auth == state.settings.client_auth
                // The content of the CA file may have changed.
                && settings.client_auth == settings::ClientAuth::Off;
            let config = if is_same {
                None
            } else {
                let Shared { in_use, fetching_until, .. } = &*self.shared;
                let clients = clients::verifier(settings, fetching_until)?;
                let made = serve::config(Arc::clone(in_use), clients, settings.allow_1_2, state.alpn);
                Some(made.map_err(|_| content(&loaded.certificate, NOT_SET_UP.into()))?)
            };
            let mut changed = TlsChanges {
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
            self.use_certificates(state, loaded);
            Ok(changed)
        })
    }

    /// Renews the daemon's own leaf in time, notices replaced files, and warns before the end. Reads the metadata
    /// of a few files. The daemon calls it about once a minute, off the async threads, and logs the result.
    ///
    /// Replaced files are used at the second check that sees them unchanged: a pair is replaced in two steps.
    #[must_use]
    pub fn check_due(&self, now: SystemTime) -> Vec<TlsNote> {
        self.check_due_as(&host_name(), now)
    }

    pub(super) fn check_due_as(&self, host: &str, now: SystemTime) -> Vec<TlsNote> {
        self.with(|state| {
            let mut notes = self.check_files(state, host, now);
            notes.extend(expiry_warnings(state, now));
            notes.extend(new_doubts(state, now));
            notes
        })
    }

    fn check_files(&self, state: &mut State, host: &str, now: SystemTime) -> Vec<TlsNote> {
        let found = signatures(&state.loaded.certificate, &state.loaded.key);
        let replaced = found != state.loaded.signatures;
        let settled = state.seen.replace(found) == Some(found);
        if replaced && !settled {
            return Vec::new();
        }
        if state.settings.operator_pair().is_some() && found.contains(&None) {
            // No pair to use. The daemon reports missing files elsewhere.
            return Vec::new();
        }
        if !replaced {
            // The old files are back.
            state.refused = None;
            if state.settings.operator_pair().is_some() || !self.must_reissue(state, host, now) {
                state.fault = None;
                return Vec::new();
            }
        } else if state.refused == Some(found) {
            return Vec::new();
        }
        match load(&state.settings, host, now, state.at()) {
            Ok(mut loaded) => {
                let mut notes = std::mem::take(&mut loaded.notes);
                if !notes.iter().any(|note| matches!(note, TlsNote::LeafIssued { .. })) {
                    let (file, until) = (loaded.certificate.clone(), loaded.pair.facts.not_after);
                    notes.push(TlsNote::Replaced { file, until });
                }
                state.host = host.to_owned();
                self.use_certificates(state, loaded);
                notes
            }
            Err(e) => {
                let reason = e.to_string();
                // The same error each minute would fill the log.
                let is_new = state.fault.as_ref() != Some(&reason);
                state.refused = replaced.then_some(found);
                state.fault = Some(reason.clone());
                if is_new { vec![TlsNote::Kept { reason }] } else { Vec::new() }
            }
        }
    }

    /// Whether the daemon's own leaf must be issued again, although its files are unchanged.
    fn must_reissue(&self, state: &State, host: &str, now: SystemTime) -> bool {
        let LoadedCertificates { pair, ca, .. } = &state.loaded;
        pair.facts.names != leaf_spec(&state.settings, host).names
            || ca.as_ref().is_some_and(|(_, ca)| own::is_due(&pair.facts, ca, now))
            || pair.facts.validity_fault(now).is_some()
    }

    fn use_certificates(&self, state: &mut State, loaded: LoadedCertificates) {
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
        // Each change is one step, so the values are whole even after a panic of another thread.
        act(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The doubts since the last check, such as an expired intermediate certificate.
fn new_doubts(state: &mut State, now: SystemTime) -> Vec<TlsNote> {
    let doubts = state.loaded.doubts_at(&state.settings, now);
    let before = std::mem::replace(&mut state.loaded.doubts, doubts);
    state.loaded.doubts.iter().filter(|doubt| !before.contains(doubt)).cloned().collect()
}

/// Warnings at 30, 7 and 1 days and at the end, once for each certificate.
fn expiry_warnings(state: &mut State, now: SystemTime) -> Vec<TlsNote> {
    let leaf = Some((state.loaded.certificate.clone(), state.loaded.pair.facts.not_after));
    let ca = state.loaded.ca.as_ref().map(|(file, facts)| (file.clone(), facts.not_after));
    let mut notes = Vec::new();
    for (which, certificate) in [leaf, ca].into_iter().enumerate() {
        let Some((file, until)) = certificate else { continue };
        let left = until.duration_since(now).unwrap_or_default();
        let days = left.as_secs().div_ceil(86_400);
        let Some(step) = [0, 1, 7, 30].into_iter().find(|step| days <= *step) else { continue };
        if state.warned[which].is_none_or(|warned| step < warned) {
            state.warned[which] = Some(step);
            notes.push(TlsNote::Ends { file, until, days });
        }
    }
    notes
}
