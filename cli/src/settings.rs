//! Owns what the user asked for: the values of all options, after [`crate::layers`] has combined the command line, the
//! environment, the profile and the configuration file. Read by every mode of the client. It reads nothing itself.

use crate::profile::Profile;
use crate::tui::Notify;
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_client::protocol::Colour;
use tcp_chat_client::protocol::invite::Join;
use tcp_chat_client::{Identity, Trust};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom to trust.
    pub trust: Trust,
    /// The client certificate.
    pub identity: Option<Identity>,
    /// What is to be done first: a registered user's first time.
    pub join: Option<Join>,
    /// The name.
    pub name: String,
    /// Did somebody choose the name, or is it just the login name?
    pub name_is_chosen: bool,
    /// The colour of the name.
    pub color: Option<Colour>,
    /// The rooms; empty: the server's.
    pub rooms: Vec<String>,
    /// The password.
    pub password: Option<Zeroizing<String>>,
    /// Print JSON.
    pub json: bool,
    /// Lines instead of the full screen.
    pub line: bool,
    /// Lines that begin with a slash are commands, also from a pipe.
    pub commands: bool,
    /// How a mention makes itself known on the full screen.
    pub notify: Notify,
    /// Does the full screen take the mouse?
    pub mouse: bool,
    /// No colours.
    pub no_color: bool,
    /// Say what is going on.
    pub verbose: bool,
    /// Give up after this time.
    pub timeout: Option<Duration>,
    /// When the program began: from here on the time counts.
    pub began: Instant,
    /// The profile to be stored once the server was joined, and where.
    pub new_profile: Option<(PathBuf, String, Profile)>,
}

impl Settings {
    /// `host:port`, as profiles and states are filed under.
    #[must_use]
    pub fn server(&self) -> String {
        server_key(&self.host, self.port)
    }

    /// When to give up.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| self.began.checked_add(timeout))
    }
}

/// The name under which profiles and states of a server are filed: `host:port`.
pub(crate) fn server_key(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
