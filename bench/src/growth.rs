//! Owns the growth load: a large event happens to tcp-chatd while a room of other users continues to talk, and
//! the latency of these users is measured. Called by `main`. Only for tcp-chatd: the other servers have no
//! sessions.

use crate::crowd::{Crowd, Server};
use crate::paced::{self, Room};
use crate::process;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// This many rooms are opened, by a hundredth as many users.
    Rooms,
    /// This many sessions lose their connection and then expire at the same time; the daemon's `sessions.ttl`
    /// must equal `--ttl`.
    Expiry,
    /// One user joins this many rooms and is lost; another joins them and quits.
    User,
    /// This many users join one room and leave it again.
    Crowd,
}

/// The other users: a room of a hundred, two hundred messages per second.
const OTHERS: paced::Plan = paced::Plan { members: 100, senders: 8, rate: 200.0, bytes: 80 };
/// If nothing comes for this time, the server hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that a user sends before it waits for the replies.
const AT_ONCE: usize = 50;

/// The size and the speed of the event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) what: What,
    pub(crate) size: usize,
    /// The time in which the acting users begin; zero: all at the same time.
    pub(crate) over: Duration,
    /// The daemon's `sessions.ttl`.
    pub(crate) ttl: Duration,
}

pub(crate) fn run(server: &Server, plan: Plan, pid: u32) -> Result<Value> {
    let Plan { what, size, over, .. } = plan;
    let mut others = Room::open(server, OTHERS, 5_000_000)?;
    let phase = AtomicUsize::new(0);
    let (talked, done) = std::thread::scope(|scope| -> Result<_> {
        let talk = scope.spawn(|| others.talk(&phase, 3));
        // 0: the acting users log in. 1: quiet. 2: the event.
        let act = || -> Result<_> {
            let mut actors = Actors::open(server, what, size)?;
            phase.store(1, Ordering::Relaxed);
            actors.crowd.settle(Duration::from_secs(2), Duration::from_secs(2))?;
            phase.store(2, Ordering::Relaxed);
            let (began, cpu) = (Instant::now(), process::cpu(pid)?);
            actors.act(plan)?;
            Ok((began.elapsed().as_secs_f64(), process::cpu(pid)? - cpu))
        };
        let done = act();
        phase.store(3, Ordering::Relaxed);
        let talked = talk.join().ok().context("the load has panicked")?;
        Ok((talked?, done?))
    })?;
    let ((mut phases, missing), (seconds, cpu)) = (talked, done);
    Ok(json!({
        "kind": "growth", "what": format!("{what:?}").to_lowercase(), "size": size, "over_seconds": over.as_secs_f64(),
        "seconds": seconds, "cpu_seconds": cpu, "missing": missing,
        "before": phases[1].told(), "while": phases[2].told(),
    }))
}

struct Actors {
    crowd: Crowd,
    server: Server,
    over: Duration,
}

impl Actors {
    fn open(server: &Server, what: What, size: usize) -> Result<Self> {
        let mut crowd = Crowd::new(server)?;
        let (people, per_room) = match what {
            What::Rooms => (size.div_ceil(100), 1),
            What::Expiry => (size, 100),
            What::User => (1, 1),
            What::Crowd => (size, 1),
        };
        crowd.open(0..people, true, |n| Some(format!("home{}", n / per_room)))?;
        Ok(Self { crowd, server: server.clone(), over: Duration::ZERO })
    }

    fn act(&mut self, plan: Plan) -> Result<()> {
        let Plan { what, size, over, ttl } = plan;
        self.over = over;
        let join = |room: usize| format!("{{\"op\":\"JOIN\",\"data\":{{\"room\":\"r{room}\"}}}}\n");
        match what {
            What::Rooms => {
                let each = size.div_ceil(self.crowd.len());
                self.all_ask("JOIN", each, |user, nth| join(user * each + nth))
            }
            What::Expiry => {
                let (began, all) = (Instant::now(), self.crowd.len());
                for token in 0..all {
                    self.crowd.leave(token);
                    let due = over.mul_f64(token as f64 / all as f64);
                    std::thread::sleep(due.saturating_sub(began.elapsed()));
                }
                // One second more, so that all of them are over.
                std::thread::sleep(ttl + Duration::from_secs(1));
                Ok(())
            }
            What::User => {
                self.all_ask("JOIN", size, |_, nth| join(nth))?;
                self.crowd.leave(0);
                // The first user's name stays taken while the session is held.
                let mut again = Crowd::new(&self.server)?;
                again.open(1..2, true, |_| Some("home1".into()))?;
                std::mem::swap(&mut again, &mut self.crowd);
                self.all_ask("JOIN", size, |_, nth| join(nth))?;
                self.all_ask("QUIT", 1, |_, _| "{\"op\":\"QUIT\"}\n".into())
            }
            What::Crowd => {
                self.all_ask("JOIN", 1, |_, _| join(0))?;
                self.all_ask("LEAVE", 1, |_, _| "{\"op\":\"LEAVE\",\"data\":{\"room\":\"r0\"}}\n".into())
            }
        }
    }

    /// Each user sends this many requests, and all wait for all replies.
    fn all_ask(&mut self, op: &str, each: usize, line: impl Fn(usize, usize) -> String) -> Result<()> {
        let reply = format!("{{\"op\":\"{op}\",\"status\":\"OK\"");
        let finder = memchr::memmem::Finder::new(reply.as_bytes());
        let people = self.crowd.len();
        let (mut asked, mut had) = (vec![0; people], vec![0; people]);
        let mut rest: Vec<Vec<u8>> = vec![Vec::new(); people];
        let (mut open, mut progress, mut begun) = (people, Instant::now(), 0);
        let began = Instant::now();
        while open > 0 {
            while begun < people && began.elapsed() >= self.over.mul_f64(begun as f64 / people as f64) {
                self.ask(begun, &mut asked[begun], each, &line)?;
                begun += 1;
            }
            let mut heard: Vec<(usize, Vec<u8>)> = Vec::new();
            let wait = Duration::from_millis(if begun < people { 1 } else { 50 });
            self.crowd.turn(wait, |user, text| heard.push((user, text.to_vec())))?;
            for (user, text) in heard {
                let rest = &mut rest[user];
                rest.extend_from_slice(&text);
                let end = memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
                let lines = rest[..end].split_inclusive(|b| *b == b'\n');
                let answers = lines.filter(|line| finder.find(line) == Some(0)).count();
                rest.drain(..end);
                had[user] += answers;
                if answers > 0 {
                    progress = Instant::now();
                    if had[user] == each {
                        open -= 1;
                    } else if had[user] == asked[user] {
                        self.ask(user, &mut asked[user], each, &line)?;
                    }
                }
            }
            if progress.elapsed() > PATIENCE {
                bail!("{open} users wait in vain for answers to {op}");
            }
        }
        Ok(())
    }

    fn ask(
        &mut self,
        user: usize,
        asked: &mut usize,
        each: usize,
        line: &impl Fn(usize, usize) -> String,
    ) -> Result<()> {
        let to = each.min(*asked + AT_ONCE);
        let lines: String = (*asked..to).map(|nth| line(user, nth)).collect();
        *asked = to;
        self.crowd.send(user, lines.as_bytes())
    }
}
