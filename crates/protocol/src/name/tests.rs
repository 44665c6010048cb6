//! Valid names, equal names, and names that look the same.

use super::*;
use proptest::prelude::*;

fn key(s: &str) -> NameKey {
    Name::parse(s).unwrap().key()
}

#[test]
fn what_a_name_may_be() {
    for good in [
        "ana",
        "Ana-Maria",
        "a",
        "7",
        "j.r_r-t",
        "Ærøskøbing",
        "Владимир",
        "山田",
        "नमस्ते",
        "e\u{301}va",
        "x\u{e9}",
        &"x".repeat(32),
    ] {
        assert_eq!(Name::parse(good).unwrap().as_str(), good);
    }
    let too_long = "x".repeat(33);
    for bad in [
        "",
        "a b",
        " a",
        "a\t",
        "a\n",
        "-a",
        "a-",
        ".",
        "_",
        "a/b",
        "#a",
        "a@b",
        "🦀",
        "a\u{200b}b",
        "a\u{202e}b",
        "a\0",
        "\u{301}a",
        "a\u{fe0f}",
        "\u{3164}",
        "a\u{20dd}",
        "½",
        "a\u{ad}b",
        "\u{7f}",
        "a\u{9b}",
        &too_long,
    ] {
        assert!(Name::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn nothing_invisible_is_in_a_name() {
    // Unicode's Default_Ignorable_Code_Point, a filler that is not one, and characters that look like a space,
    // turn the direction or end a line.
    let ranges = [
        0x00..=0x20,
        0x7f..=0xa0,
        0xad..=0xad,
        0x34f..=0x34f,
        0x61c..=0x61c,
        0x115f..=0x1160,
        0x1680..=0x1680,
        0x17b4..=0x17b5,
        0x180b..=0x180f,
        0x2000..=0x200f,
        0x2028..=0x202f,
        0x205f..=0x206f,
        0x2800..=0x2800,
        0x3000..=0x3000,
        0x3164..=0x3164,
        0xe000..=0xf8ff,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xffa0..=0xffa0,
        0xfff0..=0xffff,
        0x16fe4..=0x16fe4,
        0x1bca0..=0x1bca3,
        0x1d173..=0x1d17a,
        0xe0000..=0xe0fff,
        0xf0000..=0x10_ffff,
    ];
    for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
        for name in [format!("a{c}b"), format!("{c}a"), format!("a{c}"), c.to_string()] {
            assert!(Name::parse(&name).is_err(), "U+{:04X} in {name:?}", u32::from(c));
        }
    }
}

#[test]
fn scripts_mixed_or_whole_make_no_twin() {
    for (a, b) in [
        ("scope", "ѕсоре"),           // all Cyrillic
        ("admin", "аdmіn"),           // two Cyrillic letters
        ("admin", "admιn"),           // a Greek iota
        ("Omega", "Οmega"),           // a Greek capital
        ("lobby", "ⅼobby"),           // a Roman numeral
        ("paypal", "ｐaypal"),        // full width
        ("ops", "ορs"),               // Greek omicron and rho
        ("cafe\u{301}", "caf\u{e9}"), // composed or not
        ("ﬁle", "file"),              // a ligature
    ] {
        let (a, b) = (Name::parse(a).unwrap(), Name::parse(b));
        // A numeral is not a letter: a text that cannot be a name is no twin.
        if let Ok(b) = b {
            assert!(a.looks_like(&b) && b.looks_like(&a), "{a} and {b} look the same");
        }
    }
}

#[test]
fn case_and_form_do_not_make_another_name() {
    for (a, b) in [
        ("ana", "ANA"),
        ("straße", "STRASSE"),
        ("ａｎａ", "ana"), // full width
        ("e\u{301}va", "éva"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ﬁle", "FILE"), // a ligature
    ] {
        assert_eq!(key(a), key(b), "{a} {b}");
        assert_eq!(Name::parse(a).unwrap().prepared().key(), key(b), "{a} {b}");
    }
    assert_ne!(key("ana"), key("anna"));
}

/// The look only forbids to take a new name. It is not the identity: `bom` is not `born`.
#[test]
fn what_only_looks_the_same_is_another_name() {
    for (a, b) in [
        ("born", "bom"),
        ("modern", "modem"),
        ("bob", "b0b"),
        ("Ivan", "lvan"),
        ("paypal", "p\u{430}yp\u{430}l"), // Cyrillic а
        ("admin", "admi\u{307}n"),        // a dot above a letter that has one
        ("admin", "adm\u{131}\u{307}n"),  // and above one that has lost it
        ("jan", "j\u{307}an"),
        ("istanbul", "\u{130}stanbul"),
        ("i\u{323}n", "i\u{323}\u{307}n"), // with another mark between them
        ("\u{456}mage", "i\u{307}mage"),
    ] {
        let [one, other] = [a, b].map(|name| Name::parse(name).unwrap());
        assert!(one.looks_like(&other) && other.looks_like(&one), "{a} {b}");
        assert!(one.clone().prepared().looks_like(&other.clone().prepared()), "{a} {b}");
        assert_ne!(one.key(), other.key(), "{a} {b}");
    }
    for (a, b) in [("ivan", "lvan"), ("e\u{307}va", "eva"), ("ana", "anna"), ("z\u{307}", "z")] {
        let [one, other] = [a, b].map(|name| Name::parse(name).unwrap());
        assert!(!one.looks_like(&other), "{a} {b}");
    }
}

#[test]
fn what_a_name_is_compared_by_has_a_bound() {
    let long = "\u{fdfa}".repeat(32);
    assert_eq!(Name::parse(&long), Err(NameError::TooLongPlain(576)));
    assert_eq!(Name::parse_kept(&long).unwrap().as_str(), long, "a store may hold it");
    assert!(Name::parse("\u{fdfa}\u{fdfa}\u{fdfa}").is_ok());
    let most = |c: char| Name::parse(&c.to_string().repeat(NAME_CHARS)).ok();
    let is_long = |c: &char| c.nfkc().count() > 1 || unicode_security::skeleton(&c.to_string()).count() > 1;
    for name in (0..=0x10_ffff).filter_map(char::from_u32).filter(is_long).filter_map(most) {
        assert!(name.key().as_str().chars().count() <= 4 * NAME_CHARS, "{name}");
        assert!(name.looks().iter().all(|look| look.0.chars().count() <= 8 * NAME_CHARS), "{name}");
    }
}

proptest! {
    #[test]
    fn a_name_never_has_what_hides(s in "\\PC{0,40}") {
        if let Ok(name) = Name::parse(&s) {
            prop_assert!(!name.as_str().chars().any(|c| c.is_control() || c.is_whitespace()));
            prop_assert!(name.as_str().chars().count() <= NAME_CHARS);
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        }
    }

    #[test]
    fn case_never_matters(s in "[a-zA-Zα-ωА-я]{1,32}") {
        let name = Name::parse(&s).unwrap();
        for other in [s.to_lowercase(), s.to_uppercase()] {
            if let Ok(other) = Name::parse(&other) {
                // The final sigma has its own lower-case letter; folding makes both equal.
                prop_assert_eq!(name.key(), other.key());
            }
        }
    }
}
