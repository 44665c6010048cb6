//! Owns what a notice of the server changes on the screen. Part of the model. Neutralises its text before it is kept.

use super::item::clean_text;
use super::{Answer, Effect, Link, Model, Notice};
use tcp_chat_client::protocol::{NoticeEvent, NoticeKind};

impl Model {
    pub(super) fn told(&mut self, notice: &NoticeEvent<'_>) -> Vec<Effect> {
        let says = |who: &str| format!("{who} says: {}", clean_text(&notice.msg));
        match (notice.kind, &notice.room) {
            (NoticeKind::Removed, Some(room)) => {
                let effects = self.answer(Answer::Left(room.clone().into_owned()));
                self.note_everywhere(&says("the server"));
                return effects;
            }
            (NoticeKind::Unavailable, _) => self.stalls(true),
            (NoticeKind::Available, _) => self.stalls(false),
            (NoticeKind::Operator, _) => self.note_everywhere(&says("the operator")),
            _ => self.note_everywhere(&says("the server")),
        }
        Vec::new()
    }

    /// The server can keep nothing new from now on, or can again. It is shown as long as it is true.
    pub(super) fn stalls(&mut self, is_stalled: bool) {
        match (&self.link, is_stalled) {
            (Link::Up { .. }, true) => {
                self.link = Link::Stalled;
                let text = crate::output::STALLED.to_owned();
                self.notice = Some(Notice { text, error: true, until: None });
                self.settle_view();
            }
            (Link::Stalled, false) => {
                self.link = Link::Up { caught_up: None };
                self.hint(crate::output::STALLED_NO_MORE);
            }
            _ => {}
        }
    }
}
