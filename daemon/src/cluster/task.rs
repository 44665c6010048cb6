//! Owns the task of the stream: it connects to NATS, again and again, and serves the order over each connection. Started
//! by the daemon on its runtime. Ends only with the order.

use super::api::{Api, ApiError};
use super::connect::{ConnectFailed, Connected, Nats};
use super::session::{End, Session, pause, unusable};
use crate::order::Stopped;
use crate::order::TaskEnd;
use crate::order::stream::{FromStream, ToStream};
use crate::settings::StreamName;
use tracing::{info, warn};

/// Why the leader of the stream gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("the server that leads the stream has too few others with it")]
    NoQuorum,
    #[error("{0}")]
    Fault(String),
}

impl Trouble {
    /// Must the process end because of it?
    pub(super) fn stops(&self, stream: &StreamName) -> Option<Stopped> {
        match self {
            Self::Api(ApiError::NotFound) => Some(unusable(format!(
                "the stream {stream} does not exist. Run `tcp-chatd cluster init` on the node that has the history. If the \
                 stream was there before, NATS has lost it: run `tcp-chatd cluster reseed`"
            ))),
            Self::Fault(fault) => Some(unusable(format!(
                "the stream {stream} cannot be used: {fault}. `tcp-chatd cluster check` shows all of it"
            ))),
            Self::Api(_) | Self::NoQuorum => None,
        }
    }
}

/// Connects the order with its stream until the order ends.
pub async fn run(nats: Nats, mut ends: TaskEnd) {
    let (mut number, mut failures, mut missing) = (0, 0, 0);
    let (mut told, mut unanswered) = (String::new(), None);
    // The server over which nothing was ordered.
    let mut left = None;
    loop {
        match nats.connect_but(left.take()).await {
            Ok(Connected { client, lost, server: place }) => {
                let server = client.server_info();
                info!(
                    event = "nats_connected",
                    server = server.server_name,
                    version = server.version,
                    "connected with NATS"
                );
                // The copies for nodes that join go over the same one.
                ends.server.send_replace(Some(place));
                told.clear();
                (number, failures) = (number + 1, 0);
                // What was to be sent over an earlier connection is asked for again.
                while let Ok(
                    ToStream::Read(_)
                    | ToStream::Check(_)
                    | ToStream::Beat(_)
                    | ToStream::Publish(_)
                    | ToStream::Elsewhere(_),
                ) = ends.words.try_recv()
                {}
                let api = Api { client, stream: nats.stream.clone() };
                let (ends, missing, unanswered) = (&mut ends, &mut missing, &mut unanswered);
                let has_others = nats.servers.len() > 1;
                let mut session =
                    Session { api, lost, number, has_others, ends, missing, unanswered, reads: 0 };
                match session.run().await {
                    End::OrderGone => return,
                    End::Lost => {
                        warn!(
                            event = "nats_lost",
                            server = server.server_name,
                            "the connection with NATS is lost"
                        );
                    }
                    End::Left => {
                        left = Some(place);
                        warn!(
                            event = "nats_left",
                            server = server.server_name,
                            "nothing is ordered over this NATS server: another one is tried"
                        );
                    }
                }
                if ends.order.send(FromStream::Disconnected).await.is_err() {
                    return;
                }
            }
            Err(error @ (ConnectFailed::TooOld { .. } | ConnectFailed::ShortPayload { .. })) => {
                let stopped = unusable(error.to_string());
                if ends.order.send(FromStream::Stopped(stopped)).await.is_err() {
                    return;
                }
                failures += 1;
            }
            Err(error) => {
                let why = error.to_string();
                if why != told {
                    warn!(
                        event = "nats_failed",
                        reason = why,
                        "NATS cannot be used now: the daemon tries again"
                    );
                    told = why;
                }
                failures += 1;
            }
        }
        if failures > 0 && !waits(&mut ends, failures).await {
            return;
        }
    }
}

/// Waits before the next connection. Says whether the order still listens.
async fn waits(ends: &mut TaskEnd, failures: u32) -> bool {
    let pause = tokio::time::sleep(pause(failures));
    tokio::pin!(pause);
    loop {
        tokio::select! {
            () = &mut pause => return true,
            word = ends.words.recv() => if word.is_none() { return false },
        }
    }
}
