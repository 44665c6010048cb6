// The pure parts of the session: back-off, cursor, outstanding requests, own copies, where two logs part. The tests
// that stand beside the code in crates/client/src.

import assert from "node:assert/strict";
import { test } from "node:test";
import { afterRateLimit, Backoff } from "../../src/session/backoff.ts";
import { checkHead, Cursor, GREATEST, JUMP, partedAt } from "../../src/session/cursor.ts";
import { Entry, Ids, messageEntry, Outstanding } from "../../src/session/outstanding.ts";
import { checkCopy, pageHolds } from "../../src/session/own.ts";
import type { LoginReply, MsgEvent, Place } from "../../src/wire/types.ts";

test("back-off doubles up to its bound and starts again once a connection has lived", () => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 10 }, () => backoff.next(1));
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(backoff.next(0), 15_000);
  assert.equal(backoff.attempts, 11);
  backoff.connected();
  assert.equal(backoff.attempts, 0);
  backoff.lived(14_999); // Longer than the shortest life, and not as long as the last wait.
  assert.equal(backoff.next(1), 30_000);
  backoff.lived(30_000);
  assert.equal(backoff.next(1), 250);
  assert.equal(backoff.attempts, 2);
});

test("a server that loses each connection after the login is asked less and less", () => {
  for (const chance of [0, 1]) {
    const backoff = new Backoff();
    let [now, attempts] = [0, 0];
    while (now < 60_000) {
      now += backoff.next(chance) + 1;
      backoff.connected();
      backoff.lived(1);
      attempts += 1;
    }
    assert.ok(attempts < 12, `${attempts} in a minute`);
  }
});

test("the server's word counts once and not below the own wait of one that fails", () => {
  const backoff = new Backoff();
  backoff.asked(7000);
  assert.deepEqual([backoff.next(0), backoff.next(1)], [7000, 500]);
  backoff.asked(0);
  assert.equal(backoff.next(0), 500);
  backoff.asked(600_000);
  backoff.next(0);
  backoff.lived(30_000); // It need not live for ten minutes.
  assert.equal(backoff.next(1), 250);
});

