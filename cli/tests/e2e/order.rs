//! Tests of moderation from the full screen: a registered user owns the room that she opens, and her actions reach the
//! other user.

use crate::client::Home;
use crate::daemon::Daemon;
use crate::enrolling::{line, run};
use crate::tty::Tty;

#[test]
fn an_owner_mutes_kicks_and_grants_the_moderator_role() {
    let daemon = Daemon::start();
    let home = Home::new();
    let file = home.0.path().join("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let file = file.to_str().unwrap();
    let join = line(&daemon, &["user", "add", "ana"]);
    let end = run(&home, &[&join, "--password-file", file, "who"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    let start = |args: &[&str]| {
        let mut command = home.command();
        command.arg("--ca").arg(daemon.ca()).arg(daemon.server()).args(args);
        Tty::start(&command, 80, 24)
    };
    let mut ana = start(&["--name", "ana", "--password-file", file]);
    ana.shows("│ connected");
    ana.types("/join den\r");
    ana.shows("#den (1)");
    let mut bo = start(&["--name", "bo", "--room", "den"]);
    bo.shows("#den (2)");
    bo.types("/who\r");
    bo.shows("ana, owner");
    bo.types("q");

    bo.types("/kick ana\r");
    bo.shows("moderator");
    ana.types("/mute b\t1h caps\r");
    ana.shows("bo is muted in #den until");
    bo.types("AAA\r");
    bo.shows("not sent");
    ana.types("/unmute bo\r");
    ana.shows("bo may speak in #den again");
    // Tab completes roles, too.
    ana.types("/role bo mod\t\r");
    ana.shows("bo is moderator in #den now");
    ana.types("/kick bo enough\r");
    ana.shows("bo was put out of #den");
    bo.until("put out", |screen| !screen.contains("#den (") && screen.contains("in no room"));
    ana.types("/private on\r");
    ana.shows("#den is private now");
}
