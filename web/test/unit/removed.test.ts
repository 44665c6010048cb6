// Removed messages: what the page shows, offers and forgets, and what it reads again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { canRedact } from "../../src/model/redact.ts";
import type { Talk } from "../../src/model/talk.ts";
import type { Said } from "../../src/model/item.ts";
import { say } from "../../src/sentences.ts";
import { loggedIn } from "../helpers/peer.ts";
import { login, message, page, roles, World } from "../helpers/world.ts";

const lobby = { room: "lobby" };

const shown = (talk: Talk): string[] => talk.items.flatMap((i) =>
  i.kind === "said" ? [i.redacted ? say.removed(i.redacted.by, i.redacted.reason) : i.text] : []);

const saidAt = (w: World, seq: number): Said => {
  const item = w.talk.items.find((i): i is Said => i.kind === "said" && i.seq === seq);
  assert.ok(item, String(seq));
  return item;
};

test("a removed message is shown as such, live, in the history and in the results of a search", () => {
  const w = World.chatting();
  w.said("lobby", "bo", "hunter2");
  w.says("/search hunter2");
  const hit = message("lobby", "bo", w.seq, "hunter2");
  w.answer(w.asked("SEARCH").tag, "SEARCH", { messages: [{ ...hit, highlights: [[0, 7]] }], more: false });
  const before = saidAt(w, w.seq);
  w.event({ kind: "redacted", place: lobby, event: { ...lobby, seq: w.seq, by: "kim", reason: "a password" } });
  assert.deepEqual(shown(w.talk), ["message removed by kim: a password"]);
  assert.notEqual(saidAt(w, w.seq), before, "a changed entry is a new object, so its row is drawn again");
  assert.ok(w.model.overlay?.kind === "search" && w.model.overlay.hits[0]?.said.redacted?.by === "kim");
  assert.deepEqual(w.model.overlay.hits.map((one) => [one.said.text, one.highlights]), [["", []]]);
  const { text: _, query: __, ...rest } = w.model.overlay;
  assert.ok(!JSON.stringify([w.talk.items, rest]).includes("hunter2"), "it is nowhere but in what the reader has typed");

  const older = new World();
  const asked = older.asked("HISTORY", older.enter(["lobby"]));
  const removed = { ...message("lobby", "bo", 90, ""), redacted: true };
  older.answer(asked.tag, "HISTORY", { messages: [removed, ...page("lobby", 91, 92)], more: false });
  assert.deepEqual(shown(older.talk), ["message removed by an operator", "message 91", "message 92"]);
});

test("a removed text is nowhere, whatever was under way", () => {
  const w = World.chatting();
  const kept = (typed: string): number => {
    const sent = w.says(typed).find((e) => e.kind === "send");
    assert.ok(sent?.kind === "send");
    const { to, text, tag } = sent;
    w.said("room" in to ? to.room : `@${to.with}`, "ana", text, { tag });
    return w.seq;
  };
  const seqs = ["//hunter2", "a\0b", "/msg bo hunter2"].map(kept);
  w.does({ kind: "show", key: "lobby" });
  w.talk.reset();
  w.says("other");
  w.said("lobby", "bo", "hunter2!");
  assert.deepEqual(w.model.announced, { text: "bo: hunter2!" });
  w.does({ kind: "past", older: true });
  w.does({ kind: "past", older: true });
  assert.equal(w.talk.draft, "/msg bo hunter2");
  w.type("");
  // The first ones are not in the window.
  for (const [n, seq] of seqs.entries()) {
    const place = n === 2 ? { with: "bo" } : lobby;
    w.event({ kind: "redacted", place, event: { ...("room" in place ? place : { to: "bo" }), seq, by: "ana" } });
  }
  for (let n = 0; n < 4; n += 1) w.does({ kind: "past", older: true });
  assert.equal(w.talk.draft, "other", "nor is it offered as an earlier input");
  w.does({ kind: "show", key: "ops" });
  const silenced = w.event({ kind: "redacted", place: lobby, event: { ...lobby, seq: w.seq, by: "bo" } });
  assert.equal(w.model.announced, undefined, "nor in the region for screen readers");
  assert.deepEqual(silenced, []);

  // A part around a found message comes in two answers; the text is removed between them.
  w.does({ kind: "show", key: "lobby" });
  w.says("/search old");
  w.answer(w.asked("SEARCH").tag, "SEARCH", { messages: [message("lobby", "bo", 50, "old")], more: false });
  const older = w.asked("HISTORY", w.does({ kind: "overlay-pick", at: 0 }));
  const newer = w.asked("HISTORY", w.answer(older.tag, "HISTORY", { messages: page("lobby", 45, 50), more: true }));
  w.event({ kind: "redacted", place: lobby, event: { ...lobby, seq: 48, by: "kim" } });
  w.answer(newer.tag, "HISTORY", { messages: page("lobby", 51, 53), more: false });
  assert.deepEqual(shown(w.talk)[3], "message removed by kim");
  assert.equal(saidAt(w, 48).text, "");
});

