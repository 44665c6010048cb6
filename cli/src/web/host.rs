//! Owns the relay's answers to requests. `tcp-chat-page` decides by the head of a request; this module handles tickets,
//! bearers and the choice of a server. Called by `serve` with each request. Never reads a line of the chat, and never
//! prints a secret.

mod answers;

use crate::exit::Failure;
use crate::output::say;
use crate::web::access::{Access, Digest, Refused, Secret};
use crate::web::activity::Activity;
use crate::web::browser::Redirect;
use crate::web::relay;
use crate::web::stored::StateFile;
use crate::web::target::{Found, Targets};
use answers::{Described, bearer, body, invalid_body, json, no_access, refused, sentence};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use serde::Deserialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tcp_chat_page::{Decision, Site, answer, decide};
use tcp_chat_websocket::handshake;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The number of tabs that may chat at the same time, and of those that may be open.
const TABS: usize = 32;
/// The subprotocol of the WebSocket by which an open tab shows itself.
const PRESENCE: &str = "presence";

const TEXT: &str = "text/plain; charset=utf-8";

/// The answer to a request.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) site: Site,
    pub(crate) targets: Targets,
    pub(crate) activity: Arc<Activity>,
    /// The tasks of the WebSockets.
    pub(crate) tasks: TaskTracker,
    /// Closes the WebSockets when the program ends.
    pub(crate) stop: CancellationToken,
    shared: Mutex<Shared>,
    chats: Arc<Semaphore>,
    presences: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared {
    access: Access,
    state_file: StateFile,
    redirect: Option<Redirect>,
    /// The lines of [`Host::say_once`], so that repeated events do not fill the terminal.
    said: Vec<&'static str>,
}

impl Host {
    pub(crate) fn new(site: Site, targets: Targets, state_file: StateFile, patience: Duration) -> Self {
        let access = Access::new(state_file.stored().tabs.clone(), epoch_seconds());
        let activity = Arc::new(Activity::new(patience));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let shared = Mutex::new(Shared { access, state_file, redirect: None, said: Vec::new() });
        let (chats, presences) = (Arc::new(Semaphore::new(TABS)), Arc::new(Semaphore::new(TABS)));
        Self { site, targets, activity, tasks, stop, shared, chats, presences }
    }

    /// A new ticket. `None`: the system has no random numbers.
    pub(crate) fn issue(&self) -> Option<Secret> {
        let ticket = Secret::new()?;
        self.shared().access.issue(&ticket, Instant::now());
        Some(ticket)
    }

    /// Keeps the file that leads the browser to the page until its ticket is used. `None` removes the file.
    pub(crate) fn set_redirect(&self, redirect: Option<Redirect>) {
        self.shared().redirect = redirect;
    }

    /// Prints the line on its first call with it.
    pub(crate) fn say_once(&self, line: &'static str) {
        let mut shared = self.shared();
        if !shared.said.contains(&line) {
            shared.said.push(line);
            say(line);
        }
    }

    /// Stores the port in the state file.
    pub(crate) fn store_port(&self, port: u16) {
        self.shared().state_file.update(|stored| stored.port = port);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        match decide(tcp_chat_page::Host::Relay, &self.site, &request) {
            Decision::Answer(answer) => answer.map(|bytes| Full::new(Bytes::from_static(bytes))),
            Decision::Ticket => self.ticket(request).await,
            Decision::Describe => match self.admit(bearer(request.headers())) {
                Some(server) => self.describe(server).await,
                None => no_access(),
            },
            Decision::Server => match self.admit(bearer(request.headers())) {
                Some(_) => self.choose(request).await,
                None => no_access(),
            },
            Decision::WebSocket => {
                let offered = handshake::offered(request.headers());
                let bearer = { offered }.find_map(|protocol| protocol.strip_prefix("bearer."));
                match (self.admit(bearer), bearer.map(Digest::of)) {
                    (Some(server), Some(bearer)) => self.websocket(request, server, bearer).await,
                    _ => no_access(),
                }
            }
        }
    }

    /// The SERVER line of the tab with this bearer. `None`: no tab has it.
    #[expect(clippy::option_option, reason = "a tab may have chosen no server")]
    fn admit(&self, bearer: Option<&str>) -> Option<Option<String>> {
        let mut shared = self.shared();
        let server = shared.access.admit(bearer?, epoch_seconds())?.server.clone();
        drop(shared);
        self.activity.touch();
        Some(server)
    }

