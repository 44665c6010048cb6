// What is typed on the page: messages until they are kept or refused, commands, drafts, completion. The tests of
// cli/src/tui/tests/flow.rs, and what a page has besides.

import assert from "node:assert/strict";
import { test } from "node:test";
import { keep, takeUp } from "../../src/model/keep.ts";
import { Model } from "../../src/model/model.ts";
import { message, World } from "../helpers/world.ts";

test("what is typed is sent and takes its place once it is kept", () => {
  const w = World.chatting();
  const [send] = w.says("hello");
  assert.ok(send?.kind === "send" && send.text === "hello");
  assert.deepEqual(send.to, { room: "lobby" });
  assert.deepEqual(w.texts(), ["sending: hello"]);
  w.does({ kind: "answer", answer: { kind: "kept", tag: send.tag, seq: 101 } });
  assert.deepEqual(w.texts(), ["sending: hello"], "a tick only after our own copy came back");
  w.said("lobby", "ana", "hello", { id: 1, tag: send.tag });
  assert.deepEqual(w.texts(), ["ana: hello"]);
  const item = w.talk.items[0];
  assert.ok(item?.kind === "said" && item.own);
});

test("what is refused says why, and can be edited, sent again or dropped", () => {
  for (const [act, left] of [["edit", []], ["drop", []], ["again", ["sending: hello"]]] as const) {
    const w = World.chatting();
    const [send] = w.says("hello");
    assert.ok(send?.kind === "send");
    w.does({ kind: "answer", answer: { kind: "not-kept", tag: send.tag, why: { kind: "refused", error: "FORBIDDEN", msg: "you are muted" } } });
    const item = w.talk.items[0];
    assert.ok(item?.kind === "pending" && item.fate.state === "refused" && item.fate.why === "You are muted.");
    w.does({ kind: "pending", id: item.id, act });
    assert.deepEqual(w.texts(), left);
    assert.equal(w.talk.draft, act === "edit" ? "hello" : "");
    if (act === "again") assert.equal(w.effects[0]?.kind, "send");
  }
});

test("of a message that may be kept nobody says that it is not", () => {
  const w = World.chatting();
  const [send] = w.says("hello");
  assert.ok(send?.kind === "send");
  w.does({ kind: "answer", answer: { kind: "not-kept", tag: send.tag, why: { kind: "unconfirmed" } } });
  assert.deepEqual(w.texts(), ["unknown: hello"]);
  w.does({ kind: "pending", id: send.tag, act: "look" });
  const asked = w.asked("HISTORY");
  w.answer(asked.tag, "HISTORY", { messages: [message("lobby", "ana", 150, "hello")], more: false });
  assert.deepEqual(w.texts(), ["ana: hello", "unknown: hello"]);
});

test("commands and what they ask for", () => {
  for (const [typed, question] of [
    ["/join #dev", { op: "JOIN", data: { room: "dev" } }], ["/leave", { op: "LEAVE", data: { room: "lobby" } }],
    ["/rooms", { op: "ROOMS" }], ["/who", { op: "WHO", data: { room: "lobby" } }], ["/who *", { op: "WHO" }],
    ["/kick bo", { op: "KICK", data: { user: "bo", room: "lobby" } }],
    ["/MUTE bo 1h 30m of it", { op: "MUTE", data: { user: "bo", room: "lobby", for_s: 3600, reason: "30m of it" } }],
    ["/role bo none", { op: "GRANT", data: { user: "bo", role: "none", room: "lobby" } }],
    ["/private on", { op: "ROOM", data: { room: "lobby", private: true } }],
    ["/search x", { op: "SEARCH", data: { query: "x", limit: 50 } }],
  ] as const) {
    const w = World.chatting();
    w.says(typed);
    assert.deepEqual(w.asked(question.op).question, question, typed);
    assert.equal(w.talk.draft, "", typed);
  }
  const w = World.chatting();
  assert.deepEqual(w.says("/quit"), [{ kind: "quit" }]);
  w.says("on its way");
  w.says("/quit");
  assert.deepEqual(w.model.overlay, { kind: "quit", waiting: 1 });
  assert.deepEqual(w.does({ kind: "overlay-pick" }), [{ kind: "quit" }]);
});

test("drafts stay with their conversation, and outlive the page", () => {
  const w = World.chatting();
  w.type("to the lobby");
  w.does({ kind: "nth", n: 1 });
  assert.equal(w.talk.draft, "");
  w.says("/room lobby");
  assert.equal(w.talk.draft, "to the lobby");
  const later = new Model({ up: 0, wall: 0 });
  takeUp(later, JSON.parse(JSON.stringify(keep(w.model))) as object);
  assert.equal(later.open({ room: "lobby" }).draft, "to the lobby");
  takeUp(later, { reads: [["x", -1], 7], drafts: "x", unresolved: [{}] } as object);
  assert.equal(later.reads.size, 0, "what is of another shape is passed over");
});

