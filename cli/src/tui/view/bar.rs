//! Owns the bar (user, server, verification, connection, conversation) and the line above it for errors and
//! hints. Part of the view. Never changes the model.

use super::palette::Palette;
use super::{dim, put, reversed};
use crate::neutralise;
use crate::tui::model::{Link, Model};
use crate::tui::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub(super) fn notice(buffer: &mut Buffer, area: Rect, model: &Model, palette: Palette) {
    let Some(notice) = &model.notice else { return };
    let (sign, style) = if notice.error { ("! ", palette.error()) } else { ("  ", dim()) };
    let text = wrap::fit(&notice.text.replace('\n', " "), usize::from(area.width).saturating_sub(2));
    put(buffer, area, 0, vec![Span::styled(format!("{sign}{text}"), style)]);
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model) {
    let width = usize::from(area.width);
    let me = neutralise::line(&model.me);
    let who = format!(" {me}@{}", model.server);
    let verified = format!("verified by {}", model.verified);
    let mut here = String::new();
    if let Some(talk) = model.talk() {
        here = if talk.is_room() && talk.member_count > 0 {
            format!("{} ({})", talk.title, talk.member_count)
        } else {
            talk.title.clone()
        };
    }
    let topic = model.talk().map_or(String::new(), |talk| talk.topic.clone());
    // Without the list of conversations, the bar shows unread messages elsewhere.
    let others = model.talks.iter().filter(|t| t.unread > 0 && model.areas().side.width == 0);
    let new: Vec<_> = others.map(|t| format!("{}:{}", t.title, t.unread)).collect();
    let new = new.join(" ");
    // If there is not enough room, the least important parts are dropped first; a lost connection is the most
    // important.
    let up = matches!(model.link, Link::Up { .. });
    let mut parts = vec![
        (3, who),
        (2, verified),
        (if up { 4 } else { 7 }, link(model)),
        (5, here),
        (1, wrap::fit(&topic, width / 2)),
        (6, new),
    ];
    parts.retain(|(_, part)| !part.is_empty());
    let join = |parts: &[(u8, String)]| {
        let events: Vec<_> = parts.iter().map(|(_, part)| part.as_str()).collect();
        events.join(" │ ")
    };
    while wrap::width(&join(&parts)) > width && parts.len() > 1 {
        let least = parts.iter().map(|(rank, _)| *rank).min();
        parts.retain(|(rank, _)| Some(*rank) != least);
    }
    let text = wrap::fit(&join(&parts), width);
    let gap = " ".repeat(width.saturating_sub(wrap::width(&text)));
    put(buffer, area, 0, vec![Span::styled(format!("{text}{gap}"), reversed())]);
}

/// The connection in words.
pub(super) fn link(model: &Model) -> String {
    match &model.link {
        Link::Off => "not connected".into(),
        Link::Connecting => "connecting …".into(),
        Link::Up { caught_up: Some((count, _)) } => format!("connected, caught up {count}"),
        Link::Up { caught_up: None } => "connected".into(),
        Link::Stalled => "connected, nothing new for now".into(),
        Link::Waiting { until, .. } => {
            let left = until.saturating_sub(model.now.up).as_millis().div_ceil(1000);
            if left == 0 { "reconnecting …".into() } else { format!("reconnecting in {left} s") }
        }
        Link::Over => "session over".into(),
    }
}
