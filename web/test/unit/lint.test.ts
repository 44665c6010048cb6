// What the sources must not contain, and what every file must: no way to make markup of text, no cookies, a head that
// says what the file owns, and at most 350 lines.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}
const code = files("src").filter((f) => /\.tsx?$/.test(f));

test("no source makes markup, runs text or sets a cookie", () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|dangerouslySetInnerHTML|DOMParser|createContextualFragment|\beval\b|new Function|document\.cookie|javascript:|setAttribute\(\s*["']on/;
  for (const file of code) {
    const found = forbidden.exec(readFileSync(file, "utf8"));
    assert.equal(found, null, `${file}: ${found?.[0]}`);
  }
  for (const file of files("static")) {
    assert.doesNotMatch(readFileSync(file, "utf8"), /<script(?![^>]*\bsrc=)|\son[a-z]+=|<style|style=/i, file);
  }
});

test("the wire, the session and the model are pure", () => {
  const impure = /\b(window|document|localStorage|sessionStorage|navigator|fetch|setTimeout|setInterval|WebSocket|Date\.now|Math\.random|performance)\b[.(]/;
  for (const file of code.filter((f) => /^src\/(wire|session|model)\//.test(f))) {
    const text = readFileSync(file, "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
    assert.doesNotMatch(text, impure, file);
    assert.doesNotMatch(text, /from "(\.\.\/view|preact)/, file);
  }
});

test("each part uses only those below it", () => {
  const order = ["wire", "session", "model", "view"];
  for (const file of code) {
    const part = order.indexOf(file.split("/")[1] ?? "");
    if (part < 0) continue;
    for (const [, used] of readFileSync(file, "utf8").matchAll(/^import (?!type).* from "\.\.\/(\w+)\//gm)) {
      assert.ok(order.indexOf(used ?? "") <= part, `${file} uses ${used}`);
    }
  }
});

test("every file says what it owns and is short", () => {
  for (const file of [...code, ...files("src").filter((f) => f.endsWith(".css"))]) {
    const text = readFileSync(file, "utf8");
    assert.match(text, /^(\/\/|\/\*) Owns /, file);
    const lines = text.split("\n").length;
    assert.ok(lines <= 351, `${file}: ${lines} lines`);
  }
});

test("the styles load nothing", () => {
  for (const file of files("src").filter((f) => f.endsWith(".css"))) {
    assert.doesNotMatch(readFileSync(file, "utf8"), /url\(|@import (?!"\.\/)/, file);
  }
});
