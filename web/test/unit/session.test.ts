// How a session begins, goes on and ends: refused and late logins, waits, rooms, a page that is loaded again. The tests of
// crates/client/tests/session.rs and ending.rs, and what a page needs besides.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loggedIn, message, Peer } from "../helpers/peer.ts";

test("after a connection that lived the first wait is a short one", () => {
  const peer = loggedIn(10);
  peer.chance = 1;
  for (const [life, wait] of [[0, 250], [0, 500], [0, 1000], [10_000, 250]] as const) {
    peer.after(life);
    peer.cut();
    assert.equal(peer.lost().wait, wait);
    peer.resumed(10).allIsHere();
  }
});

test("a LEAVE that is refused the first time is refused", () => {
  const peer = loggedIn(10);
  const tag = peer.ask({ op: "LEAVE", data: { room: "ops" } });
  peer.refuse(peer.expect("LEAVE"), "NOT_A_MEMBER");
  assert.equal(peer.answerTo(tag)?.kind, "failed");
});

test("a node that can order nothing is left for as long as it says", () => {
  const peer = loggedIn(10);
  peer.cut();
  peer.comesBack().refuse(peer.expect("LOGIN"), "UNAVAILABLE", 5_000);
  assert.equal(peer.lost().why.kind, "no-connection");
  const { wait, why } = peer.lost();
  assert.deepEqual([wait, why.kind], [5_000, "login-refused"]);
  peer.after(5_000);
  peer.resumed(10).allIsHere();
});

test("a first login waits for a node that can order nothing yet", () => {
  const peer = new Peer({ name: "ana" }).accept();
  peer.refuse(peer.expect("LOGIN"), "UNAVAILABLE", 700);
  peer.after(699).nothingWritten();
  peer.login(peer.after(1).expect("LOGIN"), 10);
  assert.equal(peer.next().kind, "connected");
});

test("refusals are typed and end nothing", () => {
  const peer = loggedIn(10);
  const join = peer.ask({ op: "JOIN", data: { room: "ops" } });
  peer.refuse(peer.expect("JOIN"), "NO_SUCH_ROOM");
  const sent = peer.send("x", { with: "cy" });
  peer.refuse(peer.expect("MSG"), "NO_SUCH_USER");
  const history = peer.ask({ op: "HISTORY", data: { room: "lobby", after: 3, limit: 2 } });
  const asked = peer.expect("HISTORY");
  assert.deepEqual(asked.data, { room: "lobby", after: 3, limit: 2 });
  peer.reply(asked, { messages: [message(4, 0, "bo", "x")], more: false });
  const why = (tag: number) => {
    const answer = peer.answerTo(tag);
    return answer?.kind === "failed" || answer?.kind === "not-kept" ? answer.why : undefined;
  };
  assert.deepEqual(why(join), { kind: "refused", error: "NO_SUCH_ROOM", msg: "because" });
  assert.deepEqual(why(sent), { kind: "refused", error: "NO_SUCH_USER", msg: "because" });
  const answer = peer.answerTo(history);
  assert.ok(answer?.kind === "answered" && answer.op === "HISTORY" && answer.data.messages[0]?.seq === 4);
});

test("an expired session begins anew and says so", () => {
  const peer = loggedIn(10);
  const unknown = peer.send("on its way");
  const waiting = peer.send("not yet");
  peer.expect("MSG");
  peer.cut();
  peer.comesBack().refuse(peer.expect("LOGIN"), "SESSION_EXPIRED");
  const login = peer.expect("LOGIN");
  assert.deepEqual(login.data, { name: "ana", rooms: ["lobby"] });
  peer.login(login, 50);
  assert.deepEqual(peer.next(), { kind: "session-lost", after: 10, head: 50 });
  assert.equal(peer.next().kind, "connected");
  assert.deepEqual(peer.answerTo(unknown), { kind: "not-kept", tag: unknown, why: { kind: "unconfirmed" } });
  const msg = peer.expect("MSG");
  assert.equal(msg.data, "not yet", "what was never sent is safe to send");
  peer.keep(msg, 51, 50);
  assert.equal(peer.keptAs(waiting), 51);
});

