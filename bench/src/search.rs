//! Owns the load of searches: how long SEARCH takes, and how far the index was. Called by `main`. Only for tcp-chatd: the
//! other servers keep no messages.

use crate::crowd::{Crowd, Server};
use crate::watch::percentile;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// If no answer comes for this time, the server hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// A number that no client has that filled the store.
const NUMBER: usize = 9_000_000;
/// What is searched: the word that fills the text of each message of the load.
const QUERY: &str = "{\"op\":\"SEARCH\",\"data\":{\"query\":\"xxx*\",\"limit\":10}}\n";

/// Logs in and searches this many times, one search after the other.
pub(crate) fn run(server: &Server, count: usize) -> Result<Value> {
    let mut crowd = Crowd::new(server)?;
    crowd.open(NUMBER..NUMBER + 1, true, |_| None)?;
    let (mut us, mut first, mut found) = (Vec::new(), Value::Null, 0);
    for _ in 0..count {
        let (asked, mut heard) = (Instant::now(), Vec::new());
        crowd.send(0, QUERY.as_bytes())?;
        let answer: Value = loop {
            crowd.turn(Duration::from_millis(50), |_, text| heard.extend_from_slice(text))?;
            let lines = heard.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
            let answers = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            if let Some(answer) =
                answers.into_iter().find(|line| line["op"] == "SEARCH" || line["status"] == "ERR")
            {
                break answer;
            }
            if asked.elapsed() > PATIENCE {
                bail!("no answer to a SEARCH within {} s", PATIENCE.as_secs());
            }
        };
        us.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        if answer["status"] != "OK" {
            bail!("the server refuses a SEARCH: {answer}");
        }
        let data = &answer["data"];
        found += data["messages"].as_array().map_or(0, Vec::len);
        if first.is_null() {
            first = json!({ "indexed": data["indexed"], "head": data["head"] });
        }
    }
    Ok(json!({
        "kind": "search", "count": count, "found": found, "first": first,
        "p50_us": percentile(&mut us, 0.5), "max_us": us.iter().max(),
    }))
}
