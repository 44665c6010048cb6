//! Owns the commands of the command line: parses it, runs the command or asks a running daemon, and sets the exit
//! code. The binary calls [`main`]. Never holds state of a running daemon: [`main`] receives the function that
//! runs one.

mod args;
mod certificates;
mod check;
#[cfg(feature = "cluster")]
mod cluster;
mod control;
pub mod exit;
mod export;
mod host;
mod moderation;
mod qr;
mod users;
mod welcome;

pub use args::{Access, Args, Cert, Cluster, Command, Room, User, command};
pub use export::Export;
pub use welcome::welcome;

use crate::settings::{self, Environment, Inputs, Loaded};
use crate::{auth, log, tls};
use clap::Parser;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// The longest password that is read, in bytes.
const PASSWORD_BYTES: u64 = 1024;

/// Runs the program: parses the command line of this process and runs the command. `run` runs the daemon.
pub fn main(run: impl FnOnce(Loaded, log::Handle) -> ExitCode) -> ExitCode {
    match Args::try_parse() {
        Ok(args) => dispatch(args, run),
        Err(e) => {
            let _ = e.print();
            // Help and version are not errors.
            ExitCode::from(if e.use_stderr() { exit::USAGE } else { exit::OK })
        }
    }
}

/// Runs the command of the command line.
pub fn dispatch(args: Args, run: impl FnOnce(Loaded, log::Handle) -> ExitCode) -> ExitCode {
    let Args { config, set, command } = args;
    let command = command.unwrap_or(Command::Run);
    // Commands that need no settings also work with invalid ones.
    match command {
        Command::Password => return exit_code(password()),
        Command::Config { reference: true } => return exit_code(print(&settings::reference())),
        _ => {}
    }
    let inputs = Inputs { config, environment: Environment::of_process(), flags: set };
    let loaded = match settings::load(&inputs) {
        Ok(loaded) => loaded,
        Err(problems) => {
            // A running daemon still gets the request. It refuses a reload itself, so its status shows the
            // refusal.
            let socket = problems.control_socket.as_deref().filter(|socket| socket.exists());
            if let Some(done) = socket.and_then(|socket| ask(&command, Some(socket), None)) {
                return exit_code(done);
            }
            return exit_code(Err(Failure::new(exit::of_problems(&problems), problems.to_string())));
        }
    };
    match command {
        Command::Run => match start(&loaded) {
            Ok(handle) => run(loaded, handle),
            Err(failure) => exit_code(Err(failure)),
        },
        Command::Check => exit_code(check::check(&loaded)),
        other => exit_code(run_command(other, &loaded)),
    }
}

/// Starts the log; its first line names the configuration file.
fn start(loaded: &Loaded) -> Result<log::Handle, Failure> {
    let handle = log::init(&loaded.settings.log).map_err(|e| Failure::new(exit::CONFIG, e.to_string()))?;
    let file = loaded.file.as_ref().map_or("none, the built-in defaults".into(), |f| f.display().to_string());
    tracing::info!(event = "starting", configuration = file, version = env!("CARGO_PKG_VERSION"), "starting");
    for reason in settings::unknown_targets(&loaded.settings.log.level) {
        tracing::warn!(
            event = "log_target_unknown",
            reason,
            "log.level names a target that the program does not have"
        );
    }
    Ok(handle)
}

fn run_command(command: Command, loaded: &Loaded) -> Result<(), Failure> {
    let settings = &loaded.settings;
    match command {
        Command::Config { .. } => print(&loaded.to_toml()),
        Command::Cert(Cert::Show) => certificates::show(&settings.tls),
        Command::Cert(Cert::Issue { name, out, print }) => {
            let socket = settings.control_socket();
            certificates::issue(&settings.tls, &name, (!print).then_some(out), socket.as_deref())
        }
        Command::User(user) => users::user(user, settings),
        Command::Cert(Cert::Renew) => {
            let notes = tls::renew(&settings.tls, SystemTime::now())?;
            notes.iter().try_for_each(|note| print(&format!("{note}\n")))
        }
        Command::Invite { room, qr } => {
            let line = welcome::invite(settings, room.as_deref(), None)?;
            welcome::note_if_loopback_only(settings);
            welcome::note_page(settings);
            print(&format!("{line}\n"))?;
            if qr { invite_codes(settings, &line) } else { Ok(()) }
        }
        #[cfg(feature = "cluster")]
        Command::Cluster(command) => cluster::run(&command, settings),
        #[cfg(not(feature = "cluster"))]
        Command::Cluster(_) => Err(Failure::new(exit::CONFIG, "this build has no cluster")),
        Command::Export(wanted) => export::export(&settings.history, wanted),
        command => {
            let store = settings.history.path.as_deref();
            ask(&command, settings.control_socket().as_deref(), store).unwrap_or(Ok(()))
        }
    }
}