test("a name that was taken meanwhile ends it", () => {
  const peer = loggedIn(10);
  peer.cut();
  peer.comesBack().refuse(peer.expect("LOGIN"), "SESSION_EXPIRED");
  peer.refuse(peer.expect("LOGIN"), "NAME_TAKEN");
  assert.deepEqual(peer.next(), { kind: "ended", why: { kind: "login-refused", error: "NAME_TAKEN", msg: "because" } });
  assert.equal(peer.session.saved(), undefined);
  assert.equal(peer.session.wakesAt(), undefined, "nothing is waited for");
});

test("the first login refused is not tried again", () => {
  const peer = new Peer({ name: "ana", password: "x" }).accept();
  const login = peer.expect("LOGIN");
  assert.deepEqual(login.data, { name: "ana", password: "x" });
  peer.refuse(login, "AUTH_FAILED");
  assert.deepEqual(peer.next(), { kind: "refused", why: { kind: "login-refused", error: "AUTH_FAILED", msg: "because" } });
  assert.equal(peer.after(100_000).opens, 1);
});

test("a refusal without an id is about the connection", () => {
  const peer = new Peer({ name: "ana" }).accept();
  peer.write({ op: "ERROR_MSG", status: "ERR", data: { kind: "SERVER_FULL", msg: "full" } });
  assert.deepEqual(peer.next(), { kind: "refused", why: { kind: "login-refused", error: "SERVER_FULL", msg: "full" } });
});

test("a login that is too fast waits", () => {
  const peer = new Peer({ name: "ana" }).accept();
  peer.refuse(peer.expect("LOGIN"), "RATE_LIMITED", 700);
  peer.after(699).nothingWritten();
  peer.login(peer.after(1).expect("LOGIN"), 1);
  assert.equal(peer.next().kind, "connected");
});

test("a login without an answer is given up", () => {
  const peer = new Peer({ name: "ana" }).accept();
  peer.after(30_000);
  assert.deepEqual(peer.next(), { kind: "refused", why: { kind: "timed-out", what: "LOGIN", afterMs: 30_000 } });
});

test("a join line sets the password first, once", () => {
  const peer = new Peer({ name: "ana", password: "correct horse", code: "c0de" }).accept();
  const enrol = peer.expect("ENROL");
  assert.deepEqual(enrol.data, { name: "ana", code: "c0de", password: "correct horse" });
  peer.reply(enrol, { name: "ana" });
  peer.login(peer.expect("LOGIN"), 5);
  assert.equal(peer.next().kind, "connected");
  peer.cut();
  peer.comesBack().refuse(peer.expect("LOGIN"), "SESSION_EXPIRED");
  assert.deepEqual(peer.expect("LOGIN").data, { name: "ana", rooms: ["lobby"], password: "correct horse" });
});

test("comes back when the server said", () => {
  const peer = loggedIn(10);
  peer.notice({ kind: "SHUTDOWN", msg: "back soon", retry_after_ms: 123 });
  assert.equal(peer.next().kind, "notice");
  peer.cut();
  assert.deepEqual([peer.lost().wait, peer.opens], [123, 1]);
  assert.equal(peer.after(122).opens, 1);
  peer.resumed(10).allIsHere();
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 0 });
});

/** A page whose second connection was lost before its LOGIN was answered, and which has gone on since. */
function afterLateLogin(servers: string[]): Peer {
  const peer = loggedIn(10);
  peer.cut();
  peer.comesBack().expect("LOGIN");
  peer.cut();
  peer.comesBack().login(peer.expect("LOGIN"), 10, undefined, { servers });
  peer.allIsHere();
  peer.events = [];
  return peer;
}

test("a login that was given up and is ordered late does not end the session", () => {
  const peer = afterLateLogin(["a:1", "b:1"]);
  // Another node has ordered that LOGIN now.
  peer.notice({ kind: "TAKEN_OVER", msg: "your session goes on at another connection" });
  assert.equal(peer.lost().why.kind, "no-connection");
  peer.resumed(10).allIsHere();
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 0 });
  // From now on another client has it.
  peer.notice({ kind: "TAKEN_OVER", msg: "" });
  assert.deepEqual(peer.next(), { kind: "ended", why: { kind: "closed", how: "taken-over", msg: "" } });
});

