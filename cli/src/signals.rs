//! Owns the signals that ask the program to stop. Never stops it: whoever waits does, in order.

/// Why the program is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// By Ctrl-C or SIGTERM: say goodbye.
    Quit,
    /// The terminal is gone: leave the session to be taken up again.
    HangUp,
}

/// Waits for the first signal; they are caught from this call on. A second Ctrl-C or SIGTERM ends the
/// program at once.
pub fn asked_to_stop() -> impl Future<Output = Asked> {
    let mut signals = Signals::new();
    async move {
        let asked = signals.next().await;
        #[expect(clippy::disallowed_methods, reason = "it waits for a second signal until the program ends")]
        tokio::spawn(async move {
            if signals.next().await == Asked::Quit {
                std::process::exit(130);
            }
        });
        asked
    }
}

#[cfg(unix)]
struct Signals([(Option<tokio::signal::unix::Signal>, Asked); 3]);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // One that cannot be caught does what it does by itself.
        let caught = |kind, asked| (signal(kind).ok(), asked);
        Self([
            caught(SignalKind::interrupt(), Asked::Quit),
            caught(SignalKind::terminate(), Asked::Quit),
            caught(SignalKind::hangup(), Asked::HangUp),
        ])
    }

    async fn next(&mut self) -> Asked {
        let [a, b, c] = &mut self.0;
        tokio::select! {
            () = received(&mut a.0) => a.1,
            () = received(&mut b.0) => b.1,
            () = received(&mut c.0) => c.1,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> Asked {
        if tokio::signal::ctrl_c().await.is_err() {
            // Then Ctrl-C does what it does by itself.
            std::future::pending::<()>().await;
        }
        Asked::Quit
    }
}

/// Tells when the program goes on after it was stopped (`fg`): whoever had the terminal meanwhile
/// has left it otherwise.
#[derive(Debug)]
pub struct Continued {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Continued {
    /// Caught from this call on.
    #[must_use]
    pub fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: {
                let kind = tokio::signal::unix::SignalKind::from_raw(signal_hook::consts::SIGCONT);
                tokio::signal::unix::signal(kind).ok()
            },
        }
    }

    /// Waits for the next time; for ever where there is no such thing.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        received(&mut self.signal).await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}

impl Default for Continued {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(unix)]
async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if came.is_none() {
        std::future::pending::<()>().await;
    }
}
