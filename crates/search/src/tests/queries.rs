//! The results of queries, and the positions of the words.

use super::*;
use proptest::prelude::*;

/// Messages in conversations 1 and 2: (conversation, author, text), with seqs from 1.
const SAID: &[(i64, &str, &str)] = &[
    (1, "ana", "hello world"),
    (1, "Bo", "Hello again, worlds"),
    (2, "ana", "hello from the other room"),
    (1, "ana", "the café near the river"),
    (1, "山田", "CAFE \u{1f980}\u{1f980} cafe"),
    (1, "bo", "col:x is no column, AND is a word"),
    (1, "bo", "one two three"),
    (1, "bo", "three two one -"),
    (1, "bo", "\u{e000} don't \u{e001} panic\n\"quoted\" text"),
    (2, "bo", "c1 c2 u616e61 tags msg"),
    (2, "bo", "shine\u{1f600}"),
    (2, "bo", "明日は東京へ行きます"),
];

#[test]
fn words_phrases_prefixes_and_what_is_no_expression() {
    let mut world = World::with(SAID);
    let table: &[(&str, &[u64])] = &[
        // Words: all of them, in any order, without regard to case and accents.
        ("hello", &[3, 2, 1]),
        ("HELLO world", &[1]),
        ("world hello", &[1]),
        ("cafe", &[5, 4]),
        ("Café", &[5, 4]),
        ("hell", &[]),
        // Phrases and prefixes.
        ("\"one two\"", &[7]),
        ("\"two one\"", &[8]),
        ("wor*", &[6, 2, 1]),
        ("w*", &[6, 2, 1]),
        ("pani* don*", &[9]),
        ("\"one tw\" *", &[7]),
        // Expressions.
        ("world OR again", &[2, 1]),
        ("hello NOT again", &[3, 1]),
        ("(one OR hello) AND (two OR again)", &[8, 7, 2]),
        ("NEAR(the river, 3)", &[4]),
        ("^one", &[7]),
        // No expressions: plain words.
        ("\"", &[]),
        ("\"hello", &[3, 2, 1]),
        ("AND", &[6]),
        ("word AND", &[6]),
        ("hello OR", &[]),
        ("NEAR(", &[4]),
        ("*", &[]),
        ("* hello", &[3, 2, 1]),
        ("*reads", &[]),
        ("col:x", &[6]),
        ("msg:hello", &[]),
        ("words:hello", &[]),
        ("rank:hello", &[]),
        ("tags:c1", &[]),
        ("{tags} : c1", &[10]),
        ("-", &[]),
        ("three - two", &[8, 7]),
        ("-hello", &[3, 2, 1]),
        ("don't", &[9]),
        ("hello, world!", &[1]),
        ("hello) OR (one", &[]),
        ("hello)) OR ((one", &[]),
        (") OR tags:c1 OR (", &[]),
        ("\u{1f980}", &[5]),
        ("\u{1f980}\u{1f980}", &[5]),
        ("\u{1f980}\u{1f980}\u{1f980}", &[]),
        ("\"\u{1f980} cafe\" OR \u{1f600}", &[11, 5]),
        ("\u{1f600}", &[11]),
        ("shine", &[11]),
        // Scripts without spaces.
        ("東京", &[12]),
        ("京", &[12]),
        ("京東", &[]),
        ("京*", &[12]),
        ("東京 行きます", &[12]),
        ("東京) 行", &[12]),
        ("\u{1f980} cafe", &[5]),
        ("hello\0) OR (one", &[]),
        ("one\0", &[8, 7]),
        ("()", &[]),
        ("((((((((((((", &[]),
        ("'; DROP TABLE words; --", &[]),
        ("+", &[]),
        ("one + two", &[7]),
        ("C++", &[]),
        (" ", &[]),
        ("", &[]),
    ];
    let mut wrong = Vec::new();
    for (query, wanted) in table {
        let found = world.find(query);
        if found != *wanted {
            wrong.push((query, wanted, found));
        }
    }
    assert!(wrong.is_empty(), "query, wanted, found: {wrong:#?}");
    // The words for conversations and authors are not words of a message.
    assert_eq!(world.find("c1"), [10]);
    let first = Query { text: "c1 OR u616e61", conversations: &[1], ..Query::default() };
    assert_eq!(world.seqs(&first), [0; 0]);
}

#[test]
fn highlights_are_where_the_words_stand() {
    let mut world = World::with(SAID);
    let table = [
        ("cafe", 5, vec![(0, 4), (8, 4)]), // after two crabs, each one character
        ("cafe", 4, vec![(4, 4)]),
        ("\u{1f980}", 5, vec![(5, 1), (6, 1)]),
        ("東京", 12, vec![(3, 2)]),
        ("shine*", 11, vec![(0, 5)]),
        ("don't", 9, vec![(2, 5)]), // after a character that could have been a mark
        ("quoted", 9, vec![(17, 6)]),
        ("wor*", 2, vec![(13, 6)]),
        ("\"one two\" three", 7, vec![(0, 7), (8, 5)]),
        ("one NOT nothing", 7, vec![(0, 3)]),
    ];
    for (query, seq, highlights) in table {
        let hits = world.search(&Query { text: query, conversations: &[1, 2], ..Query::default() });
        let text = &world.log.said[seq - 1].2;
        let hit = hits.iter().find(|hit| hit.message == *text).unwrap();
        assert_eq!(hit.highlights, highlights, "{query:?}");
    }
}

#[test]
fn texts_that_have_every_mark_come_without_highlights() {
    let marks: String = ('\u{e000}'..='\u{f8ff}').collect();
    let mut world = World::of_texts(&["word", &format!("word {marks}")]);
    let hits = world.search(&Query { text: "word", conversations: &[1], ..Query::default() });
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| hit.highlights.is_empty()), "{hits:?}");
}

#[test]
fn a_word_is_found_with_the_particle_behind_it() {
    let mut world =
        World::of_texts(&["서버가 죽었어요", "API서버는 ㅋㅋㅋㅋ", "ｻｰﾊﾞｰが停止", "ㄅㄆㄇ", "서비스 버그"]);
    let table: &[(&str, &[u64])] = &[
        ("서버", &[2, 1]),
        ("서버*", &[2, 1]),
        ("\"서버\"", &[2, 1]),
        ("버가 죽었", &[1]),
        ("죽었어요", &[1]),
        ("가서버", &[]),
        ("서버 NOT API", &[1]),
        ("api", &[2]),
        ("ㅋㅋ", &[2]),
        ("ｻｰﾊﾞｰ", &[3]),
        ("ㄆㄇ", &[4]),
    ];
    for (query, wanted) in table {
        assert_eq!(world.find(query), *wanted, "{query}");
    }
    let hits = world.search(&Query { text: "서버 NOT API", conversations: &[1], ..Query::default() });
    assert_eq!(hits[0].highlights, [(0, 2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_part_of_a_korean_word_is_found(words in prop::collection::vec(("[가-힣a]{0,3}", "[가-힣]{1,4}", "[가-힣ㅋ]{0,3}"), 1..12)) {
        // Each text has a number, so that no two are equal.
        let texts = words.iter().enumerate().map(|(n, (before, part, after))| format!("{n} {before}{part}{after} y"));
        let texts: Vec<String> = texts.collect();
        let mut world = World::of_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        for (seq, (_, part, _)) in (1..).zip(&words) {
            let found = world.find(part);
            prop_assert!(found.contains(&seq), "{part} of message {seq}, found: {found:?}");
        }
    }
}
