// Truth under faults, with a real daemon and a real browser: every tick is a message in the store, nothing is doubled,
// the order stays; through `kill -9`, a reload in mid-send, a second tab.

import assert from "node:assert/strict";
import { test } from "node:test";
import { catchesUp, HOST, enter, Peer, reconnects, say, settles, Stage, stored, texts, WHOLE } from "./stage.mjs";

/**
 * The store has these messages, and the page, whose user sent all of them, has a tick for each with its number: nothing
 * is doubled or missing, and the order is that of the store.
 */
async function isTrue(page, daemon, sent) {
  await catchesUp(page, daemon);
  const messages = (await stored(daemon)).map((m) => [m.seq, m.msg]);
  assert.deepEqual(messages.map(([, text]) => text), sent);
  const ticks = () => page.locator(".row.said:has(.fate.kept)").evaluateAll((rows) => rows.map((row) =>
    [Number(/\d+$/.exec(row.querySelector(".fate.kept").title)[0]), row.querySelector(".text").textContent]));
  await settles(ticks, messages, "the ticks");
}

/** Runs a test on a stage that is taken down with it, and looks at the page's own faults at the end. */
const staged = (name, does, options) => test(name, { timeout: WHOLE, skip: HOST !== "bridge" && options !== undefined }, async () => {
  const stage = await Stage.open(options);
  try {
    await does(stage);
    assert.deepEqual(stage.faults, []);
  } finally {
    await stage.stop();
  }
});

staged("two pages talk, and the daemon is killed in between", async (stage) => {
  const [ana, bo] = await Promise.all([stage.chatting("ana", { colour: "red" }), stage.chatting("bo")]);
  await say(ana, "before");
  await bo.locator(".row.said", { hasText: "before" }).waitFor();
  await stage.daemon.kill();
  await ana.locator(".bar.bad").waitFor();
  for (const text of ["one", "two", "three"]) await say(ana, text);
  await ana.locator(".row.pending.sending").nth(2).waitFor();
  await stage.daemon.run();
  for (const page of [ana, bo]) await reconnects(page, "three");
  await catchesUp(bo, stage.daemon);
  await settles(() => texts(bo), ["before", "one", "two", "three"]);
  await isTrue(ana, stage.daemon, ["before", "one", "two", "three"]);
});

staged("connections that break at any moment double nothing and lose nothing", async (stage) => {
  const ana = await stage.chatting("ana");
  const sent = [];
  for (let n = 0; n < 40; n += 1) {
    sent.push(`message ${n}`);
    await say(ana, `message ${n}`);
    if (n % 5 === 4) stage.bridge.cut();
    if (n % 10 === 9) await reconnects(ana);
  }
  await reconnects(ana, sent.at(-1));
  await isTrue(ana, stage.daemon, sent);
});

staged("what is written offline is kept once the browser is online again", async (stage) => {
  const ana = await stage.chatting("ana");
  await say(ana, "online");
  await ana.locator(".fate.kept").waitFor();
  await ana.context().setOffline(true);
  stage.bridge.cut();
  await ana.locator(".bar.bad").waitFor();
  for (const text of ["offline", "still offline"]) await say(ana, text);
  await ana.locator(".row.pending.sending").nth(1).waitFor();
  await ana.getByRole("button", { name: "Now", exact: true }).click();
  await ana.locator(".bar.bad", { hasText: "Reconnecting in" }).waitFor();
  assert.equal(await ana.locator(".row.pending.sending").count(), 2, "no way out");
  await ana.context().setOffline(false);
  await ana.locator(".row.said .fate.kept").nth(2).waitFor();
  await isTrue(ana, stage.daemon, ["online", "offline", "still offline"]);
});

for (const lost of ["out", "in"]) {
  let losing = false;
  staged(`a message that is lost on its way ${lost}, and then the connection, is one message`, async (stage) => {
    const ana = await stage.chatting("ana");
    losing = true;
    await say(ana, "one");
    await say(ana, "two");
    await ana.locator(".row.pending.sending").nth(1).waitFor();
    // The copy has to be in the store before the connection breaks.
    if (lost === "in") await settles(async () => (await stored(stage.daemon)).length, 1, "what is stored");
    losing = false;
    stage.bridge.cut();
    await ana.locator(".row.said .fate.kept").nth(1).waitFor();
    await isTrue(ana, stage.daemon, ["one", "two"]);
  }, { lines: (direction, text) => !(losing && direction === lost && text.includes('"op":"MSG"')) });
}

