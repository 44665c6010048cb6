// The window over the log: history both ways, jumps, and what is given up. The tests of cli/src/tui/tests/scrolling.rs
// in terms of what the view says: where the reader is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { beginCompletion, stepCompletion } from "../../src/model/complete.ts";
import { readCommand, readDuration, COMMANDS } from "../../src/model/command.ts";
import { mentions } from "../../src/model/item.ts";
import { splitText } from "../../src/model/split.ts";
import { say } from "../../src/sentences.ts";
import { byteLength } from "../../src/wire/request.ts";
import { page, World } from "../helpers/world.ts";

const at = (where: Partial<{ atFoot: boolean; nearTop: boolean; nearFoot: boolean }>) =>
  ({ kind: "scroll", atFoot: false, nearTop: false, nearFoot: false, ...where } as const);

/** A lobby of 10,000 messages of which the newest 100 are here. */
function deep(): World {
  const w = new World();
  w.seq = 10_000;
  const effects = w.enter(["lobby"]);
  const asked = w.asked("HISTORY", effects);
  w.answer(asked.tag, "HISTORY", { messages: page("lobby", 9901, 10_000), more: true });
  return w;
}

const ends = (w: World) => [w.talk.oldest, w.talk.newest, w.talk.items.length];

test("older messages come as the reader scrolls up, each once, and the newest are given up", () => {
  const w = deep();
  for (let oldest = 9901; oldest > 9001; oldest -= 100) {
    const asked = w.asked("HISTORY", w.does(at({ nearTop: true })));
    assert.deepEqual(asked.question.op === "HISTORY" && asked.question.data, { room: "lobby", before: oldest, limit: 100 });
    assert.deepEqual(w.does(at({ nearTop: true })), [], "it is asked for once");
    w.answer(asked.tag, "HISTORY", { messages: page("lobby", oldest - 100, oldest - 1), more: true });
  }
  assert.deepEqual(ends(w), [9001, 9400, 400]);
  assert.ok(!w.talk.atHead && !w.talk.following);
  w.said("lobby", "bo", "live");
  assert.deepEqual(ends(w), [9001, 9400, 400], "what is live does not stand behind a hole");
  assert.equal(w.talk.unread, 1);
  const down = w.asked("HISTORY", w.does(at({ nearFoot: true })));
  w.answer(down.tag, "HISTORY", { messages: page("lobby", 9401, 9500), more: true });
  assert.deepEqual(ends(w), [9101, 9500, 400]);
  w.does({ kind: "to-end" });
  w.answer(w.asked("HISTORY").tag, "HISTORY", { messages: page("lobby", 9902, 10_001), more: true });
  assert.deepEqual([...ends(w), w.talk.unread], [9902, 10_001, 100, 0]);
});

test("what is unread further up than the window is counted as it comes", () => {
  const w = new World();
  w.model.reads.set("lobby", 9850);
  w.seq = 10_000;
  const asked = w.asked("HISTORY", w.enter(["lobby"]));
  w.answer(asked.tag, "HISTORY", { messages: page("lobby", 9901, 10_000), more: true });
  assert.deepEqual([w.talk.unread, w.talk.newFrom, w.model.goTo], [100, 9901, { seq: 9901 }]);
  assert.equal(w.talk.hasMoreUnread, true, "the badge says 100+");
  const older = w.asked("HISTORY", w.does(at({ nearTop: true })));
  w.answer(older.tag, "HISTORY", { messages: page("lobby", 9801, 9900), more: true });
  assert.deepEqual([w.talk.unread, w.talk.newFrom, w.talk.hasMoreUnread], [150, 9851, false]);
});

test("what the window has given up unread is not counted twice", () => {
  const w = deep();
  w.does({ kind: "focus", here: false });
  for (let n = 0; n < 450; n += 1) w.said("lobby", "bo", "live");
  assert.deepEqual([w.talk.unread, w.talk.newFrom, w.talk.oldest], [450, 10_001, 10_051]);
  w.does({ kind: "scroll", atFoot: false, nearTop: true, nearFoot: false });
  w.answer(w.asked("HISTORY").tag, "HISTORY", { messages: page("lobby", 9951, 10_050), more: true });
  assert.deepEqual([w.talk.unread, w.talk.newFrom], [450, 10_001]);
});

