//! Scrolling through a log that is longer than the window.

use super::*;
use crate::tui::model::conversation::KEEP;

fn history(w: &mut World, part: Part, reply: MessagesReply) {
    w.model.talks[0].asked = Some(part);
    w.does(Input::Answer(Answer::History { of: room("lobby"), part, reply: Ok(reply) }));
}

/// A lobby with its newest page: 901 to 1000 of 1000.
fn lobby() -> World {
    let mut w = World::chatting((80, 24));
    w.seq = 1000;
    w.model.talks[0].read = 1000;
    history(&mut w, Part::Newest, page("lobby", 901..=1000, true));
    w.effects.clear();
    w
}

/// The newest message on the screen.
fn last(w: &World) -> Option<u64> {
    let picture = w.picture();
    let line = picture.lines().rev().find_map(|l| l.split_once("message ").map(|(_, n)| n.to_owned()))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn older_messages_are_asked_for_before_they_are_needed() {
    let mut w = lobby();
    assert_eq!(last(&w), Some(1000));
    let mut pages = 0;
    for _ in 0..60 {
        for effect in w.key(KeyCode::PageUp, KeyModifiers::NONE) {
            let Effect::History { part: part @ Part::Before(before), .. } = effect else {
                panic!("{effect:?}")
            };
            pages += 1;
            history(
                &mut w,
                part,
                page("lobby", before.saturating_sub(100).max(1)..=before - 1, before > 101),
            );
        }
    }
    assert_eq!(pages, 9);
    assert!(w.picture().contains("message 1 ") || w.picture().contains("message 1\n"), "{}", w.picture());
    assert!(w.model.talks[0].at_start);
    assert!(w.model.talks[0].items.len() <= KEEP);
    w.key(KeyCode::End, KeyModifiers::CONTROL);
    assert_eq!(w.model.talks[0].view, None);
}

#[test]
fn the_screen_stays_where_it_is_while_others_speak() {
    let mut w = lobby();
    w.key(KeyCode::PageUp, KeyModifiers::NONE);
    let before = last(&w);
    for _ in 0..5 {
        w.said("lobby", "bo", "new");
    }
    assert_eq!(last(&w), before);
    assert!(w.picture().contains("5 new ↓"), "{}", w.picture());
    w.key(KeyCode::Esc, KeyModifiers::NONE);
    assert!(w.picture().contains("│ new"));
    assert_eq!(w.model.talks[0].unread, 0);
}

#[test]
fn scrolling_up_and_down_is_symmetric() {
    let mut w = lobby();
    let start = w.picture();
    for _ in 0..7 {
        w.key(KeyCode::Up, KeyModifiers::SHIFT);
    }
    assert_eq!(last(&w), Some(993));
    for _ in 0..7 {
        w.key(KeyCode::Down, KeyModifiers::SHIFT);
    }
    assert_eq!(w.picture(), start);
}

#[test]
fn a_result_of_a_search_is_gone_to_and_the_way_back_is_loaded() {
    let mut w = lobby();
    w.keys("/search needle\n");
    let reply = Ok(found(vec![event("lobby", "eve", 40, "the needle")]));
    w.does(Input::Answer(Answer::Found { query: "needle".into(), reply }));
    assert!(w.picture().contains("#lobby eve the needle"), "{}", w.picture());
    let effects = w.keys("\n");
    assert_eq!(effects, [Effect::History { of: room("lobby"), part: Part::Around(40) }]);
    let mut older = page("lobby", 1..=40, false);
    older.messages[39] = event("lobby", "eve", 40, "the needle");
    let newer = page("lobby", 41..=100, true);
    let effects =
        w.does(Input::Answer(Answer::Around { of: room("lobby"), seq: 40, reply: Ok((older, newer)) }));
    assert!(w.picture().contains("eve │ the needle"), "{}", w.picture());
    assert_eq!(effects, [Effect::History { of: room("lobby"), part: Part::After(100) }], "{effects:?}");
    // A new message is not lost: it is behind a part that is not loaded.
    w.said("lobby", "bo", "now");
    assert!(!w.picture().contains("│ now"));
    let effects = w.key(KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(effects, [Effect::History { of: room("lobby"), part: Part::Newest }]);
}

#[test]
fn a_page_that_meets_what_is_here_is_joined_to_it_and_another_takes_its_place() {
    let mut w = lobby();
    history(&mut w, Part::Newest, page("lobby", 951..=1050, true));
    let seqs: Vec<_> = w.model.talks[0].items.iter().filter_map(|i| i.seq).collect();
    assert_eq!(seqs, (901..=1050).collect::<Vec<_>>());
    history(&mut w, Part::Newest, page("lobby", 2001..=2100, true));
    let seqs: Vec<_> = w.model.talks[0].items.iter().filter_map(|i| i.seq).collect();
    assert_eq!(seqs, (2001..=2100).collect::<Vec<_>>(), "never a hole that nobody sees");
}

#[test]
fn any_size_can_be_scrolled_and_drawn() {
    for size in [(1, 1), (3, 2), (10, 4), (36, 5), (80, 24), (300, 90)] {
        let mut w = lobby();
        w.does(Input::Resize(size.0, size.1));
        w.said("lobby", "bo", "山田 👩\u{200d}🚀 a\u{301} very-long-word-that-does-not-fit-anywhere");
        for code in [KeyCode::PageUp, KeyCode::PageUp, KeyCode::PageDown, KeyCode::F(1), KeyCode::Esc] {
            w.key(code, KeyModifiers::NONE);
            w.picture();
        }
        w.does(Input::Resize(80, 24));
        w.key(KeyCode::End, KeyModifiers::CONTROL);
        assert!(w.picture().contains("山田"), "{size:?}");
    }
}

/// The vectors are those of the page, too.
#[test]
fn the_words_of_a_search_are_underlined_as_the_vectors_of_the_protocol_say() {
    let vectors = include_str!("../../../../crates/protocol/vectors/highlights.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(vectors).unwrap();
    for vector in vectors {
        let mut w = lobby();
        w.keys("/search x\n");
        let mut reply = found(vec![event("lobby", "eve", 40, vector["text"].as_str().unwrap())]);
        reply.messages[0].highlights = serde_json::from_value(vector["highlights"].clone()).unwrap();
        w.does(Input::Answer(Answer::Found { query: "x".into(), reply: Ok(reply) }));
        let parts = vector["parts"].as_array().unwrap().iter().filter(|part| part[1] == true);
        let marked: String = parts.map(|part| part[0].as_str().unwrap()).collect();
        let without_spaces = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        assert_eq!(without_spaces(&w.underlined()), without_spaces(&marked), "{vector}");
    }
}
