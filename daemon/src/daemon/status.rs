//! Owns what the daemon says of itself: the line in the service manager's STATUS, told anew only
//! when it changes, and the answer to `status`. Never looks: it is told.

use crate::admin::Status;
use crate::hub::Health;
use crate::settings::Loaded;
use crate::store::HistoryBytes;
use crate::systemd;
use crate::tls::Summary;
use std::net::SocketAddr;
use tokio::time::Instant;

/// What is known of the daemon's state.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    addresses: Vec<SocketAddr>,
    health: Health,
    stopping: bool,
    /// Why the last reload changed nothing.
    reload: Option<String>,
    reload_waits_for_certificate: bool,
    certificate: Summary,
    /// What is wrong with files that the configuration names.
    files: Vec<String>,
    told: String,
}

impl Watch {
    pub(super) fn new(addresses: Vec<SocketAddr>, certificate: Summary) -> Self {
        Self {
            began: Instant::now(),
            addresses,
            health: Health::default(),
            stopping: false,
            reload: None,
            reload_waits_for_certificate: false,
            certificate,
            files: Vec::new(),
            told: String::new(),
        }
    }

    pub(super) fn healthy(&mut self, health: Health) {
        self.health = health;
        self.tell();
    }

    pub(super) fn stopping(&mut self) {
        self.stopping = true;
        self.tell();
    }

    /// The last reload was refused, with this reason; `None`: it was applied.
    pub(super) fn reload_refused(&mut self, why: Option<String>) {
        self.reload = why;
        self.reload_waits_for_certificate = false;
        self.tell();
    }

    /// The last reload was refused because of the certificate: that is over once another is in use.
    pub(super) fn certificate_refused(&mut self, why: String) {
        self.reload = Some(why);
        self.reload_waits_for_certificate = true;
        self.tell();
    }

    /// What is in use now.
    pub(super) fn certificate(&mut self, summary: Summary) {
        let is_another = summary.facts.pin != self.certificate.facts.pin;
        if is_another && summary.fault.is_none() && self.reload_waits_for_certificate {
            self.reload = None;
            self.reload_waits_for_certificate = false;
        }
        self.certificate = summary;
        self.tell();
    }

    /// What is wrong with files that the configuration names. [`Watch::healthy`] tells it.
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
                "the history takes {} of {} (history.max_bytes), beyond which the oldest messages go",
                bytes(taken),
                bytes(most)
            )
        });
        let first = [reload, self.certificate.fault.clone(), self.doubts()].into_iter().flatten();
        let warnings: Vec<_> = first.chain(self.files.iter().cloned()).chain(full).collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }

    /// Why clients refuse the certificate in use, or some do.
    fn doubts(&self) -> Option<String> {
        let doubts = &self.certificate.doubts;
        (!doubts.is_empty()).then(|| doubts.join("; "))
    }

    /// One line: what is wrong first.
    pub(super) fn summary(&self) -> String {
        let counts = self.health.counts;
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let mut line = String::new();
        if let Some(why) = &self.health.store_failing {
            line.push_str(&format!("messages are refused, the store cannot be written ({why}); "));
        }
        if let Some(warning) = self.warning() {
            line.push_str(&warning);
            line.push_str("; ");
        }
        line.push_str(if self.stopping { "stopping" } else { "serving" });
        line.push_str(&format!(
            " on {}: {} connections, {} sessions ({} away), {} rooms, {} messages so far",
            addresses.join(", "),
            counts.connections,
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

    fn tell(&mut self) {
        let summary = self.summary();
        if summary != self.told {
            systemd::status(&summary);
            self.told = summary;
        }
    }

    pub(super) fn status(&self, loaded: &Loaded) -> Status {
        let mut status = Status {
            state: self.state(),
            summary: self.summary(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.began.elapsed().as_secs(),
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
            config: loaded.file.clone(),
            connections: 0,
            sessions: 0,
            away: 0,
            rooms: 0,
            head: 0,
            store_failing: self.health.store_failing.clone(),
            history_bytes: self.health.history.taken,
            history_max_bytes: self.health.history.most,
            certificate_expires: humantime::format_rfc3339_seconds(self.certificate.facts.not_after)
                .to_string(),
            certificate_doubtful: self.doubts(),
            warning: self.warning(),
        };
        status.count(self.health.counts);
        status
    }
}

/// Bytes, as people read them: two digits or more, in a unit of 1,024s.
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
        let mut watch = Watch::new(vec!["127.0.0.1:3000".parse().unwrap()], certificate());
        assert_eq!(
            watch.summary(),
            "serving on 127.0.0.1:3000: 0 connections, 0 sessions (0 away), 0 rooms, 0 messages so far; \
             certificate until 1970-01-02"
        );
        watch.certificate(Summary { fault: Some("server.pem: broken".into()), ..certificate() });
        assert!(watch.summary().starts_with("server.pem: broken; serving on "));
        watch.reload_refused(Some("limits.burst: no number".into()));
        assert!(
            watch
                .summary()
                .starts_with("reload refused: limits.burst: no number; server.pem: broken; serving on ")
        );
        watch.reload_refused(None);
        let doubts = vec!["own.pem: a CA's".to_owned(), "own.pem: old".to_owned()];
        watch.certificate(Summary { doubts, ..certificate() });
        assert!(watch.summary().starts_with("own.pem: a CA's; own.pem: old; serving on "));
        watch.certificate(certificate());
        assert_eq!(watch.warning(), None);
        let (mib, gib) = (1 << 20, 1 << 30);
        let most = Some(12 * gib);
        watch.healthy(Health { history: HistoryBytes { taken: 20 * mib, most }, ..Health::default() });
        assert_eq!(watch.warning(), None);
        assert!(
            watch.summary().contains("0 messages so far, of which up to 12 GiB are kept; certificate until ")
        );
        watch.healthy(Health { history: HistoryBytes { taken: 12 * gib, most }, ..Health::default() });
        assert!(watch.summary().starts_with("the history takes 12 GiB of 12 GiB (history.max_bytes), "));
        watch.healthy(Health { store_failing: Some("disk full".into()), ..Health::default() });
        assert!(
            watch.summary().starts_with("messages are refused, the store cannot be written (disk full); ")
        );
        assert_eq!(watch.state(), "store failing");
        watch.stopping();
        assert!(watch.summary().contains("stopping on "));
        assert_eq!(watch.state(), "stopping");
    }

    #[test]
    fn a_reload_refused_for_its_certificate_is_over_with_another_certificate() {
        let mut watch = Watch::new(vec!["127.0.0.1:3000".parse().unwrap()], certificate());
        watch.certificate_refused("fullchain.pem: broken".into());
        watch.certificate(certificate());
        assert!(
            watch.summary().starts_with("reload refused: fullchain.pem: broken; "),
            "the same is no news"
        );
        let mut other = certificate();
        other.facts.pin = Pin([1; 32]);
        watch.certificate(other.clone());
        assert!(watch.summary().starts_with("serving on "));
        watch.reload_refused(Some("limits.burst: no number".into()));
        watch.certificate(certificate());
        assert!(watch.summary().starts_with("reload refused: limits.burst"), "that has another cause");
    }
}
