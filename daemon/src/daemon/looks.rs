//! Owns what the daemon looks at every few seconds and every minute: hub, files, certificates. Called by the life of the
//! process. Never waits longer for the hub than a look may take.

use super::page::Page;
use super::{Daemon, LOOK_EVERY};
use crate::systemd;
use crate::tls::TlsNote;
use std::time::{Duration, SystemTime};
use tracing::error;

impl Daemon {
    /// At the hub, and at the files that the configuration names. Feeds the watchdog if the hub answers.
    pub(super) async fn look(&mut self) {
        let health = self.inbox.health(LOOK_EVERY.max(Duration::from_secs(10))).await;
        let Some(health) = health else {
            error!(event = "hub_stuck", "the hub does not answer: the watchdog is not fed");
            return;
        };
        systemd::feed();
        self.look_at_files();
        self.watch.healthy(health);
    }

    fn look_at_files(&mut self) {
        self.files.look(&self.loaded);
        let page = self.page.iter().flat_map(Page::warnings);
        self.watch.files(self.files.warnings().into_iter().chain(page).collect());
    }

    /// At the certificates: renews, takes what was replaced, warns.
    pub(super) fn look_at_certificates(&mut self) {
        self.tls.check_due(SystemTime::now()).iter().for_each(TlsNote::log);
        self.watch.certificate(self.tls.summary());
        if let Some(page) = &self.page {
            page.look_at_certificate(&self.loaded.settings);
        }
    }
}
