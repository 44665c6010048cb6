// What happens on the page besides what is typed: the login, the conversations, the ends of a session. The tests of
// cli/src/tui/tests/flow.rs, and what a page has besides.

import assert from "node:assert/strict";
import { test } from "node:test";
import { keep, takeUp } from "../../src/model/keep.ts";
import { login, message, page, World } from "../helpers/world.ts";

const lost = (wait: number) => ({
  kind: "reconnecting", wait, attempt: 1, why: { kind: "no-connection", why: "it is gone" },
} as const);

test("the countdown wakes by the second and nothing else does", () => {
  const w = World.chatting();
  assert.equal(w.model.wakesAt(), undefined, "idle is idle");
  w.event(lost(3500));
  const wake = w.model.wakesAt();
  assert.ok(wake !== undefined && wake > w.up + 499 && wake < w.up + 510);
  w.after(10_000);
  assert.equal(w.model.wakesAt(), undefined);
  w.event({ kind: "resumed", caughtUp: 42 });
  assert.ok(w.model.link.at === "up" && w.model.link.caughtUp?.count === 42);
  w.after(11_000);
  assert.deepEqual(w.model.link, { at: "up" });
  w.after(30_000);
  assert.equal(w.model.wakesAt(), undefined);
});

test("after a restore the conversations are loaded again", () => {
  const w = World.chatting();
  w.model.reads.set("@kim", 170);
  w.said("lobby", "bo", "of the log before");
  w.said("ops", "bo", "unread, of the log before");
  w.event(lost(10));
  w.event({ kind: "log-replaced", after: w.seq, from: 40, log: "b" });
  const event = message("lobby", "bo", 41, "said after the restore");
  w.event({ kind: "message", message: { event, own: false, place: { room: "lobby" } } });
  const effects = w.event({ kind: "resumed", caughtUp: 1 });
  const histories = effects.flatMap((e) => (e.kind === "ask" && e.question.op === "HISTORY" ? [e] : []));
  assert.deepEqual(histories.map((e) => (e.question.op === "HISTORY" ? e.question.data.room : "")), ["lobby", "ops"]);
  assert.ok(w.texts().includes("bo: said after the restore") && !w.texts().some((t) => t.includes("of the log before")));
  assert.ok(w.texts().some((t) => t.includes("after message 40")));
  w.answer(histories[1]?.tag ?? 0, "HISTORY", { messages: page("ops", 39, 42), more: false });
  assert.deepEqual(w.counts(), [["#lobby", 0, 0], ["#ops", 2, 0]]);
  assert.deepEqual(keep(w.model).reads, [["lobby", 41], ["ops", 40], ["@kim", 40]]);
});

test("an end of the session is told and can be begun again", () => {
  const w = World.chatting();
  w.event({ kind: "ended", why: { kind: "closed", how: "kicked", msg: "be nice" } });
  assert.equal(w.model.notice?.text, "The server has ended the session. Be nice.");
  assert.deepEqual(w.says("hello"), []);
  assert.equal(w.talk.draft, "hello", "what was typed is not lost");
  const [connect] = w.says("/connect");
  assert.ok(connect?.kind === "connect" && connect.start.name === "ana");
});

test("unread and mentions are counted where nobody looks", () => {
  const w = World.chatting();
  w.model.notify = true;
  assert.deepEqual(w.said("lobby", "bo", "hi"), []);
  assert.deepEqual(w.said("ops", "bo", "one"), []);
  assert.equal(w.said("ops", "bo", "ana: look")[0]?.kind, "ring");
  w.said("@ana", "eve", "psst");
  assert.deepEqual(w.counts(), [["#lobby", 0, 0], ["#ops", 2, 1], ["@eve", 1, 1]]);
  w.does({ kind: "next-unread" });
  assert.equal(w.talk.title, "#ops", "what means the reader is first");
  assert.deepEqual([w.model.goTo, w.talk.unread], [{ seq: 102 }, 2], "what is new may go beyond the screen");
  w.does({ kind: "scroll", atFoot: true, nearTop: true, nearFoot: true });
  assert.deepEqual([w.talk.unread, w.talk.newFrom], [0, 102], "the line stays while it is read");
  w.does({ kind: "beside", before: true });
  w.does({ kind: "beside", before: false });
  assert.equal(w.talk.newFrom, undefined, "it was read");
});