test("the beginning is the beginning", () => {
  const w = deep();
  const asked = w.asked("HISTORY", w.does(at({ nearTop: true })));
  w.answer(asked.tag, "HISTORY", { messages: page("lobby", 9890, 9900), more: false });
  assert.ok(w.talk.atStart);
  assert.deepEqual(w.does(at({ nearTop: true })), []);
});

test("a search leads into the middle of the log", () => {
  const w = deep();
  w.does({ kind: "open", overlay: "search" });
  w.does({ kind: "overlay-text", text: "needle" });
  const search = w.asked("SEARCH", w.does({ kind: "overlay-pick" }));
  w.answer(search.tag, "SEARCH", { messages: page("lobby", 5000, 5000), more: false });
  const older = w.asked("HISTORY", w.does({ kind: "overlay-pick" }));
  assert.deepEqual(older.question.op === "HISTORY" && older.question.data, { room: "lobby", before: 5001, limit: 60 });
  const newer = w.asked("HISTORY", w.answer(older.tag, "HISTORY", { messages: page("lobby", 4941, 5000), more: true }));
  w.answer(newer.tag, "HISTORY", { messages: page("lobby", 5001, 5060), more: true });
  assert.deepEqual([...ends(w), w.model.marked], [4941, 5060, 120, 5000]);
  assert.deepEqual(w.model.goTo, { seq: 5000 });
  assert.ok(!w.talk.following && !w.talk.atHead && !w.talk.atStart);
});

test("a search says which messages it did not cover, until the next search", () => {
  const w = deep();
  const search = () => w.asked("SEARCH", w.does({ kind: "overlay-pick" }));
  const notIndexed = () => (w.model.overlay?.kind === "search" ? w.model.overlay.notIndexed : undefined);
  w.does({ kind: "open", overlay: "search" });
  w.does({ kind: "overlay-text", text: "needle" });
  w.answer(search().tag, "SEARCH", { messages: page("lobby", 1000, 1001), more: true, indexed: 1234, head: 6912 });
  assert.deepEqual(notIndexed(), [1234, 6912]);
  assert.equal(say.notIndexed(1234, 6912), "Searched up to 1,234; 5,678 newer messages are not indexed yet.");
  assert.equal(say.notIndexed(5, 6), "Searched up to 5; 1 newer message is not indexed yet.");
  const next = w.asked("SEARCH", w.does({ kind: "overlay-move", by: 2 }));
  assert.deepEqual(next.question.op === "SEARCH" && next.question.data, { query: "needle", limit: 50, before: 1001 });
  w.answer(next.tag, "SEARCH", { messages: page("lobby", 900, 900), more: false, indexed: 6912, head: 6912 });
  assert.deepEqual(notIndexed(), [1234, 6912], "the first page lacks them");
  w.does({ kind: "overlay-text", text: "needles" });
  const again = search();
  assert.equal(notIndexed(), undefined);
  w.answer(again.tag, "SEARCH", { messages: [], more: false, indexed: 6912, head: 6912 });
  assert.equal(notIndexed(), undefined);
  w.does({ kind: "overlay-text", text: "older daemon" });
  w.answer(search().tag, "SEARCH", { messages: [], more: false });
  assert.equal(notIndexed(), undefined);
});

test("an answer that comes too late changes nothing", () => {
  const w = deep();
  const asked = w.asked("HISTORY", w.does(at({ nearTop: true })));
  w.does({ kind: "to-end" });
  w.talk.reset();
  w.answer(asked.tag, "HISTORY", { messages: page("lobby", 9801, 9900), more: true });
  assert.deepEqual(w.talk.items, []);
});

