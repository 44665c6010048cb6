//! Owns the signals that end a program at once: restores the terminal first. Started by `terminal`. Never saves
//! anything and never quits the session: the next start resumes it. (SIGINT, SIGTERM and SIGHUP end the chat in
//! order: `signals`.)

use super::terminal::give_back;
use signal_hook::consts::{SIGABRT, SIGALRM, SIGQUIT, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::sync::Once;
use std::sync::mpsc::channel;
use std::time::Duration;

/// A stopped terminal (Ctrl-S) accepts nothing. The handler waits this long for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Handles such a signal on its own thread from now on, even if the chat hangs.
pub(super) fn give_back_first() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Signals that cannot be caught keep their default action.
        let Ok(mut signals) = Signals::new([SIGQUIT, SIGABRT, SIGALRM, SIGUSR1, SIGUSR2]) else { return };
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                die(signal);
            }
        });
    });
}

fn die(signal: i32) {
    let (given_back, wait) = channel();
    std::thread::spawn(move || {
        // Locked until the end, so nothing is drawn any longer.
        let _out = std::io::stdout().lock();
        give_back();
        // If the receiver is gone, the program ends.
        let _ = given_back.send(());
        std::thread::park();
    });
    // In time or not: the signal asks for the end.
    let _ = wait.recv_timeout(PATIENCE);
    // This call does not return.
    let _ = emulate_default_handler(signal);
}
