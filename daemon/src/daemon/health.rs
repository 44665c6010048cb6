//! Owns the health checks: the hub and the files every few seconds, the certificates every minute. Called by the life of
//! the process. Never waits longer for the hub than one health check may take.

use super::page::Page;
use super::{Daemon, HEALTH_INTERVAL};
use crate::systemd;
use crate::tls::TlsNote;
use std::time::{Duration, SystemTime};
use tracing::error;

impl Daemon {
    /// Checks the hub and the files that the configuration names. Feeds the watchdog if the hub answers.
    pub(super) async fn check_health(&mut self) {
        let health = self.inbox.health(HEALTH_INTERVAL.max(Duration::from_secs(10))).await;
        let Some(health) = health else {
            error!(event = "hub_stuck", "the hub does not answer: the watchdog is not fed");
            return;
        };
        systemd::feed();
        self.check_files();
        self.status.healthy(health);
    }

    fn check_files(&mut self) {
        self.files.check(&self.loaded);
        self.status.page(self.page.as_ref().and_then(Page::origin));
        let page = self.page.iter().flat_map(Page::warnings);
        self.status.files(self.files.warnings().into_iter().chain(page).collect());
    }

    /// Checks the certificates: renews them, loads replaced files, and warns.
    pub(super) fn check_certificates(&mut self) {
        self.tls.check_due(SystemTime::now()).iter().for_each(TlsNote::log);
        self.status.certificate(self.tls.summary());
        if let Some(page) = &self.page {
            page.check_certificate(&self.loaded.settings);
        }
    }
}
