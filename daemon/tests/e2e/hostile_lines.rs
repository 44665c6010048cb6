//! Makes hostile lines: some by design, each with a known fault, and some at random from valid ones. Used by
//! `hostile`. Never connects to a daemon.

use crate::common::Dice;

/// Some valid lines that are then corrupted.
const GOOD: [&str; 8] = [
    r#"{"op":"MSG","data":"hello","id":1}"#,
    r#"{"op":"MSG","data":{"room":"lobby","msg":"h\u00e9llo \ud83e\udd80"},"id":"a"}"#,
    r#"{"op":"MSG","data":{"to":"eve","msg":"psst"}}"#,
    r#"{"op":"WHO","data":{"room":"lobby"},"id":3}"#,
    r#"{"op":"HISTORY","data":{"room":"lobby","limit":3,"before":9}}"#,
    r#"{"op":"SEARCH","data":{"query":"hello \"world\"","limit":2}}"#,
    r#"{"op":"LOGIN","data":{"name":"eve","session":"x","after":1}}"#,
    r#"{"op":"PING","data":[1,-2.5e3,true,null,{"a":{}}],"id":18446744073709551615}"#,
];

/// Pieces that often break something.
const SHARDS: [&[u8]; 34] = [
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\u",
    b"\\x41",
    b"\\",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"NaN",
    b"-0",
    b"1e999",
    b"99999999999999999999999",
    b"0x10",
    b"/* */",
    b"\t",
    b"\r",
    b"\x1b[2J",
    b"\xe2\x80\xa8",
    b"\"op\":\"PING\",",
];

/// A valid line with one to three faults.
pub(crate) fn spoiled(dice: &mut Dice) -> Vec<u8> {
    // With a new id, so that each can be a new message.
    let fresh = format!("\"id\":\"{:x}\"", dice.next());
    let mut line = dice.pick(&GOOD).replace("\"id\":1", &fresh).replace("\"id\":\"a\"", &fresh).into_bytes();
    for _ in 0..=dice.below(3) {
        let at = dice.below(line.len() + 1);
        match dice.below(6) {
            0 => line.truncate(at),
            1 => drop(line.splice(at..at, dice.pick(&SHARDS).iter().copied())),
            2 if at < line.len() => line[at] = u8::try_from(dice.below(256)).unwrap(),
            3 if at < line.len() => drop(line.remove(at)),
            4 => {
                let other = dice.pick(&GOOD).as_bytes();
                let cut = dice.below(other.len());
                line.splice(at.., other[cut..].iter().copied());
            }
            _ => {
                let piece = line[at..].to_vec();
                line.splice(at..at, piece);
            }
        }
    }
    line.retain(|b| *b != b'\n');
    line
}

/// Lines that are hostile by design, not at random.
pub(crate) fn by_design() -> Vec<Vec<u8>> {
    let deep = |open: &str, n: usize, close: &str| format!("{}{}", open.repeat(n), close.repeat(n));
    let mut lines: Vec<String> = Vec::new();
    for depth in [10, 127, 128, 129, 1000, 20_000] {
        lines.push(deep("[", depth, "]"));
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = if open == "[" {
                deep(open, depth, close)
            } else {
                format!("{}1{}", open.repeat(depth), close.repeat(depth))
            };
            if inner.len() < 60_000 {
                lines.push(format!(r#"{{"op":"PING","data":{inner}}}"#));
                lines.push(format!(r#"{{"op":"PING","id":{inner}}}"#));
                lines.push(format!(r#"{{"op":"MSG","data":{inner}}}"#));
                lines.push(format!(r#"{{"op":"MSG","data":{{"room":"lobby","msg":"x","more":{inner}}}}}"#));
                lines.push(format!(r#"{{"op":"PING","unknown":{inner}}}"#));
            }
        }
    }
    for number in [
        "-1",
        "1.0",
        "1e3",
        "18446744073709551616",
        "-0",
        "1E400",
        "0.1e-999",
        "01",
        "1.",
        ".5",
        "+1",
        "Infinity",
    ] {
        lines.push(format!(r#"{{"op":"PING","id":{number}}}"#));
        lines.push(format!(r#"{{"op":"HISTORY","data":{{"room":"lobby","before":{number}}}}}"#));
        lines.push(format!(r#"{{"op":"HISTORY","data":{{"room":"lobby","limit":{number}}}}}"#));
    }
    let digits = "9".repeat(50_000);
    lines.push(format!(r#"{{"op":"PING","id":{digits}}}"#));
    lines.push(format!(r#"{{"op":"PING","data":{digits}}}"#));
    for surrogates in [
        r"\ud800",
        r"\udfff",
        r"\ud83e",
        r"\ud83ex",
        r"\udd80\ud83e",
        r"\ud83e\ud83e",
        r"\uD83E\u0041",
        r"\ud83e\n",
    ] {
        lines.push(format!(r#"{{"op":"MSG","data":"{surrogates}"}}"#));
        lines.push(format!(r#"{{"op":"MSG","data":{{"room":"lobby","msg":"{surrogates}"}}}}"#));
        lines.push(format!(r#"{{"op":"{surrogates}"}}"#));
        lines.push(format!(r#"{{"op":"PING","id":"{surrogates}"}}"#));
        lines.push(format!(r#"{{"op":"SEARCH","data":{{"query":"{surrogates}"}}}}"#));
    }
    lines.extend(
        [
            r#"{"op":"PING","op":"QUIT"}"#,
            r#"{"op":"QUIT","op":"PING"}"#,
            r#"{"op":"MSG","data":"a","data":"b"}"#,
            r#"{"op":"MSG","data":{"room":"lobby","msg":"a","msg":"b"}}"#,
            r#"{"op":"MSG","data":{"room":"lobby","room":"ops","msg":"a"}}"#,
            r#"{"op":"PING","id":1,"id":2}"#,
            r#"{"op":"PING","\u006fp":"QUIT"}"#,
            r#"{"op":"__proto__","data":{"constructor":{}}}"#,
            r#"{"__proto__":{"op":"PING"}}"#,
            r#"{"op":"MSG","data":{"room":{"room":"lobby"},"msg":["a"]}}"#,
            r#"{"op":"MSG","data":{"room":null,"to":null,"msg":null}}"#,
            r#"{"op":"JOIN","data":{"room":"../../etc/passwd"}}"#,
            r#"{"op":"JOIN","data":{"room":"%s%n%x"}}"#,
            r#"{"op":"MSG","status":"OK","data":{"seq":1,"user":"root","msg":"x","room":"lobby"}}"#,
            r#"{"op":"ERROR_MSG","status":"ERR","data":{"kind":"INTERNAL","msg":"x"}}"#,
            r#"{"op":"NOTICE","data":{"kind":"SHUTDOWN"}}"#,
        ]
        .map(String::from),
    );
    lines.push(format!(r#"{{"op":"{}"}}"#, "x".repeat(60_000)));
    lines.push(format!(r#"{{"{}":1,"op":"PING"}}"#, "k".repeat(60_000)));
    lines.push(format!("{{{}\"op\":\"PING\"}}", "\"a\":1,".repeat(10_000)));
    lines.push(format!(
        r#"{{"op":"LOGIN","data":{{"name":"x","rooms":[{}"lobby"]}}}}"#,
        "\"lobby\",".repeat(6_000)
    ));
    lines.push(" ".repeat(65_000));
    lines.push("\r".repeat(1_000));
    lines.push("x".repeat(70_000));
    lines.push("\"".repeat(200_000));
    lines.push("{".repeat(65_536));
    lines.into_iter().map(String::into_bytes).collect()
}
