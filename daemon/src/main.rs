//! The binary: parses the command line, runs the daemon, and sets the exit code.

use std::process::ExitCode;
use tcp_chatd::{commands, daemon};

/// jemalloc returns the memory of 10,000 closed connections to the system within seconds; the C library keeps it.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    commands::main(|loaded, log| match daemon::run(loaded, log.clone()) {
        Ok(()) => ExitCode::from(commands::exit::OK),
        Err(why) => {
            tracing::error!(
                event = "ended",
                reason = why.to_string(),
                code = why.exit_code(),
                "the daemon has ended"
            );
            log.last_word(&why.to_string());
            ExitCode::from(why.exit_code())
        }
    })
}