test("a history that a slow server did not send in time is asked for again", () => {
  const fails = (w: World, tag: number) => w.does({
    kind: "answer", answer: { kind: "failed", tag, op: "HISTORY", why: { kind: "timed-out", what: "HISTORY", afterMs: 30_000 } },
  });
  const w = new World();
  const first = w.asked("HISTORY", w.enter(["lobby"]));
  const second = w.asked("HISTORY", fails(w, first.tag));
  w.answer(second.tag, "HISTORY", { messages: page("lobby", 1, 3), more: false });
  assert.deepEqual(ends(w), [1, 3, 3]);

  // The question before a lost connection runs out after the one behind it was asked.
  const lost = new World();
  const before = lost.asked("HISTORY", lost.enter(["lobby"]));
  lost.event({ kind: "reconnecting", wait: 1, attempt: 1, why: { kind: "no-connection", why: "" } });
  const after = lost.asked("HISTORY", lost.event({ kind: "resumed", caughtUp: 0 }));
  fails(lost, before.tag);
  lost.answer(after.tag, "HISTORY", { messages: page("lobby", 1, 3), more: false });
  assert.deepEqual(ends(lost), [1, 3, 3]);
  assert.ok(lost.talk.loaded);

  // The reader went to a message meanwhile: its surroundings are asked for, and no longer the newest messages.
  const elsewhere = new World();
  const newest = elsewhere.asked("HISTORY", elsewhere.enter(["lobby"]));
  elsewhere.talk.asked = undefined;
  const around = elsewhere.asked("HISTORY", elsewhere.model.load(elsewhere.talk, { part: "around", seq: 50 }));
  assert.deepEqual(fails(elsewhere, newest.tag), []);
  const newer = elsewhere.asked("HISTORY", elsewhere.answer(around.tag, "HISTORY", { messages: page("lobby", 41, 50), more: true }));
  elsewhere.answer(newer.tag, "HISTORY", { messages: page("lobby", 51, 60), more: true });
  assert.deepEqual(ends(elsewhere), [41, 60, 20]);
});

test("what was sent stands at the foot, also from further up", () => {
  const w = deep();
  w.does(at({}));
  w.said("lobby", "bo", "below");
  assert.equal(w.talk.unread, 1);
  w.says("mine");
  assert.ok(w.talk.following);
  assert.equal(w.talk.items.at(-1)?.kind, "pending");
  w.said("lobby", "bo", "after it");
  assert.equal(w.talk.items.at(-1)?.kind, "pending", "it stays behind what is kept");
});

test("what is said from the middle of the log leads to its end", () => {
  const w = deep();
  w.talk.replace(w.model.saidOf(page("lobby", 4941, 5060)), true, true);
  assert.deepEqual(w.does(at({ atFoot: true, nearFoot: true })).length, 1, "the foot of the window is not the end");
  assert.ok(!w.talk.following);
  const effects = w.says("mine");
  const asked = w.asked("HISTORY", effects);
  assert.deepEqual(asked.question.op === "HISTORY" && asked.question.data, { room: "lobby", limit: 100 });
  w.answer(asked.tag, "HISTORY", { messages: page("lobby", 9901, 10_000), more: true });
  assert.deepEqual([w.talk.newest, w.talk.items.at(-1)?.kind], [10_000, "pending"]);
});

test("what is read further up stays while more comes than the window holds", () => {
  const w = deep();
  w.does(at({}));
  for (let n = 0; n < 500; n += 1) w.said("lobby", "bo", "live");
  assert.deepEqual(ends(w), [9901, 10_300, 400]);
  assert.deepEqual([w.talk.atHead, w.talk.unread], [false, 500]);
});

test("of a conversation that is new to the page only what comes is news", () => {
  const w = deep();
  w.said("@ana", "eve", "psst");
  const eve = w.talkOf("@eve");
  w.does({ kind: "focus", here: false });
  const asked = w.asked("HISTORY", w.does({ kind: "show", key: "@eve" }));
  w.answer(asked.tag, "HISTORY", { messages: page("@ana", 9990, 10_001).map((m) => ({ ...m, user: "eve" })), more: false });
  assert.deepEqual([eve.items.length, eve.unread, eve.newFrom], [12, 1, 10_001]);
});

test("after a new session the pages meet, or the newest takes their place", () => {
  const w = deep();
  const again = (from: number, to: number) => {
    const effects = w.event({ kind: "connected", login: { ...loginOf(to) } });
    w.answer(w.asked("HISTORY", effects).tag, "HISTORY", { messages: page("lobby", from, to), more: true });
    return ends(w);
  };
  assert.deepEqual(again(9951, 10_050), [9901, 10_050, 150]);
  assert.deepEqual(again(10_200, 10_299), [10_200, 10_299, 100]);
});

function loginOf(head: number) {
  return {
    name: "ana", color: "", session: "t", ttl_s: 1, rooms: ["lobby"], head,
    server: { name: "", version: "", protocol: 1 }, limits: { line_bytes: 65536, msg_bytes: 8192 },
  };
}