test("a notification is closed when its message was read or removed, live or while the page was away, and at log out", () => {
  const w = World.chatting();
  w.model.notify = true;
  const silenced = (): unknown[] => w.effects.flatMap((e) => (e.kind === "silence" ? [e.key] : []));
  const rings = (key = "ops", text = "ana: look"): void => {
    w.up += 5000;
    assert.ok(w.said(key, "bo", text).some((e) => e.kind === "ring"), "it rings");
    assert.deepEqual(silenced(), []);
  };
  rings();
  w.event({ kind: "redacted", place: { room: "ops" }, event: { room: "ops", seq: w.seq - 1, by: "bo" } });
  assert.deepEqual(silenced(), [], "another message");
  w.event({ kind: "redacted", place: { room: "ops" }, event: { room: "ops", seq: w.seq, by: "bo" } });
  assert.deepEqual(silenced(), ["ops"]);
  rings();
  w.event({ kind: "mark", place: { room: "ops" }, seq: w.seq });
  assert.deepEqual(silenced(), ["ops"], "read in another session");
  rings();
  const asked = w.asked("HISTORY", w.says("/search x").concat(w.model.load(w.talkOf("ops"), { part: "newest" })));
  w.answer(asked.tag, "HISTORY", { messages: [{ ...message("ops", "bo", w.seq, ""), redacted: true, by: "bo" }], more: false });
  assert.deepEqual(silenced(), ["ops"], "found by reading");
  rings("ops", "ana: private");
  w.event({ kind: "ended", why: { kind: "closed", how: "quit", msg: "" } });
  assert.deepEqual(silenced(), ["ops"], "at log out");
  assert.deepEqual([w.model.rung.size, w.model.purposes.size, w.model.told.size], [0, 0, 0]);
});

test("a search goes on over a lost connection, and an answer that comes too late does not count", () => {
  const w = World.chatting();
  w.says("/search needle");
  const hits = (from: number, to: number) => ({ messages: page("lobby", from, to).reverse(), more: true });
  w.answer(w.asked("SEARCH").tag, "SEARCH", hits(51, 100));
  const late = w.asked("SEARCH", w.does({ kind: "overlay-move", by: 50 }));
  w.does({ kind: "overlay-text", text: "" });
  const again = w.asked("SEARCH", w.event({ kind: "resumed", caughtUp: 0 }));
  assert.deepEqual(again.question.op === "SEARCH" && again.question.data, { query: "needle", limit: 50 }, "what was searched for, not what is typed");
  w.answer(late.tag, "SEARCH", hits(1, 50));
  w.answer(again.tag, "SEARCH", hits(51, 100));
  assert.ok(w.model.overlay?.kind === "search" && !w.model.overlay.loading);
  assert.deepEqual([w.model.overlay.hits.length, w.model.overlay.hits[0]?.said.seq], [50, 100]);
});

