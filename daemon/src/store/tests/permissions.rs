//! Tests of grants, private rooms, mutes, bans and the audit log over a restart.

use super::*;
use tcp_chat_protocol::{Banned, Role};
use tcp_chat_state::{Audit, By, Penalty, PermissionChange};

fn penalty(until: Option<u64>) -> Penalty {
    Penalty { until, reason: "spam".into(), by: "operator (uid 0)".into(), since: START, share: None }
}

/// The same by a user in whose share it counts.
fn shared() -> Penalty {
    Penalty { by: "Cy".into(), share: Some(name("Cy")), ..penalty(None) }
}

fn line(by: By, did: &str) -> Audit {
    let whom = Some("bo".into());
    Audit {
        at: START,
        by,
        did: did.into(),
        whom,
        room: None,
        what: None,
        until: Some(START + 1),
        reason: "".into(),
    }
}

fn changes() -> Vec<PermissionChange> {
    let (ana, bo) = (name("ana"), name("bo"));
    let (here, server) = (Some(room(1)), None);
    let ban = |whom: &str, ban| PermissionChange::Ban { scope: server, banned: whom.parse().unwrap(), ban };
    vec![
        PermissionChange::Grant { scope: here, user: ana.clone(), role: Some(Role::Member), by: None },
        PermissionChange::Grant {
            scope: here,
            user: ana.clone(),
            role: Some(Role::Owner),
            by: Some(name("cy")),
        },
        PermissionChange::Grant { scope: server, user: ana.clone(), role: Some(Role::ReadOnly), by: None },
        PermissionChange::Grant { scope: server, user: bo.clone(), role: Some(Role::ReadOnly), by: None },
        PermissionChange::Grant { scope: server, user: bo.clone(), role: None, by: None },
        PermissionChange::Private { room: room(1), private: true },
        PermissionChange::Private { room: room(2), private: true },
        PermissionChange::Mute { scope: here, user: bo.clone(), mute: Some(shared()) },
        PermissionChange::Ban { scope: here, banned: Banned::User(bo.clone()), ban: Some(shared()) },
        ban("mallory", Some(penalty(Some(START + MINUTE)))),
        ban("10.0.0.0/8", Some(penalty(None))),
        ban("2001:db8::1", Some(penalty(None))),
        ban("2001:db8::/64", None),
        ban(&"ab".repeat(32), Some(penalty(None))),
    ]
}

#[tokio::test]
async fn permissions_are_stored_and_removed_with_their_room() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(folder.path().join("chat.db"));
    let (mut store, ..) = open(&history);
    let audit = vec![line(By::Operator(0), "ban"), line(By::User(name("ana")), "kick")];
    let mut writes = Writes { permissions: changes(), audit: audit.clone(), ..Model::open(2) };
    store.commit(&mut writes).unwrap();
    drop(store); // as a crash does

    let (mut store, readers, found) = open(&history);
    let (ana, bo) = (name("ana"), name("bo"));
    let wanted = StoredPermissions {
        grants: vec![
            (None, ana.clone(), Role::ReadOnly, None),
            (Some(room(1)), ana, Role::Owner, Some(name("cy"))),
        ],
        private: vec![room(1), room(2)],
        mutes: vec![(Some(room(1)), bo.clone(), shared())],
        bans: vec![
            (None, "10.0.0.0/8".parse().unwrap(), penalty(None)),
            (None, "ab".repeat(32).parse().unwrap(), penalty(None)),
            (None, "mallory".parse().unwrap(), penalty(Some(START + MINUTE))),
            (Some(room(1)), Banned::User(bo), shared()),
        ],
    };
    assert_eq!(found.permissions, wanted);
    assert_eq!(found.permissions.banned_ranges().len(), 1);
    assert_eq!(readers.read_audit(10).await.unwrap(), audit);
    assert_eq!(readers.read_audit(1).await.unwrap(), audit[1..], "the newest");

    let audit = vec![line(By::Operator(7), "kick")];
    store.commit(&mut Writes { gone: vec![room(1)], audit, ..Writes::default() }).unwrap();
    let after = StoredPermissions {
        grants: wanted.grants[..1].to_vec(),
        private: vec![room(2)],
        mutes: vec![],
        bans: wanted.bans[..3].to_vec(),
    };
    drop((store, readers));
    let (_, readers, found) = open(&history);
    assert_eq!(found.permissions, after);
    let did: Vec<_> = readers.read_audit(10).await.unwrap().into_iter().map(|a| a.by).collect();
    assert_eq!(did, [By::Operator(0), By::User(name("ana")), By::Operator(7)]);
}

