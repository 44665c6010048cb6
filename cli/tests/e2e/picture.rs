//! Owns the pictures of the documentation: a scene played with the real program and the real daemon, drawn as SVG on a
//! dark and on a light ground. `cargo test -p tcp-chat-cli --test e2e pictures -- --ignored` draws them again.

use crate::client::Home;
use crate::daemon::Daemon;
use crate::tty::Tty;
use std::fmt::Write;
use vt100::{Color, Screen};

const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 12.0;

#[test]
#[ignore = "writes into docs/"]
fn pictures() {
    let daemon = Daemon::start();
    let homes = [Home::new(), Home::new(), Home::new()];
    let start = |home: &Home, args: &[&str]| {
        let mut command = home.command();
        command.arg("--ca").arg(daemon.ca()).arg(daemon.server()).args(args);
        let tty = Tty::start(&command, 112, 26);
        tty.shows("│ connected");
        tty
    };
    let mut bo = start(&homes[1], &["--name", "bo", "--color", "green", "--room", "lobby,ops,dev"]);
    let mut chloe = start(&homes[2], &["--name", "Chloé", "--color", "fuchsia", "--room", "lobby,ops"]);
    let says = |tty: &mut Tty, text: &str| {
        tty.types(&format!("{text}\r"));
        // A long text is cut at the width of the screen.
        let begin: String = text.chars().take_while(|c| *c != '\x1b').take(20).collect();
        tty.until("kept", |s| s.contains(&begin) && !s.contains("sending"));
    };
    says(&mut bo, "good morning 👋");
    says(&mut chloe, "morning! the deployment of last night is through");
    let mut ana = start(&homes[0], &["--name", "ana", "--color", "cyan", "--room", "lobby,ops,dev"]);
    says(&mut ana, "thank you! 山田さん asked about the logs; I have put the list into ops");
    says(&mut bo, "these two are left:\x1b\r  - the certificate of the old host\x1b\r  - the dashboards");
    // Ana looks elsewhere.
    ana.types("\x1b[O");
    says(&mut chloe, "ana: can you take the dashboards?");
    says(&mut chloe, "I am out from twelve on");
    bo.types("/room ops\r");
    says(&mut bo, "disk of db2 is at 91 %");
    bo.types("/msg ana coffee at eleven?\r");
    ana.until("all of it", |s| s.contains("@bo") && s.contains("I am out") && s.contains("#ops"));
    ana.types("sure, I will do it before lun");
    ana.shows("before lun");
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::create_dir_all(&docs).unwrap();
    for (name, dark) in [("screen-dark.svg", true), ("screen-light.svg", false)] {
        std::fs::write(docs.join(name), svg(&ana.screen(), dark)).unwrap();
    }
}

fn svg(screen: &Screen, dark: bool) -> String {
    let (rows, columns) = screen.size();
    let (ground, ink) = if dark { ("#16181d", "#d6d9e0") } else { ("#fdfdfb", "#22252b") };
    let (width, height) =
        (f32::from(columns) * CELL.0 + 2.0 * MARGIN, f32::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{ground}\"/>\n"
    );
    for row in 0..rows {
        let y = MARGIN + f32::from(row) * CELL.1;
        for column in 0..columns {
            let Some(cell) = screen.cell(row, column) else { continue };
            let x = MARGIN + f32::from(column) * CELL.0;
            let wide = if cell.is_wide() { 2.0 } else { 1.0 };
            let (mut fg, mut bg) = (color(cell.fgcolor(), ink), color(cell.bgcolor(), ground));
            if cell.inverse() {
                std::mem::swap(&mut fg, &mut bg);
            }
            if bg != ground {
                let (w, h) = (CELL.0 * wide + 0.3, CELL.1 + 0.3);
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{bg}\" shape-rendering=\"crispEdges\"/>"
                );
            }
            let text = cell.contents();
            if text.trim().is_empty() {
                continue;
            }
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            let bold = if cell.bold() { " font-weight=\"bold\"" } else { "" };
            let dim = if cell.dim() { " opacity=\"0.6\"" } else { "" };
            let base = y + 13.5;
            let _ =
                writeln!(out, "<text x=\"{x:.1}\" y=\"{base:.1}\" fill=\"{fg}\"{bold}{dim}>{text}</text>");
        }
    }
    let (row, column) = screen.cursor_position();
    let (x, y) = (MARGIN + f32::from(column) * CELL.0, MARGIN + f32::from(row) * CELL.1);
    let (w, h) = CELL;
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w}\" height=\"{h}\" fill=\"{ink}\" opacity=\"0.7\"/>"
    );
    out.push_str("</svg>\n");
    out
}

fn color(color: Color, default: &str) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Default | Color::Idx(_) => default.to_owned(),
    }
}
