//! The invariant of the log, in both text formats.

use super::*;
use std::sync::{Arc, Mutex};

/// Collects the output.
#[derive(Debug, Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that a peer might try, recorded in every way that code could record it.
const FORGERY: &str =
    "x\n2026-01-01 ERROR forged\r\u{1b}[2J\u{85}\u{2028}\u{202e}\u{7f}\u{9b}31m\"}\n{\"level\":\"x\"";

fn written(make: impl Fn(Sheet) -> Box<dyn Layer<Registry> + Send + Sync>) -> String {
    let sheet = Sheet::default();
    let subscriber = tracing_subscriber::registry().with(make(sheet.clone()));
    tracing::subscriber::with_default(subscriber, || {
        let _span = tracing::info_span!("connection", display = %FORGERY, text = FORGERY).entered();
        tracing::info!(event = "login_failed", display = %FORGERY, debug = ?FORGERY, text = FORGERY, "{FORGERY}");
    });
    let bytes = sheet.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn assert_one_harmless_line(text: &str) {
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    let line = text.strip_suffix('\n').unwrap();
    let bad = line.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}'));
    assert_eq!(bad, None, "{line:?}");
}

#[test]
fn no_text_forges_a_line_in_the_format_for_people() {
    let text = written(|sheet| pretty(move || sheet.clone(), false));
    assert_one_harmless_line(&text);
    assert!(text.contains("event=\"login_failed\""), "{text}");
    assert!(text.contains(r"x\n2026-01-01 ERROR forged\r\u{1b}[2J"), "{text}");
}

#[test]
fn no_text_forges_a_line_in_json_and_nothing_is_lost() {
    let text = written(|sheet| json(move || sheet.clone()));
    assert_one_harmless_line(&text);
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["event"], "login_failed");
    assert_eq!(object["text"], FORGERY);
    assert_eq!(object["display"], FORGERY);
    assert_eq!(object["message"], FORGERY);
    assert_eq!(object["level"], "INFO");
}

#[test]
fn colour_is_ours_alone() {
    let text = written(|sheet| pretty(move || sheet.clone(), true));
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    assert!(text.contains("\u{1b}["), "colour was asked for: {text:?}");
    assert!(!text.contains("\u{1b}[2J"), "{text:?}");
}