test("inputs", () => {
  for (const [input, command] of [
    ["hi /there", { do: "say", text: "hi /there" }], ["//etc", { do: "say", text: "/etc" }],
    ["/join #ops", { do: "join", what: "ops" }], ["/msg @bo one\ntwo", { do: "msg", user: "bo", text: "one\ntwo" }],
    ["/msg bo", { do: "msg", user: "bo" }], ["/who", { do: "who" }], ["/who *", { do: "everyone" }],
    ["/leave", { do: "leave" }], ["/NOTIFY off", { do: "notify", on: false }],
    ["/search \"a b\" c*", { do: "search", what: '"a b" c*' }],
    ["/ban bo 7d  spam, again", { do: "action", action: { op: "BAN", user: "bo", for_s: 604_800, reason: "spam, again" } }],
    ["/ban bo spam 7d", { do: "action", action: { op: "BAN", user: "bo", reason: "spam 7d" } }],
    ["/kick bo 10m is enough", { do: "action", action: { op: "KICK", user: "bo", reason: "10m is enough" } }],
  ] as const) assert.deepEqual(readCommand(input), { ok: command }, input);
  assert.deepEqual(readCommand("/join"), { wrong: "/join ROOM" });
  assert.deepEqual(readCommand("/role bo king"), { wrong: "/role USER ROLE" });
  const wrong = (input: string) => { const read = readCommand(input); return "wrong" in read ? read.wrong : ""; };
  assert.ok(wrong("/jion ops").includes("Did you mean /join?"));
  assert.ok(wrong("/etc/passwd").includes("// begins a text"));
  assert.deepEqual(["10m", "1h30m", "2d", "0s", "10", "m", "1x", ""].map(readDuration), [600, 5400, 172_800, 1, undefined, undefined, undefined, undefined]);
});

test("every command of the help is there", () => {
  const values: { [args: string]: string } = { "on|off": "on", "USER ROLE": "x owner", "light|dark|system": "dark" };
  for (const [name, args] of COMMANDS) assert.ok("ok" in readCommand(`/${name} ${values[args] ?? (/^(USER|)$/.test(args) ? (args ? "x" : "") : "x")}`), name);
});

test("what fits is completed in turn", () => {
  const all = { commands: ["join", "quit"], rooms: ["lobby", "ops"], names: ["bo", "Bob", "ana"], roles: ["member", "moderator"] };
  const complete = (text: string, tabs: number): string | undefined => {
    let completion = beginCompletion(text, text.length, all, false);
    let [now, caret] = [text, text.length];
    for (let n = 0; n < tabs && completion; n += 1) ({ text: now, caret, completion } = stepCompletion(completion, now, caret, "next"));
    return completion && now;
  };
  for (const [text, tabs, becomes] of [
    ["b", 1, "bo: "], ["b", 2, "Bob: "], ["b", 3, "bo: "], ["hi a", 1, "hi ana "], ["hi @B", 2, "hi @Bob "],
    ["see #o", 1, "see #ops "], ["/j", 1, "/join "], ["/join o", 1, "/join ops "], ["/msg a", 1, "/msg ana "],
    ["/role b", 1, "/role bo "], ["/role bo mo", 1, "/role bo moderator "], ["/role bo ", 1, "/role bo member "],
    ["so :tad", 1, "so 🎉"], ["", 1, undefined], ["xyz", 1, undefined], [":t", 1, undefined],
  ] as const) assert.equal(complete(text, tabs), becomes, `${text} ${tabs}`);
});

test("a mention is a word", () => {
  for (const [text, is] of [["ana: hi", true], ["hi @Ana.", true], ["(ana)", true], ["banana", false], ["ana-maria", false],
    ["ana_", false], ["", false], ["banana ana", true]] as const) assert.equal(mentions(text, "ana"), is, text);
  assert.ok(!mentions("x", ""));
});

test("a split loses nothing", () => {
  for (const text of ["x".repeat(100), "word ".repeat(40), "line one\nline two\n".repeat(9), "🦀".repeat(30), "e\u0301".repeat(40), "👩\u200d🚀".repeat(9)]) {
    const parts = splitText(text, 24);
    for (const part of parts) assert.ok(byteLength(part) <= 24 && part !== "" && !part.includes("\ufffd"), part);
    assert.equal(parts.join("").replace(/\s/g, ""), text.replace(/\s/g, ""));
  }
  assert.ok(splitText("👩\u200d🚀".repeat(9), 24).every((p) => p.startsWith("👩")), "what is drawn as one stays one");
});