test("after a new session, too, what is shown is read again, and searched for again", () => {
  const w = World.chatting();
  w.said("lobby", "bo", "one");
  w.says("/search one");
  w.answer(w.asked("SEARCH").tag, "SEARCH", { messages: [message("lobby", "bo", 101, "one")], more: false });
  w.event({ kind: "session-lost", after: 101, head: 101 });
  const effects = w.event({ kind: "connected", login: login(["lobby", "ops"], 101) });
  assert.equal(w.model.purposes.get(w.asked("SEARCH", effects).tag)?.for, "search");
  assert.ok(w.model.overlay?.kind === "search" && w.model.overlay.hits.length === 0);
  const again = effects.find((e) => e.kind === "ask" && w.model.purposes.get(e.tag)?.for === "removed");
  assert.ok(again?.kind === "ask");
  w.answer(again.tag, "HISTORY", { messages: [{ ...message("lobby", "bo", 101, ""), redacted: true, by: "kim" }], more: false });
  assert.deepEqual(shown(w.talk), ["message removed by kim"]);
});

test("what the server does not remove is not offered again", () => {
  const w = World.chatting();
  w.seq = 990_000;
  w.up = 990_000_000;
  for (const text of ["one", "two"]) w.said("lobby", "ana", text);
  roles(w, "moderator", "member");
  const can = () => [990_001, 990_002].map((seq) => canRedact(w.model, w.talk, saidAt(w, seq)));
  const refuse = (error: "FORBIDDEN" | "UNKNOWN_OP") => {
    w.says("/redact 990001");
    const { tag } = w.asked("REDACT", w.does({ kind: "overlay-pick" }));
    w.does({ kind: "answer", answer: { kind: "failed", tag, op: "REDACT", why: { kind: "refused", error, msg: "the message is too old" } } });
  };
  assert.deepEqual(can(), [true, true]);
  w.up += 2000;
  roles(w, "member", "member");
  refuse("FORBIDDEN");
  assert.equal(w.model.notice?.text, "The message is too old.");
  assert.deepEqual(can(), [false, true], "the older one, and none that is as old");
  w.up += 2000;
  w.said("lobby", "ana", "three");
  w.after(60_000);
  assert.equal(canRedact(w.model, w.talk, saidAt(w, 990_003)), true, "a new one, for as long as any");
  roles(w, "moderator", "member");
  assert.deepEqual(can(), [true, true], "moderators have no such limit");
  refuse("UNKNOWN_OP");
  assert.deepEqual([can(), w.model.notice?.text], [[false, false], "This server is of an older version, and cannot do that."]);
});

test("the removal of a message that is not here is confirmed", () => {
  const w = World.chatting();
  w.says("/redact 7");
  const { tag } = w.asked("REDACT", w.does({ kind: "overlay-pick" }));
  assert.deepEqual(w.answer(tag, "REDACT", { ...lobby, seq: 7 }), []);
  assert.equal(w.model.notice?.text, "Message 7 was removed.");
});

test("a removed message that was unread calls nobody any more", () => {
  const w = World.chatting();
  w.said("ops", "bo", "ana: look");
  assert.deepEqual(w.counts()[1], ["#ops", 1, 1]);
  w.event({ kind: "redacted", place: { room: "ops" }, event: { room: "ops", seq: w.seq, by: "bo" } });
  assert.deepEqual(w.counts()[1], ["#ops", 1, 0]);
});

test("authors are offered to remove their messages for a while, and moderators all", () => {
  const w = World.chatting();
  w.seq = 990_000; // Said a little before now: the number is the time in these tests.
  w.up = 990_000_000;
  w.said("lobby", "ana", "mine");
  w.said("lobby", "bo", "not mine");
  const can = (seq: number) => canRedact(w.model, w.talk, saidAt(w, seq));
  assert.deepEqual([can(990_001), can(990_002)], [true, false]);
  w.after(16 * 60_000);
  assert.deepEqual([can(990_001), can(990_002)], [false, false]);
  roles(w, "moderator", "member");
  assert.deepEqual([can(990_001), can(990_002)], [true, true]);
  w.event({ kind: "redacted", place: lobby, event: { ...lobby, seq: 990_002 } });
  assert.deepEqual(can(990_002), false, "once");
  const direct = w.model.open({ with: "bo" });
  assert.equal(canRedact(w.model, direct, saidAt(w, 990_001)), false, "direct messages have no moderator");
});

