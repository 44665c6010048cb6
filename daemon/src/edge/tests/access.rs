//! Tests of identity: registered names, codes, certificates, and several sessions of one user that are shown as one.

use super::asks::code;
use super::world::World;
use super::*;
use tcp_chat_protocol::Name;
use tcp_chat_protocol::{Action, Against, Banned};

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn login(name: &str, password: &str) -> String {
    format!(r#"{{"op":"LOGIN","data":{{"name":"{name}","password":"{password}"}}}}"#)
}

fn enrol(code: &str, password: &str) -> String {
    format!(r#"{{"op":"ENROL","data":{{"name":"cy","code":"{code}","password":"{password}"}}}}"#)
}

pub(super) fn certificate(key: u8, name: &str) -> Certificate {
    Certificate {
        key: Digest([key; 32]),
        name: name.parse().unwrap(),
        until: u64::MAX,
        revoked: Revocation::None,
    }
}

#[test]
fn a_registered_name_belongs_to_its_owner_in_every_mode() {
    for accounts in [false, true] {
        let mut world =
            World::new(|rules| rules.access = if accounts { Access::Accounts } else { Access::Open });
        world.registers("Ivan");
        for (line, answer) in [
            (login("ivan", "wrong"), "ERROR_MSG AUTH_FAILED"),
            (r#"{"op":"LOGIN","data":{"name":"IVAN"}}"#.to_owned(), "ERROR_MSG AUTH_FAILED"),
            (login("IVAN", "pw"), "LOGIN Ivan lobby head 0"),
            // It looks like it.
            (
                r#"{"op":"LOGIN","data":{"name":"lvan"}}"#.to_owned(),
                if accounts { "ERROR_MSG AUTH_FAILED" } else { "ERROR_MSG NAME_TAKEN" },
            ),
            (
                r#"{"op":"LOGIN","data":{"name":"bo"}}"#.to_owned(),
                if accounts { "ERROR_MSG AUTH_FAILED" } else { "LOGIN bo lobby head 0" },
            ),
        ] {
            let who = world.connect();
            world.sends(who, &line);
            assert_eq!(world.hears(who), [answer], "{line}, accounts: {accounts}");
        }
    }
}

#[test]
fn a_code_works_once_and_for_a_day() {
    let mut world = World::new(|_| {});
    let until = world.now.wall + 1_000;
    world.grants(UserCommand::Add(name("cy"), code("c1", until)));
    let who = world.connect();
    for (line, answer) in [
        (enrol("c2", "pw"), "ERROR_MSG AUTH_FAILED"),
        (enrol("c1", "pw"), "ENROL"),
        (enrol("c1", "other"), "ERROR_MSG AUTH_FAILED"),
        (login("cy", "pw"), "LOGIN cy lobby head 0"),
        (enrol("c1", "pw"), "ERROR_MSG ALREADY_LOGGED_IN"),
    ] {
        world.sends(who, &line);
        assert_eq!(world.hears(who), [answer], "{line}");
    }
    world.grants(UserCommand::Reset(name("cy"), code("c3", until)));
    assert_eq!(world.hears(who), ["NOTICE KICKED", "(closed: kicked)"]);
    world.passes(1_001);
    let who = world.connect();
    world.sends(who, &enrol("c3", "pw"));
    assert_eq!(world.hears(who), ["ERROR_MSG AUTH_FAILED"], "too old");
    world.sends(who, &login("cy", "pw"));
    assert_eq!(world.hears(who), ["ERROR_MSG AUTH_FAILED"], "the old password is gone");
}

#[test]
fn a_code_is_not_used_up_by_a_turn_that_was_not_kept() {
    for is_killed in [true, false] {
        let mut world = World::new(|_| {});
        let until = world.now.wall + 1_000;
        world.grants(UserCommand::Add(name("cy"), code("c1", until)));
        let who = world.connect();
        world.turn();
        world.disk_is_full = true;
        world.sends(who, &enrol("c1", "pw"));
        assert!(world.hears(who).is_empty(), "it may yet be kept");
        world.sends(who, &enrol("c1", "other"));
        assert_eq!(world.hears(who), ["ERROR_MSG INTERNAL"]);
        assert_eq!(world.commands(UserCommand::Remove(name("cy"))), Err(UserCommandError::StoreFails));
        world.disk_is_full = false;
        if is_killed {
            world.is_killed();
            let who = world.connect();
            world.sends(who, &enrol("c1", "pw"));
            assert_eq!(world.hears(who), ["ENROL"], "nobody was told that it is used up");
        } else {
            world.recovers();
            assert_eq!(world.hears(who), ["ENROL"]);
        }
        world.restarts();
        let cy = world.logs_in("cy", "cy");
        assert_eq!(world.hears(cy), ["LOGIN cy lobby head 0"], "a restart keeps it");
    }
}

#[test]
fn registering_a_name_ends_the_sessions_that_did_not_prove_it() {
    let mut world = World::new(|_| {});
    let [ivan, bo] = [world.login("IVAN"), world.login("bo")];
    world.skips(&[ivan, bo]);
    world.registers("Ivan");
    assert_eq!(world.hears(ivan), ["NOTICE KICKED", "(closed: kicked)"]);
    assert_eq!(world.hears(bo), ["PRESENCE lobby IVAN left"]);
    world.operator(|state| {
        let until = u64::MAX;
        assert_eq!(
            state.run_user_command(0, UserCommand::Add(name("IVAN"), code("x", until))),
            Err(UserCommandError::Exists(name("Ivan")))
        );
        let twin = state.run_user_command(0, UserCommand::Add(name("lvan"), code("x", until)));
        assert_eq!(twin, Err(UserCommandError::LooksLike(name("lvan"), name("Ivan"))));
        assert_eq!(
            state.run_user_command(0, UserCommand::Remove(name("bo"))),
            Err(UserCommandError::NoSuchUser(name("bo")))
        );
    });
}

/// Not a valid new name, beside `admin` or alone: it looks like another one.
#[test]
fn a_new_name_has_no_invisible_characters() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.skips(&[ana]);
    for bad in ["admin\u{2d7f}", "\u{e1}\u{301}na", "1.\u{5d0}"] {
        let who = world.connect();
        world.sends(who, &login(bad, "pw"));
        world.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"bo","rooms":["{bad}"]}}}}"#));
        assert_eq!(world.hears(who), ["ERROR_MSG NAME_INVALID", "ERROR_MSG NAME_INVALID"], "{bad:?}");
        world.sends(ana, &format!(r#"{{"op":"JOIN","data":{{"room":"{bad}"}}}}"#));
        assert_eq!(world.hears(ana), ["ERROR_MSG NAME_INVALID"], "{bad:?}");
        world.operator(|state| {
            let added = state.run_user_command(0, UserCommand::Add(name(bad), code("x", u64::MAX)));
            assert!(matches!(added, Err(UserCommandError::NotNew(..))), "{bad:?}: {added:?}");
        });
        let shown = Presented { certificate: certificate(1, bad), issued: 0 };
        for evidence in [Evidence::Endpoint, Evidence::Certificate(Box::new(shown))] {
            world.operator(|state| {
                let refused = state.refuses_name(name(bad), evidence).expect("no new name");
                assert_eq!(refused.kind, ErrorKind::NameInvalid, "{bad:?}: {}", refused.msg);
            });
        }
    }
}

