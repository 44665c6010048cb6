//! Tests of sessions on another node: the lines that connections of this node receive, and requests of a session that
//! has ended or moved since its node sent them.

use super::world::World;
use super::*;
use crate::edge::LoginAsk;

const OTHER: NodeId = NodeId(7);

/// A request that comes from a node.
fn asks(
    world: &mut World,
    origin: Origin,
    session: Option<SessionId>,
    line: &str,
) -> Result<Done, ErrorKind> {
    let Command::Ask(id, ask) = world.command(line) else { panic!("{line}") };
    let source = Source { origin, session };
    let mut done = None;
    world.operator(|state| done = Some(state.apply_intent(Intent::Request(source, id, op(ask))).1));
    done.unwrap().map_err(|refusal| refusal.kind)
}

/// A request, as the edge of the other node proposes it.
fn op(ask: Ask) -> Op {
    let allowance = Allowance { network: [192, 0, 2, 1].into(), sessions: usize::MAX, rooms: usize::MAX };
    match ask {
        Ask::Login(ask) => {
            let LoginAsk { login, fresh, resumes, proof } = *ask;
            let (hashes, evidence) = ((fresh.hash, resumes), Evidence::from(proof));
            Op::Login(Box::new(LoginOp::new(login, hashes, evidence, allowance)))
        }
        Ask::Join(room) => Op::Join(room, Box::new(allowance)),
        Ask::Leave(place) => Op::Leave(place),
        Ask::Say(target, json) => Op::Say(target, json, Past::Absent),
        Ask::Action(action) => Op::Action(action, Past::Absent),
        Ask::Mark(mark) => Op::Mark(Box::new(mark)),
        Ask::Quit => Op::Quit,
        Ask::Enrol(_) | Ask::Query(_) | Ask::Ping => panic!("{ask:?} is not asked here"),
    }
}