test("direct messages of an earlier page come back", () => {
  const w = new World();
  takeUp(w.model, { reads: [["lobby", 100], ["@bo", 93], ["@eve", 80], ["@gone", 70]] });
  w.enter(["lobby"], 100, true);
  // One that came while the reader was away; it is before what is asked for.
  w.said("@ana", "kim", "psst");
  const effects = w.event({ kind: "resumed", caughtUp: 1 });
  const tags = new Map(effects.flatMap((e) => (e.kind === "ask" && e.question.op === "HISTORY" ? [[e.question.data.with, e.tag] as const] : [])));
  for (const user of ["bo", "eve", "gone", "kim"]) assert.ok(tags.has(user), user);
  w.answer(tags.get("bo") ?? 0, "HISTORY", { messages: page("@ana", 85, 95), more: false });
  w.answer(tags.get("eve") ?? 0, "HISTORY", { messages: [], more: false });
  w.does({ kind: "answer", answer: { kind: "failed", tag: tags.get("gone") ?? 0, op: "HISTORY", why: { kind: "refused", error: "NO_SUCH_USER", msg: "nobody" } } });
  assert.deepEqual(w.counts(), [["#lobby", 0, 0], ["@kim", 1, 1], ["@bo", 2, 2]], "what is left of them, and no more");
  const kept = keep(w.model).reads;
  assert.deepEqual(kept.filter(([key]) => ["@bo", "@gone", "@eve"].includes(key)), [["@bo", 93], ["@gone", 70]]);
  w.says("/leave @bo");
  assert.ok(!keep(w.model).reads.some(([key]) => key === "@bo"), "what is closed by hand does not come back");
});

test("rings do not come in a row and not for what is seen", () => {
  const w = World.chatting();
  w.model.notify = true;
  assert.deepEqual(w.said("lobby", "bo", "ana?"), [], "it is before the reader's eyes");
  w.does({ kind: "focus", here: false });
  assert.equal(w.said("lobby", "bo", "ana??").length, 1);
  assert.equal(w.said("lobby", "bo", "ana???").length, 0);
  w.after(3000);
  assert.equal(w.said("lobby", "bo", "ana????").length, 1);
  assert.equal(w.talk.unread, 3);
  w.does({ kind: "focus", here: true });
  assert.equal(w.talk.unread, 0);
  w.says("/notify off");
  w.does({ kind: "focus", here: false });
  w.after(3000);
  assert.equal(w.said("lobby", "bo", "ana").length, 0);
});

test("a refused login comes back to the field that it is about", () => {
  const w = new World();
  w.does({ kind: "form", field: "name", value: "a b" });
  assert.deepEqual([w.does({ kind: "log-in" }), w.model.form?.field], [[], "name"]);
  w.does({ kind: "form", field: "name", value: "ana" });
  assert.equal(w.does({ kind: "log-in" })[0]?.kind, "connect");
  assert.deepEqual(w.does({ kind: "log-in" }), [], "one attempt at a time");
  w.event({ kind: "refused", why: { kind: "login-refused", error: "AUTH_FAILED", msg: "the password was not accepted" } });
  assert.deepEqual([w.model.form?.field, w.model.form?.problem], ["password", ["The password was not accepted."]]);
  w.does({ kind: "form", field: "password", value: "secret" });
  const [connect] = w.does({ kind: "log-in" });
  assert.ok(connect?.kind === "connect" && connect.start.password === "secret");
});

test("invites and join lines in the form", () => {
  const w = new World();
  w.does({ kind: "form", field: "server", value: "tcps://kim:c0de@chat.example/ops" });
  assert.equal(w.model.form?.name, "kim");
  w.does({ kind: "log-in" });
  assert.equal(w.model.form?.field, "password", "the password is chosen now");
  w.does({ kind: "form", field: "password", value: "correct horse" });
  const [connect] = w.does({ kind: "log-in" });
  assert.deepEqual(connect, { kind: "connect", remember: false,
    start: { code: "c0de", name: "kim", password: "correct horse", rooms: ["ops"] } });
  assert.equal(w.model.again?.code, undefined, "a code works once");
  const relay = new World();
  relay.does({ kind: "host", host: { kind: "relay", server: "a:3000", verified: "CA" } });
  assert.equal(relay.model.form?.server, "a:3000");
});

