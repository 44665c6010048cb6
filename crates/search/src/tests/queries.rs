//! The results of queries, and the positions of the words.

use super::*;
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

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

/// The words of each script that are found, and those that are not: vowels and tones count.
#[test]
fn words_of_scripts_without_spaces_are_found_inside_longer_ones() {
    for (text, found, not_found) in [
        (
            "วันนี้กินข้าวที่บ้าน",
            &["กินข้าว", "ข้าว", "ที่บ้าน", "บ้าน*", "\"ที่บ้าน\""][..],
            &["กันข้าว", "ขาว", "ทีบ้าน", "กน"][..],
        ),
        ("ຂ້ອຍກິນເຂົ້າ", &["ກິນ", "ເຂົ້າ"], &["ກັນ"]),
        ("ខ្ញុំញ៉ាំបាយ", &["ញ៉ាំ", "បាយ"], &["បួយ"]),
        ("ကျွန်တော်ထမင်းစားတယ်", &["ထမင်း", "စားတယ်"], &["ထမောင်း"]),
        ("བོད་ཡིག་སློབ་སྦྱོང་།", &["ཡིག", "སློབ་སྦྱོང", "བོད་"], &["བད"]),
        ("ꦱꦸꦒꦼꦁꦫꦮꦸꦃ", &["ꦫꦮꦸꦃ"], &["ꦫꦮꦃ"]),
        ("サーバーが停止した", &["サーバー", "停止"], &["サバー"]),
        // With spaces, and with vowels that are marks.
        ("सर्वर बंद है", &["सर्वर", "बंद", "सर्*"], &["सरवर", "बद", "सर"]),
        ("சேவையகம் நின்றது", &["சேவையகம்", "நின்*"], &["சவையகம்"]),
        // Points and accents are ignored, also in parts.
        ("שָׁלוֹם مُحَمَّد cafe\u{301}", &["שלום", "محمد", "café", "cafe", "שָׁלוֹם"], &["שלמ"]),
        // In parts, as some systems write file names.
        (
            "\u{1109}\u{1165}\u{1107}\u{1165}\u{1100}\u{1161} カ\u{3099}",
            &["서버", "버가", "ガ"],
            &["서가", "カ"],
        ),
        (
            "ok \u{2764}\u{fe0f} \u{1f468}\u{200d}\u{1f469}",
            &["\u{2764}", "\u{2764}\u{fe0f}", "\u{1f469}"],
            &["\u{1f467}"],
        ),
    ] {
        let mut world = World::of_texts(&[text, "another"]);
        for query in found {
            assert_eq!(world.find(query), [1], "{query} in {text}");
        }
        for query in not_found {
            assert_eq!(world.find(query), [0; 0], "{query} in {text}");
        }
    }
}

#[test]
fn highlights_cover_whole_characters() {
    for (text, query, highlights) in [
        ("กินที่บ้าน", "ท", vec![(3, 3)]),
        ("กินที่บ้าน", "กิ", vec![(0, 2)]),
        ("กินกัน", "ก", vec![(0, 2), (3, 2)]),
        ("หิวๆ", "ิ", vec![(0, 2)]),
        ("cafe\u{301}s cafe\u{301}", "cafe", vec![(7, 5)]),
        ("a \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} b", "\u{1f469}", vec![(2, 5)]),
        ("a \u{1f468}\u{200d}\u{1f469} b", "\u{1f468} OR \u{1f469}", vec![(2, 3)]),
        ("\u{2764}\u{fe0f}!", "\u{2764}", vec![(0, 2)]),
        ("x \u{1109}\u{1165}\u{1107}\u{1165} y", "서", vec![(2, 2)]),
        ("हिन्दी में", "हिन्दी", vec![(0, 6)]),
    ] {
        let mut world = World::of_texts(&[text]);
        let hits = world.search(&Query { text: query, conversations: &[1], ..Query::default() });
        assert_eq!(hits.first().map(|hit| hit.highlights.clone()), Some(highlights), "{query} in {text}");
    }
}

/// Texts of scripts without spaces, with marks, emoji and letters in parts.
fn mixed(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let chars = "a é\u{301}กขิ่ำบ山が\u{3099}서\u{1100}\u{1161}\u{11a8}\u{1f468}\u{200d}\u{fe0f}ह\u{93f}";
    let one = prop::sample::select(chars.chars().collect::<Vec<_>>());
    prop::collection::vec(one, length).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn highlights_are_in_the_text_in_order_and_cut_no_character(
        texts in prop::collection::vec(mixed(0..25), 1..6), query in mixed(1..4),
    ) {
        let mut world = World::of_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        for hit in world.search(&Query { text: &query, conversations: &[1], ..Query::default() }) {
            let mut bounds = vec![0];
            bounds.extend(hit.message.graphemes(true).scan(0, |at, c| { *at += c.chars().count(); Some(*at) }));
            let mut last = 0;
            prop_assert!(!hit.highlights.is_empty(), "{:?} in {:?}", query, hit.message);
            for (start, length) in hit.highlights {
                prop_assert!(start >= last && length > 0, "{:?} in {:?}", query, hit.message);
                last = start + length;
                prop_assert!(bounds.contains(&start) && bounds.contains(&last), "{:?} in {:?}", query, hit.message);
            }
        }
    }

    #[test]
    fn the_log_and_the_index_find_the_same(
        texts in prop::collection::vec(mixed(0..9), 1..12), query in mixed(1..4), behind in 0_usize..12,
    ) {
        // Each text has a number, so that no two are equal.
        let texts: Vec<String> = texts.iter().enumerate().map(|(n, text)| format!("n{n} {text}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut indexed = World::of_texts(&texts);
        let (first, rest) = texts.split_at(texts.len().saturating_sub(behind));
        let mut partly = World::of_texts(first);
        partly.say_behind_the_index(rest);
        partly.log.newer = 12;
        prop_assert_eq!(partly.find(&query), indexed.find(&query));
    }
}

/// A word of a script, cut in three.
fn parts() -> impl Strategy<Value = (String, String, String)> {
    let some = |chars: String| prop::string::string_regex(&chars).unwrap();
    let of = |any| {
        (some(format!("[{any}a]{{0,3}}")), some(format!("[{any}]{{1,4}}")), some(format!("[{any}]{{0,3}}")))
    };
    let [korean, thai, tibetan, japanese] =
        ["가-힣", "ก-ฮะ-ูเ-์", "\u{f40}-\u{f47}\u{f71}-\u{f7d}", "ぁ-ゖァ-ヺ一-鿿"].map(of);
    prop_oneof![korean, thai, tibetan, japanese]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_part_of_a_word_is_found(words in prop::collection::vec(parts(), 1..12)) {
        // Each text has a number, so that no two are equal.
        let texts = words.iter().enumerate().map(|(n, (before, part, after))| format!("{n} {before}{part}{after} y"));
        let texts: Vec<String> = texts.collect();
        let mut world = World::of_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        for (seq, (_, part, _)) in (1..).zip(&words) {
            let hits = world.search(&Query { text: part, conversations: &[1], ..Query::default() });
            let text = &world.log.said[seq as usize - 1].2;
            let hit = hits.iter().find(|hit| hit.message == *text);
            prop_assert!(hit.is_some(), "{part} of message {seq}, found: {hits:?}");
            let cut = |(start, length): &(usize, usize)| text.chars().skip(*start).take(*length).collect::<String>();
            let marked: Vec<_> = hit.into_iter().flat_map(|hit| &hit.highlights).map(cut).collect();
            prop_assert!(marked.iter().any(|marked| marked.contains(part.as_str())), "{part} in {text}: {marked:?}");
        }
    }
}