    async fn ticket(&self, request: Request<Incoming>) -> Answer {
        let Some(body) = body(request).await else { return invalid_body() };
        let Some(bearer) = Secret::new() else {
            return sentence(StatusCode::INTERNAL_SERVER_ERROR, "This system has no random numbers.\n");
        };
        let ticket = std::str::from_utf8(&body).unwrap_or_default().trim();
        let mut shared = self.shared();
        match shared.access.redeem(ticket, &bearer, Instant::now(), epoch_seconds()) {
            Ok(()) => {}
            Err(Refused::Unknown) => {
                return sentence(StatusCode::FORBIDDEN, "This ticket is unknown, or was used already.\n");
            }
            Err(Refused::Expired) => {
                return sentence(StatusCode::FORBIDDEN, "This ticket is older than 60 seconds.\n");
            }
        }
        shared.redirect = None;
        shared.store();
        drop(shared);
        self.activity.touch();
        answer(StatusCode::OK, TEXT, Full::new(Bytes::copy_from_slice(bearer.as_str().as_bytes())))
    }

    async fn describe(self: &Arc<Self>, server: Option<String>) -> Answer {
        let has_chosen = server.is_some();
        let described = match self.find(server.clone()).await {
            Ok(target) => Described {
                kind: "relay",
                server: if has_chosen { target.server() } else { target.offered() },
                id: Some(target.id()),
                verified: Some(target.verified()),
                problem: target.problem(),
            },
            Err(failure) => refused(server, failure),
        };
        json(StatusCode::OK, &described)
    }

    async fn choose(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        #[derive(Deserialize)]
        struct Chosen {
            server: String,
        }
        let bearer = bearer(request.headers()).unwrap_or_default().to_owned();
        let read = body(request).await.and_then(|body| serde_json::from_slice(&body).ok());
        let Some(Chosen { server }) = read else { return invalid_body() };
        let server = server.trim().to_owned();
        match self.find(Some(server.clone())).await {
            Ok(target) => {
                let mut shared = self.shared();
                if let Some(tab) = shared.access.admit(&bearer, epoch_seconds()) {
                    tab.server = Some(server.clone());
                }
                shared.store();
                shared.state_file.update(|stored| stored.server = Some(server));
                drop(shared);
                let (server, id, verified) = (target.server(), Some(target.id()), Some(target.verified()));
                json(StatusCode::OK, &Described { kind: "relay", server, id, verified, problem: Vec::new() })
            }
            Err(failure) => json(StatusCode::OK, &refused(Some(server), failure)),
        }
    }

    /// The target of a SERVER line. Runs on a blocking thread, because it reads files.
    async fn find(self: &Arc<Self>, server: Option<String>) -> Found {
        let host = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || host.targets.find(server.as_deref())).await;
        found.unwrap_or_else(|e| Err(Failure::new(crate::exit::Exit::Other, e.to_string())))
    }

    /// Makes a WebSocket of the connection: a chat with the tab's server, or the presence of the tab.
    async fn websocket(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        server: Option<String>,
        bearer: Digest,
    ) -> Answer {
        let head = match handshake::answer(&request) {
            Ok(head) => head,
            Err(wrong) => {
                let mut answer = sentence(wrong.status, wrong.reason);
                if let Some((name, value)) = wrong.header {
                    answer.headers_mut().insert(name, value);
                }
                return answer;
            }
        };
        let is_presence = handshake::offered(request.headers()).any(|offer| offer == PRESENCE);
        let permits = if is_presence { &self.presences } else { &self.chats };
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            return sentence(StatusCode::SERVICE_UNAVAILABLE, "Too many tabs are open. Close one of them.\n");
        };
        let purpose = if is_presence {
            Purpose::Presence
        } else {
            let wanted =
                handshake::offered(request.headers()).find_map(|offer| offer.strip_prefix("server."));
            let found = self.find(server).await;
            if wanted.is_some_and(|id| found.as_ref().is_ok_and(|target| target.id() != id)) {
                return sentence(
                    StatusCode::CONFLICT,
                    "The session of this tab belongs to another server.\n",
                );
            }
            Purpose::Chat(found)
        };
        {
            let mut shared = self.shared();
            shared.access.opened(&bearer);
            shared.store();
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let host = Arc::clone(self);
        self.tasks.spawn(async move {
            let _permit = permit;
            let activity = Arc::clone(&host.activity);
            let _open = activity.open_tab();
            let stop = host.stop.clone();
            // It fails if the browser closed the connection before the answer.
            if let Ok(upgraded) = upgrade.await {
                match purpose {
                    Purpose::Presence => relay::hold(upgraded, &stop).await,
                    Purpose::Chat(Ok(target)) => relay::run(upgraded, &target, &stop).await,
                    Purpose::Chat(Err(_)) => relay::refuse(upgraded).await,
                }
            }
            let mut shared = host.shared();
            shared.access.closed(&bearer, epoch_seconds());
            shared.store();
        });
        head.map(|()| Full::default())
    }
}

/// The purpose of a WebSocket.
enum Purpose {
    /// It lasts as long as its tab, and carries nothing.
    Presence,
    /// It carries the lines of a chat.
    Chat(Found),
}

impl Shared {
    fn store(&mut self) {
        let tabs = self.access.tabs().to_vec();
        self.state_file.update(|stored| stored.tabs = tabs);
    }
}

/// The time, in seconds since 1970.
fn epoch_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