test("a takeover is final where no own login can be late", () => {
  const taken = (peer: Peer): string => {
    peer.notice({ kind: "TAKEN_OVER", msg: "" });
    return peer.events[0]?.kind ?? "nothing";
  };
  assert.equal(taken(afterLateLogin(["a:1"])), "ended", "a daemon that is alone orders nothing late");
  const late = afterLateLogin(["a:1", "b:1"]);
  late.now += 61_000;
  assert.equal(taken(late), "ended");
  const answered = loggedIn(10);
  answered.cut();
  answered.comesBack().login(answered.expect("LOGIN"), 10, undefined, { servers: ["a:1", "b:1"] });
  answered.allIsHere();
  answered.events = [];
  assert.equal(taken(answered), "ended", "each LOGIN was answered");
});

test("while the node can order nothing a late login stays possible", () => {
  const peer = afterLateLogin(["a:1", "b:1"]);
  peer.notice({ kind: "UNAVAILABLE", msg: "", retry_after_ms: 2000, servers: ["a:1", "b:1"] });
  peer.now += 600_000;
  peer.notice({ kind: "AVAILABLE", msg: "" });
  peer.now += 1_000;
  peer.events = [];
  peer.notice({ kind: "TAKEN_OVER", msg: "" });
  assert.equal(peer.lost().attempt, 1);
});

test("the wait can be ended by hand", () => {
  const peer = loggedIn(10);
  peer.notice({ kind: "SHUTDOWN", msg: "", retry_after_ms: 60_000 });
  peer.cut();
  peer.run(peer.session.reconnectNow(peer.now));
  assert.equal(peer.opens, 2);
});

test("a room that one is put out of is not asked for again", () => {
  const peer = loggedIn(10);
  peer.notice({ kind: "REMOVED", msg: "you may no longer be in it", room: "lobby" });
  assert.equal(peer.next().kind, "notice");
  assert.deepEqual(peer.saved().rooms, []);
});

test("rooms are followed, and a LEAVE whose answer was lost was done", () => {
  const peer = loggedIn(10);
  peer.ask({ op: "JOIN", data: { room: "ops" } });
  peer.reply(peer.expect("JOIN"), { room: "ops", head: 7, members: [], member_count: 1 });
  assert.deepEqual(peer.saved().rooms, ["lobby", "ops"]);
  const tag = peer.ask({ op: "LEAVE", data: { room: "ops" } });
  peer.expect("LEAVE");
  peer.cut();
  peer.resumed(10).allIsHere();
  peer.refuse(peer.expect("LEAVE"), "NOT_A_MEMBER");
  assert.deepEqual(peer.answerTo(tag), { kind: "answered", tag, op: "LEAVE", data: { room: "ops" } });
  assert.deepEqual(peer.saved().rooms, ["lobby"]);
});

test("a page that is loaded again takes the session up, with what was on its way", () => {
  const before = loggedIn(10);
  before.say(11, 10, "seen");
  before.send("mid-send", { room: "lobby" });
  before.send("behind it", { room: "lobby" });
  const first = before.expect("MSG");
  const saved = before.saved();
  assert.equal(saved.after, 11);
  assert.deepEqual(saved.outstanding.map((m) => [m.text, m.sent]), [["mid-send", true], ["behind it", false]]);

  const peer = new Peer({ saved }).accept();
  const login = peer.expect("LOGIN");
  assert.deepEqual([login.data.session, login.data.after], ["token", 11]);
  assert.ok(Number(login.id) > saved.lastId, "ids go on growing");
  peer.login(login, 111);
  assert.deepEqual(peer.events.map((e) => e.kind), ["entered"]);
  peer.keep(first, 12, 11);
  peer.allIsHere();
  assert.deepEqual(peer.nextMessage(), [12, "mid-send"]);
  const second = peer.expect("MSG");
  assert.equal(second.data.msg, "behind it");
  assert.equal(second.id, saved.outstanding[1]?.id, "also what was never written keeps its id");
});