#[test]
fn several_sessions_of_a_user_are_shown_as_one_user() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let bo = world.login("bo");
    world.skips(&[bo]);
    let desk = world.logs_in("desk", "cy");
    assert_eq!(world.hears(bo), ["PRESENCE lobby cy joined"]);
    let phone = world.logs_in("phone", "cy");
    assert_eq!(world.hears(bo), Vec::<String>::new());
    world.skips(&[desk, phone]);

    world.sends(desk, r#"{"op":"MSG","data":"hello","id":1}"#);
    world.sends(bo, r#"{"op":"MSG","data":{"to":"cy","msg":"psst"}}"#);
    world.sends(phone, r#"{"op":"MSG","data":{"to":"bo","msg":"what"},"id":1}"#);
    assert_eq!(
        world.hears(desk),
        ["MSG#1 1<0 lobby cy: hello", "MSG 2<0 @cy bo: psst", "MSG 3<2 @bo cy: what"]
    );
    assert_eq!(
        world.hears(phone),
        ["MSG 1<0 lobby cy: hello", "MSG 2<0 @cy bo: psst", "MSG#1 3<2 @bo cy: what"]
    );
    world.skips(&[bo]);

    world.sends(bo, r#"{"op":"WHO","data":{"room":"lobby"}}"#);
    world.sends(bo, r#"{"op":"WHO"}"#);
    assert_eq!(world.hears(bo), ["WHO lobby [cy here, bo here] of 2", "WHO * [cy here, bo here] of 2"]);
    world.loses(desk);
    assert_eq!(world.hears(bo), Vec::<String>::new(), "the other is here");
    world.loses(phone);
    assert_eq!(world.hears(bo), ["PRESENCE lobby cy away"]);
    let desk = world.resumes("desk", Some(3));
    assert_eq!(world.hears(bo), ["PRESENCE lobby cy back"]);
    world.passes(200_000);
    assert_eq!(world.hears(bo), Vec::<String>::new(), "the phone's session ran out; the user is here");
    let phone = world.logs_in("phone", "cy");
    world.sends(phone, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.skips(&[bo]);
    world.sends(phone, r#"{"op":"QUIT"}"#);
    assert_eq!(world.hears(bo), ["PRESENCE ops cy left"], "of the lobby the desk is still in");
    world.sends(desk, r#"{"op":"QUIT"}"#);
    assert_eq!(world.hears(bo), ["PRESENCE lobby cy left"]);
}

#[test]
fn a_user_has_a_limited_number_of_sessions() {
    let mut world = World::new(|rules| rules.sessions_per_user = 2);
    world.registers("cy");
    let first = world.logs_in("1", "cy");
    world.logs_in("2", "cy");
    let third = world.logs_in("3", "cy");
    assert_eq!(world.hears(third), ["ERROR_MSG NAME_TAKEN"]);
    world.sends(first, r#"{"op":"QUIT"}"#);
    world.sends(third, &login("cy", "pw"));
    assert_eq!(world.hears(third), ["LOGIN cy lobby head 0"]);
}

#[test]
fn direct_messages_of_registered_users_outlive_their_sessions() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.registers("di");
    let [cy, bo] = [world.logs_in("cy", "cy"), world.login("bo")];
    world.skips(&[cy, bo]);
    world.sends(bo, r#"{"op":"MSG","data":{"to":"di","msg":"x"}}"#);
    assert_eq!(world.hears(bo), ["ERROR_MSG NO_SUCH_USER"], "she is not here, and bo is nobody");
    world.sends(cy, r#"{"op":"MSG","data":{"to":"DI","msg":"for later"},"id":1}"#);
    assert_eq!(world.hears(cy), ["MSG#1 1<0 @di cy: for later"]);
    world.sends(cy, r#"{"op":"QUIT"}"#);
    world.restarts();
    let di = world.logs_in("di", "di");
    world.skips(&[di]);
    world.sends(di, r#"{"op":"HISTORY","data":{"with":"cy"}}"#);
    assert!(world.hears(di)[0].starts_with("Page(None, PageOf"), "it is there");
    world.grants(UserCommand::Remove(name("cy")));
    world.sends(di, r#"{"op":"HISTORY","data":{"with":"cy"}}"#);
    assert_eq!(world.hears(di), ["ERROR_MSG NO_SUCH_USER"]);
}

#[test]
fn in_accounts_mode_the_sessions_of_unregistered_users_end() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let [cy, bo] = [world.logs_in("cy", "cy"), world.login("bo")];
    world.skips(&[cy, bo]);
    let mut rules = Rules::from(&crate::settings::Settings::default());
    rules.access = Access::Accounts;
    world.operator(|state| state.set_rules(rules));
    assert_eq!(world.hears(bo), ["NOTICE KICKED", "(closed: kicked)"]);
    assert_eq!(world.hears(cy), ["PRESENCE lobby bo left"]);
}

#[test]
fn a_login_must_suffice_for_the_policy_at_its_place_in_the_log() {
    let closed = [(Access::Password("hash".into()), false), (Access::Accounts, false), (Access::Open, true)];
    for (access, certificate_required) in closed {
        let mut world = World::new(|_| {});
        let bo = world.login("bo");
        world.skips(&[bo]);
        let mut rules = Rules::from(&crate::settings::Settings::default());
        (rules.access, rules.certificate_required) = (access.clone(), certificate_required);
        world.operator(|state| state.set_rules(rules));
        // Its node has checked the login by an older policy: nothing was needed.
        let eve = world.login("eve");
        assert_eq!(world.hears(eve), ["ERROR_MSG AUTH_FAILED"], "{access:?}");
        world.proven.push("cy");
        let shows = world.login("cy");
        assert_eq!(world.hears(shows)[0].starts_with("LOGIN"), access != Access::Accounts, "{access:?}");
    }
}

#[test]
fn a_token_is_no_certificate() {
    let mut world = World::new(|_| {});
    let bo = world.login("bo");
    world.loses(bo);
    let mut rules = Rules::from(&crate::settings::Settings::default());
    rules.certificate_required = true;
    world.operator(|state| state.set_rules(rules));
    let again = world.resumes("bo", None);
    assert_eq!(world.hears(again), ["ERROR_MSG AUTH_FAILED"]);
}

#[test]
fn removing_a_user_takes_effect_at_once_and_frees_the_name() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let cy = world.logs_in("cy", "cy");
    let away = world.logs_in("away", "cy");
    world.loses(away);
    world.skips(&[cy]);
    world.operator(|state| assert_eq!(state.run_user_command(0, UserCommand::Remove(name("CY"))), Ok(2)));
    assert_eq!(world.hears(cy), ["NOTICE KICKED", "(closed: kicked)"]);
    let gone = world.resumes("away", None);
    assert_eq!(world.hears(gone), ["ERROR_MSG SESSION_EXPIRED"]);
    let other = world.login("cy");
    assert_eq!(world.hears(other), ["LOGIN cy lobby head 0"], "anyone's again, where all may come");
    world.restarts();
    assert_eq!(world.state.users().iter().count(), 0);
}

#[test]
fn a_banned_user_cannot_use_a_code() {
    let mut world = World::new(|_| {});
    let until = world.now.wall + 100_000;
    world.grants(UserCommand::Add(name("cy"), code("c1", until)));
    world.operator(|state| {
        let ban = Against { for_s: Some(50), ..Against::new(Banned::User(name("CY"))) };
        state.operate(0, &Action::Ban(ban), Past::Absent).unwrap();
    });
    let who = world.connect();
    world.sends(who, &enrol("c2", "pw"));
    assert_eq!(world.hears(who), ["ERROR_MSG AUTH_FAILED"], "who does not have the code learns nothing");
    world.sends(who, &enrol("c1", "pw"));
    assert!(world.hears(who)[0].starts_with("ERROR_MSG FORBIDDEN"));
    world.passes(50_001);
    world.sends(who, &enrol("c1", "pw"));
    assert_eq!(world.hears(who), ["ENROL"], "it was not used up");
}

#[test]
fn the_audit_log_has_the_commands_of_operators_about_users() {
    let mut world = World::new(|_| {});
    let (command, until) =
        (|command| move |state: &mut State| drop(state.run_user_command(7, command)), u64::MAX);
    world.operator(command(UserCommand::Add(name("cy"), code("c1", until))));
    world.operator(command(UserCommand::Reset(name("cy"), code("c2", until))));
    world.operator(command(UserCommand::Issued(certificate(1, "cy"))));
    world.operator(command(UserCommand::RevokeAll(name("cy"))));
    world.operator(command(UserCommand::Remove(name("nobody"))));
    world.disk_is_full = true;
    world.operator(command(UserCommand::Remove(name("cy"))));
    world.disk_is_full = false;
    world.recovers();
    world.operator(command(UserCommand::Remove(name("cy"))));
    let lines = world
        .disk
        .audit
        .iter()
        .map(|a| (a.by.to_string(), format!("{} {}", a.did, a.whom.as_deref().unwrap())));
    let expected = ["user add cy", "user password cy", "cert issue cy", "cert revoke cy", "user remove cy"];
    let expected = expected.map(|did| ("operator (uid 7)".to_owned(), did.to_owned()));
    assert_eq!(lines.collect::<Vec<_>>(), expected, "what was done, and nothing else");
}
