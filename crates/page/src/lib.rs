//! Owns what the two hosts of the web page have in common: the files of `web/dist`, the security headers, and the
//! decision which requests are answered. Called by the daemon's `[web]` and by `tcp-chat-cli web`. Does no I/O: it has
//! no socket, no clock and no runtime. Never knows a ticket, a bearer or a line of the chat.
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
//! // The page itself does: the rest of the WebSocket handshake is the host's task.
//! let request = Request::get("/ws").header("Host", "chat.example:8443").header("Origin", "https://chat.example:8443");
//! assert!(matches!(decide(Host::Daemon, &site, &request.body(())?), Decision::WebSocket));
//! # Ok(()) }
//! ```
//!
//! # Order of the checks
//! | check | answer where it fails |
//! | --- | --- |
//! | `Host` is there once, and is one of the site's (against DNS rebinding) | 421 |
//! | the path is known to this host | 404 |
//! | the method is one of the path's | 405, with `Allow` |
//! | on `/ws` and for each `POST`: `Origin` is there once, and is the origin of this `Host` | 403 |
//! | the reader does not have this file yet (`If-None-Match`) | 304 |
//!
//! `HEAD` is answered as `GET`: hyper removes the body.
//!
//! # Bounds
//! A decision reads each header once and allocates only its answer. Files are `'static`. Their tags (`ETag`) are computed
//! at the first request, once in a process: about 150 KiB are hashed.
//!
//! # Sources
//! The files are read from `web/dist` of the repository when this crate is compiled. So a source archive must contain
//! `web/dist`; a build needs no Node.

mod decide;
mod files;
mod headers;
mod site;

pub use decide::{Decision, Host, decide};
pub use files::{File, file, files};
pub use headers::{HEADERS, answer, protect, refuse};
pub use site::{Scheme, Site, SiteError};