test("the code of a join line goes to the server alone, not to the relay", () => {
  const pin = "ab".repeat(32);
  for (const [end, chosen] of [["", ""], ["/ops", ""], [`#${pin}`, `#${pin}`]]) {
    const w = new World();
    w.does({ kind: "host", host: { kind: "relay", server: "a:3000", verified: "CA" } });
    w.does({ kind: "form", field: "server", value: `tcps://kim:c0de@chat.example:4000${end}` });
    w.does({ kind: "form", field: "password", value: "correct horse" });
    const [connect] = w.does({ kind: "log-in" });
    assert.ok(connect?.kind === "connect" && connect.start.code === "c0de");
    assert.equal(connect.server, `tcps://chat.example:4000${chosen}`, "what is posted to the relay");
  }
});

test("the relay's explanation takes the place of the browser's", () => {
  const w = new World();
  const host = { kind: "relay", server: "a:3000", verified: "CA" } as const;
  const noConnection = { kind: "refused", why: { kind: "no-connection", why: "closed" } } as const;
  w.does({ kind: "host", host });
  w.does({ kind: "form", field: "name", value: "ana" });
  w.does({ kind: "log-in" });
  w.event(noConnection);
  w.does({ kind: "host", host: { ...host, problem: ["The certificate has expired.", "Tell the operator."] } });
  assert.deepEqual(w.model.form?.problem, ["The certificate has expired.", "Tell the operator."]);
  w.does({ kind: "log-in" });
  w.event({ kind: "refused", why: { kind: "login-refused", error: "NAME_TAKEN", msg: "the name is taken" } });
  assert.deepEqual(w.model.form?.problem, ["The name is taken."], "another failure has its own reason");
  w.enter(["lobby"]);
  assert.equal(w.model.host.problem, undefined);
});

test("memory is bounded", () => {
  const w = World.chatting();
  for (let n = 0; n < 3000; n += 1) {
    w.said("lobby", "bo", "x");
    w.said("@ana", `user${n}`, "y");
  }
  assert.ok(w.model.talks.length <= 128);
  assert.ok(w.talkOf("lobby").items.length <= 400);
  assert.ok(!w.talkOf("lobby").atStart, "what was given up can be loaded again");
});

test("a server that can keep nothing new says so until it can, or another one has the session", async () => {
  const { linkText } = await import("../../src/view/side.tsx");
  const stalled = () => {
    const w = World.chatting();
    w.event({ kind: "notice", event: { kind: "UNAVAILABLE", msg: "nothing now", retry_after_ms: 2000 } });
    assert.equal(linkText(w.model), "Connected, nothing new for now");
    assert.match(w.model.announced?.text ?? "", /reading and searching go on/);
    assert.deepEqual(w.texts(), [], "the bar says it, not each conversation");
    return w;
  };
  const w = stalled();
  const [send] = w.says("waits");
  assert.ok(send?.kind === "send");
  assert.deepEqual(w.texts(), ["sending: waits"]);
  w.event({ kind: "notice", event: { kind: "AVAILABLE", msg: "again" } });
  assert.equal(linkText(w.model), "Connected");
  assert.equal(w.model.announced?.text, "The server keeps messages again.");
  const moved = stalled();
  moved.event(lost(0));
  moved.event({ kind: "resumed", caughtUp: 0 });
  assert.equal(linkText(moved.model), "Connected");
});

test("a room that one is put out of closes and it is said why", () => {
  const w = World.chatting();
  w.event({ kind: "notice", event: { kind: "REMOVED", room: "ops", msg: "removed: spam" } });
  assert.deepEqual(w.model.talks.map((t) => t.title), ["#lobby"]);
  assert.ok(w.texts().at(-1)?.includes("removed: spam"));
  w.event({ kind: "notice", event: { kind: "REMOVED", room: "lobby", msg: "removed: noise" } });
  assert.ok(w.model.notice?.text.includes("noise"), "also where no conversation is left");
});