/// Sends the request of a command to a running daemon. `store` is the file of the store, if it is known. `None`: the command needs no running daemon.
fn ask(command: &Command, socket: Option<&Path>, store: Option<&Path>) -> Option<Result<(), Failure>> {
    Some(match command {
        Command::Status { json } => control::status(socket, *json),
        Command::Reload => control::reload(socket),
        Command::Backup { file } => control::backup(socket, file, store),
        Command::Cert(Cert::Revoke { which }) => users::revoke(socket, which),
        other => return moderation::ask(other, socket),
    })
}

/// Prints the QR codes of an invitation: of its line, and of the page's address if the page is on.
fn invite_codes(settings: &settings::Settings, line: &str) -> Result<(), Failure> {
    let out = std::io::stdout();
    let width =
        rustix::termios::tcgetwinsize(&out).ok().filter(|_| out.is_terminal()).map(|size| size.ws_col);
    let ground = if width.is_some() { qr::Ground::Terminal } else { qr::Ground::Plain };
    // The name of the program is of no use to a telephone.
    let line = line.rsplit(' ').next().unwrap_or(line);
    for (text, shown) in
        std::iter::once((line.to_owned(), false)).chain(welcome::page(settings).map(|page| (page, true)))
    {
        let code = qr::render(&text, ground)
            .ok_or_else(|| Failure::new(exit::INTERNAL, format!("{text}: it is too long for a QR code")))?;
        if let Some(note) = width.and_then(|width| qr::note_if_too_wide(&code, width)) {
            eprintln!("{note}");
        }
        print(&if shown { format!("{text}\n{code}") } else { code })?;
    }
    Ok(())
}

/// Reads a password from standard input, up to the end of the line, and prints its hash.
fn password() -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::new(exit::INTERNAL, format!("standard input: {e}"));
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin().take(PASSWORD_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        let byte = e.valid_up_to() + 1;
        let reason = format!(
            "a password must be text, and byte {byte} of standard input is not UTF-8; convert it first"
        );
        Failure::new(exit::USAGE, reason)
    })?;
    // The client skips it, too: some editors write a byte order mark.
    let password = text.strip_prefix('\u{feff}').unwrap_or(text);
    let password = password.strip_suffix('\n').unwrap_or(password);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() || password.contains('\n') || text.len() as u64 > PASSWORD_BYTES {
        let reason = format!("standard input must be a password: one line of 1 to {PASSWORD_BYTES} bytes");
        return Err(Failure::new(exit::USAGE, reason));
    }
    let hash = auth::hash(password).map_err(|e| Failure::new(exit::INTERNAL, e.to_string()))?;
    print(&format!("{hash}\n"))
}

/// Why a command failed.
#[derive(Debug)]
struct Failure {
    exit: u8,
    /// For standard error.
    text: String,
}

impl Failure {
    fn new(exit: u8, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        let exit = match &error {
            error if error.is_permission() => exit::PERMISSION,
            error if error.is_membership() => exit::CONFIG,
            _ => exit::DISK,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<tls::TlsError> for Failure {
    fn from(error: tls::TlsError) -> Self {
        Self::new(exit::of_tls(&error), error.to_string())
    }
}

fn exit_code(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(exit::OK),
        Err(Failure { exit, text }) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(exit)
        }
    }
}

/// Prints data to standard output; ignores a reader that has closed the pipe.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(exit::DISK, format!("standard output: {e}")))
        }
        _ => Ok(()),
    }
}
