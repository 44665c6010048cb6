// The page with its first host: `tcp-chat-cli web`, a real daemon and a real browser. What the page itself does is tested
// over the bridge; here are the door, the server's choice, the refused certificate, and a relay that dies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { Home, kill } from "./client-host.mjs";
import { axeViolations, catchesUp, CHROMIUM, CLI, Daemon, Peer, enter, freePort, PATIENCE, reconnects, say, settles, stored, texts, WHOLE } from "./stage.mjs";

/** Runs a test with a daemon, a home and a browser, and looks at the page's own faults at the end. */
const staged = (name, does) => test(name, { timeout: WHOLE }, async () => {
  const faults = [];
  const daemon = await Daemon.start();
  const home = new Home(CLI);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const open = async (address, context) => {
    const page = await (context ?? await browser.newContext({ viewport: { width: 1100, height: 700 }, reducedMotion: "reduce" })).newPage();
    page.setDefaultTimeout(2 * PATIENCE);
    page.on("pageerror", (e) => faults.push(`error: ${e.message}`));
    page.on("console", (m) => { if (m.type() === "error" && !/ERR_(CONNECTION|EMPTY_RESPONSE)|WebSocket connection|status of 40[13]/.test(m.text())) faults.push(m.text()); });
    page.on("request", (r) => { if (!/^(http|ws):\/\/127\.0\.0\.1:|^data:/.test(r.url()) || /ticket=|bearer/.test(r.url())) faults.push(`request: ${r.url()}`); });
    await page.goto(address);
    return page;
  };
  try {
    await does({ daemon, home, open });
    assert.deepEqual(faults, []);
  } finally {
    await browser.close();
    await home.stop();
    await daemon.stop();
  }
});

/** On a light and on a dark ground. */
async function breaksNoRule(page) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await axeViolations(page), [], colorScheme);
  }
}

staged("page and terminal's peer chat; the daemon, the page and the relay die in between", async ({ daemon, home, open }) => {
  const args = ["--ca", daemon.ca, `localhost:${daemon.port}`, "web"];
  const relay = await home.relay(...args);
  const page = await open(relay.address);
  await settles(() => page.getByLabel("Server or invite").inputValue(), `localhost:${daemon.port}`);
  assert.ok(!page.url().includes("ticket"), "the ticket is gone from the address");
  await enter(page, "ana");
  const ben = await Peer.login(daemon, "ben");
  await say(page, "from the page");
  await page.locator(".fate.kept").waitFor();
  await ben.say("from the wire");
  await page.locator(".row.said", { hasText: "from the wire" }).waitFor();
  await settles(() => page.locator(".verified").textContent(), "Verified by its CA");

  await daemon.kill();
  await page.locator(".bar.bad").waitFor();
  await say(page, "while it is down");
  await page.locator(".row.pending.sending").waitFor();
  await page.reload();
  await page.locator(".row.pending.sending").waitFor();
  await kill(relay.child);
  await page.getByRole("button", { name: "Now", exact: true }).click();
  await page.locator(".bar.bad").getByText("tcp-chat-cli web has ended.").waitFor();
  await settles(() => page.locator(".side .where").textContent(), `localhost:${daemon.port}`);
  const again = await home.relay(...args);
  assert.equal(again.origin, relay.origin, "the tab finds it under its address");
  await daemon.run();
  await reconnects(page, "while it is down");
  await catchesUp(page, daemon);
  assert.deepEqual((await stored(daemon)).map((m) => m.msg), ["from the page", "from the wire", "while it is down"]);
  await settles(() => texts(page), ["from the page", "from the wire", "while it is down"]);
  assert.equal(await kill(again.child, "SIGTERM"), 0);
});

staged("a page goes on at another node of its chat", async ({ daemon, home, open }) => {
  const other = await freePort();
  const page = await open((await home.relay("--ca", daemon.ca, `localhost:${daemon.port},localhost:${other}`, "web")).address);
  await enter(page, "ana");
  await say(page, "before");
  await page.locator(".fate.kept").waitFor();
  await daemon.movesTo(other);
  await say(page, "after");
  await reconnects(page, "after");
  await catchesUp(page, daemon);
  assert.deepEqual((await stored(daemon)).map((m) => m.msg), ["before", "after"]);
  await settles(() => texts(page), ["before", "after"]);
});

staged("an invite line leads to its room, and a refused certificate is explained", async ({ daemon, home, open }) => {
  const shown = await daemon.command("cert", "show");
  const pin = /\b[0-9a-f]{64}\b/.exec(shown)[0];
  const other = await Daemon.start();
  try {
    const relay = await home.relay("web", `tcps://localhost:${daemon.port}/ops#${pin}`);
    const page = await open(relay.address);
    await enter(page, "ana");
    await page.getByRole("heading", { name: "ops" }).waitFor();
    await settles(() => page.locator(".verified").textContent(), "Verified by pin");
    // Another server answers under a pin that is not its own.
    const stranger = await home.relay("web", `tcps://localhost:${other.port}/ops#${pin}`);
    const form = await open(stranger.address);
    await form.getByRole("textbox", { name: "Name", exact: true }).fill("ana");
    await form.getByRole("button", { name: "Enter" }).click();
    const why = form.getByRole("alert");
    await why.getByText("was refused").waitFor();
    for (const part of ["no certificate that the server sent has the expected pin", "Nothing was sent."]) {
      await why.filter({ hasText: part }).waitFor();
    }
    // The facts are there for those who ask for them, and fit a phone.
    const facts = form.locator(".problem .facts");
    await facts.waitFor({ state: "attached" });
    assert.equal(await facts.isVisible(), false);
    await form.setViewportSize({ width: 360, height: 740 });
    await form.getByText("Details").click();
    await facts.filter({ hasText: pin }).waitFor();
    await settles(() => form.evaluate(() => document.documentElement.scrollWidth), 360, "the width");
    await breaksNoRule(form);
  } finally {
    await other.stop();
  }
});

staged("a tab without a ticket, or with a used one, is told what to do", async ({ daemon, home, open }) => {
  const relay = await home.relay("--ca", daemon.ca, `localhost:${daemon.port}`, "web");
  // The ticket is used once there is a form.
  await (await open(relay.address)).getByRole("button", { name: "Enter" }).waitFor();
  for (const address of [relay.origin, relay.address]) {
    const page = await open(address);
    await page.getByText("not let in").waitFor();
    assert.equal(await page.locator("form, input, button").count(), 0, "a form would lead nowhere");
    await breaksNoRule(page);
    assert.ok(!(await page.textContent("body")).includes(String(daemon.port)), "it learns nothing");
  }
});

staged("where no server is trusted, the page asks for one", async ({ daemon, home, open }) => {
  const shown = await daemon.command("cert", "show");
  const pin = /\b[0-9a-f]{64}\b/.exec(shown)[0];
  const relay = await home.relay("web");
  const page = await open(relay.address);
  await page.getByText("Paste the invite that you were sent").waitFor();
  assert.equal(await page.getByRole("alert").count(), 0, "nobody has done anything wrong");
  await settles(() => page.evaluate(() => document.activeElement.name), "server", "the focus");
  await page.getByText("Details").click();
  await page.locator(".hint code", { hasText: "--ca FILE" }).waitFor();
  await breaksNoRule(page);
  await page.getByLabel("Server or invite").fill(`tcps://localhost:${daemon.port}/lobby#${pin}`);
  await enter(page, "ana");
  await say(page, "hello");
  await page.locator(".fate.kept").waitFor();
});