test("messages whose fate is open outlive the page", () => {
  const w = World.chatting();
  const [send] = w.says("hello");
  assert.ok(send?.kind === "send");
  w.does({ kind: "answer", answer: { kind: "not-kept", tag: send.tag, why: { kind: "unconfirmed" } } });
  const later = new World();
  takeUp(later.model, keep(w.model));
  later.enter(["lobby"], 100, true);
  assert.deepEqual(later.texts(), ["unknown: hello"]);
});

test("a session of an earlier page shows what is on its way", () => {
  const w = new World();
  const saved = {
    name: "ana", color: "", token: "t", after: 9, lastId: 1, rooms: ["lobby"],
    outstanding: [{ id: 5, tag: 2 ** 51, to: { room: "lobby" }, text: "mid-send", sent: true, fixed: false }],
  };
  w.does({ kind: "restored", saved });
  assert.deepEqual(w.texts(), ["sending: mid-send"]);
  w.does({ kind: "restored", saved });
  assert.deepEqual(w.texts(), ["sending: mid-send"], "once");
  assert.ok(w.model.id() > 2 ** 51);
});

test("a long paste asks first", () => {
  const w = World.chatting();
  w.does({ kind: "paste", text: "1\n2\n3\n4", caret: 7, lines: 4 });
  w.does({ kind: "escape" });
  assert.deepEqual([w.model.overlay, w.talk.draft], [undefined, ""]);
  w.does({ kind: "paste", text: "1\n2\n3\n4", caret: 7, lines: 4 });
  w.does({ kind: "overlay-pick" });
  assert.deepEqual([w.model.overlay, w.talk.draft], [undefined, "1\n2\n3\n4"]);
});

test("a message that is too long stays, and can be sent in parts", () => {
  const w = World.chatting();
  w.model.limits = { line_bytes: 65536, msg_bytes: 12 };
  assert.deepEqual(w.says("hello there and more"), []);
  assert.equal(w.talk.draft, "hello there and more");
  assert.ok(w.model.notice?.text.includes("20 bytes"));
  const sent = w.does({ kind: "split" }).flatMap((e) => (e.kind === "send" ? [e.text] : []));
  assert.deepEqual(sent, ["hello there", "and more"]);
  assert.equal(w.talk.draft, "");
});

test("completion knows who spoke", () => {
  const w = World.chatting();
  w.said("lobby", "chris", "hi");
  w.type("ch");
  w.does({ kind: "complete", to: "next" });
  assert.equal(w.talk.draft, "chris: ");
  w.does({ kind: "complete", to: "next" });
  assert.equal(w.talk.draft, "Chloé: ");
  assert.deepEqual(w.model.completion?.words.map((c) => c.shown), ["chris", "Chloé"]);
  w.type("Chloé: x");
  const offered = () => w.model.completion?.words.length ?? 0;
  assert.equal(offered(), 0, "the words go with the next key");
  w.type("hi @ch");
  assert.equal(offered(), 2, "a sign offers them by itself");
  w.does({ kind: "complete", to: 1 });
  assert.deepEqual([w.talk.draft, w.model.completion], ["hi @Chloé ", undefined]);
});

test("what was typed before comes back", () => {
  const w = World.chatting();
  w.says("one");
  w.says("two");
  w.type("half");
  for (const [older, text] of [[true, "two"], [true, "one"], [true, "one"], [false, "two"], [false, "half"], [false, "half"]] as const) {
    w.does({ kind: "past", older });
    assert.equal(w.talk.draft, text);
  }
});

test("a question stands before an action, and what is filled in is read", () => {
  const w = World.chatting();
  w.does({ kind: "ask-action", action: { op: "MUTE", user: "bo" }, place: { room: "lobby" } });
  w.does({ kind: "action-field", field: "time", value: "soon" });
  assert.deepEqual(w.does({ kind: "overlay-pick" }), []);
  assert.ok(w.model.overlay?.kind === "action" && w.model.overlay.why);
  w.does({ kind: "action-field", field: "time", value: "10m" });
  w.does({ kind: "action-field", field: "reason", value: "noise" });
  w.does({ kind: "overlay-pick" });
  const asked = w.asked("MUTE");
  assert.deepEqual(asked.question, { op: "MUTE", data: { user: "bo", room: "lobby", for_s: 600, reason: "noise" } });
  w.answer(asked.tag, "MUTE", { user: "bo", room: "lobby" });
  assert.equal(w.model.notice?.text, "bo is muted in #lobby.");
});
