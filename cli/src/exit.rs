//! Owns the exit codes of the program, and the code of each failure. Called by all modes. Never exits itself:
//! `main` does.

use std::fmt;
use tcp_chat_client::Error;
use tcp_chat_client::protocol::RequestId;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Done = 0,
    /// A failure without a code of its own.
    Other = 1,
    /// The command line, the environment or the configuration is invalid.
    Usage = 2,
    /// No connection to the server.
    NoConnection = 3,
    /// The certificate was refused.
    Certificate = 4,
    /// The login was refused.
    Login = 5,
    /// The request was refused.
    Refused = 6,
    /// Timed out.
    TimedOut = 7,
}

/// A failure that ends the program: the text and the code. The text may contain untrusted text, which is
/// neutralised when it is printed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// The failure, its place and the remedy; may have several lines.
    pub lines: Vec<String>,
}

impl Failure {
    /// A failure with one sentence.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, lines: vec![sentence.into()] }
    }

    /// The command line, the environment or the configuration is invalid. The text is of this host and may have
    /// several lines.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, lines: text.into().lines().map(str::to_owned).collect() }
    }

    /// No reply in time.
    pub fn timed_out(sentence: impl Into<String>) -> Self {
        Self::new(Exit::TimedOut, sentence)
    }

    /// Adds a line with the remedy.
    #[must_use]
    pub fn hint(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        let exit = match &e {
            Error::NoConnection { .. } | Error::Protocol(_) => Exit::NoConnection,
            Error::CertificateRefused(_) => Exit::Certificate,
            Error::LoginRefused { .. } => Exit::Login,
            Error::Refused { .. } => Exit::Refused,
            Error::TimedOut { .. } => Exit::TimedOut,
            Error::Invalid(_) => Exit::Usage,
            Error::Closed(_) | Error::Unconfirmed => Exit::Other,
        };
        match e {
            // The explanation has its own lines; untrusted text in it has none.
            Error::CertificateRefused(refusal) => {
                Self { exit, lines: refusal.to_string().lines().map(str::to_owned).collect() }
            }
            Error::Refused { id: Some(ref id), .. } => {
                let id = match id {
                    RequestId::Number(number) => number.to_string(),
                    RequestId::Text(text) => text.to_string(),
                };
                Self::new(exit, e.to_string()).hint(format!("its id, for the server's log: {id}"))
            }
            e => Self::new(exit, e.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Self::new(Exit::Other, e.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Failure {}
