//! Owns the drawing of help, lists, search results and the question before a paste: a box over the messages. Part
//! of the view. Never changes the model.

use super::palette::Palette;
use super::{bold, dim, put, reversed};
use crate::output::not_indexed;
use crate::tui::model::command::COMMANDS;
use crate::tui::model::item::{Kind, clean_text};
use crate::tui::model::keys::KEYS;
use crate::tui::model::overlay::{Overlay, Search};
use crate::tui::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use ratatui::widgets::{Block, Clear, Widget};

pub(super) fn draw(buffer: &mut Buffer, area: Rect, overlay: &Overlay, palette: Palette) {
    match overlay {
        Overlay::Help { scroll } => list(buffer, area, "Help", &help(), *scroll),
        Overlay::List { title, lines, scroll } => {
            let lines: Vec<_> = lines.iter().map(|l| (l.clone(), Style::new())).collect();
            list(buffer, area, title, &lines, *scroll);
        }
        Overlay::Search(search) => results(buffer, area, search, palette),
        Overlay::Paste(text) => paste(buffer, area, text),
    }
}

/// A box of at most this many columns and rows; returns its inside.
fn open(buffer: &mut Buffer, area: Rect, columns: usize, rows: usize, title: &str, foot: &str) -> Rect {
    let width = u16::try_from(columns + 4).unwrap_or(u16::MAX).clamp(20, u16::MAX).min(area.width);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).max(3).min(area.height);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let place = Rect::new(x, y, width, height);
    Clear.render(place, buffer);
    let room = usize::from(width).saturating_sub(4);
    let block = Block::bordered()
        .title(format!(" {} ", wrap::fit(title, room)))
        .title_bottom(format!(" {} ", wrap::fit(foot, room)));
    let inner = block.inner(place);
    block.render(place, buffer);
    Rect { x: inner.x + 1.min(inner.width), width: inner.width.saturating_sub(2), ..inner }
}

fn list(buffer: &mut Buffer, area: Rect, title: &str, lines: &[(String, Style)], scroll: usize) {
    let wide = lines.iter().map(|(l, _)| wrap::width(l)).max().unwrap_or(0).max(wrap::width(title));
    let foot = if lines.len() + 2 > usize::from(area.height) {
        "Up, Down scroll · Esc closes"
    } else {
        "Esc closes"
    };
    let inner = open(buffer, area, wide, lines.len(), title, foot);
    let most = lines.len().saturating_sub(usize::from(inner.height));
    for (n, (line, style)) in lines.iter().skip(scroll.min(most)).enumerate() {
        put(buffer, inner, n, vec![Span::styled(line.as_str(), *style)]);
    }
}

fn help() -> Vec<(String, Style)> {
    let mut lines = vec![("Keys".to_owned(), bold())];
    lines.extend(KEYS.iter().map(|(key, does)| (format!("  {key:<29} {does}"), Style::new())));
    lines.push((String::new(), Style::new()));
    lines.push(("Commands (// begins a message with a slash)".into(), bold()));
    let commands =
        COMMANDS.iter().map(|(name, args, does)| format!("  {:<23} {does}", format!("/{name} {args}")));
    lines.extend(commands.map(|line| (line, Style::new())));
    lines
}

fn results(buffer: &mut Buffer, area: Rect, search: &Search, palette: Palette) {
    let title = format!("Search: {}", clean_text(&search.query).replace('\n', " "));
    let foot = "Up, Down choose · Enter goes there · Esc closes";
    let rows = usize::from(area.height);
    let inner = open(buffer, area, usize::from(area.width), rows, &title, foot);
    let mut height = usize::from(inner.height).max(1);
    if let Some(missing) = search.not_indexed {
        height = height.saturating_sub(1).max(1);
        put(buffer, inner, height, vec![Span::styled(not_indexed(missing), dim())]);
    }
    if search.hits.is_empty() {
        let text = if search.loading { "…" } else { "Nothing was found." };
        put(buffer, inner, 0, vec![Span::styled(text, dim())]);
        return;
    }
    let first = (search.at + 1).saturating_sub(height);
    for (n, hit) in search.hits.iter().skip(first).take(height).enumerate() {
        let stamp = hit.item.stamp;
        let when = format!("{} {:02}:{:02} ", stamp.day, stamp.hour, stamp.minute);
        let Kind::Said { user, color, .. } = &hit.item.kind else { continue };
        let chosen = if first + n == search.at { reversed() } else { Style::new() };
        let mut spans = vec![
            Span::styled(when, dim().patch(chosen)),
            Span::styled(format!("{} ", hit.title), chosen),
            Span::styled(user.clone(), palette.name(user, *color).patch(chosen)),
            Span::styled(" ", chosen),
        ];
        spans.extend(hit.parts.iter().map(|(part, marked)| {
            let style = if *marked { bold().add_modifier(Modifier::UNDERLINED) } else { Style::new() };
            Span::styled(part.as_str(), style.patch(chosen))
        }));
        put(buffer, inner, n, spans);
    }
}

fn paste(buffer: &mut Buffer, area: Rect, text: &str) {
    let lines = text.lines().count();
    let title = format!("Paste {lines} lines, {} bytes?", text.len());
    let shown: Vec<String> = text.lines().take(12).map(clean_text).collect();
    let wide = shown.iter().map(|l| wrap::width(l)).max().unwrap_or(0).max(60);
    let more = lines.saturating_sub(shown.len());
    let foot = "Enter or y: into the input · Esc or n: drop it";
    let inner = open(buffer, area, wide, shown.len() + usize::from(more > 0), &title, foot);
    let rows = usize::from(inner.height).saturating_sub(usize::from(more > 0));
    for (n, line) in shown.iter().take(rows).enumerate() {
        put(buffer, inner, n, vec![Span::raw(line.as_str())]);
    }
    if more > 0 {
        put(buffer, inner, rows.min(shown.len()), vec![Span::styled(format!("and {more} more"), dim())]);
    }
}
