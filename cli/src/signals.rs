//! Owns the signals that ask the program to stop. Called by the modes. Never stops the program: the caller does,
//! in order.

/// Why the program must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Ctrl-C or SIGTERM: quit the session.
    Quit,
    /// The terminal is gone: keep the session for a resume.
    HangUp,
}

/// Waits for the first signal; signals are caught from this call on. A second Ctrl-C or SIGTERM ends the program
/// at once.
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
        // A signal that cannot be caught keeps its default action.
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
            // Then Ctrl-C keeps its default action.
            std::future::pending::<()>().await;
        }
        Asked::Quit
    }
}

/// Reports that the program continues after a stop (`fg`): another program may have changed the terminal.
#[derive(Debug)]
pub struct Continued {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Continued {
    /// Catches the signal from this call on.
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

    /// Waits for the next time; for ever on a system without this signal.
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
