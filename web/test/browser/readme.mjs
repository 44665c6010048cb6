// Owns the three pictures of the page in the README: a chat in light and in dark, and on a phone. Not a test: a person looks
// at them.
//
//   node test/browser/readme.mjs FOLDER

import { enter, Peer, say, Stage } from "./stage.mjs";

const folder = process.argv[2] ?? "../docs";
const PHONE = { viewport: { width: 390, height: 640 }, deviceScaleFactor: 1, hasTouch: true, isMobile: true, colorScheme: "light" };

const stage = await Stage.open({ settings: 'rooms.default = ["lobby", "ops"]' });
const peers = {};
for (const [name, color] of [["bo", "cyan"], ["Chloé", "fuchsia"], ["דניאל", "green"], ["eve", "yellow"], ["山田", "blue"]]) {
  peers[name] = await Peer.login(stage.daemon, name, { color });
}
const says = async (room, lines) => { for (const [name, text] of lines) await peers[name].say(text, room); };
const page = await stage.page({ colorScheme: "light", viewport: { width: 1100, height: 640 } });
await enter(page, "ana", { colour: "red" });
await peers.bo.ask("ROOM", { room: "lobby", topic: "Release 1.4 on Thursday. On call: bo. https://wiki.example.org/release" });
await peers.bo.ask("ROOM", { room: "ops", topic: "Deployments and alarms. On call: bo" });
await says("lobby", [
  ["bo", "Morning. The build is green again; the flaky test was the clock."],
  ["bo", "The runner is pinned, see https://ci.example.org/runs/4711"],
  ["Chloé", "Nice! Why did `cargo test` take nine minutes?"],
  ["bo", "It waited for a lock most of the time:\n```\nreal    9m12s\nuser    1m40s\n```"],
  ["דניאל", "שלום לכולם, הגרסה החדשה מוכנה לבדיקה"],
  ["山田", "おはようございます 🎉"],
  ["eve", "x\u202egpj.exe is not the picture that it seems to be"],
  ["eve", "The key of the staging hosts is 4711"],
  ["Chloé", "ana: can you look at the release notes before three?"],
]);
await peers.eve.ask("REDACT", { room: "lobby", seq: peers.eve.lines.findLast((l) => l.data?.msg?.includes("4711")).data.seq, reason: "a key" });
await say(page, "On it. They say two minutes where it is 90 seconds.");
await page.locator(".fate.kept").waitFor();
await peers.eve.ask("MSG", { to: "ana", msg: "Lunch at one?" });
await says("ops", [
  ["bo", "Deploying 1.4 to the staging hosts"], ["bo", "Two of three are done"],
  ["山田", "The third one answers again after a restart"],
  ["eve", "Its disk was full of old logs:\n```\n/var/log  39G  100%\n```"],
  ["bo", "ana: shall we go on with production?"], ["Chloé", "The backup of last night is there, I restored it once to be sure"],
]);
peers["山田"].close();
await page.locator(".side .badge").nth(1).waitFor();
await page.locator(".members li.away").waitFor();
await page.mouse.move(1000, 500);
await page.screenshot({ path: `${folder}/page-light.png` });

const phone = await stage.page(PHONE);
await enter(phone, "kim", { colour: "blue" });
await phone.locator(".row.said").nth(5).waitFor();
await phone.locator(".composer textarea").fill("Good morning from the train");
await phone.locator(".composer .send").click();
await phone.locator(".fate.kept").waitFor();
await phone.screenshot({ path: `${folder}/page-phone.png` });
await phone.context().close();

await page.emulateMedia({ colorScheme: "dark" });
await page.keyboard.press("Alt+a");
await page.locator(".rule.new").waitFor();
await page.mouse.move(1000, 500);
await stage.daemon.kill();
await page.locator(".bar.bad").waitFor();
await say(page, "Yes. I watch the graphs meanwhile.");
await page.locator(".pending.sending").waitFor();
await page.screenshot({ path: `${folder}/page-dark.png` });
for (const peer of Object.values(peers)) peer.close();
await stage.stop();
