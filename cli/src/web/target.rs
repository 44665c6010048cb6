//! Owns the servers of the tabs: reads a SERVER line with command line, environment, profiles and files, as in all modes,
//! and remembers why the last connection failed. Called by `host`. Never parses the chat.

use crate::args::Cli;
use crate::exit::Failure;
use crate::output::say;
use crate::settings::Settings;
use crate::web::access::Digest;
use crate::web::nodes::{Node, Nodes};
use crate::{hints, layers, profile};
use clap::ArgMatches;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tcp_chat_client::{Error, Trust};
use tokio::io::{AsyncRead, AsyncWrite};

/// The largest number of cached servers. Beyond it, the cache is emptied and SERVER lines are read again.
const SERVERS: usize = 32;

/// A server, and how to verify it.
#[derive(Debug)]
pub(crate) struct Target {
    settings: Settings,
    pub(crate) nodes: Nodes,
    /// Why the last connection failed. Empty: it succeeded.
    problem: Mutex<Vec<String>>,
    /// The profile of the server must still be stored, when its certificate is verified.
    is_new: Mutex<bool>,
}

impl Target {
    pub(crate) fn new(settings: Settings) -> Result<Self, Failure> {
        let nodes = Nodes::new(&settings)?;
        let is_new = Mutex::new(settings.new_profile.is_some());
        Ok(Self { settings, nodes, problem: Mutex::default(), is_new })
    }

    /// `host:port`.
    pub(crate) fn server(&self) -> String {
        self.settings.server()
    }

    /// The server in the form of the page: `host:port`, or a line with the given room and pin.
    pub(crate) fn offered(&self) -> String {
        let server = self.server();
        match (self.settings.rooms.first(), &self.settings.trust) {
            (None, _) => server,
            (Some(room), Trust::Pin(pin)) => format!("tcps://{server}/{room}#{pin}"),
            (Some(room), Trust::Ca(_)) => format!("tcps://{server}/{room}"),
        }
    }

    /// A token for the server and its trust. The page names the server of its session by it, so it never sends the session
    /// to another server.
    pub(crate) fn id(&self) -> String {
        let trust = match &self.settings.trust {
            Trust::Ca(_) => "CA".to_owned(),
            Trust::Pin(pin) => pin.to_string(),
        };
        Digest::of(&format!("{} {trust}", self.server().to_lowercase())).to_string()
    }

    /// How the server is verified, as `/host.json` says it.
    pub(crate) fn verified(&self) -> &'static str {
        match self.settings.trust {
            Trust::Ca(_) => "CA",
            Trust::Pin(_) => "pin",
        }
    }

    pub(crate) fn problem(&self) -> Vec<String> {
        locked(&self.problem).clone()
    }

    /// Connects and verifies, once for each server of the chat until one answers.
    ///
    /// # Errors
    /// It failed; [`Self::problem`] has the reason.
    pub(crate) async fn connect(
        &self,
    ) -> Result<(impl AsyncRead + AsyncWrite + Send + Unpin + use<>, Node), ()> {
        match self.nodes.connect().await {
            Ok(connected) => {
                locked(&self.problem).clear();
                self.store_profile();
                Ok(connected)
            }
            Err(e) => {
                self.record_failure(e);
                Err(())
            }
        }
    }

    /// Records that reading or writing failed.
    pub(crate) fn record_break(&self, node: &Node, e: &io::Error) {
        self.record_failure(node.explain(e));
    }

    fn record_failure(&self, e: Error) {
        let failure = hints::explained(e, &self.settings);
        if self.settings.verbose {
            crate::output::complain(&failure);
        }
        *locked(&self.problem) = failure.lines;
    }

    /// Stores the profile of a server after its first verification by the pin of its line.
    fn store_profile(&self) {
        let is_new = std::mem::take(&mut *locked(&self.is_new));
        if let Some((path, key, new)) = self.settings.new_profile.as_ref().filter(|_| is_new) {
            match profile::add(path, key, new) {
                Ok(()) => say(&format!("* the pin of {key} is stored")),
                Err(failure) => say(&format!("* the pin of {key} could not be stored: {failure}")),
            }
        }
    }
}

/// The target of a SERVER line, or what is wrong with the line.
pub(crate) type Found = Result<Arc<Target>, Failure>;

/// The targets of SERVER lines.
#[derive(Debug)]
pub(crate) struct Targets {
    matches: ArgMatches,
    cli: Cli,
    /// That of the command line, or of its default.
    first: Found,
    known: Mutex<BTreeMap<String, Arc<Target>>>,
}

impl Targets {
    pub(crate) fn new(matches: ArgMatches, cli: Cli, first: Found) -> Self {
        Self { matches, cli, first, known: Mutex::default() }
    }

    /// The target of a line; `None` is that of the command line. Blocks the thread: it reads files.
    ///
    /// # Errors
    /// The line, or a file that its settings name, cannot be used.
    pub(crate) fn find(&self, line: Option<&str>) -> Found {
        let Some(line) = line else { return self.first.clone() };
        if let Some(known) = locked(&self.known).get(line) {
            return Ok(Arc::clone(known));
        }
        if line == "-" {
            return Err(Failure::usage("SERVER is -, and the page has no standard input"));
        }
        let cli = Cli { server: Some(line.to_owned()), ..self.cli.clone() };
        let (mut settings, _) = layers::settle_for(&self.matches, cli)?;
        // The form of the page has only the first server.
        if let Ok(first) = &self.first
            && first.server() == settings.server()
            && settings.servers.is_empty()
        {
            settings.servers.clone_from(&first.settings.servers);
        }
        if settings.join.is_some() {
            return Err(Failure::usage("this line contains a code: use it with tcp-chat-cli").hint(
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
