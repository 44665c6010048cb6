// Owns the measurement of how long somebody waits for the page: from the start of `tcp-chat-cli web` to a form that can
// be filled in, then from "Enter" to a chat. Not a test: it prints the medians, in milliseconds. Each run has a home folder
// and a browser profile of its own; the browser itself runs already, as on most desks.
//
//   node test/browser/startup.mjs [RUNS]
//
// Environment: that of `stage.mjs`.

import { Home, kill } from "./client-host.mjs";
import { CLI, Daemon, enter, launch } from "./stage.mjs";

const runs = Number(process.argv[2] ?? 11);
const median = (numbers) => Math.round([...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]);
const daemon = await Daemon.start();
const browser = await launch();
const times = { "prints its address": [], "form can be filled in": [], "from Enter to the chat": [] };
for (let n = 0; n <= runs; n += 1) {
  const home = new Home(CLI);
  const context = await browser.newContext();
  const page = await context.newPage();
  const start = performance.now();
  const relay = await home.relay("--ca", daemon.ca, `localhost:${daemon.port}`, "web");
  const printed = performance.now();
  await page.goto(relay.address, { waitUntil: "commit" });
  await page.locator("input[name=username]:focus").waitFor();
  const usable = performance.now();
  await enter(page, `user-${n}`);
  const chatting = performance.now();
  // The first run warms the caches of the system.
  if (n > 0) {
    times["prints its address"].push(printed - start);
    times["form can be filled in"].push(usable - start);
    times["from Enter to the chat"].push(chatting - usable);
  }
  await context.close();
  await kill(relay.child);
  await home.stop();
}
for (const [what, all] of Object.entries(times)) {
  console.log(`${what}: median ${median(all)} ms of ${runs} (${Math.round(Math.min(...all))} to ${Math.round(Math.max(...all))})`);
}
await browser.close();
await daemon.stop();
