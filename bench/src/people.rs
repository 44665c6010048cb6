//! Owns the loads of connections rather than messages: idle ones, and logins. Called by `main`. Never measures
//! deliveries.

use crate::crowd::{Crowd, Server};
use crate::process;
use crate::speech::Speech;
use crate::watch::percentile;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long the server gets to settle before its memory is read.
const REST: Duration = Duration::from_secs(1);

/// The memory with this many idle connections, each logged in and in a room of `per_room`; at the end, the memory
/// some time after all have left.
pub(crate) fn idle(
    server: &Server,
    steps: &[usize],
    per_room: usize,
    after: Duration,
    pid: u32,
) -> Result<Value> {
    let before = process::memory(pid)?;
    let mut crowd = Crowd::new(server)?;
    let mut found = Vec::new();
    for &step in steps {
        let rooms = |number: usize| Some(format!("room{}", number / per_room.max(1)));
        crowd.open(crowd.len()..step, true, rooms)?;
        crowd.settle(REST, Duration::from_secs(20))?;
        let now = process::memory(pid)?;
        let cpu = process::cpu(pid)?;
        crowd.settle(REST, REST)?;
        found.push(json!({
            "connections": step,
            "resident_kib": now.resident,
            "kib_each": (now.resident - before.resident) / step as f64,
            "own_kib_each": (now.own - before.own) / step as f64,
            "idle_busy": (process::cpu(pid)? - cpu) / REST.as_secs_f64(),
            "closed": crowd.closed(),
        }));
    }
    drop(crowd);
    std::thread::sleep(after);
    let left = process::memory(pid)?;
    Ok(json!({
        "kind": "idle", "steps": found, "empty_kib": before.resident, "after_kib": left.resident,
    }))
}

/// This many users connect, log in and leave, each with a full handshake.
pub(crate) fn logins(server: &Server, count: usize, pid: u32) -> Result<Value> {
    // A login to tcp-chatd joins the default room; the other servers have logins without a room.
    let rooms = |_| (server.speech != Speech::Chat).then(String::new);
    let mut crowd = Crowd::new(server)?;
    // Warms up code and caches on both sides.
    let warm = server.at_once;
    crowd.open(0..warm, false, rooms)?;
    let (began, cpu, load) = (Instant::now(), process::cpu(pid)?, process::cpu(std::process::id())?);
    let done = crowd.open(warm..warm + count, false, rooms)?;
    let seconds = began.elapsed().as_secs_f64();
    let (cpu, load) = (process::cpu(pid)? - cpu, process::cpu(std::process::id())? - load);
    let mut us: Vec<u32> = done.iter().filter_map(|d| u32::try_from(d.took.as_micros()).ok()).collect();
    Ok(json!({
        "kind": "logins", "count": done.len(), "per_second": done.len() as f64 / seconds,
        "cpu_ms_each": cpu * 1e3 / done.len().max(1) as f64,
        "server_busy": cpu / seconds, "load_busy": load / seconds,
        "p50_us": percentile(&mut us, 0.5), "p99_us": percentile(&mut us, 0.99),
    }))
}
