//! Owns the drawing of the login prompt. Part of the view. Never changes the model.

use super::palette::Palette;
use super::{bold, dim, put, reversed};
use crate::tui::model::Model;
use crate::tui::model::login::{Field, Login};
use crate::tui::wrap;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;
use tcp_chat_client::protocol::Colour;

/// The columns of the labels.
const LABEL: usize = 10;
/// The columns of the whole prompt.
const WIDTH: u16 = 64;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, login: &Login, palette: Palette) {
    let screen = frame.area();
    let width = WIDTH.min(screen.width.saturating_sub(2));
    let height = 16.min(screen.height);
    let area = Rect::new((screen.width - width) / 2, (screen.height - height) / 3, width, height);
    let buffer = frame.buffer_mut();
    let title = format!("tcp-chat · {}", model.server);
    put(buffer, area, 0, vec![Span::styled(wrap::fit(&title, usize::from(width)), bold())]);
    let trust = format!("Only a server that is verified by {} is spoken to.", the(model.verified));
    put(buffer, area, 1, vec![Span::styled(trust, dim())]);
    let name = login.name.text().trim();
    let color: Option<Colour> = login.color.text().trim().parse().ok();
    let hidden = "•".repeat(login.password.text().chars().count());
    let color_style = palette.name(name, color.unwrap_or(Colour::None));
    let fields = [
        (Field::Name, "Name", shown(login.name.text()), color_style),
        (Field::Color, "Colour", shown(login.color.text()), color_style),
        (Field::Password, "Password", hidden, ratatui::style::Style::new()),
    ];
    for (n, (field, label, text, style)) in fields.iter().enumerate() {
        let row = 3 + 2 * n;
        let chosen = login.field == *field && !login.trying;
        let sign = if chosen { "> " } else { "  " };
        let label = Span::styled(format!("{sign}{label:<LABEL$}"), if chosen { bold() } else { dim() });
        put(buffer, area, row, vec![label, Span::styled(text.clone(), *style)]);
    }
    let hints = [
        "",
        "red, green, yellow, blue, fuchsia, cyan, #rrggbb, or nothing",
        "only where the server asks for one",
    ];
    let hint = hints[match login.field {
        Field::Name => 0,
        Field::Color => 1,
        Field::Password => 2,
    }];
    put(buffer, area, 9, vec![Span::styled(wrap::fit(hint, usize::from(width)), dim())]);
    let state =
        if login.trying { "connecting …" } else { "Enter logs in · Tab: next field · Ctrl-C leaves" };
    put(buffer, area, 10, vec![Span::styled(format!(" {state} "), reversed())]);
    let mut row = 12;
    for line in &login.problem {
        for range in wrap::rows(line, usize::from(width).max(1)) {
            put(buffer, area, row, vec![Span::styled(line[range].to_owned(), palette.error())]);
            row += 1;
        }
    }
    if !login.trying {
        let (n, editor) = match login.field {
            Field::Name => (0, &login.name),
            Field::Color => (1, &login.color),
            Field::Password => (2, &login.password),
        };
        let before = &editor.text()[..editor.cursor()];
        let columns = match login.field {
            Field::Password => before.chars().count(),
            _ => wrap::width(&shown(before)),
        };
        let x = u16::try_from(LABEL + 2 + columns).unwrap_or(0).min(width.saturating_sub(1));
        frame.set_cursor_position(Position::new(area.x + x, area.y + 3 + 2 * n));
    }
}

fn shown(text: &str) -> String {
    crate::neutralise::line(text)
}

fn the(verified: &str) -> String {
    if verified == "pin" { "its pin".into() } else { "its CA".into() }
}
