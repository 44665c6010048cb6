//! Owns the way to NATS: the task that moves records between the order of a cluster and its stream, and what the commands
//! need to make and check the stream. Started by the daemon, on its runtime. Never decides what counts: that is
//! `order::LogOrder`. Never uses a JetStream consumer, whose creation waits for the meta leader.
//!
//! | file | what |
//! | --- | --- |
//! | `connect.rs` | a connection: TLS, login, the version of the server |
//! | `session.rs` | one connection's life: subjects, publishing, reading, the questions to the leader |
//! | `checks.rs` | the questions to the leader, one at a time |
//! | `task.rs` | connects again and again |
//! | `api.rs` | the requests to JetStream, as JSON |
//! | `stream.rs` | how the stream must be made, and what is wrong with one |
//! | `key.rs` | the key file |
//! | `login.rs` | the files of the login at NATS |
//! | `inspect.rs` | what the commands ask about the stream and the nodes |
//! | `node.rs` | what a node takes from its settings, and its way into the cluster |
//! | `copies.rs`, `fetch.rs`, `copy.rs` | copies of the store for nodes that join: giving, taking, and their words |

mod api;
mod checks;
mod connect;
mod copies;
mod copy;
mod fetch;
mod inspect;
mod key;
mod login;
mod node;
mod session;
mod stream;
mod task;

pub use api::ApiError;
pub use connect::{ConnectFailed, Nats};
pub use copies::Copies;
pub use fetch::{FetchError, fetch};
pub use inspect::StreamNow;
pub use key::{KeyFileError, create_key, read_key};
pub use login::{LoginError, LoginFault};
pub use node::{Joined, Node, NodeError, Opened};
pub use stream::{Admin, Finding, Kept, StreamError};
pub use task::run;
