//! Owns the drawing of a conversation: time, name and text in columns, with lines for a new day and for unread
//! messages. A message keeps its own column, so it cannot look like a line of the interface. Draws from the foot
//! upwards, and measures only visible entries. Never changes the model.

use super::palette::Palette;
use super::{bold, dim, put};
use crate::tui::layout::{Gutter, text_width};
use crate::tui::model::Model;
use crate::tui::model::conversation::ConversationWindow;
use crate::tui::model::item::{Item, Kind};
use crate::tui::model::scroll::{foot, height, lead};
use crate::tui::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use tcp_chat_client::protocol::Seq;

type Row = Vec<Span<'static>>;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, palette: Palette) {
    let Some(talk) = model.talk() else {
        put(
            buffer,
            area,
            0,
            vec![Span::styled(" You are in no room. /join ROOM enters one, /rooms lists them.", dim())],
        );
        return;
    };
    let screen = usize::from(area.height);
    let Some((mut at, below)) = foot(talk) else {
        let text = if talk.asked.is_some() { " …" } else { " Nothing has been said here yet." };
        put(buffer, area, 0, vec![Span::styled(text, dim())]);
        return;
    };
    let width = text_width(area);
    let mut filled = height(talk, at, width).saturating_sub(below);
    while filled < screen && at > 0 {
        at -= 1;
        filled += height(talk, at, width);
    }
    // Rows of the first entry that are above the screen.
    let mut above = filled.saturating_sub(screen);
    let mut row = 0;
    while row < screen && at < talk.items.len() {
        for line in entry(talk, at, area.width, width, palette, model.marked).into_iter().skip(above) {
            put(buffer, area, row, line);
            row += 1;
        }
        above = 0;
        at += 1;
    }
    if talk.asked.is_some() && !talk.at_start && talk.view.is_some() {
        let text = " loading … ";
        let x = area.x + area.width.saturating_sub(11);
        buffer.set_stringn(x, area.y, text, 11, super::reversed());
    }
    if talk.view.is_some() {
        let new = if talk.unread > 0 { format!(" {} new ↓ ", talk.unread) } else { " more ↓ ".into() };
        let wide = u16::try_from(wrap::width(&new)).unwrap_or(0).min(area.width);
        let at = (area.x + area.width - wide, area.y + area.height.saturating_sub(1));
        buffer.set_stringn(at.0, at.1, &new, usize::from(wide), super::reversed());
    }
}

fn entry(
    talk: &ConversationWindow,
    at: usize,
    columns: u16,
    width: usize,
    palette: Palette,
    marked: Option<Seq>,
) -> Vec<Row> {
    let item = &talk.items[at];
    let lead = lead(talk, at);
    let mut rows = Vec::new();
    if lead.day {
        rows.push(rule(&item.stamp.day.strftime("%A, %-d %B %Y").to_string(), columns, dim()));
    }
    if lead.new {
        let text = format!("new since {:02}:{:02}", item.stamp.hour, item.stamp.minute);
        rows.push(rule(&text, columns, palette.accent()));
    }
    let (gutter, text_style) = gutter(item, Gutter::of(columns), palette);
    let marked = marked.is_some() && item.seq == marked;
    let text_style = if marked { text_style.patch(super::reversed()) } else { text_style };
    let text = item.text();
    for (n, range) in wrap::rows(text, width).into_iter().enumerate() {
        let mut row = if n == 0 { gutter.clone() } else { vec![blank(Gutter::of(columns))] };
        row.push(Span::styled("│ ", dim()));
        row.push(Span::styled(text[range].to_owned(), text_style));
        rows.push(row);
    }
    rows
}

fn blank(gutter: Gutter) -> Span<'static> {
    Span::raw(" ".repeat(gutter.width() - 2))
}

/// Time and name, and the style of the text after them.
fn gutter(item: &Item, gutter: Gutter, palette: Palette) -> (Row, Style) {
    let mut row = Vec::new();
    if gutter.time {
        row.push(Span::styled(format!("{:02}:{:02} ", item.stamp.hour, item.stamp.minute), dim()));
    }
    let (name, name_style, text_style) = match &item.kind {
        Kind::Said { user, color, redacted: true, .. } => {
            (user.as_str(), palette.name(user, *color), dim().add_modifier(Modifier::ITALIC))
        }
        Kind::Said { user, color, mention, .. } => {
            let style = palette.name(user, *color);
            let marked = if *mention { style.add_modifier(Modifier::REVERSED) } else { style };
            (user.as_str(), marked, if *mention { bold() } else { Style::new() })
        }
        Kind::Note(_) => ("*", dim(), dim()),
        Kind::Pending { .. } => ("sending", dim(), dim()),
    };
    let name = wrap::squeeze(name, gutter.name);
    row.push(Span::raw(" ".repeat(gutter.name.saturating_sub(wrap::width(&name)))));
    row.push(Span::styled(name, name_style));
    row.push(Span::raw(" "));
    (row, text_style)
}

/// A horizontal line with a text in it.
fn rule(text: &str, columns: u16, style: Style) -> Row {
    let text = wrap::fit(text, usize::from(columns).saturating_sub(4));
    let rest = usize::from(columns).saturating_sub(wrap::width(&text) + 4);
    vec![Span::styled(format!("── {text} {}", "─".repeat(rest)), style)]
}