/// `ana` on this node, and `bo` on the other one, whose connection has the same number.
fn both() -> (World, ConnectionId, Origin, SessionId) {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.skips(&[ana]);
    let there = Origin { node: OTHER, connection: ana };
    let done = asks(&mut world, there, None, r#"{"op":"LOGIN","data":{"name":"bo"}}"#);
    let Ok(Done::LoggedIn(bo)) = done else { panic!("{done:?}") };
    assert_eq!(world.hears(ana), ["PRESENCE lobby bo joined"]);
    (world, ana, there, bo.session)
}

#[test]
fn only_the_messages_of_another_node_are_delivered_here() {
    let (mut world, ana, there, bo) = both();
    for (line, heard) in [
        (r#"{"op":"MSG","data":"x","id":5}"#, "MSG 1<0 lobby bo: x"),
        (r#"{"op":"MSG","data":{"to":"ana","msg":"y"},"id":6}"#, "MSG 2<0 @ana bo: y"),
    ] {
        assert_eq!(asks(&mut world, there, Some(bo), line), Ok(Done::Said));
        assert_eq!(world.hears(ana), [heard], "without the id, which is another client's");
    }
    let done = asks(&mut world, there, Some(bo), r#"{"op":"MSG","data":{"to":"bo","msg":"z"}}"#);
    assert_eq!((done, world.hears(ana)), (Ok(Done::Said), vec![]));
    world.operates(r#"{"op":"KICK","data":{"user":"bo","room":"lobby"}}"#).unwrap();
    assert_eq!(world.hears(ana), ["PRESENCE lobby bo left"]);
    world.operates(r#"{"op":"KICK","data":{"user":"bo"}}"#).unwrap();
    world.sends(ana, r#"{"op":"PING"}"#);
    assert_eq!(world.hears(ana), ["PING"], "its own connection stays");
}

#[test]
fn a_lone_daemon_with_the_store_of_a_node_has_nobody_here() {
    let (mut world, ..) = both();
    assert_eq!(world.state.counts().away, 0);
    world.is_killed();
    assert_eq!(world.state.counts().away, 2, "ana of this daemon, and bo of a node that is no longer there");
    world.passes(world.state.ttl_of(SessionId(1)) + 1);
    assert_eq!(world.state.sessions_away().count(), 0, "both have expired");
}

#[test]
fn when_another_node_starts_its_sessions_are_away_and_local_members_are_told() {
    let (mut world, ana, there, bo) = both();
    world.operator(|state| state.node_up(OTHER));
    assert_eq!(world.hears(ana), ["PRESENCE lobby bo away"]);
    assert_eq!(world.state.counts().away, 1);
    let done = asks(&mut world, there, Some(bo), r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(done, Err(ErrorKind::NotLoggedIn), "it comes from a connection of the process before");
    world.passes(world.rules.ttl_ms);
    assert_eq!(world.hears(ana), ["PRESENCE lobby bo left"]);
}

#[test]
fn a_session_that_moved_to_another_node_cannot_be_used_or_lost_on_the_old_one() {
    let (mut world, ana, there, bo) = both();
    let here = world.resumes("bo", None);
    assert_eq!(world.hears(here), ["LOGIN bo lobby head 0"]);
    assert!(world.hears(ana).is_empty(), "it was here before");
    let done = asks(&mut world, there, Some(bo), r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(done, Err(ErrorKind::NotLoggedIn));
    world.operator(|state| state.away(there, bo));
    assert_eq!((world.state.counts().away, world.hears(ana)), (0, vec![]));
    world.sends(here, r#"{"op":"MSG","data":"x","id":1}"#);
    assert_eq!(world.hears(here), ["MSG#1 1<0 lobby bo: x"]);
}

#[test]
fn an_ended_session_is_shown_unchanged_until_its_node_starts() {
    let (mut world, _, there, bo) = both();
    (world.slice.rooms, world.sweeps) = (0, false);
    assert_eq!(asks(&mut world, there, Some(bo), r#"{"op":"QUIT"}"#), Ok(Done::Other));
    let left = |state: &State| {
        state.snapshot().ended_sessions.iter().map(|leaving| leaving.origin).collect::<Vec<_>>()
    };
    assert_eq!(left(&world.state), [Some(there)]);
    let restored = State::restore(world.rules.clone(), world.disk.found(), world.now.wall);
    assert_eq!(left(&restored), [Some(there)], "the store has it");
    world.operator(|state| state.node_up(OTHER));
    assert_eq!(
        (left(&world.state), &world.disk.found().ended_sessions),
        (vec![None], &world.state.snapshot().ended_sessions)
    );
}

#[test]
fn clients_are_told_the_living_nodes_and_a_lone_daemon_names_none() {
    let mut world = World::new(|_| {});
    let servers =
        |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap()["data"]["servers"].clone();
    let logs_in = |world: &mut World, name: &str| {
        let conn = world.login(name);
        (conn, servers(&world.lines(conn)[0]))
    };
    assert_eq!(logs_in(&mut world, "ana").1, serde_json::Value::Null);
    let both = serde_json::json!(["a.example:3000", "b.example:3000"]);
    world.edge.set_servers(["a.example:3000".to_owned(), "b.example:3000".to_owned()].into());
    let (bo, told) = logs_in(&mut world, "bo");
    assert_eq!(told, both);
    world.edge.set_servers([].into());
    assert_eq!(logs_in(&mut world, "cy").1, serde_json::Value::Null);
    world.edge.set_servers(["a.example:3000".to_owned(), "b.example:3000".to_owned()].into());
    world.shuts_down();
    let is_shutdown = |line: &Vec<u8>| String::from_utf8_lossy(line).contains("SHUTDOWN");
    let going = world.lines(bo).into_iter().find(is_shutdown).unwrap();
    assert_eq!(servers(&going), both);
}

#[test]
fn the_webhook_of_another_node_does_not_take_over_the_one_of_this_node() {
    let mut world = World::new(|_| {});
    world.is_endpoint = true;
    let here = world.login("alerts");
    world.skips(&[here]);
    let there = Origin { node: OTHER, connection: here };
    world.is_endpoint = true;
    let done = asks(&mut world, there, None, r#"{"op":"LOGIN","data":{"name":"alerts"}}"#);
    assert!(matches!(done, Ok(Done::LoggedIn(_))), "{done:?}");
    world.sends(here, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(world.hears(here), ["MSG 1<0 lobby alerts: x"]);
}

#[test]
fn nodes_that_begin_the_shared_session_of_the_webhook_at_once_have_one() {
    let mut world = World::new(|_| {});
    let mut begins = |node, connection| {
        world.is_endpoint = true;
        let line = r#"{"op":"LOGIN","data":{"name":"alerts"}}"#;
        let Command::Ask(id, Ask::Login(mut ask)) = world.command(line) else { panic!("{line}") };
        ask.fresh.hash = [9; 32];
        let source = Source { origin: Origin { node, connection: ConnectionId(connection) }, session: None };
        let mut done = None;
        world.operator(|state| {
            done = Some(state.apply_intent(Intent::Request(source, id, op(Ask::Login(ask)))).1);
        });
        let Some(Ok(Done::LoggedIn(done))) = done else { panic!("{done:?}") };
        (done.session, done.resumed)
    };
    let (first, begun) = begins(OTHER, 1);
    let (second, resumed) = begins(NodeId(8), 2);
    assert_eq!((begun, resumed), (None, Some(tcp_chat_state::ResumeOutcome::TakenOver)));
    assert_eq!(first, second, "otherwise each node would know only its own keys");
}
