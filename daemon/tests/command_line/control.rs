//! Tests of the commands for a running daemon: the request on the socket, and the printed answer.

use crate::Desk;

#[test]
fn a_running_daemon_is_asked_through_its_socket() {
    let cases: [(&[&str], &str, &str, i32, &str); 17] = [
        (
            &["status", "--json"],
            "{\"ok\":true,\"data\":{\"state\":\"serving\"}}\n",
            "{\"command\":\"status\",\"version\":1}",
            0,
            "{\"state\":\"serving\"}\n",
        ),
        (
            &["status"],
            "{\"ok\":true,\"data\":{\"state\":\"serving\",\"uptime_s\":5,\"addresses\":[\"a\",\"b\"],\"warning\":null}}\n",
            "{\"command\":\"status\",\"version\":1}",
            0,
            "state      serving\naddresses  a, b\nuptime s   5\n",
        ),
        (
            &["reload"],
            "{\"ok\":true,\"data\":{\"changed\":[\"log.level\"],\"needs_restart\":[\"listen.address\"]}}\n",
            "{\"command\":\"reload\",\"version\":1}",
            0,
            "reloaded; changed: log.level\nchanged in the file, but needs a restart: listen.address\n",
        ),
        (
            &["reload"],
            "{\"ok\":false,\"error\":\"limits.burst: no\"}\n",
            "{\"command\":\"reload\",\"version\":1}",
            78,
            "",
        ),
        (
            &["say", "back", "at", "noon"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"say\",\"msg\":\"back at noon\",\"version\":1}",
            0,
            "",
        ),
        (
            &["kick", "ana"],
            "{\"ok\":false,\"error\":\"there is no such user\"}\n",
            "{\"command\":\"kick\",\"user\":\"ana\",\"version\":1}",
            70,
            "",
        ),
        (
            &["ban", "2001:db8::1", "--for", "1h 30m", "--reason", "flood"],
            "{\"ok\":true,\"data\":{\"address\":\"2001:db8::/64\",\"until\":\"2026-11-24T10:00:00.000Z\"}}\n",
            "{\"command\":\"ban\",\"for_s\":5400,\"reason\":\"flood\",\"version\":1,\"whom\":\"address:2001:db8::/64\"}",
            0,
            "address  2001:db8::/64\nuntil    2026-11-24T10:00:00.000Z\n",
        ),
        (
            &["ban", "list"],
            "{\"ok\":true,\"data\":[{\"user\":\"m\",\"room\":\"ops\",\"until\":null,\"by\":\"ana\",\"reason\":\"a\\u001b\"},\
             {\"address\":\"10.0.0.0/8\",\"room\":null,\"until\":null,\"by\":\"operator (uid 0)\",\"reason\":\"\"}]}\n",
            "{\"command\":\"bans\",\"version\":1}",
            0,
            "WHOM        ROOM  UNTIL  BY                REASON\n\
             m           ops   -      ana               a\n\
             10.0.0.0/8  -     -      operator (uid 0)  -\n",
        ),
        (
            &["ban", "list", "--json"],
            "{\"ok\":true,\"data\":[{\"user\":\"m\"},{\"user\":\"n\"}]}\n",
            "{\"command\":\"bans\",\"version\":1}",
            0,
            "{\"user\":\"m\"}\n{\"user\":\"n\"}\n",
        ),
        (
            &["room", "set", "ops", "private", "--json"],
            "{\"ok\":true,\"data\":{\"room\":\"ops\",\"private\":true}}\n",
            "{\"command\":\"room\",\"private\":true,\"room\":\"ops\",\"version\":1}",
            0,
            "{\"private\":true,\"room\":\"ops\"}\n",
        ),
        (
            &["room", "remove", "ops", "--json"],
            "{\"ok\":true,\"data\":{\"room\":\"ops\"}}\n",
            "{\"command\":\"room remove\",\"room\":\"ops\",\"version\":1}",
            0,
            "{\"room\":\"ops\"}\n",
        ),
        (
            &["room", "remove", "lobby"],
            "{\"ok\":false,\"error\":\"the room lobby stays\"}\n",
            "{\"command\":\"room remove\",\"room\":\"lobby\",\"version\":1}",
            70,
            "",
        ),
        (
            &["grant", "ana", "read-only", "--room", "ops"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"grant\",\"role\":\"read-only\",\"room\":\"ops\",\"user\":\"ana\",\"version\":1}",
            0,
            "",
        ),
        (
            &["grant", "ana", "none"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"grant\",\"user\":\"ana\",\"version\":1}",
            0,
            "",
        ),
        (
            &["audit", "--limit", "1"],
            "{\"ok\":true,\"data\":[{\"at\":\"T\",\"did\":\"kick\",\"uid\":0,\"whom\":\"bo\",\"room\":null,\"what\":null,\
             \"until\":null,\"reason\":\"\"}]}\n",
            "{\"command\":\"audit\",\"limit\":1,\"version\":1}",
            0,
            "AT  BY                DID   WHOM  ROOM  WHAT  UNTIL  REASON\n\
             T   operator (uid 0)  kick  bo    -     -     -      -\n",
        ),
        (
            &["log", "debug"],
            "{\"ok\":true,\"data\":{}}\n",
            "{\"command\":\"log\",\"level\":\"debug\",\"version\":1}",
            0,
            "",
        ),
        (&["status"], "{\"ok\":true", "{\"command\":\"status\",\"version\":1}", 69, ""),
    ];
    for (args, answer, asked, code, out) in cases {
        let desk = Desk::with("");
        let daemon = desk.answer(answer);
        let ended = desk.run(args);
        assert_eq!(daemon.join().unwrap().trim_end(), asked, "{args:?}");
        assert_eq!((ended.code, ended.out.as_str()), (code, out), "{args:?}: {ended:?}");
        assert_eq!(ended.err.is_empty(), code == 0, "{args:?}: {ended:?}");
    }
    // The daemon writes the backup, and has another working folder.
    let desk = Desk::with("");
    let daemon = desk.answer("{\"ok\":true,\"data\":{}}\n");
    let ended = desk.run(&["backup", "copy.db"]);
    let file = desk.path("copy.db");
    assert_eq!((ended.code, ended.out), (0, format!("{}\n", file.display())));
    assert!(daemon.join().unwrap().contains(&format!("\"file\":\"{}\"", file.display())));
}

#[test]
fn a_daemon_can_be_asked_although_its_file_is_broken_by_now() {
    let desk = Desk::with("[limits]\nburst = 0\n");
    let daemon = desk.answer("{\"ok\":false,\"error\":\"limits.burst: no\"}\n");
    let ended = desk.run(&["reload"]);
    assert_eq!(daemon.join().unwrap().trim_end(), "{\"command\":\"reload\",\"version\":1}");
    assert_eq!((ended.code, ended.err.as_str()), (78, "limits.burst: no\n"));
}

#[test]
fn no_daemon_is_69_and_says_what_to_do() {
    let desk = Desk::with("");
    let ended = desk.run(&["status"]);
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.err.contains("data/control.sock: no daemon is running with this configuration; start it"));
    let desk = Desk::with("[history]\npath = \":memory:\"\n");
    let ended = desk.run(&["reload"]);
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.err.contains("there is no control socket"), "{}", ended.err);
}