test("a rate limit is never asked without a pause", () => {
  const waits = Array.from({ length: 9 }, (_, before) => afterRateLimit(0, before));
  assert.deepEqual(waits, [25, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
  assert.deepEqual([afterRateLimit(300, 2), afterRateLimit(undefined, 0), afterRateLimit(1e12, 40)], [300, 250, 60_000]);
});

function said(place: string, user: string, seq: number, prev: number, msg = "x"): MsgEvent {
  const where = place.startsWith("@") ? { to: place.slice(1) } : { room: place };
  return { ...where, seq, prev, ts: "2026-11-24T10:00:00.000Z", user, color: "", msg };
}

test("a chain that holds and one that breaks", () => {
  const c = new Cursor(10);
  const see = (place: string, seq: number, prev: number) => c.see(said(place, "bo", seq, prev), "ana");
  assert.deepEqual(see("lobby", 11, 9), { kind: "new" }, "9 is before the start");
  assert.deepEqual(see("lobby", 13, 11), { kind: "new" });
  assert.deepEqual(see("lobby", 13, 11), { kind: "again" });
  assert.deepEqual(see("ops", 14, 12), { kind: "broken", last: 10 });
  assert.deepEqual(see("lobby", 16, 15), { kind: "broken", last: 13 });
  assert.deepEqual(see("lobby", 17, 16), { kind: "new" }, "it goes on from there");
  assert.equal(c.seq, 17);
});

test("numbers that no server gives out are not taken in", () => {
  const c = new Cursor(10);
  for (const [seq, prev] of [[2 ** 64, 10], [GREATEST + 2, 10], [11 + JUMP, 10], [11, 11], [0, 0], [12, 13]] as const) {
    assert.ok(c.check(said("lobby", "bo", seq, prev))?.includes(String(seq)));
  }
  assert.equal(c.check(said("lobby", "bo", 10 + JUMP, 10)), undefined);
  c.reaches(JUMP);
  assert.equal(c.check(said("lobby", "bo", 11 + JUMP, 10)), undefined);
  assert.deepEqual(c.see(said("lobby", "bo", 12, 10), "ana"), { kind: "new" });
  assert.deepEqual(c.see(said("lobby", "bo", 11, 10), "ana"), { kind: "falls" });
  assert.equal(c.seq, 12);
  assert.ok(checkHead(GREATEST) === undefined && checkHead(GREATEST + 2) !== undefined);
});

test("what the daemon said is gone is not missed; joining says where a room is", () => {
  const c = new Cursor(10);
  c.gap(20);
  assert.equal(c.see(said("lobby", "bo", 21, 20), "ana").kind, "new");
  assert.deepEqual(c.see(said("lobby", "bo", 25, 23), "ana"), { kind: "broken", last: 21 });
  c.joined("ops", 30);
  assert.equal(c.see(said("ops", "bo", 31, 30), "ana").kind, "new");
  c.left("ops");
  c.joined("ops", 40);
  assert.deepEqual(c.see(said("ops", "bo", 42, 41), "ana"), { kind: "broken", last: 40 });
  c.left("ops");
  assert.equal(c.see(said("ops", "bo", 45, 42), "ana").kind, "new", "a daemon that does not say where it is is not accused");
});

test("direct messages are one chain for both directions", () => {
  const c = new Cursor(0);
  assert.equal(c.see(said("@bo", "ana", 1, 0), "ana").kind, "new");
  assert.equal(c.see(said("@ana", "bo", 2, 1), "ana").kind, "new");
  assert.deepEqual(c.see(said("@ana", "bo", 5, 4), "ana"), { kind: "broken", last: 2 });
  assert.equal(c.see(said("@ana", "bo", 6, 0), "ana").kind, "new", "another user with the name bo");
});

test("where two logs part", () => {
  const login = (head: number, log?: string, log_from?: number): LoginReply => ({
    name: "ana", color: "", session: "t", ttl_s: 1, rooms: [], head, ...(log === undefined ? {} : { log }),
    ...(log_from === undefined ? {} : { log_from }), server: { name: "", version: "", protocol: 1 },
    limits: { line_bytes: 1, msg_bytes: 1 },
  });
  for (const [known, after, reply, from] of [
    ["a", 20, login(30, "a", 5), undefined], ["a", 20, login(20, "a", 5), undefined],
    [undefined, 20, login(30, "a", 5), undefined], ["a", 20, login(30), undefined],
    ["a", 20, login(30, "b", 5), 5], ["a", 3, login(30, "b", 5), 3], ["a", 20, login(12, "b", 5), 5],
    ["a", 20, login(12, "b", 900), 12], ["a", 20, login(30, "b"), 20], ["a", 20, login(12, "a", 5), 12],
    [undefined, 20, login(12), 12],
  ] as const) {
    assert.equal(partedAt(known, after, reply), from, `${known} ${after} ${JSON.stringify(reply)}`);
  }
});

test("a copy is one of what was sent", () => {
  const [ops, bo]: Place[] = [{ room: "ops" }, { with: "bo" }];
  for (const [to, place, user, text, wrong] of [
    [undefined, "lobby", "ana", "x", undefined], [ops, "Ops", "ana", "x", undefined],
    [{ room: "caf\u00e9" }, "CAFE\u0301", "Ana", "x", undefined], [bo, "@Bo", "ana", "x", undefined],
    [ops, "ops", "ana", "y", "another text"], [ops, "ops", "ana", "x ", "another text"],
    [ops, "lobby", "ana", "x", "another room or user"], [ops, "@ops", "ana", "x", "another room or user"],
    [bo, "bo", "ana", "x", "another room or user"], [bo, "@cy", "ana", "x", "another room or user"],
    [undefined, "@bo", "ana", "x", "another room or user"], [ops, "ops", "bo", "x", "another author"],
  ] as const) {
    const wrongIs = checkCopy(to, "x", "ana", said(place, user, 7, 3, text));
    assert.equal(wrongIs === undefined, wrong === undefined, `${place} ${user} ${text}`);
    assert.ok((wrongIs ?? "").includes(wrong ?? ""));
  }
});

test("a page holds what was asked for in order", () => {
  const holds = (seqs: number[]) => pageHolds({ after: 3, before: 9 }, seqs.map((seq) => said("lobby", "bo", seq, 0)));
  assert.ok(holds([]) && holds([4, 7, 8]));
  for (const wrong of [[3], [9], [4, 4], [5, 4]]) assert.ok(!holds(wrong), String(wrong));
});

const msg = (n: number): Entry => messageEntry(n, n, undefined, "x");
const rooms = (n: number): Entry =>
  new Entry(n, { op: "ROOMS" }, { kind: "ask", tag: n, question: { op: "ROOMS" }, deadline: 1e9 });

test("messages keep their order behind one that waits", () => {
  const o = new Outstanding();
  for (const entry of [msg(1), msg(2), rooms(3)]) o.push(entry);
  assert.equal(o.write(0, false), '{"op":"MSG","data":"x","id":1}\n{"op":"ROOMS","id":3}\n');
  assert.ok(o.again(1, 0, 1000));
  assert.equal(o.write(0, false), "", "2 waits behind 1");
  assert.equal(o.wakesAt(), 1000);
  const again = o.write(1000, false);
  assert.ok(again.includes('"id":1') && !again.includes('"id":2'), again);
  assert.ok(o.take(1));
  assert.ok(o.write(0, false).includes('"id":2'));
});

test("a lost connection writes all again with the same ids", () => {
  const o = new Outstanding();
  o.push(msg(1));
  o.push(rooms(2));
  const first = o.write(0, false);
  assert.equal(o.write(0, false), "");
  o.connectionLost();
  assert.equal(o.write(0, true), "", "not before all that was missed is here");
  assert.equal(o.write(0, false), first);
});

test("a lost session does not send twice, and a server that says no wait is not asked at once", () => {
  const o = new Outstanding();
  o.push(msg(1));
  o.push(msg(2));
  o.write(0, false);
  o.connectionLost();
  assert.deepEqual(o.sessionLost().map((e) => e.id), [1]);
  assert.ok(o.write(0, false).includes('"id":2'), "never written: safe to send");

  const slow = new Outstanding();
  slow.push(msg(1));
  let at = 0;
  const waits = Array.from({ length: 4 }, () => {
    slow.write(at, false);
    slow.again(1, at, 0);
    const before = at;
    at = slow.wakesAt() ?? at;
    return at - before;
  });
  assert.deepEqual(waits, [25, 50, 100, 200]);
});

test("ids only grow", () => {
  const ids = new Ids(0, 0.05);
  assert.equal(ids.next(), 51);
  assert.equal(new Ids(ids.last + 100, 0.06).next(), 152);
  assert.ok(new Ids(2 ** 63, 1_800_000_000_000).next() < 2 ** 53);
});
