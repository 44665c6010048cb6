//! `tcp-chat-bench`: the load that `bench/compare` puts on tcp-chatd and on its peers, and the
//! counts of instructions that `bench/guard` compares. One result is one line of JSON.
//!
//! One thread, nonblocking sockets, one epoll: the load must be cheaper than the servers. It reports its own
//! utilisation (`load_busy`); near 1 the load is the limit, not the server.

mod closed;
mod conn;
mod crowd;
mod growth;
mod paced;
mod people;
mod process;
mod relay;
mod search;
mod speech;
mod start;
mod tls;
mod watch;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use crowd::Server;
use speech::Speech;
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_bench::hot::{self, Path, Round};

#[derive(Parser)]
#[command(name = "tcp-chat-bench", about = "Load for tcp-chatd and its peers", version)]
struct Cli {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Args)]
struct At {
    /// The server's protocol
    #[arg(long, value_enum, default_value = "chat")]
    speech: Speech,
    /// The server's address; of a cluster the addresses of all nodes, separated by commas
    #[arg(long, required = true, value_delimiter = ',')]
    address: Vec<SocketAddr>,
    /// The server's certificate, in PEM: the only trusted one. Of a cluster a file with those of all nodes
    #[arg(long)]
    certificate: PathBuf,
    /// The server's process, whose processor time and memory are read from /proc
    #[arg(long, default_value_t = 0)]
    pid: u32,
    /// Parallel logins
    #[arg(long, default_value_t = 32)]
    at_once: usize,
}

#[derive(Args)]
struct Said {
    /// Members of the room
    #[arg(long, default_value_t = 100)]
    members: usize,
    /// Members that send
    #[arg(long, default_value_t = 8)]
    senders: usize,
    /// Length of a text, in bytes
    #[arg(long, default_value_t = 80)]
    bytes: usize,
    /// Seconds before the measurement
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Seconds of the measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[derive(Subcommand)]
enum Kind {
    /// As many messages as possible, with this many in flight
    Fanout {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        said: Said,
        /// Messages in flight, of all senders together
        #[arg(long, default_value_t = 1024)]
        window: u64,
        /// End after this many messages instead, to fill a store
        #[arg(long)]
        messages: Option<u64>,
    },
    /// Messages at a fixed rate, and their latency
    Rate {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        said: Said,
        /// Messages per second, of all senders together
        #[arg(long, default_value_t = 200.0)]
        rate: f64,
    },
    /// Memory of idle connections
    Idle {
        #[command(flatten)]
        at: At,
        /// Numbers of connections at which the memory is read
        #[arg(long, value_delimiter = ',', default_value = "1000,5000,10000")]
        steps: Vec<usize>,
        /// Connections in one room
        #[arg(long, default_value_t = 100)]
        per_room: usize,
        /// Seconds between the last leave and the next reading
        #[arg(long, default_value_t = 2.0)]
        after: f64,
    },
    /// Full handshakes and logins
    Logins {
        #[command(flatten)]
        at: At,
        /// Number of logins
        #[arg(long, default_value_t = 2000)]
        count: usize,
    },
    /// From the start of a server to the first login
    Start {
        #[command(flatten)]
        at: At,
        /// The server and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// The latency of other users during a large event in tcp-chatd
    Growth {
        #[command(flatten)]
        at: At,
        /// The event
        #[arg(long, value_enum)]
        what: growth::What,
        /// The size of the event
        #[arg(long, default_value_t = 10_000)]
        size: usize,
        /// Seconds over which the acting users begin; 0: all at the same time
        #[arg(long, default_value_t = 0.0)]
        over: f64,
        /// The daemon's sessions.ttl, in seconds
        #[arg(long, default_value_t = 120.0)]
        ttl: f64,
    },
    /// Searches of tcp-chatd, one after the other
    Search {
        #[command(flatten)]
        at: At,
        /// Number of searches
        #[arg(long, default_value_t = 20)]
        count: usize,
    },
    /// The bare relay, as a server: what TLS and sockets cost alone
    Relay {
        /// Its address
        #[arg(long)]
        address: SocketAddr,
        /// Its certificate, in PEM
        #[arg(long)]
        certificate: PathBuf,
        /// The key of the certificate, in PEM
        #[arg(long)]
        key: PathBuf,
    },
    /// Runs a hot path this many times, for an instruction counter
    Hot {
        /// The path
        #[arg(value_enum)]
        path: Path,
        /// The number of runs
        #[arg(long, default_value_t = 100)]
        rounds: usize,
    },
}

impl At {
    fn server(&self) -> Result<Server> {
        let tls = tls::settings(&self.certificate, self.speech == Speech::Chat)?;
        Ok(Server { addresses: self.address.clone(), speech: self.speech, tls, at_once: self.at_once })
    }
}

fn main() -> Result<()> {
    let result = match Cli::parse().kind {
        Kind::Fanout { at, said, window, messages } => {
            let plan = closed::Plan {
                members: said.members,
                senders: said.senders.clamp(1, said.members),
                window,
                bytes: said.bytes,
                warmup: Duration::from_secs_f64(said.warmup),
                seconds: Duration::from_secs_f64(said.seconds),
                messages,
                pid: at.pid,
            };
            closed::run(&at.server()?, &plan)?
        }
        Kind::Rate { at, said, rate } => {
            let senders = said.senders.clamp(1, said.members);
            let plan = paced::Plan { members: said.members, senders, rate, bytes: said.bytes };
            let (warmup, time) =
                (Duration::from_secs_f64(said.warmup), Duration::from_secs_f64(said.seconds));
            paced::run(&at.server()?, plan, warmup, time, at.pid)?
        }
        Kind::Idle { at, steps, per_room, after } => {
            people::idle(&at.server()?, &steps, per_room, Duration::from_secs_f64(after), at.pid)?
        }
        Kind::Logins { at, count } => people::logins(&at.server()?, count, at.pid)?,
        Kind::Start { at, command } => start::run(&at.server()?, &command)?,
        Kind::Growth { at, what, size, over, ttl } => {
            let (over, ttl) = (Duration::from_secs_f64(over), Duration::from_secs_f64(ttl));
            growth::run(&at.server()?, growth::Plan { what, size, over, ttl }, at.pid)?
        }
        Kind::Search { at, count } => search::run(&at.server()?, count)?,
        Kind::Relay { address, certificate, key } => return relay::run(address, &certificate, &key),
        Kind::Hot { path, rounds } => {
            let mut round = hot::prepare(path, rounds + WARM)?;
            for _ in 0..WARM {
                round()?;
            }
            counted(&mut round, rounds)?;
            serde_json::json!({ "kind": "hot", "rounds": rounds, "messages": rounds * hot::MESSAGES })
        }
    };
    println!("{result}");
    Ok(())
}

/// Rounds before the counting, for everything that is set up once.
const WARM: usize = 10;

/// `bench/guard` counts the instructions inside this function, found by its name.
#[inline(never)]
fn counted(round: &mut Round, rounds: usize) -> Result<()> {
    for _ in 0..rounds {
        black_box(round()?);
    }
    Ok(())
}
