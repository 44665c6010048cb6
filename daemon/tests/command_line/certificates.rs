//! `cert` and `invite`.

use crate::Desk;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn cert_show_issue_and_renew() {
    let desk = Desk::with("");
    let none = desk.run(&["cert", "show"]);
    assert_eq!(none.code, 78);
    assert!(none.err.contains("ca.pem: it does not exist yet; the first start of the daemon makes it"));

    let desk = desk.with_certificates();
    let shown = desk.run(&["cert", "show"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    for part in
        ["ca.pem: a CA: clients trust it", "server.pem: a server's certificate", "localhost", "(in 89 days)"]
    {
        assert!(shown.out.contains(part), "{part}\n{}", shown.out);
    }
    let issued = desk.run(&["cert", "issue", "ana"]);
    assert_eq!((issued.code, issued.out.as_str()), (0, "./ana.pem\n./ana.key\n"));
    assert_eq!(fs::metadata(desk.path("ana.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(desk.path("ana.key")).unwrap();
    let again = desk.run(&["cert", "issue", "ana"]);
    assert_eq!(again.code, 74);
    assert!(again.err.contains("ana.pem: the file exists already, and is not overwritten"), "{}", again.err);
    assert_eq!(fs::read(desk.path("ana.key")).unwrap(), before);
    let printed = desk.run(&["cert", "issue", "ben", "--print"]);
    assert!(printed.out.contains("PRIVATE KEY") && printed.out.matches("BEGIN CERTIFICATE").count() == 2);
    assert!(!desk.path("ben.pem").exists());

    let ca = fs::read(desk.path("certs/ca.pem")).unwrap();
    let leaf = fs::read(desk.path("certs/server.pem")).unwrap();
    let renewed = desk.run(&["cert", "renew"]);
    assert_eq!(renewed.code, 0, "{renewed:?}");
    assert!(renewed.out.contains("a new certificate was issued"), "{}", renewed.out);
    assert_ne!(fs::read(desk.path("certs/server.pem")).unwrap(), leaf);
    assert_eq!(fs::read(desk.path("certs/ca.pem")).unwrap(), ca);
}

#[test]
fn invite_prints_one_line_to_paste() {
    let desk = Desk::with("[tls]\nnames = [\"chat.example\"]\n[listen]\naddress = \"0.0.0.0:4000\"\n");
    let desk = desk.with_certificates();
    let ended = desk.run(&["invite", "--room", "ops"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let shown = desk.run(&["cert", "show"]).out;
    let pin = shown.lines().find_map(|l| l.strip_prefix("  SHA-256  ")).unwrap();
    assert_eq!(ended.out, format!("tcp-chat-cli tcps://chat.example:4000/ops#{pin}\n"));
}

/// What a reader that shares no code with the project reads from half blocks.
fn read_code(blocks: &[&str]) -> String {
    let rows: Vec<Vec<char>> = blocks.iter().map(|line| line.chars().collect()).collect();
    let scale = 4;
    let is_dark = |x: usize, y: usize| {
        let block = rows[y / 2][x];
        block == '█' || block == if y.is_multiple_of(2) { '▀' } else { '▄' }
    };
    let (width, height) = (rows[0].len() * scale, rows.len() * 2 * scale);
    let mut image =
        rqrr::PreparedImage::prepare_from_bitmap(width, height, |x, y| is_dark(x / scale, y / scale));
    image.detect_grids()[0].decode().unwrap().1
}

/// The blocks from the line after `text` on, up to the next line that has a letter.
fn blocks<'a>(out: &'a str, text: &str) -> Vec<&'a str> {
    let after = out.lines().skip_while(|line| *line != text).skip(1);
    after.take_while(|line| !line.contains(char::is_alphanumeric)).collect()
}

#[test]
fn invite_shows_the_line_and_the_page_as_codes() {
    let config = "[tls]\nnames = [\"chat.example\"]\n[listen]\naddress = \"0.0.0.0:4000\"\n";
    let line = Desk::with(config).with_certificates().run(&["invite", "--qr"]);
    assert_eq!((line.code, line.err.as_str()), (0, ""), "no page, no second code");
    assert!(!line.out.contains('\u{1b}'), "a pipe gets no escape sequence");
    assert_eq!(line.out.lines().filter(|line| line.contains(char::is_alphanumeric)).count(), 1);
    let desk = Desk::with(&format!(
        "{config}[web]\naddress = \"0.0.0.0:8443\"\ncertificate = \"certs/server.pem\"\nkey = \"certs/server.key\"\n"
    ))
    .with_certificates();
    let ended = desk.run(&["invite", "--qr", "--room", "ops"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let first = ended.out.lines().next().unwrap();
    assert_eq!(format!("{first}\n"), desk.run(&["invite", "--room", "ops"]).out);
    let line = first.strip_prefix("tcp-chat-cli ").unwrap();
    assert_eq!(read_code(&blocks(&ended.out, first)), line);
    let page = "https://chat.example:8443";
    assert_eq!(read_code(&blocks(&ended.out, page)), page, "{}", ended.out);
}