test("a page that is loaded again while the server is away goes on trying", () => {
  const saved = loggedIn(10).saved();
  const peer = new Peer({ saved });
  peer.cut();
  assert.equal(peer.lost().attempt, 1);
  peer.resumed(10).allIsHere();
  assert.deepEqual(peer.next(), { kind: "resumed", caughtUp: 0 });
});

test("a page that is loaded again too late says what is not known", () => {
  const before = loggedIn(10);
  const tag = before.send("mid-send");
  const peer = new Peer({ saved: before.saved() }).accept();
  peer.refuse(peer.expect("LOGIN"), "SESSION_EXPIRED");
  peer.login(peer.expect("LOGIN"), 50);
  assert.deepEqual(peer.answers, [{ kind: "not-kept", tag, why: { kind: "unconfirmed" } }]);
  assert.equal(peer.next().kind, "session-lost");
});

test("a silent server is asked, and then given up", () => {
  const peer = loggedIn(10);
  peer.after(29_999).nothingWritten();
  peer.reply(peer.after(1).expect("PING"));
  peer.after(30_000).expect("PING");
  peer.after(19_999);
  assert.ok(peer.isOpen);
  peer.after(1);
  const { why } = peer.lost();
  assert.ok(why.kind === "no-connection" && why.why.includes("silent"));
});

test("a page that is looked at again asks whether the server is there", () => {
  const peer = loggedIn(10);
  peer.after(4999);
  peer.run(peer.session.probe(peer.now));
  peer.nothingWritten();
  peer.after(1);
  peer.run(peer.session.probe(peer.now));
  peer.run(peer.session.probe(peer.now));
  peer.expect("PING");
  peer.nothingWritten();
  peer.after(20_000);
  assert.equal(peer.lost().why.kind, "no-connection");
});

test("taken over and kicked end the session", () => {
  for (const [kind, how] of [["TAKEN_OVER", "taken-over"], ["KICKED", "kicked"]] as const) {
    const peer = loggedIn(10);
    const tag = peer.send("one");
    const waiting = peer.send("two");
    peer.expect("MSG");
    peer.notice({ kind, msg: "because" });
    const closed = { kind: "closed", how, msg: "because" } as const;
    assert.deepEqual(peer.next(), { kind: "ended", why: closed });
    assert.deepEqual(peer.answerTo(tag), { kind: "not-kept", tag, why: { kind: "unconfirmed" } }, "it may be kept");
    assert.deepEqual(peer.answerTo(waiting), { kind: "not-kept", tag: waiting, why: closed });
    const later = peer.ask({ op: "ROOMS" });
    assert.equal(peer.answerTo(later)?.kind, "failed");
    assert.equal(peer.session.saved(), undefined);
  }
});

test("quit waits for what is on its way", () => {
  const peer = loggedIn(10);
  const tag = peer.send("last words");
  const msg = peer.expect("MSG");
  peer.run(peer.session.quit(peer.now));
  peer.nothingWritten();
  peer.keep(msg, 11, 10);
  peer.reply(peer.expect("QUIT"));
  assert.equal(peer.keptAs(tag), 11);
  assert.equal(peer.nextMessage()[0], 11);
  assert.deepEqual(peer.next(), { kind: "ended", why: { kind: "closed", how: "quit", msg: "" } });
});

test("a goodbye without an answer, or without a connection, is one", () => {
  for (const end of [(p: Peer) => p.cut(), (p: Peer) => void p.after(5000)]) {
    const peer = loggedIn(10);
    peer.run(peer.session.quit(peer.now));
    peer.expect("QUIT");
    end(peer);
    assert.equal(peer.next().kind, "ended");
    assert.equal(peer.opens, 1);
  }
  const peer = loggedIn(10);
  peer.cut();
  peer.run(peer.session.quit(peer.now));
  assert.equal(peer.next().kind, "ended");
});
