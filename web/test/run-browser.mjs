// Owns how the browser tests run: one file after another. Run by `npm run test:browser`, from `web/`, with `dist/`
// built and a debug daemon there. See `browser/stage.mjs` for what it needs, and for HOST. Some files bring a host of
// their own; they run once.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const only = process.argv[2];
const OWN_HOST = { "relay.test.mjs": "bridge", "together.test.mjs": "bridge", "daemon.test.mjs": "daemon" };
const host = process.env.HOST ?? "bridge";
const files = readdirSync("test/browser")
  .filter((f) => f.endsWith(".test.mjs") && (only ? f.includes(only) : (OWN_HOST[f] ?? host) === host));
const args = ["--test", "--test-concurrency=1", ...files.map((f) => `test/browser/${f}`)];
process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
