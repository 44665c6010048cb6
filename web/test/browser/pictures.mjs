// Owns pictures of the page's states, in light, dark and phone size, for eyes. Not a test: a person looks at them.
//
//   node test/browser/pictures.mjs FOLDER [PART...]
//
// PART: chat, moderation, shared, relay or trouble; all of them without one.

import { mkdirSync } from "node:fs";
import { Home, kill } from "./client-host.mjs";
import { CLI, Daemon, enter, Peer, say, Stage } from "./stage.mjs";

const folder = process.argv[2] ?? "pictures";
mkdirSync(folder, { recursive: true });
const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme: "light" },
  "phone-dark": { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme: "dark" },
};

/** Sends what is typed. On a phone Enter is a new line, and the button sends. */
const sender = (page, look) => async (text) => {
  await say(page, text);
  if (look.startsWith("phone")) await page.locator(".composer .send").click();
};

const stage = await Stage.open({ settings: 'rooms.default = ["lobby", "ops"]' });
const peers = {};
for (const [name, color] of [["bo", "cyan"], ["Chloé", "fuchsia"], ["דניאל", "green"], ["eve", "yellow"], ["a-very-long-name-of-thirty-two-c", "blue"], ["fred", "#ff8800"]]) {
  peers[name] = await Peer.login(stage.daemon, name, { color });
}
const talk = [
  ["bo", "Morning. The build is green again, the flaky one was the clock."],
  ["bo", "I pinned the runner; see https://ci.example.org/runs/4711 for the log."],
  ["Chloé", "Nice! Did you find out why `cargo test -p tcp-chatd` took nine minutes?"],
  ["bo", "Yes:\n```\n$ time cargo test -p tcp-chatd\nreal    9m12s\nuser    1m40s\n```\nIt waited for a lock most of the time."],
  ["דניאל", "שלום לכולם, הגרסה החדשה מוכנה לבדיקה"],
  ["eve", "x\u202egpj.exe is a nice file, and so is https://аpple.com/login"],
  ["a-very-long-name-of-thirty-two-c", "Some of us have longer names than others, and longer sentences too: this one goes on for a while, so that it has to be broken into several lines on any screen that a person would carry around."],
  ["fred", "👩‍🚀🎉 ship it"],
  ["bo", "ana: can you have a look at the release notes?"],
];
for (const [name, text] of talk) await peers[name].say(text);
await peers.bo.sayAll(Array.from({ length: 420 }, (_, n) => `log line ${n}`), "ops");

const only = process.argv.slice(3);
const PARTS = { chat: chatPictures, moderation: moderationPictures, shared: sharedPictures, relay: relayPictures, trouble: troublePictures };
for (const [name, part] of Object.entries(PARTS)) if (only.length === 0 || only.includes(name)) await part();
console.log(stage.faults.join("\n"));
await stage.stop();

/** Waits until the page has such an element, perhaps one that only another size of the page shows. */
function has(page, selector, hasText) {
  return page.locator(selector, { hasText }).first().waitFor({ state: "attached" });
}

/** A page of a user whose name is registered. */
async function asOwner(name, options) {
  const line = (await stage.daemon.command("user", "add", name)).split("\n").find((l) => l.includes("tcps://"));
  const page = await stage.page(options);
  await page.getByLabel(/invite/i).fill(line);
  await page.getByLabel("Choose a password").fill("correct horse");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.locator(".composer textarea").waitFor();
  return page;
}

