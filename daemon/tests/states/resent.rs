//! Owns scripts that must end in equal states: messages that are sent again under their ids.

use super::same::stay_the_same;

#[test]
fn resends_are_recognised_equally_by_all_states() {
    stay_the_same(&[
        (
            "the store of the proposer cannot be read, and a message may have been sent before",
            r#"
            a {"op":"LOGIN","data":{"name":"ana"}}
            a {"op":"MSG","data":"1","id":2}
            turn
            blind steady
            a {"op":"MSG","data":"2","id":1}
            rebuild
            turn
            "#,
        ),
        (
            "a message is sent again whose store of the state cannot be read, and which the window has",
            r#"
            a {"op":"LOGIN","data":{"name":"ana"}}
            a {"op":"MSG","data":"1","id":2}
            turn
            rebuild
            blind rebuilt
            blind steady
            a {"op":"MSG","data":"1","id":2}
            turn
            "#,
        ),
        (
            "a message is sent again that is removed, first while the window has it",
            r#"
            op {"command":"user add","user":"cy","certificate":false}
            c {"op":"LOGIN","data":{"name":"mo"}}
            c {"op":"MSG","data":{"to":"cy","msg":"1"},"id":1}
            turn
            retain 0
            op {"command":"user remove","user":"cy"}
            turn
            turn
            rebuild
            c {"op":"MSG","data":"2","id":1}
            turn
            c {"op":"MSG","data":"3","id":"a"}
            c {"op":"MSG","data":"4","id":"b"}
            c {"op":"MSG","data":"5","id":"c"}
            turn
            rebuild
            c {"op":"MSG","data":"6","id":"d"}
            c {"op":"MSG","data":"7","id":"e"}
            c {"op":"MSG","data":"8","id":"f"}
            turn
            rebuild
            c {"op":"MSG","data":"9","id":1}
            c {"op":"MSG","data":"9","id":1}
            c {"op":"MSG","data":"3","id":"a"}
            turn
            rebuild
            c {"op":"MSG","data":"9","id":1}
            "#,
        ),
    ]);
}
