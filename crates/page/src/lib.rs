//! Owns the common part of the two hosts of the web page: the files of `web/dist`, the security headers, and the decision
//! on each request. Called by the daemon's `[web]` and by `tcp-chat-cli web`. Does no I/O: it has no socket, no clock and
//! no runtime. Never handles a ticket, a bearer or a line of the chat.
//!
//! ```
//! use http::{Request, StatusCode};
//! use tcp_chat_page::{Decision, Host, Scheme, Site, decide};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let site = Site::new(Scheme::Https, ["chat.example"], 8443)?;
//!
//! let request = Request::get("/app.js").header("Host", "chat.example:8443").body(())?;
//! let Decision::Answer(answer) = decide(Host::Daemon, &site, &request) else { unreachable!() };
//! assert_eq!(answer.status(), StatusCode::OK);
//! assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
//!
//! // A page of another site tries to open a WebSocket.
//! let request = Request::get("/ws").header("Host", "chat.example:8443").header("Origin", "https://evil.example");
//! let Decision::Answer(answer) = decide(Host::Daemon, &site, &request.body(())?) else { unreachable!() };
//! assert_eq!(answer.status(), StatusCode::FORBIDDEN);
//!
//! // The page itself may open one. The host checks the rest of the WebSocket handshake.
//! let request = Request::get("/ws").header("Host", "chat.example:8443").header("Origin", "https://chat.example:8443");
//! assert!(matches!(decide(Host::Daemon, &site, &request.body(())?), Decision::WebSocket));
//! # Ok(()) }
//! ```
//!
//! # Order of the checks
//! | check | answer if it fails |
//! | --- | --- |
//! | `Host` occurs once, and is a name of the site (against DNS rebinding) | 421 |
//! | the host serves the path | 404 |
//! | the path allows the method | 405, with `Allow` |
//! | for `/ws` and each `POST`: `Origin` occurs once, and is the origin of this `Host` | 403 |
//! | the browser does not have this file yet (`If-None-Match`) | 304 |
//!
//! `HEAD` is answered like `GET`; hyper removes the body.
//!
//! # Bounds
//! A decision reads each header once, and allocates only its answer. Files are `'static`. The first request of a process
//! computes their tags (`ETag`): it hashes about 150 KiB.
//!
//! # Sources
//! The compiler reads the files from `web/dist` of the repository. So a source archive must contain `web/dist`, and a
//! build needs no Node.

mod decide;
mod files;
mod headers;
mod site;

pub use decide::{Decision, Host, decide};
pub use files::{File, file, files};
pub use headers::{HEADERS, answer, protect, refuse};
pub use site::{Scheme, Site, SiteError};
