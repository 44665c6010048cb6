//! Owns the status of the daemon: the STATUS line for the service manager, which is sent only when it changes,
//! and the reply to `status`. Called by `daemon`, which passes every fact. Never checks anything itself.

use crate::admin::Status;
use crate::hub::Health;
use crate::order::Readiness;
use crate::settings::Loaded;
use crate::store::HistoryBytes;
use crate::systemd;
use crate::tls::Summary;
use std::net::SocketAddr;
use tokio::time::Instant;

/// The known facts about the daemon.
#[derive(Debug)]
pub(super) struct StatusReport {
    began: Instant,
    addresses: Vec<SocketAddr>,
    /// The address to open in a browser, if the page is on.
    page: Option<String>,
    health: Health,
    stopping: bool,
    /// Why the last reload was refused.
    reload: Option<String>,
    reload_waits_for_certificate: bool,
    certificate: Summary,
    /// The faults of files that the configuration names.
    files: Vec<String>,
    published: String,
}

impl StatusReport {
    pub(super) fn new(addresses: Vec<SocketAddr>, certificate: Summary) -> Self {
        Self {
            began: Instant::now(),
            addresses,
            page: None,
            health: Health::default(),
            stopping: false,
            reload: None,
            reload_waits_for_certificate: false,
            certificate,
            files: Vec::new(),
            published: String::new(),
        }
    }

    pub(super) fn healthy(&mut self, health: Health) {
        self.health = health;
        self.publish();
    }

    pub(super) fn stopping(&mut self) {
        self.stopping = true;
        self.publish();
    }

    /// The last reload was refused for this reason; `None`: it was applied.
    pub(super) fn reload_refused(&mut self, why: Option<String>) {
        self.reload = why;
        self.reload_waits_for_certificate = false;
        self.publish();
    }

    /// The last reload was refused because of the certificate. The warning ends when another certificate is in
    /// use.
    pub(super) fn certificate_refused(&mut self, why: String) {
        self.reload = Some(why);
        self.reload_waits_for_certificate = true;
        self.publish();
    }

    /// The certificate in use.
    pub(super) fn certificate(&mut self, summary: Summary) {
        let is_another = summary.facts.pin != self.certificate.facts.pin;
        if is_another && summary.fault.is_none() && self.reload_waits_for_certificate {
            self.reload = None;
            self.reload_waits_for_certificate = false;
        }
        self.certificate = summary;
        self.publish();
    }

    /// The address of the page. [`StatusReport::healthy`] reports it.
    pub(super) fn page(&mut self, origin: Option<String>) {
        self.page = origin;
    }

    /// The faults of files that the configuration names. [`StatusReport::healthy`] reports them.
    pub(super) fn files(&mut self, warnings: Vec<String>) {
        self.files = warnings;
    }

    fn state(&self) -> &'static str {
        match (self.stopping, &self.health.store_failing) {
            (true, _) => "stopping",
            (false, Some(_)) => "store failing",
            (false, None) => "serving",
        }
    }

    fn warning(&self) -> Option<String> {
        let reload = self.reload.as_ref().map(|why| format!("reload refused: {why}"));
        let HistoryBytes { taken, most } = self.health.history;
        let full = most.filter(|most| taken > most / 10 * 9).map(|most| {
            format!(
                "the history takes {} of {} (history.max_bytes); beyond that the oldest messages are removed",
                bytes(taken),
                bytes(most)
            )
        });
        let first = [reload, self.certificate.fault.clone(), self.doubts()].into_iter().flatten();
        let warnings: Vec<_> = first.chain(self.files.iter().cloned()).chain(full).collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }

    /// The reasons why all or some clients refuse the certificate in use.
    fn doubts(&self) -> Option<String> {
        let doubts = &self.certificate.doubts;
        (!doubts.is_empty()).then(|| doubts.join("; "))
    }

    /// The STATUS line: faults come first.
    pub(super) fn summary(&self) -> String {
        let counts = self.health.counts;
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let mut line = String::new();
        if let Some(why) = &self.health.store_failing {
            line.push_str(&format!("messages are refused, the store cannot be written ({why}); "));
        }
        if let Some(order) = &self.health.order {
            let members: Vec<_> = order.members.iter().map(|member| &*member.name).collect();
            let what = match order.state {
                Readiness::Ready => "",
                Readiness::Busy => " waits for the log",
                Readiness::Unavailable => " cannot order requests, which are refused",
            };
            line.push_str(&format!("node {}{what}, living nodes: {}; ", order.name, members.join(", ")));
        }
        if let Some(warning) = self.warning() {
            line.push_str(&warning);
            line.push_str("; ");
        }
        line.push_str(if self.stopping { "stopping" } else { "serving" });
        let page = self.page.as_ref().map(|origin| format!(", the page at {origin}")).unwrap_or_default();
        line.push_str(&format!(
            " on {}{page}: {} connections, {} sessions ({} away), {} rooms, {} messages so far",
            addresses.join(", "),
            self.health.connections,
            counts.sessions,
            counts.away,
            counts.rooms,
            counts.head,
        ));
        if let Some(most) = self.health.history.most {
            line.push_str(&format!(", of which up to {} are kept", bytes(most)));
        }
        line.push_str(&format!("; certificate until {}", self.certificate_until()));
        line
    }

    /// The last day of the certificate.
    fn certificate_until(&self) -> String {
        let mut until = humantime::format_rfc3339_seconds(self.certificate.facts.not_after).to_string();
        until.truncate(10);
        until
    }

    fn publish(&mut self) {
        let summary = self.summary();
        if summary != self.published {
            systemd::status(&summary);
            self.published = summary;
        }
    }

    pub(super) fn status(&self, loaded: &Loaded) -> Status {
        let mut status = Status {
            state: self.state(),
            summary: self.summary(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.began.elapsed().as_secs(),
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
            page: self.page.clone(),
            config: loaded.file.clone(),
            connections: 0,
            sessions: 0,
            away: 0,
            rooms: 0,
            head: 0,
            store_failing: self.health.store_failing.clone(),
            history_bytes: self.health.history.taken,
            history_max_bytes: self.health.history.most,
            erasing_left: self.health.erasing_left,
            certificate_expires: humantime::format_rfc3339_seconds(self.certificate.facts.not_after)
                .to_string(),
            certificate_doubtful: self.doubts(),
            warning: self.warning(),
            cluster: self.health.order.clone(),
        };
        status.count(self.health.connections, self.health.counts);
        status
    }
}