/** A chat from the form to a lost connection. */
async function chatPictures() {
  for (const [look, options] of Object.entries(LOOKS)) {
    const shot = (page, name) => page.screenshot({ path: `${folder}/${look}-${name}.png` });
    const isPhone = look.startsWith("phone");
    const page = await stage.page(options);
    const sends = sender(page, look);
    await shot(page, "01-form");
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("bo");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").waitFor();
    await shot(page, "02-refused");
    const me = isPhone ? `ana-${look}` : look === "light" ? "ana" : "ana-dark";
    await enter(page, me, { colour: "red" });
    await page.locator(".row.said").nth(5).waitFor();
    await sends("On it. The notes say \"2 minutes\" where it is 90 seconds.");
    await page.locator(".fate.kept").waitFor();
    await peers.eve.ask("MSG", { to: me, msg: "psst, lunch?" });
    await peers.bo.sayAll(Array.from({ length: 400 }, (_, n) => `noise ${n}`), "ops");
    await peers.bo.say(`${me}: deploy at three?`, "ops");
    await has(page, ".badge.mention");
    await shot(page, "03-chat");
    if (isPhone) {
      await page.getByRole("button", { name: "Rooms" }).first().click();
      await has(page, ".shade");
      await shot(page, "04-rooms");
      await page.getByRole("button", { name: /^#?ops/ }).or(page.locator(".side li button", { hasText: "ops" })).first().click();
    } else {
      await page.keyboard.press("Control+k");
      await has(page, "dialog .choices li");
      await shot(page, "04-switcher");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Alt+a");
    }
    await has(page, ".rule.new");
    await shot(page, "05-unread");
    for (const [command, part, name] of [
      ["/search release", ".hits mark", "06-search"], ["/rooms", "dialog .choices li", "07-rooms"], ["/help", "dialog kbd", "08-help"],
    ]) {
      await sends(command);
      await has(page, part);
      await shot(page, name);
      await page.keyboard.press("Escape");
    }
    await sends("/room lobby");
    await page.getByRole("heading", { name: "#lobby" }).waitFor();
    await page.locator(".composer textarea").fill("so :ta");
    await has(page, ".completions li");
    await shot(page, "09-completion");
    await page.locator(".composer textarea").fill("long ".repeat(3000));
    await has(page, ".below .over");
    await shot(page, "10-too-long");
    await page.locator(".composer textarea").fill("");
    await page.locator("main > .head details.more summary").click();
    await has(page, ".more[open] .popup");
    await shot(page, "11-menu");
    await page.keyboard.press("Escape");
    if (isPhone) {
      await page.locator(".members-button").click();
      await has(page, ".shade");
      await shot(page, "12-members");
      await page.locator(".shade").click({ position: { x: 20, y: 400 } });
    }
    await sends("/join brand-new-room");
    await page.getByRole("heading", { name: "#brand-new-room" }).waitFor();
    await has(page, ".log .start", "Nothing has been said here yet.");
    await shot(page, "13-empty");
    await sends("/room lobby");
    await stage.daemon.kill();
    await sends("sent while the server is away");
    for (const part of [".bar.bad", ".row.pending.sending"]) await has(page, part);
    await shot(page, "14-away");
    await stage.daemon.run();
    await has(page, ".link.up");
    await page.locator(".row.pending").first().waitFor({ state: "detached" });
    await shot(page, "15-back");
    for (const [name, peer] of Object.entries(peers)) {
      peer.close();
      peers[name] = await Peer.login(stage.daemon, `${name.slice(0, 20)}-${look}`).catch(() => peer);
    }
    await page.context().close();
  }
}

/** A moderator's buttons and question, a room with a long name, and what the one who was muted sees. */
async function moderationPictures() {
  for (const [look, options] of Object.entries(LOOKS)) {
    const shot = (page, name) => page.screenshot({ path: `${folder}/${look}-${name}.png` });
    const page = await asOwner(`mod-${look}`, options);
    const sends = sender(page, look);
    const room = `a-room-whose-name-is-long-${look.slice(-5)}`;
    await sends(`/join ${room}`);
    await page.getByRole("heading", { name: room }).waitFor();
    const guest = await stage.chatting(`guest-${look}`, options);
    await sender(guest, look)(`/join ${room}`);
    await guest.getByRole("heading", { name: room }).waitFor();
    await page.locator(".members li", { hasText: `guest-${look}` }).waitFor({ state: "attached" });
    if (look.startsWith("phone")) await page.locator(".members-button").click();
    await page.getByLabel(`Actions for guest-${look}`).click();
    await shot(page, "16-moderation");
    await page.locator(".members details[open]").getByRole("button", { name: "Mute", exact: true }).click();
    await page.getByLabel("For how long").fill("10m");
    await shot(page, "17-question");
    await page.getByRole("dialog").getByRole("button", { name: "Mute" }).click();
    await page.locator(".notice", { hasText: "is muted" }).waitFor();
    await shot(page, "18-muted");
    await guest.locator(".composer textarea").fill("May I say something?\nIt has two lines.");
    await guest.locator(".composer .send").click();
    await guest.locator(".fate-line").waitFor();
    await shot(guest, "19-refused-message");
    await stage.daemon.command("kick", `guest-${look}`);
    await guest.locator(".bar.bad").waitFor();
    await shot(guest, "20-over");
    await page.context().close();
    await guest.context().close();
  }
}

/** Topics, removed messages and the question before, a removed search result, what is new since the last look. */
async function sharedPictures() {
  for (const [look, options] of Object.entries(LOOKS)) {
    const shot = (page, name) => page.screenshot({ path: `${folder}/${look}-${name}.png` });
    const isPhone = look.startsWith("phone");
    const page = await asOwner(`own-${look}`, options);
    const sends = sender(page, look);
    const goes = async (room) => {
      await sends(`/join ${room}`);
      await page.getByRole("heading", { name: `#${room}` }).waitFor();
    };
    const [release, open, hostile] = ["release", "open", "hostile"].map((name) => `${name}-${look}`);
    await goes(release);
    const max = await Peer.login(stage.daemon, `max-${look}`, { color: "cyan", rooms: [release, open, hostile] });
    const ida = await Peer.login(stage.daemon, `ida-${look}`, { color: "fuchsia", rooms: [release] });
    await sends("/topic Release 1.4 on Thursday. On call: max. Runbooks: https://wiki.example.org/ops/release");
    await page.locator(".head .topic").waitFor();
    await max.say("Morning. Who has the key of the signing machine?", release);
    await ida.say("I have it. The password is correct-horse-battery", release);
    await ida.say("Oh no.", release);
    await max.say("This one is spam: buy watches, cheap watches, only today", release);
    await sends("Nobody has seen it. Change it all the same, please.");
    await page.locator(".fate.kept").waitFor();
    await shot(page, "33-topic");
    await page.locator("main > .head details.more summary").click();
    await page.getByRole("button", { name: "Topic", exact: true }).click();
    await shot(page, "34-topic-question");
    await page.keyboard.press("Escape");
    const secret = page.locator(".row.said", { hasText: "correct-horse" });
    await (isPhone ? secret.tap() : secret.hover());
    await secret.locator(".remove").waitFor();
    await shot(page, "35-remove");
    await secret.locator(".remove").click();
    await page.getByLabel(/^Reason/).fill("a password");
    await shot(page, "36-remove-question");
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.locator(".removed", { hasText: "a password" }).first().waitFor();
    await max.ask("REDACT", { room: release, seq: max.lines.findLast((l) => l.op === "MSG" && l.data.user === max.name).data.seq });
    await page.locator(".text.removed").nth(1).waitFor();
    await shot(page, "37-removed");
    await max.say("one more word about watches", release);
    await max.say("and another one about watches", release);
    await page.locator(".row.said", { hasText: "another one" }).waitFor();
    await sends("/search watches");
    await page.locator(".hits mark").nth(1).waitFor();
    await max.ask("REDACT", { room: release, seq: max.lines.findLast((l) => l.op === "MSG" && l.data.msg.startsWith("one more")).data.seq, reason: "enough of them" });
    await page.locator(".hits .removed").waitFor();
    await shot(page, "38-search-removed");
    await page.keyboard.press("Escape");

    // Another session has read a part; the rest is new. Some of it is removed meanwhile.
    await goes(hostile);
    await goes(open);
    await max.ask("ROOM", { room: hostile, topic: "הנושא \u202e is\nthree\nlines <b>and</b> an [override](javascript:x) and goes on ".padEnd(400, "on and on ") });
    await page.locator(".side li", { hasText: hostile }).waitFor({ state: "attached" });
    await max.say("read already", hostile);
    await max.say(`own-${look}: a word that is removed`, hostile);
    await max.say("news", hostile);
    await max.ask("REDACT", { room: hostile, seq: max.lines.findLast((l) => l.op === "MSG" && l.data.msg.includes("that is removed")).data.seq });
    await page.locator(".side .badge, .menu .badge").first().waitFor({ state: "attached" });
    await has(page, ".side .badge:not(.mention)");
    if (isPhone) await page.locator(".head .menu button").click().then(() => has(page, ".shade"));
    await shot(page, "39-unread-removed");
    await page.locator(".side li button", { hasText: hostile }).click();
    await has(page, ".row.said .removed");
    await shot(page, "40-hostile-topic");
    await page.locator(".head .topic").click();
    await has(page, ".topic[open] .popup");
    await shot(page, "41-topic-open");
    await sends("/rooms");
    await page.locator(".choices .topic").first().waitFor();
    await shot(page, "42-rooms-topics");
    max.close();
    ida.close();
    await page.context().close();
  }
}

/** The states of the form that only \`tcp-chat-cli web\` has: no trust yet, not let in, a refused certificate, its end. */
async function relayPictures() {
  const { daemon } = stage;
  const pin = /\b[0-9a-f]{64}\b/.exec(await daemon.command("cert", "show"))[0];
  const other = await Daemon.start();
  for (const [look, options] of Object.entries(LOOKS)) {
    const context = await stage.browser.newContext({ viewport: { width: 1100, height: 700 }, reducedMotion: "reduce", ...options });
    // Each in a home of its own: a relay remembers the server that was used.
    const home = new Home(CLI);
    const free = await home.relay("web");
    const shot = (page, name) => page.screenshot({ path: `${folder}/${look}-${name}.png` });
    const open = async (address) => { const page = await context.newPage(); await page.goto(address); return page; };
    const shut = await open(free.origin);
    await shut.getByText("not let in").waitFor();
    await shot(shut, "21-not-let-in");
    const page = await open(free.address);
    await page.locator(".hint").waitFor();
    await shot(page, "22-first-visit");
    await page.getByText("Details").click();
    await shot(page, "23-first-visit-why");
    await page.getByLabel("Server or invite").fill("chat.example");
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("ana");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").getByText("Whom to trust").waitFor();
    await shot(page, "24-no-trust");
    await page.getByLabel("Server or invite").fill(`tcps://localhost:${other.port}/ops#${pin}`);
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByText("was refused").waitFor();
    await shot(page, "25-refused-certificate");
    await page.getByText("Details").click();
    await shot(page, "26-refused-certificate-details");
    await page.getByLabel("Server or invite").fill(`tcps://localhost:${daemon.port}/lobby#${pin}`);
    await enter(page, `relay-${look}`).catch(async (e) => { await shot(page, "27-fault"); throw e; });
    await page.locator(".row").first().waitFor();
    await kill(free.child);
    await page.getByText("has ended").waitFor();
    await shot(page, "27-relay-ended");
    await context.close();
    await home.stop();
  }
  await other.stop();
}

/** What is missing, removed or not known; a long text; direct messages; no room at all; a session in another tab. */
async function troublePictures() {
  // A message that gets lost on its way to the page, and a notice that retention has removed some.
  const lines = (direction, text) => {
    if (direction !== "in") return undefined;
    const kept = text.split("\n").filter((line) => !line.includes("lost on its way")).join("\n");
    return kept.replace(/^.*"here comes a gap".*$/m, '{"op":"NOTICE","status":"OK","data":{"kind":"GAP","msg":"removed","from":11,"to":20}}');
  };
  const trouble = await Stage.open({ lines });
  for (const [look, options] of Object.entries(LOOKS)) {
    const shot = (page, name) => page.screenshot({ path: `${folder}/${look}-${name}.png` });
    const bo = await Peer.login(trouble.daemon, `bo-${look}`, { color: "cyan" });
    const page = await trouble.chatting(`ana-${look}`, { ...options, remember: true });
    const sends = sender(page, look);
    await bo.sayAll(["before", "lost on its way", "after", "here comes a gap", "and on it goes"]);
    await bo.say(Array.from({ length: 40 }, (_, n) => `line ${n} of a long text`).join("\n"));
    await page.locator(".row.broken").first().waitFor();
    await page.locator(".folded").first().waitFor();
    await shot(page, "28-missing");
    await page.evaluate(() => {
      const stored = JSON.parse(localStorage.getItem("tcp-chat.session") ?? sessionStorage.getItem("tcp-chat.session"));
      stored.saved.token = "gone";
      stored.saved.outstanding = [{ id: 5, tag: 77, to: { room: "lobby" }, text: "Is this one there?", sent: true, fixed: false }];
      addEventListener("pagehide", () => localStorage.setItem("tcp-chat.session", JSON.stringify(stored)));
    });
    await trouble.daemon.command("kick", `ana-${look}`);
    await page.reload();
    await page.locator(".row.pending.unknown").waitFor();
    await shot(page, "29-unknown");
    await sends(`/msg bo-${look} Are you there?`);
    await page.locator(".fate.kept").waitFor();
    await bo.ask("MSG", { to: `ana-${look}`, msg: "I am. What is it?" });
    await page.locator(".row.said", { hasText: "What is it" }).waitFor();
    await shot(page, "30-direct");
    for (let places = 0; places < 2; places += 1) await sends("/leave");
    await has(page, ".empty");
    await shot(page, "31-no-room");
    const second = await trouble.pageIn(page.context());
    await second.locator(".elsewhere").waitFor();
    await shot(second, "32-elsewhere");
    await page.context().close();
    bo.close();
  }
  await trouble.stop();
}
