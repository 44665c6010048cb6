//! Owns the life of the process: arguments, settings, run, exit code. Never does the work itself: the library
//! does.

use std::process::ExitCode;
use tcp_chat_cli::exit::{Exit, Failure};
use tcp_chat_cli::output::{Stop, complain};
use tcp_chat_cli::{args, layers, run, web};

/// clap reports most invalid command lines itself, with exit code 2.
fn misread(e: &clap::Error) -> ExitCode {
    let Some(failure) = tcp_chat_cli::misread::misread(e) else { e.exit() };
    complain(&failure);
    ExitCode::from(failure.exit as u8)
}

/// Works on a runtime of its own.
fn until_done(work: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::new(Exit::Other, format!("no runtime: {e}")))?;
    let done = runtime.block_on(work);
    // Does not wait for a thread that still reads the terminal.
    runtime.shutdown_background();
    done
}

fn main() -> ExitCode {
    let matches = match args::command().try_get_matches() {
        Ok(matches) => matches,
        Err(e) => return misread(&e),
    };
    let done = match web::asked(&matches) {
        Some((cli, asked)) => until_done(web::run(matches, cli, asked)),
        None => layers::settle(&matches)
            .map_err(Stop::Failed)
            .and_then(|(settings, command)| until_done(run(settings, command))),
    };
    match done {
        Ok(()) | Err(Stop::ReaderGone) => ExitCode::SUCCESS,
        Err(Stop::Failed(failure)) => {
            complain(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}