test("to remove a message is asked for, with its text and a reason", () => {
  const w = World.chatting();
  w.said("lobby", "bo", "rude");
  w.said("lobby", "ana", "mine");
  for (const [typed, data] of [
    ["/redact", { room: "lobby", seq: 102 }], ["/redact @bo not nice", { room: "lobby", seq: 101, reason: "not nice" }],
    ["/redact 7  oops", { room: "lobby", seq: 7, reason: "oops" }],
  ] as const) {
    assert.deepEqual(w.says(typed), [], `${typed}: nothing is removed unasked`);
    assert.equal(w.model.overlay?.kind, "action", typed);
    assert.deepEqual(w.asked("REDACT", w.does({ kind: "overlay-pick" })).question, { op: "REDACT", data }, typed);
  }
  assert.deepEqual(w.says("/redact nobody"), []);
  assert.equal(w.model.notice?.text, "There is no message of nobody here.");
  w.does({ kind: "ask-action", action: { op: "REDACT", seq: 102 }, place: lobby });
  assert.ok(w.model.overlay?.kind === "action" && w.model.overlay.said?.text === "mine");
  w.does({ kind: "action-field", field: "reason", value: "é".repeat(129) });
  assert.deepEqual(w.does({ kind: "overlay-pick" }), []);
  assert.equal(w.model.overlay?.kind === "action" && w.model.overlay.why, "The reason is too long: at most 256 bytes.");
  w.event({ kind: "redacted", place: lobby, event: { ...lobby, seq: 102, by: "bo" } });
  assert.equal(w.model.overlay, undefined, "somebody else was quicker");
  w.says("/msg bo");
  w.does({ kind: "ask-action", action: { op: "REDACT", seq: 9 }, place: { with: "bo" } });
  assert.deepEqual(w.asked("REDACT", w.does({ kind: "overlay-pick" })).question, { op: "REDACT", data: { with: "bo", seq: 9 } });
});

test("what was removed while the page was away is read again", () => {
  const w = World.chatting();
  w.says("/join dev");
  w.answer(w.asked("JOIN").tag, "JOIN", { room: "dev", head: 100, members: [], member_count: 0 });
  w.answerAll();
  w.said("dev", "bo", "read, and not shown");
  w.does({ kind: "show", key: "lobby" });
  w.said("lobby", "bo", "one");
  w.said("ops", "bo", "ana: two");
  w.event({ kind: "reconnecting", wait: 10, attempt: 1, why: { kind: "no-connection", why: "it is gone" } });
  const effects = w.event({ kind: "resumed", caughtUp: 0 });
  const asks = effects.flatMap((e) => (e.kind === "ask" && e.question.op === "HISTORY" ? [{ tag: e.tag, data: e.question.data }] : []));
  assert.deepEqual(asks.map((e) => e.data), [{ room: "lobby", after: 101, limit: 400 }, { room: "ops", after: 102, limit: 400 }],
    "what is shown, and what is unread");
  assert.deepEqual([w.talk.isHidden, w.talkOf("ops").isHidden, w.talkOf("dev").items], [false, true, []], "other texts are not drawn, or are dropped");
  const removed = (place: string, seq: number) => ({ messages: [{ ...message(place, "bo", seq, ""), redacted: true, by: "bo" }], more: false });
  w.answer(asks[0]!.tag, "HISTORY", removed("lobby", 102));
  assert.deepEqual(shown(w.talk), ["message removed by bo"]);
  assert.deepEqual(w.counts()[1], ["#ops", 1, 1]);
  w.answer(asks[1]!.tag, "HISTORY", removed("ops", 103));
  assert.deepEqual([w.counts()[1], w.talkOf("ops").isHidden], [["#ops", 1, 0], false], "it mentions nobody");
  assert.deepEqual(w.does({ kind: "show", key: "ops" }), [], "once");
  const newest = w.asked("HISTORY", w.does({ kind: "show", key: "dev" }));
  assert.deepEqual(newest.question.op === "HISTORY" && newest.question.data, { room: "dev", limit: 100 });
});

