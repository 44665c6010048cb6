// Removed messages, topics and read marks, with a real daemon: two pages of one proven user, and a peer that speaks the
// wire by itself. With SHOTS, a folder, pictures are made on the way.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { axeViolations, enter, inItsRow, Peer, say, settles, Stage, WHOLE } from "./stage.mjs";

const shoot = async (page, name) => {
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
};

/** The page is put away, or taken up again, as on a phone: with no other sign than this one. */
const put = (page, state) => page.evaluate((to) => {
  Object.defineProperty(document, "visibilityState", { value: to, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}, state);

/** A page of ana, whose name is registered. The first one chooses the password. */
async function asAna(stage, line) {
  const page = await stage.page();
  if (line) await page.getByLabel(/invite/i).fill(line);
  else await page.getByRole("textbox", { name: "Name", exact: true }).fill("ana");
  await page.getByLabel(line ? "Choose a password" : "Password").fill("correct horse");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.locator(".composer textarea").waitFor();
  return page;
}

test("one state on two pages: removed messages, the topic, and what was read", { timeout: WHOLE }, async () => {
  const stage = await Stage.open();
  try {
    const line = (await stage.daemon.command("user", "add", "ana")).split("\n").find((l) => l.includes("tcps://"));
    const page = await asAna(stage, line);
    const other = await asAna(stage);
    const bo = await Peer.login(stage.daemon, "bo");

    // The button appears with the pointer; the question shows the text; both pages show who removed it.
    await say(page, "my password is hunter2");
    await other.locator(".row.said", { hasText: "hunter2" }).waitFor();
    const row = page.locator(".row.said", { hasText: "hunter2" });
    await row.locator(".remove").waitFor({ state: "attached" });
    assert.equal(await row.locator(".remove").isVisible(), false);
    await row.hover();
    await shoot(page, "row");
    await settles(() => inItsRow(row), true, "Remove stands on the line of its own message");
    await row.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("dialog", { name: "Remove this message?" }).getByText("hunter2").waitFor();
    await page.getByLabel("Reason").fill("a password");
    assert.deepEqual(await axeViolations(page), []);
    await shoot(page, "question");
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    for (const one of [page, other]) {
      await one.locator(".row.said .removed", { hasText: "message removed by ana: a password" }).waitFor();
      await settles(() => one.locator(".text.removed bdi").allTextContents(), ["ana", "a password"]);
      await settles(async () => (await one.locator("body").innerText()).includes("hunter2"), false, "the text is still there");
    }
    // With the keyboard alone; and what is not one's own is not offered, and is refused.
    await say(page, "by mistake");
    await page.locator(".row.said", { hasText: "by mistake" }).locator(".fate.kept").waitFor();
    await page.locator(".log").focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Delete");
    await page.getByRole("dialog", { name: "Remove this message?" }).waitFor();
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement?.matches(".row"));
    await bo.say("of bo");
    const foreign = page.locator(".row.said", { hasText: "of bo" });
    await foreign.waitFor();
    assert.equal(await foreign.locator(".remove").count(), 0);
    await say(page, "/redact bo");
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.locator(".notice.error").waitFor();

    // What was removed while the pages were away is gone once they are back: in the room and in results of a search.
    await bo.say("the key is 4711");
    await other.locator(".row.said", { hasText: "4711" }).waitFor();
    await say(page, "/search 4711");
    await page.locator(".hits mark", { hasText: "4711" }).waitFor();
    stage.refuses = true;
    stage.bridge.cut();
    for (const one of [page, other]) await one.locator(".bar.bad").waitFor();
    await bo.ask("REDACT", { room: "lobby", seq: bo.lines.findLast((l) => l.data?.msg?.includes("4711")).data.seq, reason: "a key" });
    stage.refuses = false;
    for (const one of [page, other]) await one.locator(".row.said .removed", { hasText: "removed by bo: a key" }).waitFor();
    await page.locator(".hits li").waitFor({ state: "detached" });
    for (const one of [page, other]) await settles(async () => (await one.locator("body").innerText()).includes("key is"), false, "the text is still there");
    await page.keyboard.press("Escape");

    // The topic, by the menu.
    await page.locator("main > .head details.more summary").click();
    await page.getByRole("button", { name: "Topic" }).click();
    await page.getByLabel(/What the room is for/).fill("On call: bo. Runbooks: https://wiki.example/ops");
    await page.keyboard.press("Enter");
    for (const one of [page, other]) await one.locator(".head .topic", { hasText: "On call: bo" }).waitFor();
    assert.deepEqual(await axeViolations(page), []);
    await shoot(page, "topic");
    // Opened, it is all there, with its links; Escape closes it.
    await page.locator(".head .topic summary").click();
    await settles(() => page.locator(".head .topic a").getAttribute("href"), "https://wiki.example/ops");
    assert.deepEqual(await axeViolations(page), []);
    await page.keyboard.press("Escape");
    await page.locator(".head .topic a").waitFor({ state: "hidden" });
    await other.reload();
    await other.locator(".head .topic", { hasText: "On call: bo" }).waitFor();
    await other.locator(".row.said .removed", { hasText: "a password" }).waitFor();

    // What one page reads, the other has read: its badge goes.
    for (const one of [page, other]) {
      await say(one, "/join ops");
      await one.getByRole("heading", { name: "#ops" }).waitFor();
      await say(one, "/room lobby");
      await one.getByRole("heading", { name: "#lobby" }).waitFor();
    }
    await bo.ask("JOIN", { room: "ops" });
    await bo.say("news", "ops");
    for (const one of [page, other]) await one.locator(".side .badge").waitFor();
    await say(page, "/room ops");
    await other.locator(".side .badge").waitFor({ state: "detached" });

    // A page that is put away reads nothing, and tells the server so: the other page has something new.
    await put(page, "hidden");
    await bo.say("while it was away", "ops");
    await page.locator(".row.said", { hasText: "while it was away" }).waitFor();
    await other.locator(".side .badge").waitFor();
    await settles(async () => /^\(1\) /.test(await page.title()), true, "the title has the count");
    await put(page, "visible");
    await other.locator(".side .badge").waitFor({ state: "detached" });
    await settles(async () => /^\(/.test(await page.title()), false, "the title has a count");
    bo.close();
    assert.deepEqual(stage.faults, []);
  } finally {
    await stage.stop();
  }
});

test("nothing of a user passes to the next one in another tab", { timeout: WHOLE }, async () => {
  const stage = await Stage.open();
  try {
    const cal = await Peer.login(stage.daemon, "cal");
    const form = (page) => page.getByRole("button", { name: "Enter" });
    const here = (page) => page.getByRole("button", { name: "Use it here" });
    // The first tab hears of the log out; or it does not, and is used before or after the next user has entered.
    for (const [way, name] of [["hears", "ana"], ["is used before", "bea"], ["is used after", "eva"]]) {
      const context = await stage.browser.newContext({ reducedMotion: "reduce" });
      if (way !== "hears") await context.addInitScript(() => addEventListener("storage", (e) => e.stopImmediatePropagation()));
      const one = await stage.pageIn(context);
      await enter(one, name, { remember: true });
      await say(one, "/msg cal private words");
      await one.locator(".row.said .fate.kept").waitFor();
      await one.locator(".composer textarea").fill("a draft");
      await one.waitForFunction(() => localStorage.getItem("tcp-chat.kept")?.includes("a draft"));
      const two = await stage.pageIn(context);
      await here(two).click();
      await two.locator(".composer textarea").waitFor();
      await here(one).waitFor();
      await settles(() => one.title(), "tcp-chat");
      await two.locator(".composer textarea").fill("");
      await say(two, "/quit");
      await form(two).waitFor();
      if (way === "is used before") await here(one).click();
      if (way !== "is used after") await form(one).waitFor();
      else {
        await enter(two, "dora", { remember: true });
        await here(one).click();
      }
      if (way !== "is used after") await enter(one, "dora");
      await one.locator(".me", { hasText: "dora" }).waitFor();
      await one.locator(".composer textarea").focus();
      await one.keyboard.press("ArrowUp");
      // What the key and the users before have led to is drawn with the next message.
      await cal.say(`to see: ${name}`);
      await one.locator(".row.said", { hasText: `to see: ${name}` }).waitFor();
      assert.equal(await one.locator(".composer textarea").inputValue(), "", way);
      assert.equal(await one.locator(".side li", { hasText: "cal" }).count(), 0, way);
      await say(one, "/quit");
      await form(one).waitFor();
      await context.close();
    }
    cal.close();
    assert.deepEqual(stage.faults, []);
  } finally {
    await stage.stop();
  }
});
