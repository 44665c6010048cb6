//! Owns the metrics that Prometheus scrapes: their names, their meanings, and the counters that the other modules
//! increment. Layer 0: every module may count. Counting never waits: on the path of messages it is one atomic
//! addition, and histograms are observed once per turn. Never measures anything itself: the gauges of a scrape
//! are passed as [`Now`].
//!
//! Names of rooms and users are never labels: each label value is in a list of this module. `docs/OPERATIONS.md`
//! has a table of all names; a test compares both.

mod make;
mod now;
mod words;

pub use now::{ClusterNow, HubNow, Now};
pub use words::{Handshake, Reason, TURNED_AWAY, Tls, Via};

use crate::edge::Counters;
use make::Make;
use now::Gauges;
use prometheus::{Histogram, IntCounter, IntCounterVec, Registry, TextEncoder};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tcp_chat_protocol::ErrorKind;
use tcp_chat_state::ResumeOutcome;

/// All metrics. Shared by all modules that count.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Counters of connections.
    pub net: Net,
    /// Counters of the hub and its turns.
    pub hub: Hub,
    /// Counters of HTTP.
    pub http: Http,
    chat: Chat,
    now: Gauges,
}

/// The counters of connections.
#[derive(Debug)]
pub struct Net {
    accepted: IntCounterVec,
    rejected: IntCounterVec,
    ended: IntCounterVec,
    handshakes: IntCounterVec,
    auth_failures: IntCounterVec,
    hashes: IntCounter,
    refusals: IntCounterVec,
}

/// The counters of the hub.
#[derive(Debug)]
pub struct Hub {
    messages_in: IntCounter,
    messages_out: IntCounter,
    catch_ups: IntCounter,
    turn_commands: Histogram,
    commit: Histogram,
    fan_out: Histogram,
    store_errors: IntCounter,
    removed: IntCounterVec,
}

/// The counters of the chat, which come as [`Counters`] per turn.
#[derive(Debug)]
struct Chat {
    refusals: IntCounterVec,
    logins: IntCounter,
    resumes: IntCounterVec,
    resume_age: Histogram,
}