/// Bytes for people: at least two digits, in a binary unit.
fn bytes(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    units
        .into_iter()
        .find(|(unit, _)| bytes >= 10 * unit)
        .map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Facts;
    use std::collections::BTreeSet;
    use std::time::{Duration, UNIX_EPOCH};
    use tcp_chat_protocol::invite::Pin;

    fn certificate() -> Summary {
        let (pin, day) = (Pin([0; 32]), Duration::from_secs(24 * 3600));
        let facts = Facts {
            names: BTreeSet::new(),
            subject: String::new(),
            issuer: String::new(),
            not_before: UNIX_EPOCH,
            not_after: UNIX_EPOCH + day,
            pin,
            is_ca: false,
            for_servers: true,
        };
        Summary { certificate: "server.pem".into(), facts, ca: None, pin, fault: None, doubts: Vec::new() }
    }

    #[test]
    fn the_line_says_what_is_wrong_first() {
        let mut status = StatusReport::new(vec!["127.0.0.1:3000".parse().unwrap()], certificate());
        assert_eq!(
            status.summary(),
            "serving on 127.0.0.1:3000: 0 connections, 0 sessions (0 away), 0 rooms, 0 messages so far; \
             certificate until 1970-01-02"
        );
        status.page(Some("https://chat.example:3443".into()));
        assert!(status.summary().starts_with(
            "serving on 127.0.0.1:3000, the page at https://chat.example:3443: 0 connections, "
        ));
        status.page(None);
        status.certificate(Summary { fault: Some("server.pem: broken".into()), ..certificate() });
        assert!(status.summary().starts_with("server.pem: broken; serving on "));
        status.reload_refused(Some("limits.burst: no number".into()));
        assert!(
            status
                .summary()
                .starts_with("reload refused: limits.burst: no number; server.pem: broken; serving on ")
        );
        status.reload_refused(None);
        let doubts = vec!["own.pem: a CA's".to_owned(), "own.pem: old".to_owned()];
        status.certificate(Summary { doubts, ..certificate() });
        assert!(status.summary().starts_with("own.pem: a CA's; own.pem: old; serving on "));
        status.certificate(certificate());
        assert_eq!(status.warning(), None);
        let (mib, gib) = (1 << 20, 1 << 30);
        let most = Some(12 * gib);
        status.healthy(Health { history: HistoryBytes { taken: 20 * mib, most }, ..Health::default() });
        assert_eq!(status.warning(), None);
        assert!(
            status
                .summary()
                .contains("0 messages so far, of which up to 12 GiB are kept; certificate until ")
        );
        status.healthy(Health { history: HistoryBytes { taken: 12 * gib, most }, ..Health::default() });
        assert!(status.summary().starts_with("the history takes 12 GiB of 12 GiB (history.max_bytes); "));
        status.healthy(Health { store_failing: Some("disk full".into()), ..Health::default() });
        assert!(
            status.summary().starts_with("messages are refused, the store cannot be written (disk full); ")
        );
        assert_eq!(status.state(), "store failing");
        status.stopping();
        assert!(status.summary().contains("stopping on "));
        assert_eq!(status.state(), "stopping");
    }

    #[test]
    fn a_reload_refused_for_its_certificate_is_over_with_another_certificate() {
        let mut status = StatusReport::new(vec!["127.0.0.1:3000".parse().unwrap()], certificate());
        status.certificate_refused("fullchain.pem: broken".into());
        status.certificate(certificate());
        assert!(
            status.summary().starts_with("reload refused: fullchain.pem: broken; "),
            "the same is no news"
        );
        let mut other = certificate();
        other.facts.pin = Pin([1; 32]);
        status.certificate(other.clone());
        assert!(status.summary().starts_with("serving on "));
        status.reload_refused(Some("limits.burst: no number".into()));
        status.certificate(certificate());
        assert!(status.summary().starts_with("reload refused: limits.burst"), "that has another cause");
    }
}
