// Owns how the unit tests run: each file is compiled by itself, then `node --test` runs them. Run by `npm test`, from
// `web/`. Node 20 cannot read TypeScript; nothing here needs a browser.

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const only = process.argv[2];
const files = readdirSync("test/unit").filter((f) => f.endsWith(".test.ts") && (!only || f.includes(only)));
const out = mkdtempSync(join(tmpdir(), "tcp-chat-web-"));
try {
  await build({
    entryPoints: files.map((f) => `test/unit/${f}`),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
  });
  const tests = files.map((f) => join(out, f.replace(/\.ts$/, ".mjs")));
  const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...tests], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
