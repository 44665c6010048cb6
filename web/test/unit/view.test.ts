// The pure parts of the view: text of others made visible, links and code, colours of names.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { luminance, nameColours, WORDS } from "../../src/view/colours.ts";
import { cutAt, partsOf, safeLink, unitRanges } from "../../src/view/rich.ts";
import { plainLine, visible } from "../../src/view/visible.ts";

test("what is hostile is shown", () => {
  for (const [hostile, shown] of [
    ["plain äöü 山田 🦀", "plain äöü 山田 🦀"], ["\u001b[2J", "␛[2J"], ["\u001b]0;title\u0007", "␛]0;title␇"],
    ["\u009b2J", "<U+009B>2J"], ["a\bb\u007fc\0d", "a␈b␡c␀d"], ["one\rtwo", "one␍two"],
    ["x\u202egpj.exe", "x<U+202E>gpj.exe"], ["\u2066a\u2069\u200e\u061c", "<U+2066>a<U+2069><U+200E><U+061C>"],
    ["a\u200bb\u200cc\u2060d\ufeff", "a<U+200B>b<U+200C>c<U+2060>d<U+FEFF>"], ["a\u2028b\u2029c", "a<U+2028>b<U+2029>c"],
    ["\u{e0041}\u{e007f}", "<U+E0041><U+E007F>"], ["a\u00adb\u3164c", "a<U+00AD>b<U+3164>c"], ["a\ue000b", "a<U+E000>b"],
    ["e\u0301", "e\u0301"], ["👩\u200d🚀 ❤\ufe0f", "👩\u200d🚀 ❤\ufe0f"], ["👩🏽\u200d🚀", "👩🏽\u200d🚀"],
    ["a\u200db 🚀\u200d\u200d🚀", "a<U+200D>b 🚀<U+200D><U+200D>🚀"], ["a\ufe0fb\ufe00", "a<U+FE0F>b<U+FE00>"],
    ["می\u200cخواهم", "می\u200cخواهم"], ["a\u200cb", "a<U+200C>b"], ["क\u094d\u200dष", "क\u094d\u200dष"],
    ["葛\u{e0100}城", "葛\u{e0100}城"], ["🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}!", "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}!"],
    ["🏳\u{e0067}\u{e0062}", "🏳<U+E0067><U+E0062>"],
  ] as const) assert.equal(plainLine(hostile), shown, JSON.stringify(hostile));
  assert.equal(plainLine("a\tb\nc"), "a␉b␊c");
  assert.deepEqual(visible("a\r\n\tb", true).map((p) => p.text).join(""), "a\n\tb");
});

test("marks pile up only so far", () => {
  assert.equal(plainLine(`Z${"\u0301".repeat(500)}!`), `Z${"\u0301".repeat(8)}<+492 marks>!`);
});

test("what gets through is harmless", () => {
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  const spice = "\u0000\u001b\u0085\u200b\u200c\u200d\u200e\u202a\u202e\u2066\u2069\ufeff\u{e0041}aم👩क\u094d";
  for (let n = 0; n < 2000; n += 1) {
    const chars = [...spice];
    const text = Array.from({ length: 12 }, () => chars[random(chars.length)]).join("");
    assert.doesNotMatch(plainLine(text), /[\p{Cc}\u200b\u200e\u202a-\u202e\u2066-\u2069\ufeff]/u, JSON.stringify(text));
  }
});

const kinds = (text: string) => partsOf(text).map((p) => [p.kind, p.text]);

test("links and code are found, and nothing else", () => {
  assert.deepEqual(kinds("see https://a.example/x(y)?b=1. Or (http://b.example)!"), [
    ["text", "see "], ["link", "https://a.example/x(y)?b=1"], ["text", ". Or ("], ["link", "http://b.example"], ["text", ")!"]]);
  assert.deepEqual(kinds("`https://a.example` and `x`"), [["code", "https://a.example"], ["text", " and "], ["code", "x"]]);
  assert.deepEqual(kinds("a\n```rust\nfn x() {}\n\n```\nb"), [["text", "a\n"], ["fence", "fn x() {}\n"], ["text", "b"]]);
  for (const text of ["javascript:alert(1)", "data:text/html,x", "<b>x</b>", "ftp://a.example", "https://", "```not closed", "file:///etc/passwd"]) {
    assert.deepEqual(kinds(text), [["text", text]], text);
  }
  assert.equal(partsOf("").length, 0);
});

test("each part says where it begins", () => {
  const text = "a `b` https://c.example\n```\nd\n```\ne";
  for (const part of partsOf(text)) assert.equal(text.slice(part.from, part.from + part.text.length), part.text);
});

test("a link that is not what it looks like says its host", () => {
  assert.deepEqual(safeLink("https://a.example/x"), { href: "https://a.example/x" });
  assert.deepEqual(safeLink("https://аpple.com"), { href: "https://xn--pple-43d.com/", host: "xn--pple-43d.com" });
  assert.deepEqual(safeLink("https://bank.example@evil.example/"), { href: "https://bank.example@evil.example/", host: "evil.example" });
  assert.equal(safeLink("https://a b"), undefined);
});

/** The terminal and the daemon are tested with the same vectors. */
const HIGHLIGHTS = `${process.env["TCP_CHAT_VECTORS"] ?? "../crates/protocol/vectors"}/highlights.json`;

test("a found text is cut at its highlights as the protocol's vectors say", { skip: !existsSync(HIGHLIGHTS) }, () => {
  for (const { text, highlights, parts } of JSON.parse(readFileSync(HIGHLIGHTS, "utf8")) as
    { text: string; highlights: [number, number][]; parts: [string, boolean][] }[]) {
    assert.deepEqual(cutAt(text, highlights), parts, text);
  }
});

test("highlights count characters", () => {
  assert.deepEqual(unitRanges("🦀ab", [[1, 1], [0, 1], [2, 9]]), [[2, 3], [0, 2]]);
});

test("every colour of a name can be read on both grounds", () => {
  const contrast = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const rgb = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as [number, number, number];
  const grounds = { light: ["#ffffff", "#f6f7f8"], dark: ["#16191d", "#1d2126"] } as const;
  const colours = [...Object.keys(WORDS), "", "#000000", "#ffffff", "#ffff00", "#0000ff", "#7f7f7f", "#00ff7f"];
  for (const color of colours) for (const name of ["ana", "bo", "山田"]) {
    const shown = nameColours(name, color);
    for (const [which, list] of Object.entries(grounds)) for (const ground of list) {
      const is = contrast(luminance(rgb(shown[which as "light" | "dark"])), luminance(rgb(ground)));
      assert.ok(is >= 4.5, `${color} ${name} ${which} ${ground}: ${is}`);
    }
  }
  const six = Object.keys(WORDS).map((word) => nameColours("x", word));
  assert.equal(new Set(six.map((c) => c.light)).size, 6, "the six stay apart");
  assert.equal(new Set(six.map((c) => c.dark)).size, 6);
});
