// Owns what the browser tests stand on: a daemon in a folder of its own, the bridge, a browser, a peer that speaks the
// wire by itself, and how a test waits. Everything is stopped and removed with `stop`. Used by the tests of this folder.
//
// Environment: TCP_CHATD (default ../target/debug/tcp-chatd), CHROMIUM (default /usr/bin/chromium), HOST: what serves the
// page, "bridge" (the default), "client" (`tcp-chat-cli web`) or "daemon" (its `[web]`, over HTTPS). Tests that need the
// bridge are left out with the other two.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { connect } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { chromium } from "playwright-core";
import { bridge } from "../bridge.mjs";
import { clientHost } from "./client-host.mjs";
import { daemonHost } from "./daemon-host.mjs";

export const DAEMON = resolve(process.env.TCP_CHATD ?? "../target/debug/tcp-chatd");
export const CLI = process.env.TCP_CHAT_CLI ?? join(dirname(DAEMON), "tcp-chat-cli");
/** What serves the page. */
export const HOST = process.env.HOST ?? "bridge";
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** How long an expected state may take, in milliseconds. A machine that compiles beside the tests is slow. */
export const PATIENCE = 30_000;
/** How long a test may take, in milliseconds. */
export const WHOLE = 300_000;

const pause = (ms) => new Promise((on) => setTimeout(on, ms));

/**
 * Reads until the value equals `expected`. After `PATIENCE` it fails with the difference between `expected` and the value
 * that was read last. `what` names the state.
 */
export async function settles(read, expected, what) {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const seen = await read();
    if (isDeepStrictEqual(seen, expected)) return;
    if (performance.now() > end) assert.deepEqual(seen, expected, what);
    await pause(50);
  }
}

/** Is the port free on the loopback? */
const isFree = (port) => new Promise((done) => {
  const server = createServer().once("error", () => done(false));
  server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
});

/**
 * A port that is free now; the daemon has to come back on the same one. It is below those that systems give to outgoing
 * connections, so that none of them takes it while the daemon is dead.
 */
export async function freePort() {
  for (;;) {
    const port = 11_000 + Math.floor(Math.random() * 20_000);
    if (await isFree(port)) return port;
  }
}

export class Daemon {
  constructor(folder, port) {
    this.folder = folder;
    this.port = port;
    this.ca = join(folder, "certs/ca.pem");
  }

  static async start(settings = "") {
    const folder = mkdtempSync(join(tmpdir(), "tcp-chat-browser-"));
    const port = await freePort();
    writeFileSync(join(folder, "config.toml"),
      `listen.address = "127.0.0.1:${port}"\nlog.format = "json"\nlimits.messages_per_second = 0\n${settings}\n`);
    const daemon = new Daemon(folder, port);
    await daemon.run();
    return daemon;
  }

  /** Ends, and serves the same store at another port: as another node of a chat does. */
  async movesTo(port) {
    await this.kill();
    const file = join(this.folder, "config.toml");
    writeFileSync(file, readFileSync(file, "utf8").replace(`127.0.0.1:${this.port}"`, `127.0.0.1:${port}"`));
    this.port = port;
    await this.run();
  }

  /** Starts the process; resolves once it takes connections. */
  async run() {
    this.child = spawn(DAEMON, ["--config", join(this.folder, "config.toml")], { cwd: this.folder, stdio: ["ignore", "ignore", "pipe"] });
    const ended = new Promise((_, fail) => this.child.once("exit", (code) => fail(new Error(`the daemon ended: ${code}`))));
    ended.catch(() => {});
    const lines = createInterface({ input: this.child.stderr });
    const ready = new Promise((done) => lines.on("line", (line) => { if (/listening|127\.0\.0\.1:/.test(line)) done(); }));
    await Promise.race([ready, ended]);
    await this.#accepts();
  }

