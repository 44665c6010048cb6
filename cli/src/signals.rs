//! Owns the signals that ask the program to stop. Never stops it: whoever waits does, in order.

/// Why the program is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// By Ctrl-C or SIGTERM: say goodbye.
    Quit,
    /// The terminal is gone: leave the session to be taken up again.
    HangUp,
}

/// Waits for the first signal. A second Ctrl-C or SIGTERM ends the program at once.
pub async fn asked_to_stop() -> Asked {
    let asked = first().await;
    tokio::spawn(async {
        if first().await == Asked::Quit {
            std::process::exit(130);
        }
    });
    asked
}

#[cfg(unix)]
async fn first() -> Asked {
    use tokio::signal::unix::{SignalKind, signal};
    let next = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            // Then the signal does what it does by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = next(SignalKind::interrupt()) => Asked::Quit,
        () = next(SignalKind::terminate()) => Asked::Quit,
        () = next(SignalKind::hangup()) => Asked::HangUp,
    }
}

#[cfg(not(unix))]
async fn first() -> Asked {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then Ctrl-C does what it does by itself.
        std::future::pending::<()>().await;
    }
    Asked::Quit
}
