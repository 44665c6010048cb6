//! Owns the picture for a locale with only ASCII: replaces the signs of the interface by characters that every
//! terminal shows, also in texts of users. Called by `terminal` after a draw. Never touches letters: many
//! terminals show more than their locale says.

use ratatui::buffer::Buffer;

/// Replaces the sign in each cell that has one of the interface's.
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
        // A control character, in the form of `neutralise`.
        control if control.starts_with(|c| matches!(c, '\u{2400}'..='\u{2421}')) => "^",
        _ => return None,
    })
}
