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
