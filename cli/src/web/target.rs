//! Owns the servers that tabs chat with: what a SERVER line means, by command line, environment, profiles and files as
//! in all modes, and why the last connection failed. Called by `host`. Never parses the chat.

use crate::args::Cli;
use crate::exit::Failure;
use crate::output::say;
use crate::settings::Settings;
use crate::web::door::Digest;
use crate::{connect, layers, profile};
use clap::ArgMatches;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tcp_chat_client::{Endpoint, Error, Trust};
use tokio::io::{AsyncRead, AsyncWrite};

/// So many servers are remembered at most. Beyond that all but the first are read again when they are asked for.
const SERVERS: usize = 32;

/// A server, verified as the settings say.
#[derive(Debug)]
pub(crate) struct Target {
    settings: Settings,
    endpoint: Endpoint,
    /// Why the last connection failed. Empty: it did not.
    problem: Mutex<Vec<String>>,
    /// The profile of a new server is stored once its certificate was verified.
    is_new: Mutex<bool>,
}

impl Target {
    pub(crate) fn new(settings: Settings) -> Result<Self, Failure> {
        let identity = settings.identity.as_ref();
        let endpoint = Endpoint::new(&settings.host, settings.port, &settings.trust, identity)?;
        let is_new = Mutex::new(settings.new_profile.is_some());
        Ok(Self { settings, endpoint, problem: Mutex::default(), is_new })
    }

    /// `host:port`.
    pub(crate) fn server(&self) -> String {
        self.settings.server()
    }

    /// What the page's form offers: `host:port`, or a line with the room and the pin that were given.
    pub(crate) fn offered(&self) -> String {
        let server = self.server();
        match (self.settings.rooms.first(), &self.settings.trust) {
            (None, _) => server,
            (Some(room), Trust::Pin(pin)) => format!("tcps://{server}/{room}#{pin}"),
            (Some(room), Trust::Ca(_)) => format!("tcps://{server}/{room}"),
        }
    }

    /// Names the server and its trust, as a token. A page asks for the server of its session by it, so that it never sends
    /// the session to another one.
    pub(crate) fn id(&self) -> String {
        let trust = match &self.settings.trust {
            Trust::Ca(_) => "CA".to_owned(),
            Trust::Pin(pin) => pin.to_string(),
        };
        Digest::of(&format!("{} {trust}", self.server().to_lowercase())).to_string()
    }

    /// As the page is told.
    pub(crate) fn verified(&self) -> &'static str {
        match self.settings.trust {
            Trust::Ca(_) => "CA",
            Trust::Pin(_) => "pin",
        }
    }

    pub(crate) fn problem(&self) -> Vec<String> {
        locked(&self.problem).clone()
    }

    /// Connects and verifies, once.
    ///
    /// # Errors
    /// It failed; [`Self::problem`] says why from now on.
    pub(crate) async fn connect(&self) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, ()> {
        match self.endpoint.connect().await {
            Ok(stream) => {
                locked(&self.problem).clear();
                self.note();
                Ok(stream)
            }
            Err(e) => {
                self.failed(e);
                Err(())
            }
        }
    }

    /// Reading or writing failed.
    pub(crate) fn broke(&self, e: &io::Error) {
        self.failed(self.endpoint.explain(e));
    }

    fn failed(&self, e: Error) {
        let failure = connect::explained(e, &self.settings);
        if self.settings.verbose {
            crate::output::complain(&failure);
        }
        *locked(&self.problem) = failure.lines;
    }

    /// Stores the profile of a server that was verified by the pin of its line for the first time.
    fn note(&self) {
        let is_new = std::mem::take(&mut *locked(&self.is_new));
        if let Some((path, key, new)) = self.settings.new_profile.as_ref().filter(|_| is_new) {
            match profile::add(path, key, new) {
                Ok(()) => say(&format!("* {key} and its pin are known from now on")),
                Err(failure) => say(&format!("* the server could not be noted: {failure}")),
            }
        }
    }
}

/// What there is for a SERVER line.
pub(crate) type Found = Result<Arc<Target>, Failure>;

/// Finds the servers of SERVER lines.
#[derive(Debug)]
pub(crate) struct Targets {
    matches: ArgMatches,
    cli: Cli,
    /// Of the command line, or its default.
    first: Found,
    known: Mutex<BTreeMap<String, Arc<Target>>>,
}

impl Targets {
    pub(crate) fn new(matches: ArgMatches, cli: Cli, first: Found) -> Self {
        Self { matches, cli, first, known: Mutex::default() }
    }

    /// The server of a line; `None` is the one of the command line. Blocks the thread: it reads files.
    ///
    /// # Errors
    /// What is wrong with the line, or with what it leads to.
    pub(crate) fn find(&self, line: Option<&str>) -> Found {
        let Some(line) = line else { return self.first.clone() };
        if let Some(known) = locked(&self.known).get(line) {
            return Ok(Arc::clone(known));
        }
        if line == "-" {
            return Err(Failure::usage("SERVER is -: there is no standard input on the page"));
        }
        let cli = Cli { server: Some(line.to_owned()), ..self.cli.clone() };
        let (settings, _) = layers::settle_for(&self.matches, cli)?;
        if settings.join.is_some() {
            return Err(Failure::usage("this line has a code in it: use it with tcp-chat-cli").hint(
                "Start `tcp-chat-cli -` in a terminal and paste the line there. Then come back to this page.",
            ));
        }
        let target = Arc::new(Target::new(settings)?);
        let mut known = locked(&self.known);
        if known.len() >= SERVERS {
            known.clear();
        }
        known.insert(line.to_owned(), Arc::clone(&target));
        Ok(target)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
