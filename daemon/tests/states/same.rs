//! Owns scripts about users, rooms and permissions that must end in equal states: repaired differences, and cases that are
//! easy to break. `paced` has those about clocks, slow work and limits. Never makes a script at random.

use super::replayed::{record, replay};
use super::run;
use super::scripts::steps;
use std::hash::{BuildHasher, Hasher, RandomState};

#[track_caller]
pub(crate) fn stay_the_same(scripts: &[(&str, &str)]) {
    for (what, script) in scripts {
        let steps = steps(script);
        assert_eq!(run(&steps), Ok(()), "{what}");
        // Other times of death in each run.
        let chance = RandomState::new().build_hasher().finish();
        println!("{what}, with chance {chance}");
        replay(&record(&steps), chance);
    }
}

#[test]
fn states_agree_about_users_rooms_and_permissions() {
    stay_the_same(&[
        (
            "an empty room goes with its last grant",
            r#"
            d {"op":"LOGIN","data":{"name":"op","rooms":["ops"]}}
            d {"op":"GRANT","data":{"user":"bo","role":"member","room":"ops"}}
            d {"op":"LEAVE","data":{"room":"ops"}}
            turn
            op {"command":"grant","user":"bo","room":"ops"}
            turn
            rebuild
            "#,
        ),
        (
            "a message is redacted that one store has removed already, and one that its store cannot show",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            a {"op":"MSG","data":{"room":"ops","msg":"1"}}
            a {"op":"MSG","data":{"room":"ops","msg":"2"}}
            a {"op":"ROOM","data":{"room":"ops","topic":"t"}}
            turn
            keeps steady
            retain 1
            turn
            a {"op":"REDACT","data":{"room":"ops","seq":1}}
            turn
            blind steady
            a {"op":"REDACT","data":{"room":"ops","seq":2}}
            turn
            rebuild
            a {"op":"LEAVE","data":{"room":"ops"}}
            retain 0
            turn
            a {"op":"JOIN","data":{"room":"ops"}}
            turn
            rebuild
            "#,
        ),
        (
            "direct messages are redacted by their number, and by an author whose partner has gone",
            r#"
            a {"op":"LOGIN","data":{"name":"ana"}}
            b {"op":"LOGIN","data":{"name":"bo"}}
            turn
            a {"op":"MSG","data":{"to":"bo","msg":"1"}}
            b {"op":"MSG","data":{"to":"ana","msg":"2"}}
            turn
            op {"command":"redact","seq":2,"reason":"r"}
            op {"command":"redact","seq":3}
            b {"op":"QUIT"}
            turn
            rebuild
            a {"op":"REDACT","data":{"with":"Bo","seq":1}}
            turn
            rebuild
            "#,
        ),
        (
            "a user is erased, with a restart in the middle, and another one by its name alone",
            r#"
            op {"command":"user add","user":"ana","certificate":false}
            op {"command":"user add","user":"mo","certificate":false}
            turn
            f {"op":"ENROL","data":{"name":"ana","code":"code of ana","password":"hers"}}
            turn
            a {"op":"LOGIN","data":{"name":"ana","password":"hers","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops"]}}
            turn
            a {"op":"MSG","data":{"room":"ops","msg":"1"},"id":1}
            turn
            a {"op":"MSG","data":{"to":"bo","msg":"2"},"id":2}
            b {"op":"MSG","data":{"to":"ana","msg":"3"},"id":3}
            turn
            a {"op":"MSG","data":{"room":"ops","msg":"4"}}
            op {"command":"grant","user":"ana","role":"moderator","room":"ops"}
            turn
            a {"op":"MUTE","data":{"user":"bo","room":"ops"}}
            turn
            op {"command":"mute","user":"ana","room":"ops"}
            op {"command":"user erase","user":"ana"}
            turn
            op {"command":"user erase","user":"ana","lift":true}
            turn
            rebuild
            op {"command":"user erase","user":"ANA"}
            turn
            rebuild
            turn
            op {"command":"user erase","user":"erased-9"}
            turn
            turn
            op {"command":"user erase","user":"bo"}
            turn
            rebuild
            turn
            a {"op":"LOGIN","data":{"name":"ana"}}
            b {"op":"LOGIN","data":{"name":"bo"}}
            turn
            turn
            turn
            turn
            turn
            turn
            turn
            turn
            rebuild
            "#,
        ),
        (
            "a session is connected to a node that did not restart",
            r#"
            a {"op":"LOGIN","data":{"name":"ana"}}
            turn
            rebuild
            turn
            "#,
        ),
        (
            "the node restarts to which the sessions are connected, and one of them comes back",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops"]}}
            turn
            restart
            turn
            rebuild
            a {"op":"LOGIN","data":{"session":"1"}}
            turn
            rebuild
            pass 2000
            turn
            "#,
        ),
        (
            "a mute that ended before a restart",
            r#"
            d {"op":"LOGIN","data":{"name":"op","rooms":["ops"]}}
            d {"op":"MUTE","data":{"user":"bo","room":"ops","for_s":1}}
            turn
            pass 2000
            rebuild
            turn
            op {"command":"mute","user":"ana"}
            "#,
        ),
        (
            "a removed user with rooms, direct messages and sessions",
            r#"
            op {"command":"user add","user":"cy","certificate":false}
            a {"op":"ENROL","data":{"name":"cy","code":"code of cy","password":"pw"}}
            turn
            a {"op":"LOGIN","data":{"name":"cy","password":"pw","rooms":["ops","dev"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops","dev"]}}
            a {"op":"MSG","data":{"to":"bo","msg":"x"},"id":"x"}
            turn
            op {"command":"user remove","user":"cy"}
            turn
            rebuild
            b {"op":"QUIT"}
            turn
            rebuild
            "#,
        ),
        (
            "bans in every spelling",
            r#"
            op {"command":"ban","whom":"user:192.0.2.1"}
            op {"command":"ban","whom":"Bo"}
            op {"command":"ban","whom":"bo","for_s":5}
            op {"command":"ban","whom":"2001:db8::/32"}
            op {"command":"ban","whom":"::ffff:192.0.2.7"}
            op {"command":"ban","whom":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
            turn
            rebuild
            op {"command":"unban","whom":"BO"}
            turn
            rebuild
            "#,
        ),
        (
            "a room that an operator opens and gives back",
            r#"
            op {"command":"room","room":"quiet","private":true}
            turn
            rebuild
            op {"command":"room","room":"quiet","private":false}
            turn
            rebuild
            "#,
        ),
        (
            "messages to oneself and to a user who is away",
            r#"
            op {"command":"user add","user":"cy","certificate":false}
            a {"op":"LOGIN","data":{"name":"ana"}}
            a {"op":"MSG","data":{"to":"ana","msg":"x"}}
            turn
            d {"op":"LOGIN","data":{"name":"op"}}
            d {"op":"MSG","data":{"to":"cy","msg":"x"}}
            turn
            rebuild
            a {"op":"QUIT"}
            d {"op":"QUIT"}
            turn
            rebuild
            turn
            "#,
        ),
        (
            "retention takes what kept a room and direct messages",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["lobby"]}}
            a {"op":"MSG","data":{"to":"bo","msg":"x"}}
            a {"op":"MSG","data":{"room":"ops","msg":"x"}}
            turn
            b {"op":"QUIT"}
            turn
            retain 0
            turn
            rebuild
            a {"op":"LEAVE","data":{"room":"ops"}}
            turn
            rebuild
            turn
            "#,
        ),
        (
            "the number below which retention has removed all",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            turn
            rebuild
            a {"op":"MSG","data":{"room":"ops","msg":"1"}}
            a {"op":"MSG","data":{"room":"ops","msg":"2"}}
            turn
            retain 1
            turn
            rebuild
            retain 0
            turn
            rebuild
            a {"op":"LEAVE","data":{"room":"ops"}}
            "#,
        ),
        (
            "mo mutes and bans bo as the owner of a room, and becomes a moderator of the server later",
            r#"
            c {"op":"LOGIN","data":{"name":"mo","rooms":["ops"]}}
            c {"op":"MUTE","data":{"user":"bo","room":"ops"}}
            c {"op":"BAN","data":{"user":"bo","room":"ops"}}
            c {"op":"GRANT","data":{"user":"cy","role":"member","room":"ops"}}
            turn
            op {"command":"grant","user":"mo","role":"moderator"}
            c {"op":"MUTE","data":{"user":"cy","room":"ops"}}
            turn
            rebuild
            op {"command":"grant","user":"mo","role":"member"}
            turn
            rebuild
            "#,
        ),
        (
            "a certificate that ended more than 90 days ago",
            r#"
            c {"op":"LOGIN","data":{"name":"mo"}}
            d {"op":"LOGIN","data":{"name":"op"}}
            turn
            pass 7948800000
            turn
            rebuild
            op {"command":"cert revoke","user":"mo"}
            turn
            retain 0
            rebuild
            turn
            op {"command":"cert revoke","user":"op"}
            "#,
        ),
        (
            "a room that was being removed is removed after a restart, too",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops"]}}
            turn
            op {"command":"room remove","room":"ops"}
            turn 1
            rebuild
            turn 1
            rebuild
            turn 1
            "#,
        ),
        (
            "a reload configures the name of a room that is being removed",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops"]}}
            a {"op":"MSG","data":{"room":"ops","msg":"1"}}
            turn
            op {"command":"room remove","room":"ops"}
            turn 1
            reload 2
            turn 1
            rebuild
            turn
            a {"op":"JOIN","data":{"room":"ops"}}
            turn
            rebuild
            "#,
        ),
        (
            "strangers lose a room that becomes private, and it becomes public before they are out",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops"]}}
            turn
            op {"command":"room","room":"ops","private":true}
            turn 1
            rebuild
            op {"command":"room","room":"ops","private":false}
            a {"op":"QUIT"}
            turn 0
            rebuild
            turn 1
            rebuild
            b {"op":"JOIN","data":{"room":"ops"}}
            "#,
        ),
        (
            "a removed user with grants, and strangers who have to leave",
            r#"
            op {"command":"user add","user":"cy","certificate":false}
            a {"op":"ENROL","data":{"name":"cy","code":"code of cy","password":"pw"}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops","dev"]}}
            turn
            op {"command":"grant","user":"cy","role":"owner"}
            op {"command":"grant","user":"cy","role":"member","room":"ops"}
            op {"command":"grant","user":"cy","role":"member","room":"dev"}
            a {"op":"LOGIN","data":{"name":"cy","password":"pw","rooms":["ops"]}}
            a {"op":"MSG","data":{"to":"bo","msg":"x"}}
            turn
            op {"command":"user remove","user":"cy"}
            reload 1
            turn 1
            rebuild
            turn 2
            rebuild
            turn 1
            rebuild
            "#,
        ),
        (
            "rooms in another order than that of their ids",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            a {"op":"JOIN","data":{"room":"lobby"}}
            turn
            rebuild
            a {"op":"LEAVE","data":{"room":"ops"}}
            a {"op":"JOIN","data":{"room":"dev"}}
            a {"op":"JOIN","data":{"room":"ops"}}
            turn
            rebuild
            "#,
        ),
    ]);
}
