//! Owns how the program ends: its exit codes, and which failure has which. Never exits by itself:
//! `main` does.

use std::fmt;
use tcp_chat_client::Error;
use tcp_chat_client::protocol::RequestId;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something that has no code of its own.
    Other = 1,
    /// The command line, the environment or the configuration makes no sense.
    Usage = 2,
    /// No connection.
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

/// A failure that ends the program: what to say, and with which code. The text may hold a
/// stranger's words; it is neutralised where it is printed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What happened, where, and what to do; may have several lines of its own.
    pub lines: Vec<String>,
}

impl Failure {
    /// A failure with one sentence.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, lines: vec![sentence.into()] }
    }

    /// The command line, the environment or the configuration makes no sense. The text is this
    /// machine's own and may have several lines.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, lines: text.into().lines().map(str::to_owned).collect() }
    }

    /// No answer in time.
    pub fn timed_out(sentence: impl Into<String>) -> Self {
        Self::new(Exit::TimedOut, sentence)
    }

    /// The same with one more line: what to do.
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
            // Its lines are its own: the text of others in it has none.
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
