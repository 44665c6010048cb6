//! Searches in scripts that are written without spaces, or put particles behind a word.

use super::search::{find, look_for};
use super::*;
use proptest::prelude::*;

#[tokio::test]
async fn a_word_is_found_with_what_is_written_behind_it() {
    let (mut store, readers, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    for text in ["서버가 죽었어요", "API서버는 ㅋㅋㅋㅋ", "ｻｰﾊﾞｰが停止", "ㄅㄆㄇ", "서비스 버그"]
    {
        store.commit(model.say(&[(1, &[("ana", text)])])).unwrap();
    }
    let table: &[(&str, &[Seq])] = &[
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
        assert_eq!(find(&readers, look_for(query, &[1])).await.0, *wanted, "{query}");
    }
    let page = readers.search(look_for("서버 NOT API", &[1])).await.unwrap();
    assert!(text(&page.data).contains(r#""highlights":[[0,2]]"#), "{}", text(&page.data));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_part_of_a_korean_word_is_found(words in prop::collection::vec(("[가-힣a]{0,3}", "[가-힣]{1,4}", "[가-힣ㅋ]{0,3}"), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let missed = runtime.block_on(async {
            let (mut store, readers, _) = open(&in_memory());
            let mut model = Model::default();
            store.commit(Model::open(1)).unwrap();
            for (before, part, after) in &words {
                store.commit(model.say(&[(1, &[("ana", &format!("x {before}{part}{after} y"))])])).unwrap();
            }
            let mut missed = Vec::new();
            for (seq, (_, part, _)) in (1..).zip(&words) {
                let found = find(&readers, look_for(part, &[1])).await.0;
                if !found.contains(&seq) {
                    missed.push((seq, part, found));
                }
            }
            missed.iter().map(|missed| format!("{missed:?}")).collect::<Vec<_>>()
        });
        prop_assert!(missed.is_empty(), "{missed:?}");
    }
}
