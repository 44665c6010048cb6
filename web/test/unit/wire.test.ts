// The wire: every reply and event of the protocol is read, every request is written, and what is none of the
// contract's is refused with the field's name. Reads the vectors beside this folder and, where it is there, the
// protocol crate's folder of vectors.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { linesOf, readLine } from "../../src/wire/incoming.ts";
import { readInvite, serverOf } from "../../src/wire/invite.ts";
import { colourOf, isSameName, nameProblem } from "../../src/wire/name.ts";
import { replyData } from "../../src/wire/read.ts";
import { encode, historyData, msgData, OPS, tooLong, wellFormed, type Request } from "../../src/wire/request.ts";
import { Misread } from "../../src/wire/shape.ts";
import type { Op } from "../../src/wire/types.ts";

/** The tests run in `web/`. */
const OWN = "test/vectors";
const CRATE = process.env["TCP_CHAT_VECTORS"] ?? "../crates/protocol/vectors";

interface Vector { name: string; line: string; read?: unknown; data?: unknown; misread?: string }

const vectors = (file: string): Vector[] => JSON.parse(readFileSync(`${OWN}/${file}`, "utf8")) as Vector[];

for (const vector of [...vectors("events.json"), ...vectors("replies.json")]) {
  test(`incoming: ${vector.name}`, () => {
    const read = () => {
      const incoming = readLine(vector.line);
      const op = incoming.kind === "reply" ? (incoming.op as Op) : undefined;
      return op !== undefined && OPS.includes(op) && incoming.kind === "reply"
        ? { ...incoming, data: replyData(op, incoming.data) } : incoming;
    };
    if (vector.misread !== undefined) {
      assert.throws(read, (e) => e instanceof Misread && e.path === vector.misread, vector.misread);
    } else {
      assert.deepEqual(read(), vector.read);
    }
  });
}

for (const { name, request, id, line } of JSON.parse(readFileSync(`${OWN}/requests.json`, "utf8")) as
  { name: string; request: Request; id: number | string; line: string }[]) {
  test(`request: ${name}`, () => assert.equal(encode(request, id), `${line}\n`));
}

const shared = (file: string): any[] => (existsSync(`${CRATE}/${file}`) ? JSON.parse(readFileSync(`${CRATE}/${file}`, "utf8")) as any[] : []);

test("the protocol crate's requests are written as its own client writes them", { skip: !existsSync(`${CRATE}/requests.json`) }, () => {
  for (const { request } of shared("requests.json")) {
    const { op, data, id = 7 } = request;
    const place = data?.room !== undefined ? { room: data.room } : { with: data?.to ?? data?.with };
    const ours = op === "MSG" ? { op, data: msgData(typeof data === "string" ? undefined : place, data.msg ?? data) }
      : op === "HISTORY" ? { op, data: historyData(place, { before: data.before, after: data.after, limit: data.limit }) } : { op, data };
    assert.deepEqual(JSON.parse(encode(ours as Request, id)), { ...request, id });
  }
});

test("the protocol crate's lines of the daemon are what they say", { skip: !existsSync(`${CRATE}/server.json`) }, () => {
  for (const { line, is } of [...shared("server.json"), ...shared("conversations.json")]) {
    const incoming = readLine(line);
    const expected = JSON.parse(line) as { data?: { servers?: string[] }; id?: unknown };
    // The page has one origin: its host goes to another node. It need only know that there are several.
    if (incoming.kind !== "reply") delete expected.data?.servers;
    const data = incoming.kind === "reply" ? replyData(incoming.op as Op, incoming.data)
      : incoming.kind === "error" ? incoming.error : incoming.event;
    assert.equal(incoming.kind === "msg" ? "message" : incoming.kind === "topic" ? "room" : incoming.kind, is, line);
    assert.deepEqual(data, expected.data ?? null, line);
    assert.deepEqual("id" in incoming ? incoming.id : undefined, expected.id, line);
  }
});

test("one text message holds one or more whole lines", () => {
  assert.deepEqual(linesOf('{"a":1}\n\n{"b":2}\r\n'), ['{"a":1}', '{"b":2}']);
  assert.deepEqual(linesOf('{"a":1}'), ['{"a":1}'], "the last one's end may be left out");
});