/// The counters of the HTTP endpoints.
#[derive(Debug)]
pub struct Http {
    requests: IntCounterVec,
    posts: IntCounterVec,
}

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Errors
    /// A name is invalid or used twice, which is a bug of the daemon.
    pub fn new() -> prometheus::Result<Self> {
        let make = Make::new();
        let refusals = make.counters(
            "refusals_total",
            "Requests that were refused, by the kind of the error reply.",
            "kind",
            ErrorKind::ALL.map(ErrorKind::as_str),
        )?;
        let net = Net::new(&make, refusals.clone())?;
        let hub = Hub::new(&make)?;
        let chat = Chat::new(&make, refusals)?;
        let http = Http::new(&make)?;
        let now = Gauges::new(&make)?;
        let build = make.gauges(
            "build_info",
            "1; the version of the daemon is in the label.",
            "version",
            [env!("CARGO_PKG_VERSION")],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        // The process collector cannot read it if the unit hides the rest of /proc.
        let began = make.float("start_time_seconds", "When the daemon started, in seconds since 1970.")?;
        began.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        let registry = make.done()?;
        Ok(Self { registry, net, hub, http, chat, now })
    }

    /// Adds the counts of one turn.
    pub fn add(&self, counters: &Counters) {
        for (kind, count) in counters.refusals() {
            self.chat.refusals.with_label_values(&[kind.as_str()]).inc_by(count);
        }
        self.chat.logins.inc_by(counters.logins);
        for (outcome, away_ms) in &counters.resumes {
            self.chat.resumes.with_label_values(&[outcome.as_str()]).inc();
            if matches!(outcome, ResumeOutcome::Resumed) {
                self.chat.resume_age.observe(Duration::from_millis(*away_ms).as_secs_f64());
            }
        }
    }

    /// The text for Prometheus, with the current gauges.
    ///
    /// # Errors
    /// The text could not be written, which is a bug of the daemon.
    pub fn text(&self, now: &Now) -> prometheus::Result<String> {
        self.now.set(now);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Net {
    fn new(make: &Make, refusals: IntCounterVec) -> prometheus::Result<Self> {
        Ok(Self {
            accepted: make.counters(
                "connections_accepted_total",
                "Connections that were accepted, by the protocol on them.",
                "via",
                Via::ALL.map(Via::as_str),
            )?,
            rejected: make.counters_by(
                "connections_turned_away_total",
                "Connections that were closed before their handshake or received SERVER_FULL, by reason.",
                ["reason", "via"],
                words::by_via(&TURNED_AWAY),
            )?,
            ended: make.counters_by(
                "disconnects_total",
                "Chat connections that ended after their handshake, by reason.",
                ["reason", "via"],
                words::by_via(&words::ENDS),
            )?,
            handshakes: make.counters_by(
                "tls_handshakes_total",
                "TLS handshakes, by version (none: not negotiated) and outcome.",
                ["version", "outcome", "via"],
                words::handshakes(),
            )?,
            auth_failures: make.counters(
                "authentication_failures_total",
                "Logins and requests that were refused because a secret was wrong or missing, by reason.",
                "reason",
                Reason::ALL.map(Reason::as_str),
            )?,
            hashes: make.counter(
                "password_hashes_total",
                "Passwords that were hashed, for a check or for storage: each takes tens of milliseconds of a processor.",
            )?,
            refusals,
        })
    }

    /// Counts an accepted connection.
    pub fn accepted(&self, via: Via) {
        self.accepted.with_label_values(&[via.as_str()]).inc();
    }

    /// Counts a connection that was closed at once or received SERVER_FULL, for one of the reasons in
    /// [`TURNED_AWAY`].
    pub fn rejected(&self, via: Via, reason: &'static str) {
        self.rejected.with_label_values(&[reason, via.as_str()]).inc();
    }

    /// Counts the end of a connection, by the reason in the log.
    pub fn ended(&self, via: Via, reason: &str) {
        self.ended.with_label_values(&[words::end(reason), via.as_str()]).inc();
    }

    /// Counts the end of a handshake.
    pub fn handshake(&self, via: Via, version: Tls, outcome: Handshake) {
        self.handshakes.with_label_values(&[version.as_str(), outcome.as_str(), via.as_str()]).inc();
    }

    /// Counts a refused login.
    pub fn login_refused(&self, reason: Reason) {
        self.auth_failures.with_label_values(&[reason.as_str()]).inc();
    }

    /// Counts a hashed password.
    pub fn password_hashed(&self) {
        self.hashes.inc();
    }

    /// Counts a refusal that did not pass through the chat.
    pub fn refused(&self, kind: ErrorKind) {
        self.refusals.with_label_values(&[kind.as_str()]).inc();
    }
}

impl Hub {
    fn new(make: &Make) -> prometheus::Result<Self> {
        Ok(Self {
            messages_in: make.counter("messages_in_total", "Messages that were kept.")?,
            messages_out: make.counter(
                "messages_out_total",
                "Messages that were put into outboxes: one for each connection that receives it.",
            )?,
            catch_ups: make.counter(
                "catch_ups_total",
                "How often a slow reader fell behind and continued from the store.",
            )?,
            turn_commands: make.histogram(
                "turn_commands",
                "Commands in one turn of the hub.",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0],
            )?,
            commit: make.histogram(
                "commit_seconds",
                "Time of the store to commit one turn.",
                &make::LATENCIES,
            )?,
            fan_out: make.histogram(
                "fan_out_seconds",
                "Time from the commit of a turn until its messages were in all outboxes.",
                &make::LATENCIES,
            )?,
            store_errors: make.counter("store_errors_total", "Turns that the store could not commit.")?,
            removed: make.counters(
                "messages_removed_total",
                "Messages that were removed from the store, by reason.",
                "reason",
                words::REMOVALS,
            )?,
        })
    }

    /// Observes the number of commands of a turn.
    pub fn turn(&self, commands: usize) {
        self.turn_commands.observe(commands as f64);
    }

    /// Observes the time of a commit.
    pub fn committed(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    /// How many messages were removed for this reason.
    #[cfg(test)]
    pub fn removals(&self, reason: &str) -> u64 {
        self.removed.with_label_values(&[reason]).get()
    }

    /// How many commits there were.
    #[cfg(test)]
    pub fn commits(&self) -> u64 {
        self.commit.get_sample_count()
    }

    /// Counts a turn that was not committed.
    pub fn not_kept(&self) {
        self.store_errors.inc();
    }

    /// Counts messages that were removed from the store: because of their age, their number, their bytes, because their
    /// conversation is gone, and because only another node's limit removes them.
    pub fn removed(&self, counts: [u64; 5]) {
        for (reason, count) in words::REMOVALS.into_iter().zip(counts) {
            self.removed.with_label_values(&[reason]).inc_by(count);
        }
    }

    /// Counts the delivery of a turn: its messages, their copies, the readers that fell behind, and the time.
    pub fn fanned_out(&self, messages: u64, copies: u64, fell_behind: u64, took: Duration) {
        self.messages_in.inc_by(messages);
        self.messages_out.inc_by(copies);
        self.catch_ups.inc_by(fell_behind);
        self.fan_out.observe(took.as_secs_f64());
    }
}

impl Chat {
    fn new(make: &Make, refusals: IntCounterVec) -> prometheus::Result<Self> {
        Ok(Self {
            refusals,
            logins: make.counter("logins_total", "Logins that began a new session.")?,
            resumes: make.counters(
                "resumes_total",
                "Logins that tried to resume a session, by outcome.",
                "outcome",
                ResumeOutcome::ALL.map(ResumeOutcome::as_str),
            )?,
            resume_age: make.histogram(
                "resume_age_seconds",
                "How long sessions had been away when they were resumed.",
                &[0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 86_400.0],
            )?,
        })
    }
}

impl Http {
    fn new(make: &Make) -> prometheus::Result<Self> {
        Ok(Self {
            requests: make.counters(
                "http_requests_total",
                "HTTP requests that were answered, by the class of the status.",
                "status",
                words::STATUSES,
            )?,
            posts: make.counters(
                "http_posts_total",
                "Messages that machines posted with the right token, by outcome.",
                "outcome",
                ["kept", "again", "refused"],
            )?,
        })
    }

    /// Counts a response with this status.
    pub fn answered(&self, status: u16) {
        self.requests.with_label_values(&[words::status(status)]).inc();
    }

    /// Counts a post that was kept.
    pub fn kept(&self) {
        self.posts.with_label_values(&["kept"]).inc();
    }

    /// Counts a post that was kept before.
    pub fn kept_before(&self) {
        self.posts.with_label_values(&["again"]).inc();
    }

    /// Counts a post that was not kept.
    pub fn refused(&self) {
        self.posts.with_label_values(&["refused"]).inc();
    }
}
