//! Owns the saturating load: a fixed number of messages in flight. Called by `main`. Never sends more than that
//! number.
//!
//! A message is in flight until the slowest member has it, so a server does not look fast by letting a reader
//! fall behind.

use crate::crowd::{Crowd, Server};
use crate::process;
use crate::watch::Watch;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// If no delivery comes for this time, the server has lost a message or hangs.
const STALLED: Duration = Duration::from_secs(3);

pub(crate) struct Plan {
    pub(crate) members: usize,
    pub(crate) senders: usize,
    /// Messages in flight, of all senders together.
    pub(crate) window: u64,
    pub(crate) bytes: usize,
    pub(crate) warmup: Duration,
    pub(crate) seconds: Duration,
    /// Ends after this many messages.
    pub(crate) messages: Option<u64>,
    pub(crate) pid: u32,
}

struct Load<'a> {
    plan: &'a Plan,
    crowd: Crowd,
    watch: Watch,
    /// The same message each time, so that making it costs nothing.
    message: Vec<u8>,
    sent: Vec<u64>,
    total: u64,
    echoes: bool,
}

impl Load<'_> {
    /// Deliveries that each member must receive.
    fn due(&self, member: usize) -> u64 {
        self.total - if self.echoes { 0 } else { self.sent[member] }
    }

    /// The backlog of the slowest member.
    fn behind(&self) -> u64 {
        if self.echoes {
            return self.total - self.watch.counts.iter().min().copied().unwrap_or(0).min(self.total);
        }
        let behind = |member: usize| self.due(member).saturating_sub(self.watch.counts[member]);
        (0..self.watch.counts.len()).map(behind).max().unwrap_or(0)
    }

    /// Sends more messages, evenly by all senders.
    fn send(&mut self, messages: u64) -> Result<()> {
        let senders = self.plan.senders as u64;
        for sender in 0..self.plan.senders {
            // The next sender rotates with the messages.
            let turn = (sender as u64 + senders - self.total % senders) % senders;
            let count = messages / senders + u64::from(turn < messages % senders);
            if count > 0 {
                let text = self.message.repeat(usize::try_from(count)?);
                self.crowd.send(sender, &text)?;
                self.sent[sender] += count;
            }
        }
        self.total += messages;
        Ok(())
    }

    fn turn(&mut self) -> Result<bool> {
        let watch = &mut self.watch;
        self.crowd.turn(Duration::from_millis(5), |member, text| watch.see(member, text))
    }
}

/// Runs the load; returns the figures as JSON.
pub(crate) fn run(server: &Server, plan: &Plan) -> Result<Value> {
    let mut crowd = Crowd::new(server)?;
    crowd.open(0..plan.members, true, |_| None)?;
    crowd.settle(Duration::from_millis(300), Duration::from_secs(20))?;
    let mut message = Vec::new();
    server.speech.message(0, plan.bytes, &mut message);
    let mut load = Load {
        plan,
        crowd,
        watch: Watch::new(plan.members),
        message,
        sent: vec![0; plan.members],
        total: 0,
        echoes: server.speech.echoes(),
    };
    let began = Instant::now();
    let mut from = None;
    let (mut progress, mut seen, mut stalled) = (Instant::now(), 0, false);
    loop {
        let elapsed = began.elapsed();
        if from.is_none() && elapsed >= plan.warmup {
            from = Some(Moment::now(&load)?);
        }
        match plan.messages {
            None if elapsed >= plan.warmup + plan.seconds => break,
            Some(messages) if load.total >= messages => break,
            _ => {}
        }
        let behind = load.behind();
        if behind < plan.window {
            load.send(plan.window - behind)?;
        }
        if load.turn()? {
            (progress, seen) = (Instant::now(), load.watch.total());
        } else if progress.elapsed() > STALLED && load.watch.total() == seen {
            stalled = true;
            break;
        }
    }
    let to = Moment::now(&load)?;
    let from = from.unwrap_or_else(|| to.clone());
    let mut last = Instant::now();
    while load.behind() > 0 && last.elapsed() < STALLED {
        if load.turn()? {
            last = Instant::now();
        }
    }
    let missing: u64 = (0..plan.members).map(|m| load.due(m).saturating_sub(load.watch.counts[m])).sum();
    let seconds = (to.at - from.at).as_secs_f64().max(f64::EPSILON);
    let deliveries = (to.deliveries - from.deliveries) as f64;
    let server_cpu = to.server - from.server;
    Ok(json!({
        "kind": "fanout", "members": plan.members, "window": plan.window, "bytes": plan.bytes,
        "seconds": seconds, "messages": load.total,
        "per_second": deliveries / seconds,
        "cpu_per_million": server_cpu / deliveries.max(1.0) * 1e6,
        "server_busy": server_cpu / seconds,
        "load_busy": (to.load - from.load) / seconds,
        "missing": missing, "closed": load.crowd.closed(), "stalled": stalled,
    }))
}

#[derive(Clone)]
struct Moment {
    at: Instant,
    deliveries: u64,
    server: f64,
    load: f64,
}

impl Moment {
    fn now(load: &Load<'_>) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            deliveries: load.watch.total(),
            server: process::cpu(load.plan.pid)?,
            load: process::cpu(std::process::id())?,
        })
    }
}
