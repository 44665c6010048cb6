// What a session does where the server's log was replaced, and where the server says what cannot be. The tests of
// crates/client/tests/distrust.rs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loggedIn, message, Peer } from "../helpers/peer.ts";

/** The next connection resumes behind `after` of the log `of`, and is told what the log is now. */
function resumes(peer: Peer, after: number, of: string, head: number, log: [string, number]): void {
  const login = peer.expect("LOGIN");
  assert.deepEqual([login.data.after, login.data.log], [after, of]);
  peer.login(login, head, log);
}

test("a restore is said and hides nothing of what is said next", () => {
  const peer = loggedIn(10, { name: "ana" }, ["a", 0]);
  for (let seq = 11; seq <= 20; seq += 1) {
    peer.say(seq, seq - 1, "before");
    assert.equal(peer.nextMessage()[0], seq);
  }
  const tag = peer.send("not acknowledged");
  const msg = peer.expect("MSG");
  peer.cut();
  // A backup was restored whose newest message was 12, and one was said since.
  resumes(peer.comesBack(), 20, "a", 13, ["b", 12]);
  peer.say(13, 12, "after");
  peer.allIsHere();
  assert.deepEqual(peer.expect("MSG"), msg, "the session is the same, so one id is one message");
  peer.keep(msg, 14, 13);
  assert.equal(peer.keptAs(tag), 14);
  assert.deepEqual(peer.next(), { kind: "log-replaced", after: 20, from: 12, log: "b" });
  assert.deepEqual(peer.nextMessage(), [13, "after"]);
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 1 });
  assert.equal(peer.nextMessage()[0], 14);
  peer.cut();
  resumes(peer.comesBack(), 14, "b", 14, ["b", 12]);
  peer.allIsHere();
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 0 }, "it is said once");

  // The same for a page that comes later.
  const later = new Peer({ saved: peer.saved() }).accept();
  resumes(later, 14, "b", 13, ["c", 11]);
  later.say(12, 11, "again");
  later.allIsHere();
  assert.deepEqual(later.next(), { kind: "log-replaced", after: 14, from: 11, log: "c" });
  assert.deepEqual(later.nextMessage(), [12, "again"]);
  assert.deepEqual([later.saved().after, later.saved().log], [12, "c"]);
});

test("a session that begins is told what holds of the numbers that were seen before", () => {
  for (const [after, log, head, answer, from] of [
    [20, "a", 30, ["b", 12], 12],
    [10, "a", 30, ["b", 12], 10],
    [20, "a", 15, ["a", 0], 15],
    [20, undefined, 15, ["b", 12], 15],
    [20, "b", 30, ["b", 12], undefined],
    [20, undefined, 30, ["b", 12], undefined],
  ] as [number, string | undefined, number, [string, number], number | undefined][]) {
    const peer = new Peer({ name: "ana", seen: { after, ...(log === undefined ? {} : { log }) } }).accept();
    const login = peer.expect("LOGIN");
    assert.deepEqual([login.data.log, login.data.session, login.data.after], [log, undefined, undefined]);
    peer.login(login, head, answer);
    if (from !== undefined) assert.deepEqual(peer.next(), { kind: "log-replaced", after, from, log: answer[0] });
    assert.equal(peer.next().kind, "connected");
    assert.deepEqual([peer.saved().after, peer.saved().log], [head, answer[0]]);
  }
});

test("a head below the cursor is said also by a server without names for its log", () => {
  const peer = loggedIn(10);
  peer.cut();
  peer.comesBack().login(peer.expect("LOGIN"), 4);
  peer.allIsHere();
  peer.say(5, 4, "what is said next");
  assert.deepEqual(peer.next(), { kind: "log-replaced", after: 10, from: 4 });
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 0 });
  assert.equal(peer.nextMessage()[0], 5);
});

test("a restore that ended the session says from where the history is new", () => {
  const peer = loggedIn(20, { name: "ana" }, ["a", 0]);
  peer.cut();
  peer.comesBack().refuse(peer.expect("LOGIN"), "SESSION_EXPIRED");
  peer.login(peer.expect("LOGIN"), 30, ["b", 12]);
  assert.deepEqual(peer.next(), { kind: "log-replaced", after: 20, from: 12, log: "b" });
  assert.deepEqual(peer.next(), { kind: "session-lost", after: 12, head: 30 });
  assert.equal(peer.next().kind, "connected");
  peer.say(31, 30, "live");
  assert.equal(peer.nextMessage()[0], 31);
});