staged("a reload in mid-send is one message", async (stage) => {
  const ana = await stage.chatting("ana");
  await say(ana, "before");
  await ana.locator(".fate.kept").waitFor();
  await stage.daemon.kill();
  await say(ana, "in mid-send");
  await ana.locator(".row.pending.sending").waitFor();
  if (HOST === "daemon") {
    // Nobody serves the page now: the tab has an error of the browser, until the daemon is back.
    await assert.rejects(ana.reload(), /ERR_/);
    await ana.waitForURL(/^chrome-error:/);
    await stage.daemon.run();
    await ana.goto(stage.url);
  } else {
    await ana.reload();
    await ana.locator(".row.pending.sending", { hasText: "in mid-send" }).waitFor();
    await stage.daemon.run();
  }
  await reconnects(ana, "in mid-send");
  await ana.reload();
  await isTrue(ana, stage.daemon, ["before", "in mid-send"]);
});

staged("a page that crashes in mid-send is one message", async (stage) => {
  const ana = await stage.chatting("ana", { remember: true });
  await say(ana, "before");
  await ana.locator(".fate.kept").waitFor();
  const context = ana.context();
  const devtools = await context.newCDPSession(ana);
  // The answer to the message is lost with the daemon, and the page with it: it may store nothing any more.
  await ana.locator(".composer textarea").fill("in mid-send");
  await ana.keyboard.press("Enter");
  await stage.daemon.kill();
  devtools.send("Page.crash").catch(() => {});
  await ana.waitForEvent("crash");
  await stage.daemon.run();
  const next = await stage.pageIn(context);
  await reconnects(next, "in mid-send");
  await isTrue(next, stage.daemon, ["before", "in mid-send"]);
});

staged("a session that ran out says what is not known", async (stage) => {
  const ana = await stage.chatting("ana");
  await stage.daemon.kill();
  await ana.locator(".bar.bad").waitFor();
  await stage.daemon.run();
  await reconnects(ana);
  // What was written on a connection of this session is not known to be kept once the session is gone.
  await ana.evaluate(() => {
    const stored = JSON.parse(sessionStorage.getItem("tcp-chat.session"));
    stored.saved.token = "gone";
    stored.saved.outstanding = [{ id: 5, tag: 77, to: { room: "lobby" }, text: "who knows", sent: true, fixed: false }];
    addEventListener("pagehide", () => sessionStorage.setItem("tcp-chat.session", JSON.stringify(stored)));
  });
  const operator = await stage.daemon.command("kick", "ana");
  assert.ok(operator !== undefined);
  await ana.reload();
  await ana.locator(".row.pending.unknown", { hasText: "who knows" }).waitFor();
  await ana.getByRole("button", { name: "Send again" }).click();
  await ana.locator(".row.said", { hasText: "who knows" }).waitFor();
  assert.deepEqual((await stored(stage.daemon)).map((m) => m.msg), ["who knows"]);
});

staged("a session is in one tab at a time", async (stage) => {
  const first = await stage.chatting("ana", { remember: true });
  await say(first, "from the first tab");
  await first.locator(".fate.kept").waitFor();
  const second = await stage.pageIn(first.context());
  await second.locator(".elsewhere").waitFor();
  await second.getByRole("button", { name: "Use it here" }).click();
  await second.locator(".row.said", { hasText: "from the first tab" }).waitFor();
  await first.locator(".elsewhere").waitFor();
  await say(second, "from the second tab");
  await second.locator(".row.said", { hasText: "from the second tab" }).waitFor();
  assert.deepEqual((await stored(stage.daemon)).map((m) => m.msg), ["from the first tab", "from the second tab"]);
});

staged("leaving wipes what the page has stored", async (stage) => {
  const ana = await stage.chatting("ana", { remember: true });
  await say(ana, "/quit");
  await ana.getByRole("button", { name: "Enter" }).waitFor();
  const left = () => ana.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]);
  // The bearer is the tab's, not the session's: the relay goes on to know the tab.
  await settles(left, HOST === "client" ? ["tcp-chat.settings", "tcp-chat.bearer"] : ["tcp-chat.settings"]);
  await enter(ana, "ana");
  await ana.getByText("Nothing has been said here yet.").waitFor();
});

staged("a refusal comes back to the form with its reason", async (stage) => {
  await stage.chatting("ana");
  const page = await stage.page();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("ana");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("alert").filter({ hasText: "ana" }).waitFor();
  await enter(page, "another");
});

staged("a terminal's peer and a page see the same", async (stage) => {
  const [ana, kim] = [await stage.chatting("ana"), await Peer.login(stage.daemon, "kim", { color: "cyan" })];
  await kim.say("hello from a socket\nin two lines");
  await ana.locator(".row.said", { hasText: "in two lines" }).waitFor();
  await say(ana, "/msg kim psst");
  await ana.locator(".row.said", { hasText: "psst" }).waitFor();
  await settles(() => kim.lines.filter((l) => l.op === "MSG" && l.data.to === "kim").map((l) => l.data.msg), ["psst"]);
  kim.close();
});
