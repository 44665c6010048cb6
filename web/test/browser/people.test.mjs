// Who somebody is, and what moderators do: a join line in the form, a password, roles, a room of one's own; and the
// form of the relay, with its server and its explanations.

import assert from "node:assert/strict";
import { test } from "node:test";
import { enter, HOST, inItsRow, Peer, say, settles, Stage, WHOLE } from "./stage.mjs";

const staged = (name, does, options) => test(name, { timeout: WHOLE, skip: HOST !== "bridge" && options !== undefined }, async () => {
  const stage = await Stage.open(options);
  try {
    await does(stage);
    assert.deepEqual(stage.faults, []);
  } finally {
    await stage.stop();
  }
});

staged("a join line makes a user, who owns a room and keeps order in it", async (stage) => {
  const line = (await stage.daemon.command("user", "add", "ana")).split("\n").find((l) => l.includes("tcps://"));
  const page = await stage.page();
  await page.getByLabel(/invite/i).fill(line);
  // With the next frame the name of the line is in the form.
  await page.waitForFunction(() => document.querySelector("input[name=username]").value === "ana");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Choose a password").fill("correct horse");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.locator(".composer textarea").waitFor();
  await say(page, "/join den");
  await page.getByRole("heading", { name: "#den" }).waitFor();
  const bo = await Peer.login(stage.daemon, "bo", { rooms: ["den"] });
  await page.locator(".members .tag", { hasText: "owner" }).waitFor();

  // Muted, with a time that has to be read.
  const actions = page.locator(".members li", { hasText: "bo" });
  await actions.getByLabel("Actions for bo").click();
  await actions.getByRole("button", { name: "Mute", exact: true }).click();
  await page.getByLabel("For how long").fill("soon");
  await page.getByRole("dialog").getByRole("button", { name: "Mute" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("For how long").fill("10m");
  await page.getByRole("dialog").getByRole("button", { name: "Mute" }).click();
  await page.locator(".notice", { hasText: "bo is muted" }).waitFor();
  await assert.rejects(bo.say("may I?", "den"), /FORBIDDEN/);
  await actions.getByLabel("Actions for bo").click();
  await actions.getByRole("button", { name: "Unmute" }).click();
  await page.locator(".notice", { hasText: "may write" }).waitFor();
  await bo.say("I may", "den");

  // A role, and the room becomes private: a user without a role is removed.
  await say(page, "/private on");
  await page.locator(".notice", { hasText: "private" }).waitFor();
  await page.locator(".members li", { hasText: "bo" }).waitFor({ state: "detached" });
  await settles(() => bo.lines.filter((l) => l.op === "NOTICE").map((l) => l.data.kind).includes("REMOVED"), true, "bo is told");
  bo.close();

  // The password of the join line is hers from now on.
  await say(page, "/quit");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("alert").waitFor();
  await settles(() => page.evaluate(() => document.activeElement.name), "password", "the focus");
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.locator(".composer textarea").waitFor();
  await page.context().close();
});

staged("a member sees no buttons of moderators, and is told who removed them", async (stage) => {
  const page = await stage.chatting("kim");
  const bo = await Peer.login(stage.daemon, "bo");
  // With the page's own entry come the roles.
  for (const name of ["bo", "kim"]) await page.locator(".members li", { hasText: name }).waitFor();
  assert.equal(await page.locator(".members summary").count(), 0);
  await stage.daemon.command("kick", "kim");
  await page.locator(".bar.bad", { hasText: "ended the session" }).waitFor();
  await page.getByRole("button", { name: "Log in again" }).click();
  await page.locator(".link.up").waitFor();
  bo.close();
});

staged("with a relay the form has a server, and says what the relay says", async (stage) => {
  const page = await stage.page();
  const server = page.getByLabel("Server or invite");
  await settles(() => server.inputValue(), `localhost:${stage.daemon.port}`);
  await server.fill("http://nonsense");
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("ana");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("alert").filter({ hasText: "tcps://" }).waitFor();
  // The field has the focus, all of it is chosen, and who corrects it stays in it.
  await page.keyboard.press("End");
  await page.keyboard.type("-again");
  await settles(() => server.inputValue(), "http://nonsense-again");
  stage.problem = ["The certificate is not signed by the CA that you gave.", "Ask for the invite again."];
  await server.fill(`localhost:${stage.daemon.port}`);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("alert").getByText("Ask for the invite again.").waitFor();
  stage.problem = undefined;
  await enter(page, "ana");
}, { relay: true });

staged("what is stored is for this tab alone, unless asked for", async (stage) => {
  const page = await stage.chatting("ana");
  await say(page, "/join ops");
  await page.getByRole("heading", { name: "#ops" }).waitFor();
  await page.locator(".composer textarea").fill("a draft");
  await page.waitForFunction(() => sessionStorage.getItem("tcp-chat.kept")?.includes("a draft"));
  const other = await stage.pageIn(page.context());
  await other.getByRole("button", { name: "Enter" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "#ops" }).waitFor();
  await settles(() => page.locator(".composer textarea").inputValue(), "a draft");
});

staged("the time from opening to writing", async (stage) => {
  await (await stage.chatting("warm")).context().close();
  const page = await stage.page();
  await enter(page, "ana");
  const bytes = await page.evaluate(() => performance.getEntriesByType("resource").reduce((n, e) => n + e.encodedBodySize, 0));
  assert.ok(bytes < 250_000, `${bytes} bytes`);
  const start = Date.now();
  await page.reload();
  await page.locator(".composer textarea").waitFor();
  console.log(`# usable ${Date.now() - start} ms after a reload`);
});

staged("on a phone every button is as tall as a finger is wide", async (stage) => {
  const page = await stage.chatting("ana", { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  const bo = await Peer.login(stage.daemon, "bo");
  await bo.ask("MSG", { to: "ana", msg: "psst" });
  // A message of which nobody knows whether it was kept has three buttons.
  await page.evaluate(() => {
    const stored = JSON.parse(sessionStorage.getItem("tcp-chat.session"));
    stored.saved.token = "gone";
    stored.saved.outstanding = [{ id: 5, tag: 77, to: { room: "lobby" }, text: "who knows", sent: true, fixed: false }];
    addEventListener("pagehide", () => sessionStorage.setItem("tcp-chat.session", JSON.stringify(stored)));
  });
  await stage.daemon.command("kick", "ana");
  await page.reload();
  await page.getByRole("button", { name: "Send again" }).waitFor();
  const small = () => page.evaluate(() => [...document.querySelectorAll("button:not(.link), summary, select, textarea")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().height < 44)
    .map((e) => `${e.outerHTML.slice(0, 80)}: ${e.getBoundingClientRect().height}`));
  assert.deepEqual(await small(), [], "chat");
  // A topic opens by a finger, and a message that was tapped can be removed.
  await bo.ask("ROOM", { room: "lobby", topic: "On call: bo. ".repeat(30) });
  await page.locator(".head .topic summary").tap();
  await page.locator(".head .topic .popup").waitFor();
  assert.deepEqual(await small(), [], "topic");
  await page.locator(".composer textarea").fill("mine");
  await page.locator(".composer .send").click();
  const mine = page.locator(".row.said", { hasText: "mine" });
  await mine.locator(".fate.kept").waitFor();
  await mine.tap();
  await mine.locator(".remove").waitFor();
  await settles(() => inItsRow(mine), true, "Remove stands on the line of its own message");
  assert.deepEqual(await small(), [], "a message that was tapped");
  for (const open of [".menu button", ".members-button", "main > .head details.more summary"]) {
    await page.locator(open).click();
    await page.locator(open.includes("summary") ? ".more[open] .popup" : ".shade").waitFor();
    assert.deepEqual(await small(), [], open);
    if (open.includes("summary")) await page.keyboard.press("Escape");
    else await page.locator(".shade").click({ position: { x: open === ".menu button" ? 380 : 20, y: 400 } });
  }
  bo.close();
});
