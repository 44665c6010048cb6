// What a session does with messages and questions over lost connections, restarts, limits and wrong answers: a message is sent
// again under its id, and shown once. The tests of crates/client/tests/session.rs, and what a page needs besides.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loggedIn, Peer } from "../helpers/peer.ts";

test("sends and hears", () => {
  const peer = loggedIn(10, { name: "ana", rooms: ["lobby"] });
  const tag = peer.send("hello\n🦀", { room: "lobby" });
  const msg = peer.expect("MSG");
  assert.deepEqual(msg.data, { room: "lobby", msg: "hello\n🦀" });
  peer.keep(msg, 11, 10);
  peer.say(12, 11, "hi");
  assert.equal(peer.keptAs(tag), 11);
  const own = peer.next();
  assert.ok(own.kind === "message" && own.message.own && own.message.tag === tag && own.message.id !== undefined);
  const other = peer.next();
  assert.ok(other.kind === "message" && !other.message.own && other.message.event.user === "bo");
});

test("what was not acknowledged is sent again under the same id once all is here", () => {
  const peer = loggedIn(10);
  const tag = peer.send("one");
  const first = peer.expect("MSG");
  peer.say(11, 10, "before the cut");
  assert.deepEqual(peer.nextMessage(), [11, "before the cut"]);
  peer.cut();
  peer.resumed(11);
  peer.say(12, 11, "missed");
  assert.deepEqual(peer.written.map((l) => l.op), ["PING"], "not before all that was missed is here");
  peer.allIsHere();
  assert.deepEqual(peer.expect("MSG"), first, "under the same id");
  peer.keep(first, 13, 12);
  assert.equal(peer.keptAs(tag), 13);
  assert.deepEqual(peer.nextMessage(), [12, "missed"]);
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 1 });
  assert.deepEqual(peer.nextMessage(), [13, "one"]);
});

test("an own message in the replay is its acknowledgement", () => {
  const peer = loggedIn(10);
  const tag = peer.send("one");
  const first = peer.expect("MSG");
  peer.cut();
  peer.resumed(10).keep(first, 11, 10);
  peer.allIsHere();
  assert.equal(peer.keptAs(tag), 11);
  assert.deepEqual(peer.nextMessage(), [11, "one"]);
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 1 });
  peer.nothingWritten();
});

test("doubles are dropped and a broken chain is told", () => {
  const peer = loggedIn(10);
  peer.say(11, 10, "a");
  peer.say(11, 10, "a");
  peer.say(14, 13, "c");
  peer.say(15, 14, "d");
  assert.deepEqual(peer.nextMessage(), [11, "a"]);
  assert.deepEqual(peer.next(), { kind: "chain-broken", place: { room: "lobby" }, last: 11, prev: 13, seq: 14 });
  assert.deepEqual(peer.nextMessage(), [14, "c"]);
  assert.deepEqual(peer.nextMessage(), [15, "d"]);
});

test("a gap is told and breaks no chain", () => {
  const peer = loggedIn(10);
  peer.cut();
  peer.resumed(10).notice({ kind: "GAP", msg: "gone", from: 11, to: 20 });
  peer.say(21, 20, "what is left");
  peer.allIsHere();
  assert.deepEqual(peer.next(), { kind: "gap", from: 11, to: 20 });
  assert.deepEqual(peer.nextMessage(), [21, "what is left"]);
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 1 });
});

test("a rate limit is waited for and the order stays", () => {
  const peer = loggedIn(10);
  const [one, two] = [peer.send("one"), peer.send("two")];
  const msg = peer.expect("MSG");
  peer.refuse(msg, "RATE_LIMITED", 30);
  peer.after(29).nothingWritten();
  assert.deepEqual(peer.after(1).expect("MSG"), msg);
  peer.keep(msg, 11, 10);
  const second = peer.expect("MSG");
  assert.equal(second.data, "two");
  peer.keep(second, 12, 11);
  assert.deepEqual([peer.keptAs(one), peer.keptAs(two)], [11, 12]);
});

