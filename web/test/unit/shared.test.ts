// Topics and read marks: what the page shows, asks and tells the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { canSetTopic } from "../../src/model/topic.ts";
import { loggedIn } from "../helpers/peer.ts";
import { login, page, roles, World } from "../helpers/world.ts";

const lobby = { room: "lobby" };

test("the topic of the room comes with WHO, JOIN and ROOMS, and changes", () => {
  const w = World.chatting();
  const who = w.asked("WHO", w.says("/who"));
  w.answer(who.tag, "WHO", { ...lobby, members: [], member_count: 0, topic: "On call: bo" });
  assert.equal(w.talk.topic, "On call: bo");
  w.event({ kind: "topic", event: { ...lobby, topic: "On call: kim", user: "bo" } });
  assert.equal(w.talk.topic, "On call: kim");
  assert.ok(w.texts().includes("* bo has set the topic: On call: kim"));
  w.event({ kind: "topic", event: { ...lobby, topic: `two\nlines${"!".repeat(390)}`, user: "bo" } });
  assert.ok(w.texts().includes(`* bo has set the topic: two lines${"!".repeat(91)} …`), "its beginning, in one line");
  w.event({ kind: "topic", event: { ...lobby, topic: "" } });
  assert.ok(w.texts().includes("* An operator has removed the topic"));
  const join = w.asked("JOIN", w.says("/join dev"));
  w.answer(join.tag, "JOIN", { room: "dev", head: 9, members: [], member_count: 0, topic: "Rust" });
  assert.deepEqual([w.talk.title, w.talk.topic], ["#dev", "Rust"]);
});

test("the topic is shown, set and removed", () => {
  const w = World.chatting();
  w.says("/topic");
  assert.equal(w.model.notice?.text, "This room has no topic.");
  for (const [typed, topic] of [["/topic On call: bo", "On call: bo"], ["/topic -", ""]] as const) {
    const asked = w.asked("ROOM", w.says(typed));
    assert.deepEqual(asked.question, { op: "ROOM", data: { room: "lobby", topic } });
    w.talk.isPrivate = true;
    w.answer(asked.tag, "ROOM", { room: "lobby", topic });
    assert.deepEqual([w.talk.topic, w.talk.isPrivate], [topic, true], "the topic alone");
    assert.equal(w.model.notice?.text, "This room has no topic.", "the note in the room says it already");
  }
  assert.deepEqual(w.says(`/topic ${"🦀".repeat(401)}`), []);
  assert.equal(w.model.notice?.text, "The topic is too long: 401 characters; at most 400.");
  w.does({ kind: "ask-action", action: { op: "TOPIC", topic: "Rust" }, place: lobby });
  assert.equal(w.model.overlay?.kind === "action" && w.model.overlay.topic, "Rust", "an edit begins with the topic of now");
  w.does({ kind: "action-field", field: "topic", value: "  Rust and C " });
  const asked = w.asked("ROOM", w.does({ kind: "overlay-pick" }));
  assert.deepEqual(asked.question, { op: "ROOM", data: { room: "lobby", topic: "Rust and C" } });
  for (const [ana, bo, can] of [["member", "member", true], ["member", "moderator", false], ["moderator", "owner", true],
    ["read-only", "member", false]] as const) {
    roles(w, ana, bo);
    assert.equal(canSetTopic(w.model, w.talk), can, `${ana}, ${bo}`);
  }
});

/** ana, whose name is proven. */
function proven(marks: { room?: string; with?: string; seq: number }[]): World {
  const w = new World();
  w.does({ kind: "form", field: "name", value: "ana" });
  w.does({ kind: "log-in" });
  w.event({ kind: "entered", login: { ...login(["lobby", "ops"], w.seq), marks }, resumed: false });
  w.event({ kind: "connected", login: { ...login(["lobby", "ops"], w.seq), marks } });
  return w;
}

const marksOf = (w: World): unknown[] => w.effects.flatMap((e) => (e.kind === "ask" && e.question.op === "MARK" ? [e.question.data] : []));

