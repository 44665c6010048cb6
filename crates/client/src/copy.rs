//! Owns the check that the server's copy of a message equals the sent one. Pure. Called by `connected` for each
//! own message. Never decides what happens if it does not.

use tcp_chat_protocol::request::Target;
use tcp_chat_protocol::{MsgEvent, Name};

/// Checks that the event is the daemon's copy of the message that `me` sent. The error names the difference.
pub(crate) fn check_copy(to: &Target, text: &str, me: &str, event: &MsgEvent<'_>) -> Result<(), String> {
    let seq = event.seq;
    let is_there = match (to, event.room.as_deref(), event.to.as_deref()) {
        (Target::Default, Some(_), None) => true,
        (Target::Room(to), Some(place), None) | (Target::User(to), None, Some(place)) => {
            is_same_name(to.as_str(), place)
        }
        _ => false,
    };
    // A text that was redacted before the copy came back is nowhere any more.
    let what = if event.msg != text && !event.redacted {
        "another text"
    } else if !is_there {
        "another room or user"
    } else if !is_same_name(&event.user, me) {
        "another author"
    } else {
        return Ok(());
    };
    Err(format!("its copy of a message, seq {seq}, has {what}; the message may or may not be kept"))
}

/// Compares names by key: a name is shown in the spelling of its first use.
fn is_same_name(a: &str, b: &str) -> bool {
    let key = |name: &str| Name::parse_kept(name).map(|name| name.key()).ok();
    a == b || key(a).is_some_and(|a| Some(a) == key(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::To;

    #[test]
    fn a_copy_is_one_of_what_was_sent() {
        let copy = |place: &str, user: &str, text: &str| {
            let (room, to) = match place.strip_prefix('@') {
                Some(to) => (None, Some(to.to_owned().into())),
                None => (Some(place.to_owned().into()), None),
            };
            let (user, msg) = (user.to_owned().into(), text.to_owned().into());
            let ts = tcp_chat_protocol::Timestamp(0);
            MsgEvent { room, to, seq: 7, prev: 3, ts, user, msg, ..MsgEvent::default() }
        };
        let [ops, bo, cafe] = [To::Room("ops".into()), To::User("bo".into()), To::Room("caf\u{e9}".into())]
            .map(|to| to.target());
        for (to, event, wrong) in [
            (&Target::Default, copy("lobby", "ana", "x"), None),
            (&ops, copy("Ops", "ana", "x"), None),
            (&cafe, copy("CAFE\u{301}", "Ana", "x"), None),
            (&bo, copy("@Bo", "ana", "x"), None),
            (&ops, copy("ops", "ana", "y"), Some("another text")),
            (&ops, copy("ops", "ana", "x "), Some("another text")),
            (&ops, copy("lobby", "ana", "x"), Some("another room or user")),
            (&ops, copy("@ops", "ana", "x"), Some("another room or user")),
            (&bo, copy("bo", "ana", "x"), Some("another room or user")),
            (&bo, copy("@cy", "ana", "x"), Some("another room or user")),
            (&Target::Default, copy("@bo", "ana", "x"), Some("another room or user")),
            (&ops, copy("ops", "bo", "x"), Some("another author")),
            (&ops, MsgEvent { redacted: true, ..copy("ops", "ana", "") }, None),
            (&ops, MsgEvent { redacted: true, ..copy("lobby", "ana", "") }, Some("another room or user")),
        ] {
            let said = check_copy(to, "x", "ana", &event).err();
            assert_eq!(said.is_some(), wrong.is_some(), "{event:?}");
            assert!(said.unwrap_or_default().contains(wrong.unwrap_or_default()), "{event:?}");
        }
    }
}
