//! Owns the QR codes of an invitation: text to blocks of a terminal. Called by `commands`. Never prints, and never puts
//! a secret into a code: the lines that it gets have none.

use qrcode::{Color, EcLevel, QrCode};

/// The light modules around a code, which readers need to find it.
const QUIET: usize = 4;
/// Black on white, whatever colours the terminal has: readers need dark modules on a light ground.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const USUAL: &str = "\x1b[0m";

/// Where the blocks are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// On a terminal: the code sets its colours.
    Terminal,
    /// In a file or a pipe: without escape sequences. The blocks are the dark modules, so the ground must be light.
    Plain,
}

/// A QR code as lines of half blocks, each with its newline. `None`: the text is too long for a code.
pub(super) fn render(text: &str, ground: Ground) -> Option<String> {
    // The lowest level keeps the code small. A screen has no scratches.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let modules = code.width();
    let is_dark = |x: usize, y: usize| {
        let at = |n: usize| n.checked_sub(QUIET).filter(|n| *n < modules);
        at(x).zip(at(y)).is_some_and(|at| code[at] == Color::Dark)
    };
    let size = columns(modules);
    let mut out = String::new();
    for y in (0..size).step_by(2) {
        if ground == Ground::Terminal {
            out.push_str(BLACK_ON_WHITE);
        }
        out.extend((0..size).map(|x| match (is_dark(x, y), is_dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        if ground == Ground::Terminal {
            out.push_str(USUAL);
        }
        out.push('\n');
    }
    Some(out)
}

/// The columns of a code of so many modules.
fn columns(modules: usize) -> usize {
    modules + 2 * QUIET
}

/// The note for a terminal of `width` columns, if the lines of a code would wrap there.
pub(super) fn note_if_too_wide(blocks: &str, width: u16) -> Option<String> {
    let first = blocks.lines().next().unwrap_or_default();
    let needed = first.trim_start_matches(BLACK_ON_WHITE).trim_end_matches(USUAL).chars().count();
    let is_too_wide = needed > usize::from(width);
    is_too_wide.then(|| {
        format!(
            "note: the QR code needs {needed} columns, and the terminal has {width}: enlarge it, or choose a smaller font"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "tcps://chat.example:3000/lobby#abababababababababababababababababababababababababababababababab";

    /// What a reader that shares no code with us reads from the blocks.
    fn read(blocks: &str) -> String {
        let rows: Vec<Vec<char>> = blocks.lines().map(|line| line.chars().collect()).collect();
        let (width, scale) = (rows[0].len(), 4);
        assert!(rows.iter().all(|row| row.len() == width), "every row is as wide as the first");
        let is_dark = |x: usize, y: usize| {
            let block = rows[y / 2][x];
            block == '█' || block == if y.is_multiple_of(2) { '▀' } else { '▄' }
        };
        let mut image =
            rqrr::PreparedImage::prepare_from_bitmap(width * scale, rows.len() * 2 * scale, |x, y| {
                is_dark(x / scale, y / scale)
            });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "one code");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_reader_reads_what_was_written() {
        for text in [LINE, "https://chat.example:8443", "x", "tcps://bücher.example/straße"] {
            assert_eq!(read(&render(text, Ground::Plain).unwrap()), text);
        }
        let terminal = render(LINE, Ground::Terminal).unwrap();
        assert_eq!(read(&terminal.replace(BLACK_ON_WHITE, "").replace(USUAL, "")), LINE);
        assert!(terminal.lines().all(|line| line.starts_with(BLACK_ON_WHITE) && line.ends_with(USUAL)));
    }

    #[test]
    fn it_fits_a_terminal_and_has_its_quiet_zone() {
        let blocks = render(LINE, Ground::Plain).unwrap();
        let rows: Vec<&str> = blocks.lines().collect();
        assert!(rows.len() <= 25 && rows[0].chars().count() <= 50, "{} rows", rows.len());
        assert!(rows[..2].iter().all(|row| row.trim().is_empty()), "above");
        assert!(rows.iter().all(|row| row.starts_with("    ") && row.ends_with("    ")), "left and right");
        assert_eq!(note_if_too_wide(&blocks, 80), None);
        let terminal = render(LINE, Ground::Terminal).unwrap();
        assert!(note_if_too_wide(&terminal, 40).is_some_and(|note| note.contains("needs 45 columns")));
        assert_eq!(note_if_too_wide(&terminal, 45), None);
        assert_eq!(render(&"x".repeat(5000), Ground::Plain), None, "too long for any code");
    }
}
