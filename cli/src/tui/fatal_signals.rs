//! Owns the signals that end a program at once: the terminal is given back before they do. Started by
//! `terminal`. Never saves anything and never says goodbye: the next start takes the session up again.
//! (SIGINT, SIGTERM and SIGHUP end the chat in order: `signals`.)

use super::terminal::give_back;
use signal_hook::consts::{SIGABRT, SIGALRM, SIGQUIT, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::sync::Once;
use std::sync::mpsc::channel;
use std::time::Duration;

/// A terminal that is stopped (Ctrl-S) takes nothing. So long it is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// From here on such a signal is taken by a thread of its own: it works also where the chat hangs.
pub(super) fn give_back_first() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Signals that cannot be caught do what they do by themselves.
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
        // Locked until the end: nothing is drawn any more.
        let _out = std::io::stdout().lock();
        give_back();
        // Where nobody waits any more, the program ends.
        let _ = given_back.send(());
        std::thread::park();
    });
    // In time or not: what was asked for is the end.
    let _ = wait.recv_timeout(PATIENCE);
    // It does not come back from this.
    let _ = emulate_default_handler(signal);
}