test("direct messages are not drawn before they were read again, and stay where the server has no history with the user", () => {
  const w = World.chatting();
  for (const user of ["bo", "cal"]) w.said("@ana", user, "private");
  for (const key of ["@bo", "@cal", "lobby"]) {
    w.does({ kind: "show", key });
    w.answerAll();
    w.does({ kind: "scroll", atFoot: true, nearTop: false, nearFoot: true });
  }
  w.said("@ana", "cal", "unread");
  const effects = w.event({ kind: "resumed", caughtUp: 0 });
  const refused = (tag: number): void => {
    w.does({ kind: "answer", answer: { kind: "failed", tag, op: "HISTORY", why: { kind: "refused", error: "NOT_FOUND", msg: "no" } as any } });
  };
  const asks = effects.flatMap((e) => (e.kind === "ask" && e.question.op === "HISTORY" ? [e] : []));
  assert.deepEqual(asks.map((e) => e.question.op === "HISTORY" && e.question.data.with), ["cal"]);
  assert.deepEqual(["@bo", "@cal"].map((key) => w.talkOf(key).isHidden), [true, true]);
  refused(asks[0]!.tag);
  refused(w.asked("HISTORY", w.does({ kind: "show", key: "@bo" })).tag);
  assert.deepEqual(["@bo", "@cal"].map((key) => [w.talkOf(key).isHidden, shown(w.talkOf(key))]), [[false, ["private"]], [false, ["private", "unread"]]]);
});

test("a window of long messages is read again page by page", () => {
  const w = World.chatting();
  for (const text of ["one", "two", "three"]) w.said("lobby", "bo", text);
  const first = w.asked("HISTORY", w.event({ kind: "resumed", caughtUp: 0 }));
  const second = w.asked("HISTORY", w.answer(first.tag, "HISTORY", { messages: page("lobby", 101, 102), more: true }));
  assert.deepEqual(second.question.op === "HISTORY" && second.question.data, { room: "lobby", after: 102, limit: 400 });
  const effects = w.answer(second.tag, "HISTORY", { messages: [{ ...message("lobby", "bo", 103, ""), redacted: true, by: "bo" }], more: true });
  assert.deepEqual([effects, shown(w.talk)], [[], ["one", "two", "message removed by bo"]], "newer ones are here");
});

test("what is unread beyond the window is known: it may be read elsewhere, or removed", () => {
  const w = World.chatting();
  w.answer(w.asked("HISTORY", w.does({ kind: "show", key: "lobby" }).concat(w.model.load(w.talk, { part: "newest" }))).tag,
    "HISTORY", { messages: page("lobby", 1, 100), more: true });
  w.seq = 100;
  for (let n = 0; n < 300; n += 1) w.said("lobby", "bo", "read");
  w.does({ kind: "scroll", atFoot: false, nearTop: false, nearFoot: false });
  for (let n = 0; n < 3; n += 1) w.said("lobby", "bo", "ana: news");
  assert.deepEqual([w.talk.atHead, w.counts()[0]], [false, ["#lobby", 3, 3]]);
  w.event({ kind: "redacted", place: lobby, event: { ...lobby, seq: 403, by: "bo" } });
  assert.deepEqual(w.counts()[0], ["#lobby", 3, 2]);
  w.event({ kind: "mark", place: lobby, seq: 402 });
  assert.deepEqual([w.counts()[0], w.talk.newFrom], [["#lobby", 1, 0], 403]);
  w.event({ kind: "mark", place: lobby, seq: 403 });
  assert.deepEqual([w.counts()[0], w.talk.newFrom], [["#lobby", 0, 0], undefined]);
});

test("a copy that comes back redacted is kept", () => {
  const peer = loggedIn(10);
  const tag = peer.send("hunter2", lobby);
  const { id } = peer.expect("MSG");
  peer.write({ op: "MSG", status: "OK", id, data: { ...lobby, seq: 11, prev: 0, ts: "2026-11-24T10:00:00.000Z", user: "ana", color: "", msg: "", redacted: true, by: "bo" } });
  assert.equal(peer.keptAs(tag), 11);
  peer.write({ op: "REDACTED", status: "OK", data: { to: "ana", user: "bo", seq: 9 } });
  const event = peer.events.at(-1);
  assert.deepEqual(event?.kind === "redacted" && event.place, { with: "bo" });
});
