//! Owns how the picture looks where a locale has only ASCII: the signs of the interface become
//! characters that every terminal shows, also where people write them. Called by `terminal` after a draw.
//! Never touches letters: many terminals show more than their locale says.

use ratatui::buffer::Buffer;

/// Puts another sign into each cell that has one of the interface's.
pub(crate) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if let Some(sign) = sign(cell.symbol()) {
            cell.set_symbol(sign);
        }
    }
}

fn sign(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "│" => "|",
        "─" => "-",
        "┌" | "┐" | "└" | "┘" => "+",
        "…" => "~",
        "·" => "-",
        "•" => "*",
        "↓" => "v",
        // A control character, as `neutralise` shows it.
        control if control.starts_with(|c| matches!(c, '\u{2400}'..='\u{2421}')) => "^",
        _ => return None,
    })
}
