//! Owns what a `NOTICE` means for the session, and whether a `TAKEN_OVER` comes from a LOGIN of this session itself. Part of
//! `task`. Never connects.

use crate::backoff::chance;
use crate::connected::ConnectionEnd;
use crate::event::Event;
use crate::scout::Scout;
use crate::task::Task;
use crate::{Closed, Error};
use std::time::Duration;
use tcp_chat_protocol::{NoticeEvent, NoticeKind};
use tokio::time::Instant;

/// While its node orders, a LOGIN that was given up is ordered within this time, or never.
const LATE_LOGIN: Duration = Duration::from_secs(60);

/// Whether a LOGIN of this session was given up at another node: it may be ordered late, and then takes the session over.
#[derive(Debug, Default)]
pub(crate) struct LateLogin {
    /// Until then the first `TAKEN_OVER` may come from it.
    until: Option<Instant>,
    /// A search was given up since the last login.
    was_in_search: bool,
}

impl Task {
    pub(crate) fn notice(&mut self, notice: NoticeEvent<'static>) -> Option<ConnectionEnd> {
        match notice.kind {
            // By this session itself, at another node.
            NoticeKind::TakenOver if self.scout.is_searching() || self.was_late_login() => {
                return Some(ConnectionEnd::Lost(Error::Closed(Closed::TakenOver)));
            }
            NoticeKind::TakenOver => return Some(ConnectionEnd::Over(Error::Closed(Closed::TakenOver))),
            NoticeKind::Kicked => {
                return Some(ConnectionEnd::Over(Error::Closed(Closed::Kicked(notice.msg.into_owned()))));
            }
            NoticeKind::Gap => {
                let (from, to) = (notice.from.unwrap_or(0), notice.to.unwrap_or(self.cursor.seq()));
                if let Err(what) = self.cursor.check_number(to) {
                    return Some(ConnectionEnd::broken_protocol(what));
                }
                self.cursor.gap(to);
                self.emit(Event::Gap { from, to });
            }
            NoticeKind::Shutdown => {
                self.servers.requested(Duration::from_millis(notice.retry_after_ms.unwrap_or(0)));
                self.take_servers(&notice);
                self.emit(Event::Notice(notice));
            }
            NoticeKind::Unavailable => {
                self.take_servers(&notice);
                self.scout.told();
                self.emit(Event::Notice(notice));
            }
            NoticeKind::Available => {
                self.ordered();
                self.emit(Event::Notice(notice));
            }
            NoticeKind::Removed => {
                if let Some(room) = &notice.room {
                    self.cursor.left(room);
                    self.login.rooms.retain(|held| held != room);
                    self.publish();
                }
                self.emit(Event::Notice(notice));
            }
            _ => self.emit(Event::Notice(notice)),
        }
        None
    }

    fn take_servers(&mut self, notice: &NoticeEvent<'_>) {
        if let Some(named) = &notice.servers {
            self.servers.named(named, chance());
            self.publish();
        }
    }

    /// The node has ordered something: another one is no longer looked for.
    pub(crate) fn ordered(&mut self) {
        let was_unavailable = self.scout.is_unavailable();
        self.end_search();
        // A LOGIN that was given up while no node could order can be ordered from now on.
        let is_possible = self.late_login.was_in_search || self.late_login.until.is_some();
        if was_unavailable && is_possible {
            self.late_login.until = Some(Instant::now() + LATE_LOGIN);
        }
    }

    /// The search ends without a result, if there is one. Its LOGIN may be under way.
    pub(crate) fn end_search(&mut self) {
        self.late_login.was_in_search |= self.scout.is_searching();
        self.scout = Scout::default();
    }

    /// A search has ended. `gave_up`: it got no answer to a LOGIN.
    pub(crate) fn note_search(&mut self, gave_up: bool) {
        if gave_up {
            self.late_login.was_in_search = true;
            self.late_login.until = Some(Instant::now() + LATE_LOGIN);
        }
    }

    /// The session goes on. Notes whether an attempt before was given up at another node.
    pub(crate) fn note_late_logins(&mut self) {
        let was_in_search = std::mem::take(&mut self.late_login.was_in_search);
        let is_possible = self.servers.len() > 1 && (was_in_search || self.servers.attempts() > 1);
        self.late_login.until = is_possible.then(|| Instant::now() + LATE_LOGIN);
    }

    /// Can a `TAKEN_OVER` come from such an attempt? Only once: after that another client has the session. While the node orders
    /// nothing, no time passes.
    fn was_late_login(&mut self) -> bool {
        self.late_login.was_in_search = false;
        let until = self.late_login.until.take();
        until.is_some_and(|until| Instant::now() < until || self.scout.is_unavailable())
    }
}