test("nonsense costs the connection, is said and silences nothing", () => {
  const event = (seq: number, prev: number) => ({ op: "MSG", status: "OK", data: message(seq, prev, "bo", "x") });
  for (const [line, what] of [
    [JSON.stringify(event(1, 0)).replace('"seq":1', '"seq":18446744073709551615'), "it sent the number"],
    [JSON.stringify(event(2 ** 50, 11)), "it sent the number"],
    [JSON.stringify(event(9, 8)), "it sent message 9 after message 11"],
    [JSON.stringify(event(12, 12)), "it sent message 12 and said that message 12 was before it"],
    ['{"op":"NOTICE","status":"OK","data":{"kind":"GAP","msg":"","from":1,"to":18446744073709551615}}', "it sent the number"],
    ['{"op":"MSG","status":"OK","data":{}}', "a line cannot be read: the line.data.seq"],
    ["{not json", "it is not JSON"],
    ['["MSG"]', "an object is expected"],
  ] as const) {
    const peer = loggedIn(10);
    peer.write({ op: "FROM_THE_FUTURE", status: "OK", data: { x: 1 } });
    peer.say(11, 10, "before");
    assert.equal(peer.nextMessage()[0], 11);
    peer.raw(`${line}\n`);
    assert.ok(!peer.isOpen, what);
    peer.say(12, 11, "behind it");
    const { attempt, why } = peer.lost();
    assert.ok(why.kind === "protocol" && why.what.includes(what), `${what}: ${JSON.stringify(why)}`);
    assert.equal(attempt, 1);
    peer.resumed(11).say(12, 11, "behind it");
    peer.allIsHere();
    assert.deepEqual(peer.nextMessage(), [12, "behind it"]);
    assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 1 });
  }
});

test("a head that no server reaches is no login", () => {
  const peer = new Peer({ name: "ana" }).accept();
  peer.login(peer.expect("LOGIN"), 2 ** 60);
  const end = peer.next();
  assert.ok(end.kind === "refused" && end.why.kind === "protocol" && end.why.what.includes(String(2 ** 60)));
});

test("a copy of something else is not kept and not sent again", () => {
  for (const [change, what] of [
    [{ msg: "another" }, "another text"],
    [{ room: "elsewhere" }, "another room"],
    [{ user: "bo" }, "another author"],
    [{ seq: 2 ** 60 }, "it sent the number"],
  ] as const) {
    const peer = loggedIn(10);
    const tag = peer.send("one", { room: "lobby" });
    const msg = peer.expect("MSG");
    peer.write({ op: "MSG", status: "OK", id: msg.id, data: { ...message(11, 10, "ana", "one"), ...change } });
    const failed = peer.answerTo(tag);
    assert.ok(failed?.kind === "not-kept" && failed.why.kind === "protocol" && failed.why.what.includes(what));
    const { why } = peer.lost();
    assert.ok(why.kind === "protocol" && why.what.includes(what));
    peer.resumed(10).allIsHere();
    peer.nothingWritten();
  }
});

test("an answer to another request is none", () => {
  const peer = loggedIn(10);
  const tag = peer.ask({ op: "WHO" });
  peer.write({ op: "ROOMS", status: "OK", id: peer.expect("WHO").id, data: { rooms: [] } });
  const done = peer.answerTo(tag);
  assert.ok(done?.kind === "failed" && done.why.kind === "protocol" && done.why.what.includes("WHO") && done.why.what.includes("ROOMS"));
  assert.equal(peer.lost().why.kind, "protocol");
});

test("a page of the history that is not what was asked for fails", () => {
  const peer = loggedIn(10);
  const tag = peer.ask({ op: "HISTORY", data: { room: "lobby", before: 9, after: 3 } });
  peer.reply(peer.expect("HISTORY"), { messages: [message(9, 0, "bo", "x")], more: false });
  const done = peer.answerTo(tag);
  assert.ok(done?.kind === "failed" && done.why.kind === "protocol");
});

test("a server that loses each connection after the login is asked less and less", () => {
  const peer = loggedIn(10);
  peer.cut();
  for (const least of [0, 250, 500]) {
    const { wait, attempt } = peer.lost();
    assert.ok(wait >= least, `${wait} ${least}`);
    assert.equal(attempt, 1, "each of them is a loss of its own");
    peer.resumed(10).allIsHere();
    assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 0 });
    peer.cut();
  }
});

test("a server that asks for no wait gets one all the same", () => {
  const peer = loggedIn(10);
  peer.notice({ kind: "SHUTDOWN", msg: "", retry_after_ms: 0 });
  peer.cut();
  assert.equal(peer.lost().wait, 0);
  peer.resumed(10).allIsHere();
  peer.notice({ kind: "SHUTDOWN", msg: "", retry_after_ms: 0 });
  peer.cut();
  assert.ok(peer.lost().wait >= 250);
});