test("every reply of the protocol has a vector", () => {
  const seen = new Set(vectors("replies.json").map((v) => (JSON.parse(v.line) as { op: string }).op));
  assert.deepEqual(OPS.filter((op) => !seen.has(op)), []);
});

test("a text is bounded by the server's bound on texts and on lines", () => {
  const limits = { line_bytes: 200, msg_bytes: 100 };
  assert.equal(tooLong(undefined, "x".repeat(100), limits), undefined);
  assert.deepEqual(tooLong(undefined, "é".repeat(51), limits), { bytes: 102, bound: 100, of: "text" });
  assert.equal(tooLong({ room: "lobby" }, "\u0001".repeat(40), limits)?.of, "line", "JSON writes one as six bytes");
  assert.equal(wellFormed("a\ud800b\u{1f980}"), "a\ufffdb\u{1f980}");
});

test("names and colours", () => {
  for (const good of ["ana", "a", "山田", "a_b-c.d", "Zoë", "1st"]) assert.equal(nameProblem(good), undefined, good);
  for (const [bad, why] of [["", "empty"], ["a b", "characters"], ["🦀", "characters"], ["_a", "shape"], ["a.", "shape"],
    ["x".repeat(33), "long"], ["a\u200bb", "characters"], ["a\u202eb", "characters"], ["a\ufe0f", "characters"]] as const) {
    assert.equal(nameProblem(bad), why, bad);
  }
  assert.ok(isSameName("ANA", "ana") && isSameName("Straße", "STRASSE") && isSameName("caf\u00e9", "CAFE\u0301"));
  assert.ok(!isSameName("ana", "аnа"), "Cyrillic");
  assert.deepEqual(["red", "#ABCDEF", "Red", "#fff", ""].map(colourOf), ["red", "#abcdef", undefined, undefined, undefined]);
});

test("invites and join lines as people paste them", () => {
  const pin = "ab".repeat(32);
  const plain = { host: "chat.example", port: 4444, room: "ops", pin };
  for (const [before, after] of [["<", ">"], ['"', '"'], ["\u201e", "\u201c."], ["'", "',"], ["(", ")."], ["[", "]"],
    ["\ufeff ", "\u200b\r\n"], ["tcp-chat-cli ", ""], ["`tcp-chat-cli '", "'`."], ["", ":"], ["", ".:"]] as const) {
    const pasted = `${before}tcps://chat.example:4444/ops#${pin}${after}`;
    assert.deepEqual(readInvite(pasted), { ok: plain }, pasted);
  }
  assert.deepEqual(readInvite(`TCPS://chat.example:4444/ops#SHA256:${"AB:".repeat(31)}AB`), { ok: plain });
  for (const [text, server] of [["chat.example.", "chat.example:3000"], ["<[::1]:81>", "[::1]:81"], ["[::1]", "[::1]:3000"],
    ["fe80::", "[fe80::]:3000"], ["Bücher.example/ops", "Bücher.example:3000"],
    ["a,[::1]:81,b:1/ops", "a:3000,[::1]:81,b:1"]] as const) {
    const read = readInvite(text);
    assert.equal("ok" in read ? serverOf(read.ok) : read.problem, server, text);
  }
  assert.deepEqual(readInvite(`tcps://ana:c0-de_@chat.example#${pin}`), {
    ok: { host: "chat.example", port: 3000, pin, join: { user: "ana", code: "c0-de_", certificate: false } },
  });
  const cert = readInvite("tcps://ana:cert:c0de@chat.example");
  assert.ok("ok" in cert && cert.ok.join?.certificate);
  for (const [bad, why] of [["ht<tp", "host"], ["http://a/b", "scheme"], ["a:0", "port"], ["a:x", "port"], ["a/b c", "room"],
    ["a#12", "pin"], ["tcps://ana@host", "join"], ["", "host"], ["a,,b", "host"], ["a,b:0", "port"]] as const) {
    assert.deepEqual(readInvite(bad), { problem: why }, bad);
  }
});
