//! What the screen shows while the server can order nothing.

use super::*;
use tcp_chat_client::protocol::{NoticeEvent, NoticeKind};

#[test]
fn a_server_that_can_keep_nothing_new_is_shown_until_it_can_or_another_one_has_the_session() {
    let mut w = World::chatting((120, 24));
    let told = |w: &mut World, kind| {
        w.does(Input::Net(Event::Notice(NoticeEvent::new(kind, "nothing now"))));
        w.picture()
    };
    let picture = told(&mut w, NoticeKind::Unavailable);
    assert!(picture.contains("connected, nothing new for now"), "{picture}");
    assert!(picture.contains("! the server can keep nothing new for now: what you send waits"), "{picture}");
    assert!(!picture.contains("says"), "{picture}");
    // It stays as long as it is true.
    w.after(600);
    assert!(w.picture().contains("what you send waits"));
    let picture = told(&mut w, NoticeKind::Available);
    assert!(
        picture.contains("the server keeps messages again") && !picture.contains("nothing new"),
        "{picture}"
    );
    told(&mut w, NoticeKind::Unavailable);
    w.does(Input::Net(Event::Moved { server: "chat2.example.org:3000".into() }));
    w.does(Input::Net(Event::Resumed { caught_up: 0 }));
    let picture = w.picture();
    assert!(picture.contains("chat2.example.org:3000") && !picture.contains("nothing new"), "{picture}");
}