  async #accepts() {
    const takes = () => Peer.connect(this).then((peer) => (peer.close(), "connections"), (e) => e.message);
    await settles(takes, "connections", "what the daemon takes");
  }

  /** `kill -9`; resolves once it is gone. */
  kill() {
    return new Promise((gone) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return gone();
      this.child.once("exit", gone);
      this.child.kill("SIGKILL");
    });
  }

  /** An operator's command; resolves to what it printed. */
  command(...args) {
    return new Promise((done, fail) => {
      const child = spawn(DAEMON, ["--config", join(this.folder, "config.toml"), ...args], { cwd: this.folder });
      let text = "";
      child.stdout.on("data", (data) => { text += data; });
      child.stderr.on("data", (data) => { text += data; });
      // Not "exit": then some of the text may not have been read yet.
      child.once("close", (code) => (code === 0 ? done(text) : fail(new Error(text))));
    });
  }

  async stop() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A client of a few lines that shares no code with the page. */
export class Peer {
  static connect({ port, ca }) {
    return new Promise((done, fail) => {
      const tls = connect({ host: "localhost", port, ca: readFileSync(ca), servername: "localhost" }, () => {
        const peer = new Peer();
        peer.tls = tls;
        peer.lines = [];
        peer.waiting = [];
        createInterface({ input: tls }).on("line", (line) => {
          const json = JSON.parse(line);
          const at = peer.waiting.findIndex((w) => w.is(json));
          if (at >= 0) peer.waiting.splice(at, 1)[0].done(json);
          peer.lines.push(json);
        });
        done(peer);
      });
      tls.once("error", fail);
    });
  }

  static async login(daemon, name, data = {}) {
    const peer = await Peer.connect(daemon);
    peer.name = name;
    await peer.ask("LOGIN", { name, ...data });
    return peer;
  }

  ask(op, data) {
    this.id = (this.id ?? 0) + 1;
    const id = this.id;
    const answer = new Promise((done, fail) => this.waiting.push({
      is: (line) => line.id === id,
      done: (line) => (line.status === "OK" ? done(line.data) : fail(new Error(JSON.stringify(line.data)))),
    }));
    this.tls.write(`${JSON.stringify({ op, data, id })}\n`);
    return answer;
  }

  say(msg, room = "lobby") {
    return this.ask("MSG", { room, msg });
  }

  /** Many messages at once; resolves when the last one is kept. */
  async sayAll(texts, room = "lobby") {
    const all = texts.map((msg) => this.say(msg, room));
    await Promise.all(all);
  }

  close() {
    this.tls.destroy();
  }
}

/** Chromium, which trusts these CAs beside the usual ones, and has a home folder of its own. */
export async function launch(cas = []) {
  const home = mkdtempSync(join(tmpdir(), "tcp-chat-chromium-"));
  if (cas.length > 0) {
    const database = join(home, ".pki/nssdb");
    mkdirSync(database, { recursive: true });
    const certutil = (...args) => execFileSync("certutil", ["-d", `sql:${database}`, ...args]);
    certutil("-N", "--empty-password");
    cas.forEach((ca, n) => certutil("-A", "-n", `test ${n}`, "-t", "C,,", "-i", ca));
  }
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"], env: { ...process.env, HOME: home } });
  // A process of the browser may still write there.
  browser.on("disconnected", () => rmSync(home, { recursive: true, force: true, maxRetries: 20 }));
  return browser;
}

/** A daemon, a bridge and a browser. */
export class Stage {
  static async open({ settings, relay = false, lines } = {}) {
    const stage = new Stage();
    const refuses = () => stage.refuses === true;
    const own = HOST === "daemon" ? await daemonHost({ port: await freePort(), refuses }) : undefined;
    stage.daemon = await Daemon.start(`${settings ?? ""}\n${own?.settings ?? ""}`);
    const { ca, port } = stage.daemon;
    if (own) stage.bridge = own;
    else if (HOST === "client") stage.bridge = await clientHost({ program: CLI, ca, port, refuses });
    else stage.bridge = await bridge({ ca, port, relay, problem: () => stage.problem, refuses, ...(lines ? { lines } : {}) });
    stage.browser = await launch(own ? [ca] : []);
    stage.url = `${own ? "https://localhost" : "http://127.0.0.1"}:${stage.bridge.port}/`;
    stage.faults = [];
    return stage;
  }

