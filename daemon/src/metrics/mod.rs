//! Owns the figures that Prometheus scrapes: their names, what they mean, and the counters that the
//! rest of the daemon adds to. Layer 0: everyone may count, and nobody is asked to wait for it: what
//! is counted where messages flow is an atomic number, and histograms are observed once a turn.
//! Never looks anything up: what is to be measured when a scrape comes is handed in as [`Now`].
//!
//! Names of rooms and users are never labels: every label is a word of a list that is known here.
//! `docs/OPERATIONS.md` has all names in a table; a test holds the two together.

mod make;
mod now;
mod words;

pub use now::{HubNow, Now};
pub use words::{Handshake, Reason, TURNED_AWAY, Tls, Via};

use crate::chat::ResumeOutcome;
use crate::edge::Counters;
use make::Make;
use now::Gauges;
use prometheus::{Histogram, IntCounter, IntCounterVec, Registry, TextEncoder};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tcp_chat_protocol::ErrorKind;

/// All figures. Shared by everyone who counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections.
    pub net: Net,
    /// The hub and its turns.
    pub hub: Hub,
    /// What came over HTTP.
    pub http: Http,
    chat: Chat,
    now: Gauges,
}

/// What connections count.
#[derive(Debug)]
pub struct Net {
    accepted: IntCounterVec,
    turned_away: IntCounterVec,
    ended: IntCounterVec,
    handshakes: IntCounterVec,
    auth_failures: IntCounterVec,
    hashes: IntCounter,
    refusals: IntCounterVec,
}

/// What the hub counts.
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

/// What the chat counts, turn by turn, as [`Counters`].
#[derive(Debug)]
struct Chat {
    refusals: IntCounterVec,
    logins: IntCounter,
    resumes: IntCounterVec,
    resume_age: Histogram,
}

/// What the HTTP endpoints count.
#[derive(Debug)]
pub struct Http {
    requests: IntCounterVec,
    posts: IntCounterVec,
}

