//! Owns the page over the life of the process: its sockets and its certificate before READY, then reloads and the checks
//! of the certificate. Called by the life of the process. Never serves a request itself: `web` does.

use super::Fatal;
use crate::metrics::Metrics;
use crate::net::{self, Gate, TlsListener};
use crate::settings::Settings;
use crate::tls::{self, TlsNote, TlsState};
use crate::web::{self, Web};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The sockets and the certificate of the page, if it is on.
#[derive(Debug)]
pub(super) struct Bound {
    listeners: Vec<TcpListener>,
    tls: TlsState,
}

impl Bound {
    /// Reads the certificate and binds the address. Sockets that the service manager passes replace the address.
    pub(super) fn new(settings: &Settings, handed_over: Vec<TcpListener>) -> Result<Option<Self>, Fatal> {
        let listeners = match (settings.web.address, handed_over) {
            (None, handed_over) if handed_over.is_empty() => return Ok(None),
            (Some(address), handed_over) if handed_over.is_empty() => {
                let key = "web.address";
                vec![net::listen(address).map_err(|why| Fatal::Listen { key, address, why })?]
            }
            (_, handed_over) => handed_over,
        };
        let Some(pair) = settings.web.tls(&settings.tls) else {
            return Err(Fatal::Web(
                "web.certificate: the service manager passes a socket for the page, which needs web.certificate and \
                 web.key; set them, or disable tcp-chatd-web.socket"
                    .to_owned(),
            ));
        };
        let tls = tls::open_web(&pair, SystemTime::now()).map_err(Fatal::Tls)?;
        Ok(Some(Self { listeners, tls }))
    }

    /// Starts the accept loops.
    pub(super) fn serve(
        self,
        settings: &Settings,
        gate: &Gate,
        metrics: &Arc<Metrics>,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Page, Fatal> {
        warn_of_login_fault(settings);
        self.tls.first_notes().iter().for_each(TlsNote::log);
        let (mut served, mut addresses) = (Vec::new(), Vec::new());
        for listener in self.listeners {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(Fatal::Runtime)?;
            let address = listener.local_addr().map_err(Fatal::Runtime)?;
            let web = Web::new(settings, self.tls.clone(), address.port(), metrics.clone(), stop.clone())
                .map_err(Fatal::Web)?;
            info!(event = "web_listening", address = %address, origin = web.origin(), "listening for browsers");
            let listener = TlsListener::new(gate.clone(), listener, web.clone()).map_err(Fatal::Runtime)?;
            tasks.spawn(listener.serve(stop.clone()));
            served.push(web);
            addresses.push(address);
        }
        Ok(Page { tls: self.tls, served, addresses })
    }
}

/// The page while it is served, once per socket.
#[derive(Debug)]
pub(super) struct Page {
    tls: TlsState,
    served: Vec<Web>,
    addresses: Vec<SocketAddr>,
}

impl Page {
    /// The addresses on which the page listens.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// The address to open in a browser.
    pub(super) fn origin(&self) -> Option<String> {
        self.served.first().map(Web::origin)
    }

    /// Checks that the page can use these settings, and changes nothing.
    ///
    /// # Errors
    /// The certificate cannot be used, or browsers can reach the page under no name.
    pub(super) fn check(settings: &Settings) -> Result<(), String> {
        let Some(pair) = settings.web.tls(&settings.tls) else { return Ok(()) };
        tls::check(&pair, SystemTime::now()).map_err(|why| why.to_string())?;
        match tls::show(&pair).unwrap_or_default().first() {
            Some((file, facts)) => web::check(settings, file, &facts.names),
            None => Ok(()),
        }
    }

    /// Applies other settings. If they no longer name a certificate, the one in use stays until the next start.
    ///
    /// # Errors
    /// The reason why the certificate cannot be used. The one in use stays.
    pub(super) fn reload(&self, settings: &Settings) -> Result<(), String> {
        let Some(pair) = settings.web.tls(&settings.tls) else { return Ok(()) };
        let changes = self.tls.reload(&pair, SystemTime::now()).map_err(|why| why.to_string())?;
        changes.notes.iter().for_each(TlsNote::log);
        warn_of_login_fault(settings);
        self.refresh(settings);
        Ok(())
    }

    /// Checks the certificate: loads a replaced file, and warns before it expires.
    pub(super) fn check_certificate(&self, settings: &Settings) {
        let notes = self.tls.check_due(SystemTime::now());
        notes.iter().for_each(TlsNote::log);
        if !notes.is_empty() {
            self.refresh(settings);
        }
    }

    fn refresh(&self, settings: &Settings) {
        for web in &self.served {
            if let Err(why) = web.refresh(settings) {
                error!(event = "web_names_kept", reason = why, "the page's names stay as they were");
            }
        }
    }

    /// The reasons why the page's certificate on the disk is not in use, or why browsers refuse it.
    pub(super) fn warnings(&self) -> Vec<String> {
        let summary = self.tls.summary();
        summary.fault.into_iter().chain(summary.doubts).map(|why| format!("web.certificate: {why}")).collect()
    }
}

fn warn_of_login_fault(settings: &Settings) {
    if let Some(reason) = web::login_fault(settings) {
        warn!(event = "web_refuses_logins", reason, "no browser can log in on the page");
    }
}