  /** A browser of its own, with a page in it. What the page does against its own rules is a fault. */
  async page(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1100, height: 700 }, reducedMotion: "reduce", ...options });
    return this.pageIn(context);
  }

  async pageIn(context) {
    const page = await context.newPage();
    page.setDefaultTimeout(2 * PATIENCE);
    page.on("pageerror", (e) => this.faults.push(`error: ${e.message}`));
    page.on("console", (m) => { if (m.type() === "error" && !/ERR_(CONNECTION|INTERNET|EMPTY_RESPONSE)|WebSocket connection/.test(m.text())) this.faults.push(`console: ${m.text()}`); });
    const own = [this.url, this.url.replace("http", "ws"), "data:"];
    page.on("request", (r) => { if (!own.some((address) => r.url().startsWith(address))) this.faults.push(`request: ${r.url()}`); });
    await page.addInitScript((bearer) => {
      if (bearer) sessionStorage.setItem("tcp-chat.bearer", bearer);
      window.violations = [];
      addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
    }, this.bridge.bearer);
    await page.goto(this.url);
    return page;
  }

  /** A page that is logged in. */
  async chatting(name, { colour, remember = false, ...options } = {}) {
    const page = await this.page(options);
    await enter(page, name, { colour, remember });
    return page;
  }

  async stop() {
    await this.browser.close();
    await this.bridge.stop();
    await this.daemon.stop();
  }
}

export async function enter(page, name, { colour, remember = false } = {}) {
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(name);
  if (colour) await page.getByRole("radio", { name: colour }).check({ force: true });
  if (remember) await page.getByLabel(/Stay logged in/).check();
  await page.getByRole("button", { name: "Enter" }).click();
  await page.locator(".composer textarea").waitFor();
}

/** Is the button that removes a message within the row of it? */
export const inItsRow = (row) => row.evaluate((li) => {
  const [whole, button] = [li, li.querySelector(".remove")].map((e) => e.getBoundingClientRect());
  return button.top >= whole.top - 1 && button.bottom <= whole.bottom + 1;
});

export async function say(page, text) {
  const field = page.locator(".composer textarea");
  await field.fill(text);
  await field.press("Enter");
}

/** Waits until the page is connected, and shows a message with this text. "Now" ends each wait for the next attempt. */
export async function reconnects(page, text) {
  await page.waitForFunction((wanted) => {
    [...document.querySelectorAll(".bar button")].find((button) => button.textContent === "Now")?.click();
    const said = [...document.querySelectorAll(".row.said .text")];
    return document.querySelector(".link.up") !== null && (!wanted || said.some((row) => row.textContent.includes(wanted)));
  }, text, { polling: 100 });
}

let marks = 0;

/**
 * Waits until the page has drawn everything that the daemon has sent to it: no message is on its way, the log is loaded,
 * and then a direct message is there. From here on a message that the page shows twice is twice in sight.
 */
export async function catchesUp(page, daemon) {
  await page.locator(".link.up").waitFor({ state: "attached" });
  for (const waiting of [".row.pending", ".log .start:text('Loading')"]) await page.locator(waiting).first().waitFor({ state: "detached" });
  const peer = await Peer.login(daemon, `mark-${marks += 1}`);
  await peer.ask("MSG", { to: await page.locator(".side .me").textContent(), msg: "all that was before this" });
  await page.locator(".side li", { hasText: peer.name }).waitFor({ state: "attached" });
  await peer.ask("QUIT");
}

/** The texts of the messages that are in the page, in order. */
export const texts = (page) => page.locator(".row.said .text").allTextContents();

/** All messages of a room that the daemon has kept. */
export async function stored(daemon, room = "lobby") {
  const peer = await Peer.login(daemon, `reader-${Math.floor(Math.random() * 1e9)}`);
  const messages = [];
  for (let after = 0, more = true; more;) {
    const page = await peer.ask("HISTORY", { room, after, limit: 500 });
    messages.push(...page.messages);
    more = page.more;
    after = messages.at(-1)?.seq ?? 0;
  }
  await peer.ask("QUIT");
  return messages;
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The rules of accessibility that the page breaks as it is now, each with its elements. */
export async function axeViolations(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`);
}
