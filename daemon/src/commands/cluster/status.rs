//! Owns `cluster status`: this node as its daemon knows it, and the stream as its leader knows it. Called by the commands of
//! a cluster. Never changes anything.

use crate::cluster::Admin;
use crate::commands::{Failure, control, exit, print};
use crate::order::{KNOWN, digits};
use crate::settings::Settings;
use crate::store::Store;
use serde_json::{Map, Value, json};
use tcp_chat_turn_log::Saved;

/// What the daemon says for `cluster check`, if it runs: the nodes for which a raise of the behaviour waits, and those whose
/// configuration is not the policy of the cluster.
pub(super) fn notes(settings: &Settings) -> Vec<String> {
    notes_of(&control::node_status(settings.control_socket().as_deref()).unwrap_or_default())
}

fn notes_of(daemon: &Value) -> Vec<String> {
    let names = |field| {
        let list = daemon.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let (older, differ, keys) =
        (names("raise_waits_for"), names("policy_differs"), names("policy_differs_in"));
    let mut notes = Vec::new();
    if !older.is_empty() {
        notes.push(format!("the rules of the newer version wait for {older}: install it there, too"));
    }
    if !differ.is_empty() {
        let here = if keys.is_empty() { String::new() } else { format!(" (on this node: {keys})") };
        notes.push(format!(
            "the configuration of {differ}, as last read, differs from the policy of the cluster, which counts{here}: put the \
             same limits, rooms and logins in the files of all nodes, then run `tcp-chatd reload` on each"
        ));
    }
    notes
}

/// Prints the state of the node and of the stream. Fails if neither is known.
pub(super) fn status(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let node = super::node(settings)?;
    let daemon = control::node_status(settings.control_socket().as_deref());
    let mut shown = match &daemon {
        Ok(Value::Object(fields)) => fields.clone(),
        _ => at_rest(settings, &node.name),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Failure::new(exit::INTERNAL, why.to_string()))?;
    let stream = runtime.block_on(async { Admin::connect(&node.nats).await?.info().await });
    match &stream {
        Ok(info) => shown.extend(info.as_json()),
        Err(why) => drop(shown.insert("stream_error".to_owned(), Value::String(why.to_string()))),
    }
    match as_json {
        true => print(&format!("{}\n", Value::Object(shown)))?,
        false => print(&text(&shown))?,
    }
    match (daemon, stream) {
        (Err(why), Err(_)) => Err(why),
        _ => Ok(()),
    }
}

/// What the store of a daemon that does not run says.
fn at_rest(settings: &Settings, name: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(name));
    fields.insert("state".to_owned(), json!("stopped"));
    if Store::is_outdated(&settings.history) {
        // The next start fetches the store of another node.
        fields.insert("outdated".to_owned(), json!(true));
    }
    let checked = Store::check(&settings.history).ok().and_then(|checked| checked.node);
    if let Some(saved) = checked.and_then(|node| Saved::decode(&node.place).ok()) {
        fields.insert(
            "generation".to_owned(),
            json!(saved.generation().map_or(0, |generation| generation.number)),
        );
        fields.insert("behaviour".to_owned(), json!(saved.behaviour()));
        fields.insert("behaviour_known".to_owned(), json!(KNOWN.newest));
        fields.insert("applied".to_owned(), json!(saved.claim().applied));
        fields.insert("digest".to_owned(), json!(digits(&saved.claim().digest)));
    }
    fields
}

/// The names of the fields as text, in this order: the node, its place in the log, the stream. Others follow.
const NAMES: [(&str, &str); 25] = [
    ("name", "node"),
    ("state", "state"),
    ("members", "living nodes"),
    ("connected", "connected with NATS"),
    ("is_up", "started in the log"),
    ("generation", "generation"),
    ("epoch", "epoch"),
    ("behaviour", "behaviour"),
    ("behaviour_known", "behaviour it knows"),
    ("raise_waits_for", "raise waits for"),
    ("policy_differs", "nodes with another policy"),
    ("policy_differs_in", "keys that differ here"),
    ("in_flight", "entries in flight"),
    ("applied", "applied up to record"),
    ("digest", "digest of that"),
    ("end", "last record it knows"),
    ("clock_behind_s", "seconds its clock is behind"),
    ("stream", "stream"),
    ("leader", "leader"),
    ("quorum", "quorum"),
    ("replicas", "replicas"),
    ("records", "records"),
    ("bytes", "bytes"),
    ("first", "first record"),
    ("last", "last record"),
];

fn text(fields: &Map<String, Value>) -> String {
    let known = NAMES.iter().filter_map(|(key, name)| Some(((*name).to_owned(), fields.get(*key)?)));
    let is_other = |key: &str| NAMES.iter().all(|(known, _)| *known != key);
    let others = fields.iter().filter(|(key, _)| is_other(key));
    let lines: Vec<_> = known.chain(others.map(|(key, value)| (key.replace('_', " "), value))).collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut out = String::new();
    for (name, value) in lines {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(members) => members.iter().map(member).collect::<Vec<_>>().join(", "),
            value => value.to_string(),
        };
        out.push_str(&format!("{name:width$}  {value}\n"));
    }
    out
}

fn member(member: &Value) -> String {
    if let Value::String(name) = member {
        return name.clone();
    }
    let field = |name| member.get(name).and_then(Value::as_str).unwrap_or_default();
    match (field("name"), field("address")) {
        (name, "") => name.to_owned(),
        (name, address) => format!("{name} ({address})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_names_the_nodes_whose_configuration_differs() {
        assert!(notes_of(&json!({ "name": "chat1" })).is_empty());
        let notes =
            notes_of(&json!({ "policy_differs": ["chat1", "chat2"], "policy_differs_in": ["limits.burst"] }));
        assert!(
            notes[0].starts_with("the configuration of chat1, chat2, as last read, differs"),
            "{notes:?}"
        );
        assert!(notes[0].contains("(on this node: limits.burst): put the same"), "{notes:?}");
        assert!(notes_of(&json!({ "raise_waits_for": ["chat3"] }))[0].contains("wait for chat3"));
    }

    #[test]
    fn the_node_comes_before_the_stream_and_nothing_is_left_out() {
        let members =
            json!([{ "name": "chat1", "address": "chat1:3000" }, { "name": "chat2", "address": "" }]);
        let fields = json!({ "raise_waits_for": ["chat2", "chat3"], "last": 7, "name": "chat1", "members": members, "leader": null, "a_later_field": true });
        let Value::Object(fields) = fields else { unreachable!() };
        let shown = text(&fields);
        let lines: Vec<_> = shown.lines().map(|line| line.split_once("  ").unwrap()).collect();
        let trimmed: Vec<_> = lines.iter().map(|(name, value)| (name.trim(), value.trim())).collect();
        let wanted = [
            ("node", "chat1"),
            ("living nodes", "chat1 (chat1:3000), chat2"),
            ("raise waits for", "chat2, chat3"),
            ("last record", "7"),
            ("a later field", "true"),
        ];
        assert_eq!(trimmed, wanted);
    }
}