test("moderation is offered only where the server will permit it", async () => {
  const { canModerate } = await import("../../src/model/act.ts");
  const w = World.chatting();
  const me = { user: "ana", color: "", state: "here" } as const;
  for (const [mine, theirs, can] of [
    [undefined, undefined, false], ["moderator", undefined, true], ["moderator", "read-only", true],
    ["moderator", "moderator", false], ["owner", "moderator", true], ["owner", "owner", false], ["read-only", undefined, false],
  ] as const) {
    const bo = { user: "bo", color: "", state: "here", ...(theirs ? { role: theirs } : {}) } as const;
    w.talk.setMembers([{ ...me, ...(mine ? { role: mine } : {}) }, bo], 2);
    assert.equal(canModerate(w.model, w.talk, bo), can, `${mine} ${theirs}`);
    assert.equal(canModerate(w.model, w.talk, me), false);
  }
});

test("a broken chain and a gap stand in the conversation", () => {
  const w = World.chatting();
  w.event({ kind: "chain-broken", place: { room: "lobby" }, last: 3, prev: 5, seq: 6 });
  w.event({ kind: "gap", from: 7, to: 9 });
  const tones = w.talk.items.flatMap((i) => (i.kind === "note" ? [[i.tone, i.text] as const] : []));
  assert.deepEqual(tones.map(([tone]) => tone), ["broken", "gap"]);
  assert.ok(tones[0]?.[1].includes("6") && tones[0][1].includes("5") && tones[0][1].includes("3"));
});

test("who comes and goes in a row is one line, and the last of each counts", () => {
  const w = World.chatting();
  const presence = (user: string, state: "joined" | "left" | "away") =>
    w.event({ kind: "presence", event: { room: "lobby", user, color: "", state } });
  presence("kim", "joined");
  presence("eve", "joined");
  presence("kim", "left");
  presence("bo", "away");
  assert.deepEqual(w.texts(), ["* eve has joined, kim has left"]);
  assert.equal(w.talk.memberCount, 4);
  assert.equal(w.talk.members.find((m) => m.user === "bo")?.state, "away");
  w.said("lobby", "bo", "hi");
  presence("kim", "joined");
  assert.equal(w.texts().length, 3);
});

test("the switcher shows unread first and finds rooms and people", async () => {
  const { targets } = await import("../../src/model/overlays.ts");
  const w = World.chatting();
  w.said("ops", "bo", "one");
  w.model.knownRooms = ["dev", "lobby"];
  assert.deepEqual(targets(w.model, "").map((t) => t.title), ["#ops", "#lobby"]);
  assert.deepEqual(targets(w.model, "de").map((t) => t.title), ["#dev"]);
  assert.deepEqual(targets(w.model, "@b").map((t) => t.title), ["@bo"]);
  w.does({ kind: "open", overlay: "switcher" });
  w.does({ kind: "overlay-pick" });
  assert.equal(w.talk.title, "#ops");
});

test("leaving by hand leaves nothing on the page", () => {
  const w = World.chatting();
  w.said("lobby", "bo", "secret");
  w.says("typed");
  w.model.drafts.set("@bo", "a draft");
  w.model.knownRooms = ["private"];
  w.event({ kind: "ended", why: { kind: "closed", how: "quit", msg: "" } });
  assert.deepEqual([w.model.talks, w.model.form?.name, w.model.drafts.size, w.model.knownRooms], [[], "ana", 0, []]);
  assert.equal(w.model.past.older(""), undefined, "nor what was typed");
  w.enter(["lobby"], 7);
  assert.equal(login(["lobby"], 7).head, 7);
});

test("after an end that nobody wanted, another user sees nothing of the one before", () => {
  const w = World.chatting();
  w.said("@ana", "bo", "secret");
  w.event({ kind: "ended", why: { kind: "closed", how: "kicked", msg: "an operator has ended your session" } });
  const kim = { ...login(["lobby"], w.seq), name: "kim" };
  w.event({ kind: "entered", login: kim, resumed: false });
  w.event({ kind: "connected", login: kim });
  assert.deepEqual(w.model.talks.map((t) => [t.title, t.items.length]), [["#lobby", 0]]);
});
