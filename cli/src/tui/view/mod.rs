//! Owns the drawing of the state: a pure function from [`Model`] to a frame. The model has neutralised all
//! untrusted text. Called by `shell`. Never changes anything.

pub(crate) mod ascii;
mod bar;
mod login;
mod messages;
mod overlay;
pub(crate) mod palette;
mod side;

use super::layout;
use super::model::Model;
use palette::Palette;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, palette: Palette) {
    if let Some(prompt) = &model.login {
        login::draw(frame, model, prompt, palette);
        return;
    }
    let areas = model.areas();
    let buffer = frame.buffer_mut();
    side::conversations(buffer, areas.side, model, palette);
    messages::draw(buffer, areas.talk, model, palette);
    side::members(buffer, areas.members, model, palette);
    bar::notice(buffer, areas.notice, model, palette);
    bar::draw(buffer, areas.bar, model);
    let cursor = input(buffer, areas.input, model);
    match &model.overlay {
        Some(overlay) => {
            overlay::draw(buffer, areas.side.union(areas.talk).union(areas.members), overlay, palette)
        }
        None => frame.set_cursor_position(cursor),
    }
}

/// The input; returns the position of the cursor.
fn input(buffer: &mut Buffer, area: Rect, model: &Model) -> Position {
    let (rows, (row, column)) = model.editor.layout(layout::input_width(area.width));
    let height = usize::from(area.height).max(1);
    let first = (row + 1).saturating_sub(height);
    for (n, text) in rows.iter().skip(first).take(height).enumerate() {
        let sign = if first + n == 0 { "> " } else { "  " };
        put(buffer, area, n, vec![Span::styled(sign, dim()), Span::raw(text.as_str())]);
    }
    let x = u16::try_from(column + 2).unwrap_or(area.width).min(area.width.saturating_sub(1));
    let y = u16::try_from(row - first).unwrap_or(0).min(area.height.saturating_sub(1));
    Position::new(area.x + x, area.y + y)
}

/// Writes a line into a row of an area, cut at its width.
fn put(buffer: &mut Buffer, area: Rect, row: usize, spans: Vec<Span<'_>>) {
    let Ok(row) = u16::try_from(row) else { return };
    if row < area.height && area.width > 0 {
        buffer.set_line(area.x, area.y + row, &Line::from(spans), area.width);
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}
