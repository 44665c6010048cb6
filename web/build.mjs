// Owns how `dist/` is made from `src/` and `static/`. Run by `npm run build`. The same sources give the same bytes: the
// compiler is pinned, and nothing of the time, the machine or the folder goes in. `npm run verify` (`--verify`) builds
// elsewhere and compares: it fails where the committed `dist/` is not what the sources give.

import { build } from "esbuild";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** The bound on everything that a first visit loads, compressed. */
const MOST = 60 * 1024;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const isVerify = process.argv.includes("--verify");
const committed = here("dist/");
const dist = isVerify ? join(mkdtempSync(join(tmpdir(), "tcp-chat-dist-")), "/") : committed;

if (!isVerify) {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
}
await build({
  absWorkingDir: here("."),
  entryPoints: { app: "src/main.ts", style: "src/style/app.css" },
  outdir: dist,
  entryNames: "[name]",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome123", "firefox128", "safari17.5"],
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
});
for (const file of readdirSync(here("static"))) copyFileSync(here(`static/${file}`), `${dist}${file}`);

let sum = 0;
for (const file of readdirSync(dist).sort()) {
  const bytes = gzipSync(readFileSync(`${dist}${file}`), { level: 9 }).length;
  sum += bytes;
  console.log(`${String(bytes).padStart(7)}  ${file}`);
}
console.log(`${String(sum).padStart(7)}  bytes, compressed; at most ${MOST}`);
if (sum > MOST) process.exit(1);

if (isVerify) {
  const names = (folder) => readdirSync(folder).sort();
  const same = names(dist).join() === names(committed).join()
    && names(dist).every((file) => readFileSync(`${dist}${file}`).equals(readFileSync(`${committed}${file}`)));
  rmSync(dist, { recursive: true, force: true });
  console.log(same ? "dist/ is what the sources give" : "dist/ is not what the sources give: run `npm run build` and commit it");
  if (!same) process.exit(1);
}