#[test]
fn the_audit_log_is_only_added_to() {
    let (mut store, ..) = open(&in_memory());
    let audit = vec![line(By::Operator(0), "ban"), line(By::Operator(0), "unban")];
    store.commit(&mut Writes { audit, ..Writes::default() }).unwrap();
    let all = "(id, at, uid, did, reason) VALUES (2, 0, 0, 'x', '')";
    for sql in [
        "UPDATE audit SET whom = 'cy'".to_owned(),
        "DELETE FROM audit".to_owned(),
        "DELETE FROM audit WHERE id = 1".to_owned(),
        format!("INSERT OR REPLACE INTO audit {all}"),
        format!("REPLACE INTO audit {all}"),
        format!("INSERT INTO audit {all} ON CONFLICT DO UPDATE SET did = 'x'"),
    ] {
        let refused = store.log().execute_batch(&sql).unwrap_err().to_string();
        assert!(refused.contains("the audit log is only added to"), "{sql}: {refused}");
    }
    assert_eq!(store.count("SELECT count(*) FROM audit WHERE did IN ('ban', 'unban')"), 2);
}

/// Adds lines with this time until there have been `last`.
fn lines_until(store: &mut Store, last: i64, at: u64) {
    let sql = format!(
        "WITH RECURSIVE n(id) AS (SELECT 1 + (SELECT ifnull(max(id), 0) FROM audit)
             UNION ALL SELECT id + 1 FROM n WHERE id < {last})
         INSERT INTO audit (id, at, uid, did, reason) SELECT id, {at}, 0, 'kick', '' FROM n"
    );
    store.log().execute_batch(&sql).unwrap();
}

#[test]
fn audit_lines_are_removed_only_if_old_and_not_among_the_newest() {
    const OLD: u64 = START - 367 * 24 * 3600 * 1000;
    let (mut store, ..) = open(&in_memory());
    let oldest = |store: &mut Store| store.count("SELECT min(id) FROM audit");
    lines_until(&mut store, 100_005, OLD);
    assert_eq!(oldest(&mut store), 1, "none of the last year's is pushed out by many");
    let add = |store: &mut Store| {
        let audit = vec![line(By::Operator(0), "ban")];
        store.commit(&mut Writes { audit, ..Writes::default() }).unwrap();
    };
    let mut seen = Vec::new();
    for _ in 0..8 {
        add(&mut store);
        seen.push(oldest(&mut store));
    }
    assert_eq!(seen, [3, 5, 7, 9, 11, 12, 13, 14], "two at a time, until the newest 100,000 are left");
    assert_eq!(store.count("SELECT count(*) FROM audit"), 100_000);

    // After a year without lines the newest lines stay, and no other statement removes a line.
    for sql in ["DELETE FROM audit WHERE id = 14", "DELETE FROM audit WHERE id = 15", "DELETE FROM audit"] {
        let refused = store.log().execute_batch(sql).unwrap_err().to_string();
        assert!(refused.contains("the audit log is only added to"), "{sql}: {refused}");
    }
    lines_until(&mut store, 200_200, START);
    assert_eq!(oldest(&mut store), 100_006, "all that were old are gone");
    add(&mut store);
    assert_eq!(oldest(&mut store), 100_006, "of the last year all are there, however many");
    for id in [100_006, 100_007, 200_201] {
        store.log().execute(&format!("DELETE FROM audit WHERE id = {id}"), []).unwrap_err();
    }
}

#[test]
fn over_its_limit_the_audit_log_removes_the_oldest_lines_of_any_age() {
    let (mut store, ..) = open(&in_memory());
    // An older version may have left more. The log shrinks with each added line.
    store.log().execute_batch("DROP TRIGGER audit_forgets").unwrap();
    lines_until(&mut store, 500_003, START);
    store
        .log()
        .execute_batch(
            include_str!("../schema/audit_bound.sql").split_once("DROP TRIGGER audit_forgets;").unwrap().1,
        )
        .unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let audit = vec![line(By::Operator(0), "ban")];
        store.commit(&mut Writes { audit, ..Writes::default() }).unwrap();
        seen.push(store.count("SELECT min(id) FROM audit"));
    }
    assert_eq!(seen, [3, 5, 7, 8], "two at a time, until the newest 500,000 are left");
    assert_eq!(store.count("SELECT count(*) FROM audit"), 500_000);
    for id in [8, 9, 500_000] {
        store.log().execute(&format!("DELETE FROM audit WHERE id = {id}"), []).unwrap_err();
    }
}

#[test]
fn a_store_of_the_first_version_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../schema/1.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 0x74634874; PRAGMA user_version = 1").unwrap();
    old.execute_batch("INSERT INTO conversations (id, room, head) VALUES (1, 'lobby', 0)").unwrap();
    drop(old);
    let (mut store, _, found) = open(&history(&path));
    assert_eq!((found.conversations.len(), found.permissions), (1, StoredPermissions::default()));
    store.commit(&mut Writes { permissions: changes(), ..Writes::default() }).unwrap();
}