test("a message that was refused as too fast was not kept, so it is safe to send in a new session", () => {
  const peer = loggedIn(10);
  const tag = peer.send("one");
  peer.refuse(peer.expect("MSG"), "RATE_LIMITED", 20_000);
  peer.cut();
  peer.comesBack().refuse(peer.expect("LOGIN"), "SESSION_EXPIRED");
  peer.login(peer.expect("LOGIN"), 50);
  const again = peer.after(20_000).written.find((l) => l.op === "MSG");
  assert.ok(again);
  peer.keep(again, 51, 50);
  assert.equal(peer.keptAs(tag), 51);
});

test("what was sent before is answered with the first one's event, also far behind the cursor", () => {
  const outstanding = [{ id: 7, tag: 1, to: { room: "lobby" }, text: "old", sent: true, fixed: false }];
  const saved = { name: "ana", color: "", token: "token", after: 20, lastId: 9, rooms: ["lobby"], outstanding };
  const peer = new Peer({ saved }).accept();
  peer.login(peer.expect("LOGIN"), 20);
  peer.say(19, 18, "more than was asked for");
  peer.allIsHere();
  peer.keep(peer.expect("MSG"), 15, 14);
  assert.equal(peer.keptAs(1), 15);
  assert.ok(peer.isOpen);
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 0 });
});

test("a head far beyond the cursor is believed at a resume", () => {
  const peer = loggedIn(10);
  peer.cut();
  const head = 2 ** 42;
  peer.comesBack().login(peer.expect("LOGIN"), head);
  peer.say(head, 0, "the newest");
  peer.allIsHere();
  assert.deepEqual(peer.nextMessage(), [head, "the newest"]);
});

test("UNAVAILABLE was not taken, and is asked again", () => {
  const peer = loggedIn(10);
  const tag = peer.send("one");
  const msg = peer.expect("MSG");
  peer.refuse(msg, "UNAVAILABLE", 500);
  assert.deepEqual(peer.after(500).expect("MSG"), msg);
  peer.keep(msg, 11, 10);
  assert.equal(peer.keptAs(tag), 11);
});

test("a message that may be kept is not sent in the next session, although its copy was not taken", () => {
  const peer = loggedIn(10);
  const tag = peer.send("one");
  const msg = peer.expect("MSG");
  peer.cut();
  peer.resumed(10).allIsHere();
  assert.deepEqual(peer.expect("MSG"), msg);
  peer.refuse(msg, "UNAVAILABLE", 20_000);
  peer.cut();
  peer.comesBack().refuse(peer.expect("LOGIN"), "SESSION_EXPIRED");
  peer.login(peer.expect("LOGIN"), 50);
  assert.deepEqual(peer.answerTo(tag), { kind: "not-kept", tag, why: { kind: "unconfirmed" } });
  peer.nothingWritten();
});

test("an id that an earlier page used is not mistaken for success", () => {
  const peer = loggedIn(10);
  const tag = peer.send("new");
  const msg = peer.expect("MSG");
  peer.refuse(msg, "DATA");
  const again = peer.expect("MSG");
  assert.notEqual(again.id, msg.id);
  peer.keep(again, 11, 10);
  assert.equal(peer.keptAs(tag), 11);
  const refused = peer.send("refused");
  peer.refuse(peer.expect("MSG"), "DATA");
  peer.refuse(peer.expect("MSG"), "DATA");
  assert.equal(peer.answerTo(refused)?.kind, "not-kept", "once");
  peer.nothingWritten();
});

test("a question is waited for over reconnects, and not for ever", () => {
  const peer = loggedIn(10);
  const tag = peer.ask({ op: "ROOMS" });
  peer.expect("ROOMS");
  peer.cut();
  peer.resumed(10).allIsHere();
  const rooms = peer.expect("ROOMS");
  peer.after(30_000);
  const answer = peer.answerTo(tag);
  assert.ok(answer?.kind === "failed" && answer.why.kind === "timed-out");
  peer.reply(rooms, { rooms: [] });
  assert.equal(peer.answers.filter((a) => a.tag === tag).length, 1, "what comes too late is nobody's");
});
