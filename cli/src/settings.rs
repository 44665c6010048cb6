//! Owns the values of all options, after [`crate::layers`] has combined the command line, the environment, the
//! profile and the configuration file. Used by each mode of the client. Never reads a source itself.

use crate::profile::Profile;
use crate::tui::Notify;
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_client::protocol::invite::Join;
use tcp_chat_client::protocol::{Colour, ServerAddress};
use tcp_chat_client::{Identity, Trust};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Further servers of the same chat.
    pub servers: Vec<ServerAddress>,
    /// The trusted CA or pin.
    pub trust: Trust,
    /// The client certificate.
    pub identity: Option<Identity>,
    /// The enrolment that comes first.
    pub join: Option<Join>,
    /// The name.
    pub name: String,
    /// Whether the user chose the name, or it is the login name.
    pub name_is_chosen: bool,
    /// The colour of the name.
    pub color: Option<Colour>,
    /// The rooms; empty: the default rooms of the server.
    pub rooms: Vec<String>,
    /// The password.
    pub password: Option<Zeroizing<String>>,
    /// Print JSON.
    pub json: bool,
    /// Lines instead of the full screen.
    pub line: bool,
    /// Whether lines that begin with a slash are commands, also from a pipe.
    pub commands: bool,
    /// The form of a notification for a mention.
    pub notify: Notify,
    /// Whether the full screen uses the mouse.
    pub mouse: bool,
    /// No colours.
    pub no_color: bool,
    /// Whether to report progress.
    pub verbose: bool,
    /// The timeout.
    pub timeout: Option<Duration>,
    /// The start of the program, from which the timeout counts.
    pub began: Instant,
    /// The profile to store after the login, and its file.
    pub new_profile: Option<(PathBuf, String, Profile)>,
}

impl Settings {
    /// `host:port`: the key of profiles and states.
    #[must_use]
    pub fn server(&self) -> String {
        server_key(&self.host, self.port)
    }

    /// The deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| self.began.checked_add(timeout))
    }
}

/// The key of profiles and states of a server: `host:port`.
pub(crate) fn server_key(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
