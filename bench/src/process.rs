//! Owns the facts of the system about a process (Linux's /proc). Called by each kind of load. Never guesses: an
//! unreadable value is an error.

use anyhow::{Context, Result};
use std::fs;

/// Clock ticks per second in /proc, as on every usual Linux.
const TICKS: f64 = 100.0;

/// Processor seconds of all threads, user and system mode together.
pub(crate) fn cpu(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("{path}: is the server running?"))?;
    // The name, in parentheses, may contain anything.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| -> Result<f64> {
        fields.get(at).and_then(|f| f.parse().ok()).with_context(|| format!("{path}: field {at}"))
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// All resident memory, including pages of the program's files.
    pub(crate) resident: f64,
    /// The memory that it has allocated and touched.
    pub(crate) own: f64,
}

/// The current memory of a process.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("{path}: is the server running?"))?;
    let field = |name: &str| -> Result<f64> {
        let line =
            status.lines().find_map(|l| l.strip_prefix(name)).with_context(|| format!("{path}: {name}"))?;
        let number = line.split_whitespace().next().unwrap_or_default();
        number.parse().with_context(|| format!("{path}: {name}"))
    };
    Ok(Memory { resident: field("VmRSS:")?, own: field("RssAnon:")? })
}
