//! Owns the start of a server: from the command to the first login. Called by `main`. Stops only the server that
//! it started, by its process id.

use crate::crowd::{Crowd, Server};
use crate::process;
use anyhow::{Context, Result, bail};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// The timeout of a start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A number that no other client has.
const NUMBER: usize = 9_000_000;

/// A child process that does not outlive the load.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `command` and waits for READY (of a server that notifies the service manager), for the first accepted
/// connection, and for a login; then reads its memory.
pub(crate) fn run(server: &Server, command: &[String]) -> Result<Value> {
    let Some((program, arguments)) = command.split_first() else { bail!("no command to start") };
    // The first use of cryptography in the load takes time that is not the server's.
    drop(UnbufferedClientConnection::new(Arc::clone(&server.tls), ServerName::try_from("localhost")?)?);
    let dir = tempfile::tempdir()?;
    let notices = dir.path().join("notify");
    let socket = UnixDatagram::bind(&notices)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let began = Instant::now();
    let (tell, told) = mpsc::channel();
    // Ends with READY, or with the timeout.
    std::thread::spawn(move || heard(&socket).then(|| tell.send(began.elapsed())));
    let child = Command::new(program)
        .args(arguments)
        .env("NOTIFY_SOCKET", &notices)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let mut child = Running(child);
    let mut taken = None;
    while taken.is_none() {
        if began.elapsed() > PATIENCE {
            bail!("{program} takes no connection after {} s", PATIENCE.as_secs());
        }
        if let Some(status) = child.0.try_wait()? {
            bail!("{program} has ended: {status}");
        }
        match TcpStream::connect(&server.addresses[..]) {
            Ok(_) => taken = Some(began.elapsed()),
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    }
    // The users that filled the store may still be away, with their names taken.
    Crowd::new(server)?.open(NUMBER..NUMBER + 1, true, |_| None)?;
    let login = began.elapsed();
    // Work that a start leaves continues for a moment.
    std::thread::sleep(Duration::from_secs(1));
    let ready = told.try_recv().ok();
    let memory = process::memory(child.0.id())?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(json!({
        "kind": "start", "ready_ms": ready.map(ms), "taken_ms": taken.map(ms), "login_ms": ms(login),
        "resident_kib": memory.resident, "own_kib": memory.own,
    }))
}

/// Waits for READY. False: it does not come.
fn heard(socket: &UnixDatagram) -> bool {
    let mut text = [0; 512];
    while let Ok(n) = socket.recv(&mut text) {
        if String::from_utf8_lossy(&text[..n]).lines().any(|line| line == "READY=1") {
            return true;
        }
    }
    false
}
