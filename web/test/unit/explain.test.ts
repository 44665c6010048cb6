// How a failure of the relay is read: sentences that are joined again, facts apart, code known as code; and when the page
// takes it as a hint, as an alert, or shows no form at all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explain, pieces, spoken } from "../../src/model/explain.ts";
import { problemText } from "../../src/sentences.ts";
import { stateOf } from "../../src/view/side.tsx";
import { World } from "../helpers/world.ts";

const REFUSED = [
  "the certificate of localhost was refused: no certificate that the server sent has the expected pin",
  "  it is for:    127.0.0.1, ::1, localhost, vm",
  "  pin seen:     1cd6bdd9 (the server's own)",
  "  valid:        2026-11-29T21:09:51.000Z to 2027-02-27T22:09:51.000Z (now 2026-11-29T22:09:52.870Z)",
  "Nothing was sent. If the server is right and has a new CA, ask its operator for the new pin or CA.",
];
const UNTRUSTED = [
  "whom to trust for a.example:3000 is not known, so nothing was sent",
  "Paste the tcps:// line that `tcp-chatd invite` prints on the server,",
  "or give the server's CA with --ca FILE (on the server: certs/ca.pem), or its pin with --pin SHA256.",
];

test("a refused certificate: the reason and what to do, then the facts", () => {
  const { sentences, facts } = explain(REFUSED);
  assert.deepEqual(sentences, [
    "The certificate of localhost was refused: no certificate that the server sent has the expected pin.", REFUSED[4]]);
  assert.deepEqual(facts, [
    { label: "it is for", value: "127.0.0.1, ::1, localhost, vm" },
    { label: "pin seen", value: "1cd6bdd9 (the server's own)" },
    { label: "valid", value: "2026-11-29T21:09:51.000Z to 2027-02-27T22:09:51.000Z (now 2026-11-29T22:09:52.870Z)" },
  ]);
  assert.deepEqual(explain(["  1 | ca = [", "", "  no label"]).facts.map((f) => f.label), ["", ""]);
});

test("a sentence that was cut is one again, and begins as a sentence", () => {
  const { sentences, facts } = explain(UNTRUSTED);
  assert.deepEqual([sentences.length, facts.length], [2, 0]);
  assert.match(sentences[0] ?? "", /^Whom to trust .* nothing was sent\.$/);
  assert.match(sentences[1] ?? "", /on the server, or give /);
  assert.deepEqual(explain(["nothing.pem: cannot be read"]).sentences, ["nothing.pem: cannot be read."], "a file keeps its name");
  assert.equal(spoken(["`tcp-chat-cli web` has ended.", "Start it again."]), "tcp-chat-cli web has ended. Start it again.");
  assert.deepEqual(explain([]), { sentences: [], facts: [] });
});

test("commands and options are code", () => {
  const code = (text: string) => pieces(text).filter((p) => p.isCode).map((p) => p.text);
  assert.deepEqual(code(UNTRUSTED.join(" ")), ["tcp-chatd invite", "--ca FILE", "--pin SHA256"]);
  assert.deepEqual(code("a--b -- c, `open, and 10 - 3"), []);
  for (const text of [...UNTRUSTED, "`a` and `b`", "--x", ""]) {
    assert.equal(pieces(text).map((p) => p.text).join(""), text.replaceAll("`", ""));
  }
});

test("what the relay lacks at the first visit is no mistake of the reader", () => {
  const w = new World();
  const host = { kind: "relay", server: "", verified: "browser", problem: UNTRUSTED } as const;
  w.does({ kind: "host", host: { ...host, problem: [...UNTRUSTED] } });
  assert.deepEqual([w.model.form?.problem, w.model.form?.field, w.model.form?.tried], [UNTRUSTED, undefined, false]);
  w.does({ kind: "form", field: "server", value: "a.example" });
  w.does({ kind: "form", field: "name", value: "ana" });
  w.does({ kind: "log-in" });
  w.event({ kind: "refused", why: { kind: "no-connection", why: "closed" } });
  w.does({ kind: "host", host: { ...host, problem: [...UNTRUSTED] } });
  assert.deepEqual([w.model.form?.field, w.model.form?.tried], ["server", true], "now it is about what was typed");
});

test("a tab that was not let in cannot log in", () => {
  const w = new World();
  w.does({ kind: "host", host: { kind: "relay", server: "", verified: "browser", problem: ["no"], isShut: true } });
  w.does({ kind: "form", field: "server", value: "a.example" });
  w.does({ kind: "form", field: "name", value: "ana" });
  assert.deepEqual(w.does({ kind: "log-in" }), []);
});

test("without a connection nobody is known to be here", () => {
  const w = World.chatting();
  assert.equal(stateOf(w.model, "bo"), "here");
  w.event({ kind: "reconnecting", wait: 4000, attempt: 1, why: { kind: "no-connection", why: "closed" } });
  assert.equal(stateOf(w.model, "bo"), "other");
  assert.equal(w.model.talk?.members.find((m) => m.user === "bo")?.state, "here", "the list itself waits for news");
});

test("a time is said once, as a person reads it", () => {
  const until = "2026-11-29T22:30:17.129Z";
  const refused = (msg: string) => problemText({ kind: "refused", error: "FORBIDDEN", msg, until });
  const once = refused(`you are muted until ${until}`);
  assert.match(once, /^You are muted until .*2026.*\.$/);
  assert.doesNotMatch(once, /Z|It ends/);
  assert.match(refused("you are muted"), /^You are muted\. It ends on .*2026.*\.$/);
});