test("the server is told what was read, of a conversation at most once a second", () => {
  const w = proven([]);
  w.answerAll();
  w.said("lobby", "bo", "one");
  assert.deepEqual(marksOf(w), [{ room: "lobby", seq: 101 }]);
  w.said("lobby", "bo", "two");
  assert.deepEqual(marksOf(w), []);
  w.said("lobby", "bo", "three");
  assert.deepEqual([marksOf(w), w.model.wakesAt()], [[], w.up + 1000]);
  w.after(1000);
  assert.deepEqual(marksOf(w), [{ room: "lobby", seq: 103 }], "one for both");
  w.said("lobby", "bo", "four");
  w.does({ kind: "focus", here: false });
  assert.deepEqual(marksOf(w), [{ room: "lobby", seq: 104 }], "at once: the page may be closed next");
  w.said("lobby", "bo", "five");
  w.after(5000);
  assert.deepEqual([marksOf(w), w.model.wakesAt()], [[], undefined], "nobody has read it");
  const unproven = World.chatting();
  unproven.said("lobby", "bo", "one");
  assert.deepEqual([marksOf(unproven), unproven.model.wakesAt()], [[], undefined], "as before, on the page alone");
});

test("what was read in another session is read here", () => {
  const w = proven([{ room: "lobby", seq: 98 }, { room: "ops", seq: 100 }]);
  const asked = w.asked("HISTORY");
  w.answer(asked.tag, "HISTORY", { messages: page("lobby", 97, 100), more: false });
  assert.deepEqual([w.talk.read, w.talk.unread, w.talk.newFrom], [98, 2, 99], "the login says where");
  w.said("ops", "bo", "ana: one");
  w.said("ops", "bo", "ana: two");
  w.event({ kind: "mark", place: { room: "ops" }, seq: 101 });
  assert.deepEqual(w.counts()[1], ["#ops", 1, 1]);
  w.event({ kind: "mark", place: { room: "ops" }, seq: 99 });
  assert.deepEqual(w.counts()[1], ["#ops", 1, 1], "a mark never moves back");
  w.event({ kind: "mark", place: { room: "ops" }, seq: 104 });
  assert.deepEqual(marksOf(w), [], "the server is not told what it said");
  w.said("ops", "bo", "ana: three, which was read before it came");
  assert.deepEqual(w.counts()[1], ["#ops", 0, 0]);
  const join = w.asked("JOIN", w.says("/join dev"));
  w.answer(join.tag, "JOIN", { room: "dev", head: 90, members: [], member_count: 0, mark: 80 });
  assert.equal(w.talk.read, 80);
});

test("an answer of the same user in another session reads what it answers", () => {
  const w = proven([]);
  w.answerAll();
  w.said("ops", "bo", "ana: one");
  w.said("ops", "bo", "two");
  w.said("ops", "ana", "from the other session, whose mark comes later");
  assert.deepEqual(w.counts()[1], ["#ops", 0, 0]);
  w.said("ops", "bo", "three");
  assert.deepEqual([w.counts()[1], w.talkOf("ops").newFrom], [["#ops", 1, 0], w.seq]);
});

test("marks that other sessions made while this one was away come with the resume", () => {
  const peer = loggedIn(10);
  peer.cut();
  peer.comesBack();
  peer.login(peer.expect("LOGIN"), 12, undefined, { marks: [{ room: "lobby", seq: 12 }, { with: "bo", seq: 9 }] });
  const marks = peer.events.flatMap((e) => (e.kind === "mark" ? [[e.place, e.seq]] : []));
  assert.deepEqual(marks, [[{ room: "lobby" }, 12], [{ with: "bo" }, 9]], "before the messages that were missed");
});

test("a mark that is refused as unproven ends the telling", () => {
  const w = proven([]);
  w.answerAll();
  const { tag } = w.asked("MARK", w.said("lobby", "bo", "one"));
  w.does({ kind: "answer", answer: { kind: "failed", tag, op: "MARK", why: { kind: "refused", error: "FORBIDDEN", msg: "no" } } });
  w.after(2000);
  w.said("lobby", "bo", "two");
  assert.deepEqual([marksOf(w), w.model.notice], [[], undefined]);
});
