//! Owns scripts that must end in equal states although the store of a state cannot be written: the disk of one node
//! must not decide about a state. Never makes a script at random.

use super::same::stay_the_same;

#[test]
fn a_full_disk_does_not_change_a_state() {
    stay_the_same(&[
        (
            "a message that the proposer's store cannot keep, and what comes after it",
            r#"
            a {"op":"LOGIN","data":{"name":"ana"}}
            turn
            full steady
            a {"op":"MSG","data":"1","id":1}
            turn
            a {"op":"MSG","data":"2","id":2}
            a {"op":"MSG","data":"1","id":1}
            b {"op":"LOGIN","data":{"name":"bo","rooms":["lobby","ops"]}}
            a {"op":"JOIN","data":{"room":"dev"}}
            turn
            roomy steady
            turn
            a {"op":"MSG","data":"2","id":2}
            "#,
        ),
        (
            "a store that is full for many messages, which are written later, in order",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            turn
            full rebuilt
            full encoded
            a {"op":"MSG","data":{"room":"ops","msg":"1"},"id":1}
            turn
            a {"op":"MSG","data":{"room":"ops","msg":"2"},"id":2}
            turn
            retain 1
            turn
            a {"op":"MSG","data":{"room":"ops","msg":"1"},"id":1}
            a {"op":"LEAVE","data":{"room":"ops"}}
            turn
            retain 0
            turn
            rebuild
            roomy encoded
            turn
            "#,
        ),
        (
            "redactions and topics that the store cannot keep",
            r#"
            a {"op":"LOGIN","data":{"name":"ana","rooms":["ops"]}}
            a {"op":"MSG","data":{"room":"ops","msg":"1"},"id":1}
            a {"op":"MSG","data":{"room":"ops","msg":"2"},"id":2}
            turn
            full steady
            a {"op":"REDACT","data":{"room":"ops","seq":1}}
            a {"op":"ROOM","data":{"room":"ops","topic":"t"}}
            turn
            a {"op":"REDACT","data":{"room":"ops","seq":1}}
            a {"op":"REDACT","data":{"room":"ops","seq":2}}
            turn
            roomy steady
            turn
            a {"op":"REDACT","data":{"room":"ops","seq":1}}
            a {"op":"MSG","data":{"room":"ops","msg":"1"},"id":1}
            turn
            rebuild
            op {"command":"redact","room":"ops","seq":2}
            turn
            "#,
        ),
        (
            "a removal, an enrolment and roles that the store cannot keep",
            r#"
            op {"command":"user add","user":"cy","certificate":false}
            turn
            full steady
            a {"op":"ENROL","data":{"name":"cy","code":"code of cy","password":"pw"}}
            turn
            roomy steady
            full rebuilt
            a {"op":"LOGIN","data":{"name":"cy","password":"pw","rooms":["ops"]}}
            op {"command":"grant","user":"cy","role":"moderator"}
            turn
            op {"command":"user remove","user":"cy"}
            turn 1
            rebuild
            turn
            "#,
        ),
    ]);
}
