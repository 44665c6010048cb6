//! Owns the drawing of the two lists beside the messages: conversations on the left, members on the right. Part
//! of the view. Never changes the model.

use super::palette::Palette;
use super::{bold, dim, put, reversed};
use crate::neutralise;
use crate::style::count;
use crate::tui::layout;
use crate::tui::model::Model;
use crate::tui::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use tcp_chat_client::protocol::Colour;
use tcp_chat_client::protocol::reply::MemberState;

pub(super) fn conversations(buffer: &mut Buffer, area: Rect, model: &Model, palette: Palette) {
    if area.width == 0 {
        return;
    }
    let width = usize::from(area.width) - 1;
    let first = layout::side_first(model.talks.len(), model.current, area);
    for (at, talk) in model.talks.iter().enumerate().skip(first).take(usize::from(area.height)) {
        let count = match (talk.unread, talk.mentions) {
            (0, _) => String::new(),
            (unread, 0) => format!(" {}", short(unread)),
            (unread, mentions) => format!(" {}!{}", short(mentions), short(unread)),
        };
        let title = wrap::squeeze(&talk.title, width.saturating_sub(wrap::width(&count)));
        let gap = " ".repeat(width.saturating_sub(wrap::width(&title) + wrap::width(&count)));
        let style = match () {
            () if at == model.current => reversed(),
            () if talk.mentions > 0 => palette.accent(),
            () if talk.unread > 0 => bold(),
            () => dim(),
        };
        put(buffer, area, at - first, vec![Span::styled(format!("{title}{gap}{count}"), style)]);
    }
    edge(buffer, area.x + area.width - 1, area);
}

pub(super) fn members(buffer: &mut Buffer, area: Rect, model: &Model, palette: Palette) {
    let Some(talk) = model.talk() else { return };
    if area.width == 0 {
        return;
    }
    let inner = Rect { x: area.x + 2, width: area.width - 2, ..area };
    if talk.is_room() {
        put(buffer, inner, 0, vec![Span::styled(count(talk.member_count, "member"), dim())]);
    }
    for (n, member) in talk.members.iter().take(usize::from(area.height)).enumerate() {
        let name = wrap::squeeze(&neutralise::line(&member.user), usize::from(inner.width));
        let color = member.color.parse().unwrap_or(Colour::None);
        let style = if member.state == MemberState::Here { palette.name(&member.user, color) } else { dim() };
        put(buffer, inner, n + 1, vec![Span::styled(name, style)]);
    }
    edge(buffer, area.x, area);
}

fn edge(buffer: &mut Buffer, x: u16, area: Rect) {
    for y in area.top()..area.bottom() {
        buffer.set_string(x, y, "│", dim());
    }
}

/// A count in few columns.
fn short(count: usize) -> String {
    if count > 999 { "999+".into() } else { count.to_string() }
}
