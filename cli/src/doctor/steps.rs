//! Owns the meaning of what was found out: each step with what was tried, the result, and the remedy. Called by
//! `doctor`. Pure: the time of this machine is an input.

use super::remedies::{of_login, of_stage};
use super::{Status, Step};
use crate::exit::{Exit, Failure};
use crate::hints;
use crate::settings::Settings;
use tcp_chat_client::protocol::{Timestamp, VERSION};
use tcp_chat_client::{Error, Probe, RefusalKind, Stage, Trust};

/// So far, in milliseconds, the newest message may be ahead of this machine's clock.
const AHEAD_MS: u64 = 60_000;

/// An attempt, and what it was made with.
pub(super) struct Found<'a> {
    pub(super) settings: &'a Settings,
    pub(super) probe: Probe,
    /// The clock of this machine.
    pub(super) now: Timestamp,
    /// The other servers of this chat, as far as they are known.
    pub(super) others: Vec<String>,
}

impl Found<'_> {
    /// The steps, in their order.
    pub(super) fn steps(&self) -> Vec<Step> {
        vec![
            self.name(),
            self.address(),
            self.tls(),
            self.certificate(),
            self.clock(),
            self.protocol(),
            self.login(),
        ]
    }

    fn failed(&self, stage: Stage) -> Option<&Error> {
        self.probe.failed.as_ref().filter(|(at, _)| *at == stage).map(|(_, e)| e)
    }

    /// The step of a stage: failed, skipped, or what `found` says.
    fn step(&self, stage: Stage, tried: String, found: impl FnOnce() -> String) -> Step {
        let step = match stage {
            Stage::Lookup => "name",
            Stage::Connect => "address",
            Stage::Tls => "tls",
            Stage::Certificate => "certificate",
            Stage::Protocol => "protocol",
            Stage::Login => "login",
        };
        match &self.probe.failed {
            Some((at, e)) if *at == stage => self.fails(step, stage, tried, e),
            Some((at, _)) if *at < stage => skipped(step, tried, "an earlier step failed"),
            _ => ok(step, tried, found()),
        }
    }

    fn fails(&self, step: &'static str, stage: Stage, tried: String, e: &Error) -> Step {
        let exit = Failure::from(e.clone()).exit;
        let (reason, details) = match e {
            Error::NoConnection { why, .. } => (why.clone(), Vec::new()),
            Error::CertificateRefused(refusal) => {
                let text = refusal.to_string();
                (refusal.reason.clone(), text.lines().skip(1).map(str::to_owned).collect())
            }
            e => (e.to_string(), Vec::new()),
        };
        let remedies = hints::hints(e, self.settings);
        let remedy = match remedies.is_empty() {
            true => {
                let login = of_login(e).map(str::to_owned);
                login.unwrap_or_else(|| of_stage(stage, &self.probe.failures, self.settings.port))
            }
            false => remedies.join(" "),
        };
        let remedy = match self.others.first() {
            Some(other) => {
                format!(
                    "{remedy} Other nodes of this chat are known: `tcp-chat-cli doctor {other}` looks at one."
                )
            }
            None => remedy,
        };
        failed(step, tried, reason, remedy, exit, details)
    }

    fn name(&self) -> Step {
        let tried = format!("look up {}", self.settings.host);
        self.step(Stage::Lookup, tried, || match self.probe.addresses.len() {
            0 => "no address".into(),
            _ => join(self.probe.addresses.iter().map(|address| address.ip().to_string())),
        })
    }

    fn address(&self) -> Step {
        let tried = match self.probe.addresses.as_slice() {
            [] => format!("connect to port {}", self.settings.port),
            all => format!("connect to {}", join(all.iter().map(ToString::to_string))),
        };
        let others = self.probe.failures.iter().map(|failed| format!("{}: {}", failed.address, failed.why));
        let mut step = self.step(Stage::Connect, tried, || match self.probe.peer {
            Some(peer) => format!("{peer} answers"),
            None => "it answers".into(),
        });
        step.details.extend(others);
        step
    }

    fn tls(&self) -> Step {
        self.step(Stage::Tls, "begin TLS 1.3 or 1.2".into(), || match &self.probe.tls {
            Some(version) => format!("TLS {version}"),
            None => "the server speaks TLS".into(),
        })
    }

    fn certificate(&self) -> Step {
        let settings = self.settings;
        let expected = match &settings.trust {
            Trust::Ca(_) => format!("the CA {}", settings.trust.in_words()),
            Trust::Pin(pin) => format!("the pin {pin}"),
        };
        let tried = format!("verify that it is for {}, by {expected}", settings.host);
        self.step(Stage::Certificate, tried, || match &self.probe.certificate {
            Some(facts) => {
                let names = join(facts.names.iter().cloned());
                let (from, to) = facts.validity;
                format!("verified; it is for {names}, signed by {}, valid {from} to {to}", facts.issuer)
            }
            // It was, but a server without a certificate that x509-parser reads shows no facts.
            None => "verified".into(),
        })
    }

    /// The validity of the certificate, verified or not.
    fn validity(&self) -> Option<(Timestamp, Timestamp)> {
        if let Some(Error::CertificateRefused(refusal)) = self.failed(Stage::Certificate) {
            let (from, to) = &refusal.validity;
            return Some((from.parse().ok()?, to.parse().ok()?));
        }
        self.probe.certificate.as_ref().map(|facts| facts.validity)
    }

    fn clock(&self) -> Step {
        let now = self.now;
        let tried = format!("compare the clock of this machine, {now}, with the server");
        let Some((from, to)) = self.validity() else {
            return skipped("clock", tried, "the server has shown no certificate, and no time");
        };
        let is_refused = matches!(self.failed(Stage::Certificate), Some(Error::CertificateRefused(refusal))
            if matches!(refusal.kind, RefusalKind::Expired | RefusalKind::NotYetValid));
        if is_refused || now < from || now > to {
            let reason = format!("the certificate is valid from {from} to {to}: it or this clock is wrong");
            let remedy = "Compare `date -u` with another clock, and turn on time synchronisation (NTP) if it is wrong.";
            return failed("clock", tried, reason, remedy.into(), Exit::Certificate, Vec::new());
        }
        match self.probe.newest {
            Some(newest) if newest.0 > now.0.saturating_add(AHEAD_MS) => {
                let reason =
                    format!("the newest message is from {newest}, which has not come yet by this clock");
                let remedy = "Compare `date -u` on both machines, and turn on time synchronisation (NTP) on the wrong one.";
                failed("clock", tried, reason, remedy.into(), Exit::Other, Vec::new())
            }
            Some(newest) => ok(
                "clock",
                tried,
                format!("within the validity of the certificate, and after the newest message ({newest})"),
            ),
            None => ok("clock", tried, "within the validity of the certificate".into()),
        }
    }

    fn protocol(&self) -> Step {
        let tried = format!("speak version {VERSION} of the protocol");
        let stage = Stage::Protocol;
        // A refused client certificate ends the connection before the first line.
        if self.failed(Stage::Login).is_some() && !self.probe.has_spoken {
            return skipped("protocol", tried, "the server has ended the connection before");
        }
        let server = self.probe.login.as_ref().map(|login| &login.server);
        if let Some(server) = server.filter(|server| server.protocol != VERSION) {
            let reason = format!("{} {} speaks version {}", server.name, server.version, server.protocol);
            let remedy = of_stage(stage, &[], self.settings.port);
            return failed("protocol", tried, reason, remedy, Exit::NoConnection, Vec::new());
        }
        self.step(stage, tried, || match server {
            Some(server) => format!("{} {}, version {}", server.name, server.version, server.protocol),
            None => "the server answers in it".into(),
        })
    }

    fn login(&self) -> Step {
        let settings = self.settings;
        let with = match (&settings.identity, &settings.password) {
            (Some(_), Some(_)) => "with a certificate and a password",
            (Some(_), None) => "with a certificate",
            (None, Some(_)) => "with a password",
            (None, None) => "without a password",
        };
        let tried = format!("log in as {}, {with}", settings.name);
        if settings.join.is_some() && self.probe.failed.is_none() {
            let reason =
                "the line has a code, which works only once: `tcp-chat-cli -` takes the line and uses it";
            return skipped("login", tried, reason);
        }
        self.step(Stage::Login, tried, || match &self.probe.login {
            Some(login) => {
                let rooms = match login.rooms.as_slice() {
                    [] => "no room".into(),
                    rooms => join(rooms.iter().cloned()),
                };
                let nodes = login.servers.iter().map(|all| format!("; nodes: {}", join(all.iter().cloned())));
                format!("logged in as {}, in {rooms}{}", login.name, nodes.collect::<String>())
            }
            None => "logged in".into(),
        })
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn ok(step: &'static str, tried: String, reason: String) -> Step {
    Step { step, status: Status::Ok, tried, reason, details: Vec::new(), remedy: None, exit: None }
}

fn skipped(step: &'static str, tried: String, reason: &str) -> Step {
    Step { status: Status::Skipped, ..ok(step, tried, reason.into()) }
}

fn failed(
    step: &'static str,
    tried: String,
    reason: String,
    remedy: String,
    exit: Exit,
    details: Vec<String>,
) -> Step {
    let (remedy, exit) = (Some(remedy), Some(exit as u8));
    Step { step, status: Status::Failed, tried, reason, details, remedy, exit }
}
