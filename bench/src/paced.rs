//! Owns the load with a fixed rate, and the latency of each delivery. Called by `main`, and by `growth` for the
//! users that only talk. Never slows down to the server's speed.

use crate::crowd::{Crowd, Server};
use crate::process;
use crate::watch::{Times, Watch, percentile};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the load waits for the last deliveries.
const LATE: Duration = Duration::from_secs(2);

pub(crate) struct Plan {
    pub(crate) members: usize,
    pub(crate) senders: usize,
    /// Messages a second, of all senders together.
    pub(crate) rate: f64,
    pub(crate) bytes: usize,
}

/// A room whose members talk at a fixed rate.
pub(crate) struct Room {
    crowd: Crowd,
    plan: Plan,
}

/// The result of a phase.
#[derive(Default)]
pub(crate) struct Phase {
    pub(crate) us: Vec<u32>,
}

impl Phase {
    /// p50, p99 and the maximum, in microseconds.
    pub(crate) fn told(&mut self) -> Value {
        json!({
            "p50_us": percentile(&mut self.us, 0.5),
            "p99_us": percentile(&mut self.us, 0.99),
            "max_us": percentile(&mut self.us, 1.0),
            "deliveries": self.us.len(),
        })
    }
}

impl Room {
    /// Logs all members in, with numbers from `first`.
    pub(crate) fn open(server: &Server, plan: Plan, first: usize) -> Result<Self> {
        let mut crowd = Crowd::new(server)?;
        crowd.open(first..first + plan.members, true, |_| None)?;
        crowd.settle(Duration::from_millis(300), Duration::from_secs(20))?;
        Ok(Self { crowd, plan })
    }

    /// Talks until `phase` is `phases`; a delivery counts for the phase in which it arrives. Also returns the
    /// number of missing deliveries.
    pub(crate) fn talk(&mut self, phase: &AtomicUsize, phases: usize) -> Result<(Vec<Phase>, u64)> {
        let Self { crowd, plan } = self;
        let clock = Instant::now();
        let mut watch = Watch::timed(plan.members, clock);
        let mut found: Vec<Phase> = (0..phases).map(|_| Phase::default()).collect();
        let speech = crowd.speech();
        let (mut sent, mut message) = (0_u64, Vec::new());
        let mut end = None;
        loop {
            let now = phase.load(Ordering::Relaxed);
            if now >= phases {
                let began: Instant = *end.get_or_insert_with(Instant::now);
                let others = if speech.echoes() { plan.members } else { plan.members - 1 };
                let due = sent * others as u64;
                if watch.total() >= due || began.elapsed() > LATE {
                    return Ok((found, due.saturating_sub(watch.total())));
                }
            } else {
                let elapsed = clock.elapsed();
                while (sent as f64) < elapsed.as_secs_f64() * plan.rate {
                    message.clear();
                    let stamp = u64::try_from(clock.elapsed().as_nanos())?;
                    speech.message(stamp, plan.bytes, &mut message);
                    crowd.send(usize::try_from(sent)? % plan.senders, &message)?;
                    sent += 1;
                }
            }
            crowd.turn(Duration::from_millis(1), |member, text| watch.see(member, text))?;
            if let (Some(phase), Some(Times { us, .. })) = (found.get_mut(now), &mut watch.times) {
                phase.us.append(us);
            }
        }
    }
}

/// Runs the load for this time; returns the figures as JSON.
pub(crate) fn run(server: &Server, plan: Plan, warmup: Duration, time: Duration, pid: u32) -> Result<Value> {
    let (members, rate, bytes) = (plan.members, plan.rate, plan.bytes);
    let mut room = Room::open(server, plan, 0)?;
    let phase = AtomicUsize::new(0);
    let (talked, cpu) = std::thread::scope(|scope| -> Result<_> {
        let talk = scope.spawn(|| room.talk(&phase, 2));
        let watched = (|| {
            std::thread::sleep(warmup);
            let before = (process::cpu(pid)?, process::cpu(std::process::id())?);
            phase.store(1, Ordering::Relaxed);
            std::thread::sleep(time);
            let after = (process::cpu(pid)?, process::cpu(std::process::id())?);
            Ok::<_, anyhow::Error>((after.0 - before.0, after.1 - before.1))
        })();
        phase.store(2, Ordering::Relaxed);
        let talked = talk.join().ok().context("the load has panicked")?;
        Ok((talked?, watched?))
    })?;
    let ((mut phases, missing), (server_cpu, load_cpu)) = (talked, cpu);
    let us = &mut phases[1].us;
    let deliveries = us.len().max(1) as f64;
    Ok(json!({
        "kind": "rate", "members": members, "rate": rate, "bytes": bytes,
        "p50_us": percentile(us, 0.5), "p99_us": percentile(us, 0.99), "max_us": percentile(us, 1.0),
        "deliveries": us.len(),
        "cpu_per_million": server_cpu / deliveries * 1e6,
        "server_busy": server_cpu / time.as_secs_f64(),
        "load_busy": load_cpu / time.as_secs_f64(),
        "missing": missing, "closed": room.crowd.closed(),
    }))
}
