//! Owns a reload: everything is read and checked first, then applied whole, or not at all. The
//! answer goes to the caller, the log and STATUS. Never ends the daemon.

use super::Daemon;
use super::page::Page;
use super::system::raise_open_files;
use crate::admin::Reloaded;
use crate::chat::Rules;
use crate::hub::{Control, Entry};
use crate::settings::{Settings, needs_restart};
use crate::systemd;
use crate::tls::TlsNote;
use std::time::SystemTime;
use tokio::sync::oneshot;
use tracing::{error, info};

/// Why nothing was changed.
enum Refused {
    /// The certificate cannot be used.
    Certificate(String),
    /// Anything else.
    Other(String),
}

impl Refused {
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
    /// Reads the configuration again and goes by it.
    pub(super) async fn reload(&mut self) -> Result<Reloaded, String> {
        systemd::reloading();
        let outcome = self.try_reload().await;
        match &outcome {
            Ok(reloaded) => {
                let Reloaded { changed, needs_restart, warnings: _ } = reloaded;
                info!(event = "reloaded", changed = ?changed, needs_restart = ?needs_restart, "configuration reloaded");
                self.watch.reload_refused(None);
            }
            Err(why) => {
                error!(
                    event = "reload_refused",
                    reason = why.as_str(),
                    "reload refused: what ran before goes on"
                );
                match why {
                    Refused::Certificate(why) => self.watch.certificate_refused(why.clone()),
                    Refused::Other(why) => self.watch.reload_refused(Some(why.clone())),
                }
            }
        }
        systemd::ready();
        outcome.map_err(|why| why.as_str().to_owned())
    }

    async fn try_reload(&mut self) -> Result<Reloaded, Refused> {
        let fresh = self.loaded.again().map_err(Refused::other)?;
        let settings = &fresh.settings;
        if self.page.is_some() {
            Page::check(settings).map_err(Refused::other)?;
        }
        // The last step that can fail; from here on all is applied.
        let tls = self
            .tls
            .reload(&settings.tls, SystemTime::now())
            .map_err(|why| Refused::Certificate(why.to_string()))?;
        tls.notes.iter().for_each(TlsNote::log);
        self.watch.certificate(self.tls.summary());
        if let Some(page) = &self.page {
            page.reload(settings).map_err(Refused::Other)?;
        }
        if settings.limits.connections != self.loaded.settings.limits.connections {
            raise_open_files(settings.limits.connections);
        }
        self.gate.set_tls(self.tls.server_config());
        self.gate.reload(settings);
        self.log.set_level(&settings.log.level).map_err(Refused::other)?;
        let (sender, receiver) = oneshot::channel();
        let rules = Control::Rules(Box::new(Rules::from(settings)), sender);
        self.inbox.put(Entry::Control(rules)).await.map_err(Refused::other)?;
        let twins = receiver.await.map_err(|_| Refused::other("the hub has ended"))?;
        // The hub has opened them.
        if let Some(posts) = &self.posts {
            posts.set_rooms(settings.http.rooms.clone());
        }
        let waiting = self.waiting_for_restart(settings);
        let changed = self.loaded.settings.changed_keys(settings).into_iter();
        let changed = changed.filter(|key| !needs_restart(key)).map(str::to_owned).collect();
        self.loaded = fresh;
        let warnings = twins.iter().map(ToString::to_string).collect();
        Ok(Reloaded { changed, needs_restart: waiting, warnings })
    }

    /// The keys whose values differ from what the daemon started with, and are gone by from the next start on.
    fn waiting_for_restart(&self, settings: &Settings) -> Vec<String> {
        let keys = self.started_with.changed_keys(settings).into_iter();
        keys.filter(|key| needs_restart(key)).map(str::to_owned).collect()
    }

    /// While the daemon dies, wishes are still granted, but nothing is reloaded.
    pub(super) async fn grant_while_dying(&mut self) {
        use crate::admin::Wish;
        while let Some(wish) = self.wishes.recv().await {
            match wish {
                Wish::Reload(answer) => drop(answer.send(Err("the daemon is stopping".to_owned()))),
                // It does already.
                Wish::Drain => {}
                Wish::Log(level, answer) => drop(answer.send(self.set_log_level(&level))),
                Wish::Status(answer) => {
                    drop(answer.send(self.watch.status(&self.loaded)));
                }
            }
        }
        std::future::pending().await
    }
}
