//! Owns the accept loop of every listening socket: TCP, the control socket and HTTP. An error of `accept` neither
//! ends the loop nor makes it spin. Each listener implements [`Accept`]. Never reads from an accepted connection.

use socket2::{Domain, Protocol, Socket, Type};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

/// Connections that the kernel queues until the daemon accepts them.
const BACKLOG: i32 = 4096;
/// The pause after `accept` failed because the system lacks a resource.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds a listening socket.
///
/// # Errors
/// The address is in use, does not belong to this host, or is not allowed.
pub fn listen(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted daemon binds at once, although connections of the previous process are still closing.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So `[::]` and `0.0.0.0` can be bound side by side.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A listening socket, and the handling of its connections.
pub trait Accept: Send + Sync {
    /// An accepted connection.
    type Stream: Send;

    /// The value of `listener` in the event `accept_works`.
    const NAME: &'static str;

    /// Waits for the next connection. Must be cancellation safe.
    ///
    /// # Errors
    /// The error of the system's `accept`.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Takes over a connection and serves it on its own task. The loop accepts nothing until this returns, so a
    /// listener that has no room waits here.
    fn admit(&self, stream: Self::Stream) -> impl Future<Output = ()> + Send;

    /// Logs that the system lacks a resource for `accept`, mostly file descriptors. Called once until an accept
    /// succeeds again.
    fn log_failure(&self, why: &io::Error);
}

/// Accepts connections until `stop` is cancelled.
///
/// If the peer left before the accept, the loop logs an event at `debug`. It logs any other error once, and
/// pauses for 100 ms after each one.
pub async fn accept_loop<A: Accept>(listener: &A, stop: &CancellationToken) {
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                if std::mem::take(&mut is_failing) {
                    info!(event = "accept_works", listener = A::NAME, "connections are accepted again");
                }
                tokio::select! {
                    biased;
                    () = listener.admit(stream) => {}
                    () = stop.cancelled() => return,
                }
            }
            Err(why) if has_peer_left(&why) => {
                debug!(event = "accept_failed", error = why.to_string(), "accept failed");
            }
            Err(why) => {
                if !std::mem::replace(&mut is_failing, true) {
                    listener.log_failure(&why);
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Whether the accept failed only because the peer has left.
fn has_peer_left(why: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(why.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use tokio::time::Instant;

    /// The results of `accept` in order with their times, and the calls of the loop.
    #[derive(Default)]
    struct Script {
        next: Mutex<VecDeque<io::Result<u8>>>,
        accepts: Mutex<Vec<Duration>>,
        admitted: Mutex<Vec<u8>>,
        logged: Mutex<Vec<io::ErrorKind>>,
        began: Option<Instant>,
        stop: CancellationToken,
    }

    impl Accept for Script {
        type Stream = u8;
        const NAME: &'static str = "script";

        async fn accept(&self) -> io::Result<u8> {
            self.accepts.lock().unwrap().push(self.began.unwrap().elapsed());
            let next = self.next.lock().unwrap().pop_front();
            match next {
                Some(next) => next,
                None => {
                    self.stop.cancel();
                    std::future::pending().await
                }
            }
        }

        async fn admit(&self, stream: u8) {
            self.admitted.lock().unwrap().push(stream);
        }

        fn log_failure(&self, why: &io::Error) {
            self.logged.lock().unwrap().push(why.kind());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_accept_neither_ends_nor_spins_the_loop() {
        let (full, gone) =
            (|| Err(io::ErrorKind::StorageFull.into()), || Err(io::ErrorKind::ConnectionAborted.into()));
        let next = [Ok(1), full(), full(), gone(), full(), Ok(2), gone(), full(), Ok(3)].into();
        let script = Script { next: Mutex::new(next), began: Some(Instant::now()), ..Script::default() };
        accept_loop(&script, &script.stop).await;
        assert_eq!(*script.admitted.lock().unwrap(), [1, 2, 3]);
        // One log line for each outage, although a peer leaves in the middle of the first one.
        assert_eq!(*script.logged.lock().unwrap(), [io::ErrorKind::StorageFull; 2]);
        let pauses = script.accepts.lock().unwrap().iter().map(|at| at.as_millis() / 100).collect::<Vec<_>>();
        assert_eq!(pauses, [0, 0, 1, 2, 2, 3, 3, 3, 4, 4]);
    }

    #[tokio::test]
    async fn a_loop_that_waits_for_room_ends_when_stop_is_cancelled() {
        struct Full(CancellationToken);

        impl Accept for Full {
            type Stream = ();
            const NAME: &'static str = "full";

            async fn accept(&self) -> io::Result<()> {
                Ok(())
            }

            async fn admit(&self, (): ()) {
                self.0.cancel();
                std::future::pending().await
            }

            fn log_failure(&self, why: &io::Error) {
                panic!("{why}");
            }
        }

        let stop = CancellationToken::new();
        accept_loop(&Full(stop.clone()), &stop).await;
    }
}
