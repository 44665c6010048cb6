//! Tests of users and certificates by their names, and of the parts that a change copies.

use super::*;

fn user(id: i64, name: &str) -> User {
    User { id: UserId(id), name: name.parse().unwrap(), password: None, code: None, added: 0 }
}

#[test]
fn a_user_is_found_by_every_way_of_writing_the_name() {
    let mut users = Users::new([user(1, "Ivan"), user(2, "bo")], []);
    let find = |users: &Users, name: &str| users.by_name(&name.parse().unwrap()).map(|u| u.id.0);
    assert_eq!(find(&users, "IVAN"), Some(1));
    assert_eq!(find(&users, "B0"), None, "it only looks the same");
    assert_eq!(users.twin(&"B0".parse().unwrap()).map(|u| u.id.0), Some(2));
    assert_eq!(find(&users, "lvan"), None, "another name");
    assert_eq!(users.twin(&"lvan".parse().unwrap()).map(|u| u.id.0), Some(1), "that looks like it");
    users.remove(UserId(1));
    assert_eq!((find(&users, "Ivan"), users.twin(&"lvan".parse().unwrap())), (None, None));
}

#[test]
fn a_users_certificates_are_those_of_the_exact_name() {
    let certificate = |n: u8, name: &str, revoked| Certificate {
        key: Digest([n; 32]),
        name: name.parse().unwrap(),
        until: 9,
        revoked,
    };
    let good = |n, name| certificate(n, name, Revocation::None);
    let all = [good(1, "born"), good(2, "bom"), good(3, "BORN")];
    let mut users = Users::new([], all);
    let of = |users: &Users, name: &str| -> Vec<u8> {
        users.certificates_of(&name.parse().unwrap()).map(|c| c.key.0[0]).collect()
    };
    assert_eq!((of(&users, "Born"), of(&users, "bom"), of(&users, "cy")), (vec![1, 3], vec![2], vec![]));
    // One key may be in certificates for several names: each has its row.
    users.put_certificate(certificate(1, "bom", Revocation::Name));
    assert_eq!((of(&users, "born"), of(&users, "bom")), (vec![1, 3], vec![1, 2]));
    users.put_certificate(certificate(3, "born", Revocation::Name));
    assert_eq!((of(&users, "born"), users.certificates().count()), (vec![1, 3], 4));
    users.forget_certificate(&Digest([1; 32]), &"BOM".parse().unwrap());
    assert_eq!((of(&users, "born"), of(&users, "bom")), (vec![1, 3], vec![2]));
    assert_eq!(users.certificates().count(), 3);
}

#[test]
fn a_change_copies_little_of_a_published_directory() {
    let code = Code { hash: Digest([1; 32]), until: 5, gives: CodePurpose::Certificate };
    let all = (0..5_000).map(|n| User { code: Some(code), ..user(n, &format!("user{n}")) });
    let certificate = |n: i64| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        let name = format!("user{n}").parse().unwrap();
        Certificate { key: Digest(key), name, until: 9, revoked: Revocation::None }
    };
    let mut users = Users::new(all, (0..5_000).map(certificate));
    for change in [
        (|users: &mut Users, _| users.put(user(5_001, "another"))) as fn(&mut Users, Certificate),
        |users, _| users.put(user(17, "user17")),
        |users, _| drop(users.remove(UserId(18))),
        |users, certificate| users.put_certificate(certificate),
    ] {
        let given_out = users.clone();
        let before = crate::steps::so_far();
        change(&mut users, certificate(19));
        let cost = crate::steps::so_far() - before;
        assert!(cost < 500, "{cost} steps");
        drop(given_out);
    }
    assert_eq!((users.len(), users.fetching_until()), (5_000, 5));
}

#[test]
fn nothing_secret_is_printed() {
    let mut ana = user(1, "ana");
    ana.password = Some("$argon2id$secret".into());
    assert!(!format!("{ana:?}").contains("argon"));
}
