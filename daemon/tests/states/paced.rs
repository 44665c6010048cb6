//! Owns scripts about clocks, the pace of slow work, the time of retention, rate limits and the errors of a
//! connection. These differ between processes and must not change a state: the states must be equal at the end of each
//! script. Never makes a script at random.

use super::same::stay_the_same;

#[test]
fn states_agree_whatever_the_clock_the_pace_and_the_limits() {
    stay_the_same(&[
        (
            "a session that is away ends when the proposer says so, whatever the clock of the system says",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo"}}
            turn
            a gone
            b gone
            turn
            pass 500
            set-clock 800
            rebuild
            turn
            b {"op":"LOGIN","data":{"session":"2"}}
            pass 500
            turn
            rebuild
            "#,
        ),
        (
            "a proposer that has time for one step of slow work in a turn",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["ops"]}}
            turn
            slow
            op {"command":"room remove","room":"ops"}
            turn
            rebuild
            turn
            turn
            "#,
        ),
        (
            "a store that puts off its retention",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            a {"op":"MSG","data":{"room":"ops","msg":"1"}}
            a {"op":"LEAVE","data":{"room":"ops"}}
            turn
            keeps encoded
            keeps rebuilt
            retain 0
            turn
            rebuild
            turn
            "#,
        ),
        (
            "a session that is too fast",
            r#"
            a {"op":"LOGIN","data":{"name":"ana"}}
            a {"op":"MSG","data":"0"}
            a {"op":"MSG","data":"1"}
            a {"op":"MSG","data":"2"}
            a {"op":"MSG","data":"3"}
            a {"op":"MSG","data":"4"}
            a {"op":"MSG","data":"5"}
            a {"op":"MSG","data":"6"}
            a {"op":"MSG","data":"7"}
            a {"op":"MSG","data":"8"}
            a {"op":"MSG","data":"9"}
            a {"op":"MSG","data":"10"}
            turn
            rebuild
            a {"op":"MSG","data":"11"}
            a {"op":"MSG","data":"12"}
            a {"op":"MSG","data":"13"}
            a {"op":"MSG","data":"14"}
            "#,
        ),
        (
            "a connection with too many errors in a row, before and after a restart",
            r#"
            a no request
            a no request
            a no request
            turn
            rebuild
            a no request
            a no request
            a {"op":"LOGIN","data":{"name":"ana"}}
            "#,
        ),
        (
            "a network that has half of all sessions and of all rooms, and a restart",
            r#"
            b {"op":"LOGIN","data":{"name":"ana","rooms":["r1","r2"]}}
            b gone
            b {"op":"LOGIN","data":{"name":"bo"}}
            b gone
            b {"op":"LOGIN","data":{"name":"cy"}}
            turn
            rebuild
            b {"op":"JOIN","data":{"room":"r3"}}
            b {"op":"JOIN","data":{"room":"r4"}}
            b gone
            b {"op":"LOGIN","data":{"name":"dee"}}
            "#,
        ),
        (
            "first messages to strangers, an answer, and a restart in between",
            r#"
            a {"op":"LOGIN","data":{"name":"ana"}}
            b {"op":"LOGIN","data":{"name":"bo"}}
            e {"op":"LOGIN","data":{"name":"dee"}}
            c {"op":"LOGIN","data":{"name":"mo"}}
            a {"op":"MSG","data":{"to":"bo","msg":"1"}}
            a {"op":"MSG","data":{"to":"dee","msg":"1"}}
            turn
            rebuild
            a {"op":"MSG","data":{"to":"mo","msg":"1"}}
            b {"op":"MSG","data":{"to":"ana","msg":"2"}}
            a {"op":"MSG","data":{"to":"mo","msg":"3"}}
            "#,
        ),
        (
            "queries and lines that are no request between messages to two rooms",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops","dev"]}}
            turn
            a {"op":"MSG","data":{"room":"ops","msg":"1"}}
            a {"op":"MSG","data":{"room":"dev","msg":"2"}}
            a {"op":"PING"}
            a {"op":"MSG","data":{"room":"ops","msg":"3"}}
            turn
            a {"op":"MSG","data":{"room":"ops","msg":"4"}}
            a {"op":"MSG","data":{"room":"dev","msg":"5"}}
            a no request
            a {"op":"MSG","data":{"room":"ops","msg":"6"}}
            turn
            "#,
        ),
    ]);
}
