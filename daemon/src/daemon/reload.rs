//! Owns a reload: reads and checks everything first, then applies all of it or nothing. The result goes to the
//! caller, the log and STATUS. Called by `daemon`. Never ends the daemon.

use super::Daemon;
use super::clustered::check_login;
use super::page::Page;
use super::system::raise_open_files;
use crate::admin::Reloaded;
use crate::hub::{Control, Entry};
use crate::settings::{Settings, needs_restart};
use crate::systemd;
use crate::tls::TlsNote;
use std::time::{Duration, SystemTime};
use tcp_chat_state::Rules;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{error, info};

/// How long a reload waits for the hub. Shorter than the watchdog of the service manager.
const HUB_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a reload was refused.
enum ReloadError {
    /// The certificate cannot be used.
    Certificate(String),
    /// Anything else.
    Other(String),
}

impl ReloadError {
    fn other(why: impl std::fmt::Display) -> Self {
        Self::Other(why.to_string())
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Certificate(why) | Self::Other(why) => why,
        }
    }
}

impl Daemon {
    /// Reads the configuration again and applies it.
    pub(super) async fn reload(&mut self) -> Result<Reloaded, String> {
        systemd::reloading();
        let outcome = self.try_reload().await;
        match &outcome {
            Ok(reloaded) => {
                let Reloaded { changed, needs_restart, warnings: _ } = reloaded;
                info!(event = "reloaded", changed = ?changed, needs_restart = ?needs_restart, "configuration reloaded");
                self.status.reload_refused(None);
            }
            Err(why) => {
                error!(
                    event = "reload_refused",
                    reason = why.as_str(),
                    "reload refused: the old configuration stays in effect"
                );
                match why {
                    ReloadError::Certificate(why) => self.status.certificate_refused(why.clone()),
                    ReloadError::Other(why) => self.status.reload_refused(Some(why.clone())),
                }
            }
        }
        systemd::ready();
        outcome.map_err(|why| why.as_str().to_owned())
    }

    async fn try_reload(&mut self) -> Result<Reloaded, ReloadError> {
        let fresh = self.loaded.again().map_err(ReloadError::other)?;
        let settings = &fresh.settings;
        if self.page.is_some() {
            Page::check(settings).map_err(ReloadError::other)?;
        }
        check_login(settings).map_err(ReloadError::Other)?;
        let (sender, receiver) = oneshot::channel();
        let rules = Control::CheckRules(Box::new(Rules::from(settings)), sender);
        self.ask_hub(rules, receiver).await?.map_err(ReloadError::other)?;
        // The last step that can fail for a daemon that is alone; from here on everything is applied.
        let tls = self
            .tls
            .reload(&settings.tls, SystemTime::now())
            .map_err(|why| ReloadError::Certificate(why.to_string()))?;
        tls.notes.iter().for_each(TlsNote::log);
        self.status.certificate(self.tls.summary());
        if let Some(page) = &self.page {
            page.reload(settings).map_err(ReloadError::Other)?;
        }
        if settings.limits.connections != self.loaded.settings.limits.connections {
            raise_open_files(settings.limits.connections);
        }
        self.gate.set_tls(self.tls.server_config());
        self.gate.reload(settings);
        self.log.set_level(&settings.log.level).map_err(ReloadError::other)?;
        let (sender, receiver) = oneshot::channel();
        let rules = Control::Rules(Box::new(Rules::from(settings)), sender);
        let twins = self.ask_hub(rules, receiver).await?;
        let twins = twins.map_err(|why| {
            ReloadError::Other(format!(
                "the certificate and the log level are the new ones, the policy is the old one: {why}"
            ))
        })?;
        // By now the hub has opened the rooms.
        if let Some(webhook) = &self.webhook {
            webhook.set_rooms(settings.http.rooms.clone());
        }
        let waiting = self.waiting_for_restart(settings);
        let changed = self.loaded.settings.changed_keys(settings).into_iter();
        let changed = changed.filter(|key| !needs_restart(key)).map(str::to_owned).collect();
        self.loaded = fresh;
        let warnings = twins.iter().map(ToString::to_string).collect();
        Ok(Reloaded { changed, needs_restart: waiting, warnings })
    }

    /// Waits for the hub, but not for as long as a cluster may be without a leader.
    async fn ask_hub<T>(&self, control: Control, answer: oneshot::Receiver<T>) -> Result<T, ReloadError> {
        self.inbox.put(Entry::Control(control)).await.map_err(ReloadError::other)?;
        match timeout(HUB_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(ReloadError::other(
                "nothing came back for it: the policy may be the old one or the new one",
            )),
            Err(_) => Err(ReloadError::Other(format!(
                "nothing came back within {} seconds: the policy may be the old one, and become the new one later",
                HUB_TIMEOUT.as_secs()
            ))),
        }
    }

    /// The keys whose values differ from the start and take effect at a restart.
    fn waiting_for_restart(&self, settings: &Settings) -> Vec<String> {
        let keys = self.started_with.changed_keys(settings).into_iter();
        keys.filter(|key| needs_restart(key)).map(str::to_owned).collect()
    }

    /// Handles requests of operators while the daemon stops; refuses a reload.
    pub(super) async fn serve_admin_while_stopping(&mut self) {
        use crate::admin::DaemonRequest;
        while let Some(request) = self.admin_requests.recv().await {
            match request {
                DaemonRequest::Reload(answer) => drop(answer.send(Err("the daemon is stopping".to_owned()))),
                // The daemon is stopping already.
                DaemonRequest::Drain => {}
                DaemonRequest::Log(level, answer) => drop(answer.send(self.set_log_level(&level))),
                DaemonRequest::Status(answer) => {
                    drop(answer.send(self.status.status(&self.loaded)));
                }
            }
        }
        std::future::pending().await
    }
}
