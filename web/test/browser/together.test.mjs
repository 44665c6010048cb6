// A chat of four who have nothing in common but the wire: a terminal, a page of `tcp-chat-cli web`, a page of the daemon,
// and `openssl s_client`. The daemon is killed in between (SIGKILL). At the end all four have seen the messages that the
// daemon has kept, in their order, each once; a removal and a topic reach all four.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Home, kill } from "./client-host.mjs";
import { daemonHost } from "./daemon-host.mjs";
import { catchesUp, CLI, Daemon, enter, freePort, launch, PATIENCE, reconnects, say, settles, stored, texts, WHOLE } from "./stage.mjs";

/** Lines of a child process, of which `seen` waits for one. */
class Lines {
  constructor(child, stream) {
    this.child = child;
    this.all = [];
    this.waiting = [];
    createInterface({ input: stream }).on("line", (line) => {
      this.all.push(line);
      this.waiting = this.waiting.filter((w) => !(w.is(line) && (w.done(line), true)));
    });
  }

  seen(is) {
    const line = this.all.find(is);
    return line !== undefined ? Promise.resolve(line) : new Promise((done) => this.waiting.push({ is, done }));
  }
}

/** The client in plain lines, on a pseudo-terminal, as somebody types. */
function terminal(home, daemon, name) {
  const command = `exec ${CLI} --line --no-color --ca ${daemon.ca} --name ${name} localhost:${daemon.port}`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], { env: { HOME: home.folder, PATH: process.env.PATH, TERM: "dumb", TZ: "UTC" }, stdio: ["pipe", "pipe", "inherit"] });
  home.running.add(child);
  const lines = new Lines(child, child.stdout);
  return { child, lines, types: (text) => child.stdin.write(`${text}\n`) };
}

/** Somebody with nothing but `openssl`, who writes the protocol by hand. */
async function byHand(home, daemon, login) {
  const child = spawn("openssl", ["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-CAfile", daemon.ca, "-connect", `localhost:${daemon.port}`],
    { stdio: ["pipe", "pipe", "ignore"] });
  home.running.add(child);
  const lines = new Lines(child, child.stdout);
  const writes = (request) => child.stdin.write(`${JSON.stringify(request)}\n`);
  writes({ op: "LOGIN", data: login });
  const reply = JSON.parse(await lines.seen((line) => line.includes('"op":"LOGIN"')));
  assert.equal(reply.status, "OK", JSON.stringify(reply));
  const messages = () => lines.all.map((line) => JSON.parse(line)).filter((line) => line.op === "MSG").map((line) => line.data);
  return { child, lines, session: reply.data.session, messages, writes, says: (msg, id) => writes({ op: "MSG", data: { room: "lobby", msg }, id }) };
}

test("terminal, page of the client, page of the daemon and openssl in one chat, and the daemon dies", { timeout: WHOLE }, async () => {
  const port = await freePort();
  const road = await daemonHost({ port, refuses: () => false });
  const daemon = await Daemon.start(road.settings);
  const home = new Home(CLI);
  const browser = await launch([daemon.ca]);
  const faults = [];
  const open = async (address, name) => {
    const page = await (await browser.newContext({ reducedMotion: "reduce" })).newPage();
    page.setDefaultTimeout(2 * PATIENCE);
    page.on("pageerror", (e) => faults.push(e.message));
    await page.goto(address);
    await enter(page, name);
    return page;
  };
  try {
    const tom = terminal(home, daemon, "tom");
    await tom.lines.seen((line) => line.includes("lobby"));
    const relay = await home.relay("--ca", daemon.ca, `localhost:${daemon.port}`, "web", "--keep");
    const rita = await open(relay.address, "rita");
    const dora = await open(`https://localhost:${road.port}/`, "dora");
    let olga = await byHand(home, daemon, { name: "olga" });
    const all = async (text) => {
      await Promise.all([
        tom.lines.seen((line) => line.includes(text)), olga.lines.seen((line) => line.includes(text)),
        ...[rita, dora].map((page) => page.locator(".row.said", { hasText: text }).waitFor()),
      ]);
    };
    // One waits for the other, so that the order is known.
    tom.types("from the terminal");
    await all("from the terminal");
    await say(rita, "from the page of the client");
    await all("from the page of the client");
    await say(dora, "from the page of the daemon");
    await all("from the page of the daemon");
    olga.says("by hand", "olga-1");
    await all("by hand");

    const { session } = olga;
    const after = olga.messages().at(-1).seq;
    const before = olga.messages();
    await daemon.kill();
    for (const page of [rita, dora]) await page.locator(".bar.bad").waitFor();
    tom.types("terminal, while it is down");
    await say(rita, "client's page, while it is down");
    await say(dora, "daemon's page, while it is down");
    await daemon.run();
    for (const page of [rita, dora]) await reconnects(page);
    await kill(olga.child);
    olga = await byHand(home, daemon, { name: "olga", session, after });
    // She does not know whether her message was kept, and sends it again under its id: it stays one message.
    olga.says("by hand", "olga-1");
    olga.says("by hand again", "olga-2");
    for (const text of ["terminal, while", "client's page, while", "daemon's page, while", "by hand again"]) await all(text);
    for (const page of [rita, dora]) await catchesUp(page, daemon);

    const kept = await stored(daemon);
    const log = kept.map((m) => m.msg);
    assert.equal(log.length, 8, JSON.stringify(log));
    assert.deepEqual(log.slice(0, 4), ["from the terminal", "from the page of the client", "from the page of the daemon", "by hand"]);
    for (const page of [rita, dora]) await settles(() => texts(page), log);
    const answered = olga.messages().filter((m) => m.seq > after);
    assert.deepEqual([...before, ...answered].map((m) => [m.seq, m.msg]), kept.map((m) => [m.seq, m.msg]));
    const shown = tom.lines.all.join("\n");
    for (const text of log) assert.equal(shown.split(text).length - 1, text === "by hand" ? 2 : 1, `${text} in\n${shown}`);
    // His own lines stand where he typed them; those of the others in the order of the log.
    const places = kept.filter((m) => m.user !== "tom").map((m) => shown.indexOf(m.msg));
    assert.deepEqual(places, [...places].sort((a, b) => a - b));

    // A removal and a topic reach all four, from the one with nothing but the wire and from a page.
    const { seq } = kept.find((m) => m.msg === "by hand again");
    olga.writes({ op: "REDACT", data: { room: "lobby", seq, reason: "a slip of the hand" }, id: "olga-3" });
    const seen = (text) => Promise.all([tom, olga].map(({ lines }) => lines.seen((line) => line.includes(text))));
    await seen("a slip of the hand");
    for (const page of [rita, dora]) await page.locator(".row.said .removed", { hasText: "removed by olga: a slip of the hand" }).waitFor();
    await settles(async () => (await rita.locator("body").innerText()).includes("by hand again"), false, "the text is still there");
    await say(dora, "/topic Four who share nothing but the wire");
    await seen("nothing but the wire");
    for (const page of [rita, dora]) await page.locator(".head .topic summary", { hasText: "nothing but the wire" }).waitFor();
    assert.deepEqual(faults, []);
    for (const m of kept) console.log(`# ${m.seq} ${m.user}: ${m.msg}`);
  } finally {
    await browser.close();
    await home.stop();
    await road.stop();
    await daemon.stop();
  }
});
