//! Owns the certificate in use while the daemon runs: takes new settings, looks after it as time
//! goes by, keeps what works when something new does not. Never mints itself, never listens.

use super::files::Signature;
use super::own::At;
use super::pair::content;
use super::{Loaded, NotSigned, Shown, Summary, TlsError, TlsNote};
use super::{clients, host_name, load, own, serve, signatures, wanted};
use crate::settings;
use rustls::ServerConfig;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tcp_chat_protocol::Name;

/// Not the certificate's fault: it was read before.
const NOT_SET_UP: &str = "TLS cannot be set up with it: the system gave no random numbers (getrandom)";

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
    /// Until when somebody may come to fetch a certificate, in milliseconds since 1970.
    fetching_until: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    settings: settings::Tls,
    host: String,
    alpn: &'static [u8],
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

impl State {
    /// With a CA in use, none is made.
    fn at(&self) -> At {
        if self.loaded.ca.is_some() { At::Running } else { At::Start }
    }
}

impl TlsState {
    /// Reads or makes the certificates of a host of that name.
    #[cfg(test)]
    pub(super) fn open_as(settings: &settings::Tls, host: &str, now: SystemTime) -> Result<Self, TlsError> {
        Self::open_for(settings, host, now, tcp_chat_protocol::ALPN)
    }

    /// The same, for connections on which `alpn` is spoken.
    pub(super) fn open_for(
        settings: &settings::Tls,
        host: &str,
        now: SystemTime,
        alpn: &'static [u8],
    ) -> Result<Self, TlsError> {
        let loaded = load(settings, host, now, At::Start)?;
        let in_use = Arc::new(serve::InUse::new(Arc::clone(&loaded.pair.certified)));
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
            let Loaded { certificate, pair, ca, doubts, client_doubts, .. } = &state.loaded;
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

    /// Until when somebody without a certificate is let through the handshake, where one is
    /// required, to fetch it; in milliseconds since 1970. Set by whoever gives out codes.
    #[must_use]
    pub fn fetching_until(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.fetching_until)
    }

    /// Would a certificate from the own CA be accepted?
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn may_sign(&self) -> Result<(), TlsError> {
        self.with(|state| clients::may_sign(&state.settings))
    }

    /// Signs a client's request with the own CA, for the user `name`. Reads files, and computes:
    /// not for async threads.
    ///
    /// # Errors
    /// The request is none, or there is no CA that could.
    pub fn sign(&self, request: &str, name: &Name, now: SystemTime) -> Result<(Shown, String), NotSigned> {
        let settings = self.with(|state| state.settings.clone());
        clients::sign(&settings, request, name, now)
    }

    /// Takes other settings, and whatever certificates they name.
    ///
    /// # Errors
    /// They cannot be used. Everything goes on as before then.
    pub fn reload(&self, settings: &settings::Tls, now: SystemTime) -> Result<Changed, TlsError> {
        self.reload_as(settings, &host_name(), now)
    }

    pub(super) fn reload_as(
        &self,
        settings: &settings::Tls,
        host: &str,
        now: SystemTime,
    ) -> Result<Changed, TlsError> {
        self.with(|state| {
            let mut loaded = load(settings, host, now, state.at())?;
            let is_same = settings.allow_1_2 == state.settings.allow_1_2
                && settings.client_auth == state.settings.client_auth
                // The file with the CAs may be another one by now.
                && settings.client_auth == settings::ClientAuth::Off;
            let config = if is_same {
                None
            } else {
                let Shared { in_use, fetching_until, .. } = &*self.shared;
                let clients = clients::verifier(settings, fetching_until)?;
                let made = serve::config(Arc::clone(in_use), clients, settings.allow_1_2, state.alpn);
                Some(made.map_err(|_| content(&loaded.certificate, NOT_SET_UP.into()))?)
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

    pub(super) fn check_due_as(&self, host: &str, now: SystemTime) -> Vec<TlsNote> {
        self.with(|state| {
            let mut notes = self.look_after(state, host, now);
            notes.extend(warn_of_the_end(state, now));
            notes.extend(doubt_anew(state, now));
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
        if state.settings.own().is_some() && found.contains(&None) {
            // Nothing to take. The daemon says of all files that it needs when one is gone.
            return Vec::new();
        }
        if !replaced {
            // Whoever broke it brought the old files back.
            state.refused = None;
            if state.settings.own().is_some() || !self.is_outdated(state, host, now) {
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

/// What has become doubtful since the last look: an intermediate certificate has expired.
fn doubt_anew(state: &mut State, now: SystemTime) -> Vec<TlsNote> {
    let doubts = state.loaded.doubts_at(&state.settings, now);
    let before = std::mem::replace(&mut state.loaded.doubts, doubts);
    state.loaded.doubts.iter().filter(|doubt| !before.contains(doubt)).cloned().collect()
}

/// Warnings at 30, 7 and 1 days and at the end, each once for each certificate.
fn warn_of_the_end(state: &mut State, now: SystemTime) -> Vec<TlsNote> {
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