impl Metrics {
    /// All figures, at zero.
    ///
    /// # Errors
    /// A name is wrong or there twice: our bug.
    pub fn new() -> prometheus::Result<Self> {
        let make = Make::new();
        let refusals = make.counters(
            "refusals_total",
            "Requests that were refused, by the kind that the client was told.",
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
        // What the system says of it is hidden from a daemon whose unit hides the rest of /proc.
        let began = make.float("start_time_seconds", "When the daemon started, in seconds since 1970.")?;
        began.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        let registry = make.done()?;
        Ok(Self { registry, net, hub, http, chat, now })
    }

    /// Adds what happened in a turn of the chat.
    pub fn tally(&self, tally: &Counters) {
        for (kind, count) in tally.refusals() {
            self.chat.refusals.with_label_values(&[kind.as_str()]).inc_by(count);
        }
        self.chat.logins.inc_by(tally.logins);
        for (outcome, away_ms) in &tally.resumes {
            self.chat.resumes.with_label_values(&[outcome.as_str()]).inc();
            if matches!(outcome, ResumeOutcome::Resumed) {
                self.chat.resume_age.observe(Duration::from_millis(*away_ms).as_secs_f64());
            }
        }
    }

    /// The figures as Prometheus reads them, with what there is now.
    ///
    /// # Errors
    /// They could not be written: our bug.
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
                "Connections that were accepted, by what is spoken on them.",
                "via",
                Via::ALL.map(Via::as_str),
            )?,
            turned_away: make.counters_by(
                "connections_turned_away_total",
                "Connections that were closed before their handshake or told that there is no room, by reason.",
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
                "TLS handshakes, by version (none: it was not agreed on) and outcome.",
                ["version", "outcome", "via"],
                words::handshakes(),
            )?,
            auth_failures: make.counters(
                "authentication_failures_total",
                "Logins that were refused because something secret was wrong or missing, by what it was.",
                "reason",
                Reason::ALL.map(Reason::as_str),
            )?,
            hashes: make.counter(
                "password_hashes_total",
                "Passwords that were hashed, to be checked or to be kept: each tens of milliseconds of a processor.",
            )?,
            refusals,
        })
    }

    /// A connection was accepted.
    pub fn accepted(&self, via: Via) {
        self.accepted.with_label_values(&[via.as_str()]).inc();
    }

    /// A connection was closed at once, or told that there is no room, for one of the reasons in
    /// [`TURNED_AWAY`].
    pub fn turned_away(&self, via: Via, reason: &'static str) {
        self.turned_away.with_label_values(&[reason, via.as_str()]).inc();
    }

    /// A connection ended, for a reason in the log's words.
    pub fn ended(&self, via: Via, reason: &str) {
        self.ended.with_label_values(&[words::end(reason), via.as_str()]).inc();
    }

    /// A handshake ended.
    pub fn handshake(&self, via: Via, version: Tls, outcome: Handshake) {
        self.handshakes.with_label_values(&[version.as_str(), outcome.as_str(), via.as_str()]).inc();
    }

    /// Somebody was not let in.
    pub fn not_let_in(&self, reason: Reason) {
        self.auth_failures.with_label_values(&[reason.as_str()]).inc();
    }

    /// A password was hashed.
    pub fn password_hashed(&self) {
        self.hashes.inc();
    }

    /// A connection was refused something that the chat was not asked for.
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
                "Messages that were handed to connections: each once for everyone who hears it.",
            )?,
            catch_ups: make.counter(
                "catch_ups_total",
                "How often a reader fell so far behind that it went on from the store.",
            )?,
            turn_commands: make.histogram(
                "turn_commands",
                "Requests that one turn of the hub took.",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0],
            )?,
            commit: make.histogram(
                "commit_seconds",
                "How long the store took to keep what one turn had to write.",
                &make::LATENCIES,
            )?,
            fan_out: make.histogram(
                "fan_out_seconds",
                "From the moment that a turn was kept until all who hear of it had been handed it.",
                &make::LATENCIES,
            )?,
            store_errors: make.counter("store_errors_total", "Turns that the store could not keep.")?,
            removed: make.counters(
                "messages_removed_total",
                "Messages that were removed from the store, by reason.",
                "reason",
                words::REMOVALS,
            )?,
        })
    }

    /// A turn took so many commands.
    pub fn turn(&self, commands: usize) {
        self.turn_commands.observe(commands as f64);
    }

    /// A turn was kept, after so long.
    pub fn committed(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    /// A turn was not kept.
    pub fn not_kept(&self) {
        self.store_errors.inc();
    }

    /// Messages were removed from the store: so many because of their age, their number and the bytes
    /// that they took, and so many of conversations that are gone.
    pub fn removed(&self, [age, number, bytes, gone]: [u64; 4]) {
        for (reason, count) in words::REMOVALS.into_iter().zip([age, number, bytes, gone]) {
            self.removed.with_label_values(&[reason]).inc_by(count);
        }
    }

    /// A turn's messages were handed out: how many there were, how many copies, how many readers fell
    /// behind by it, and how long it took.
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
            logins: make.counter("logins_total", "Logins that began a session.")?,
            resumes: make.counters(
                "resumes_total",
                "Logins that wanted to go on with a session, by how that ended.",
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
                "HTTP requests that were answered, by the class of their status.",
                "status",
                words::STATUSES,
            )?,
            posts: make.counters(
                "http_posts_total",
                "Messages that machines posted with the right token, by what became of them.",
                "outcome",
                ["kept", "again", "refused"],
            )?,
        })
    }

    /// A request was answered with this status.
    pub fn answered(&self, status: u16) {
        self.requests.with_label_values(&[words::status(status)]).inc();
    }

    /// A post was kept now, or had been kept before.
    pub fn kept(&self, again: bool) {
        self.posts.with_label_values(&[if again { "again" } else { "kept" }]).inc();
    }

    /// A post was not kept.
    pub fn refused(&self) {
        self.posts.with_label_values(&["refused"]).inc();
    }
}
