// Owns how Firefox and WebKitGTK are driven: the few WebDriver commands that the smoke test needs, without a driver of
// npm. Firefox speaks them itself over a socket (Marionette); WebKitGTK has WebKitWebDriver, which takes them over HTTP.
// Both have a profile of their own, and trust the CA of the test alone. Used by `smoke.mjs`.
//
// Environment: FIREFOX (default firefox-esr), WEBKIT_DRIVER (default WebKitWebDriver), WEBKIT_BROWSER (default Debian's
// MiniBrowser). WebKitGTK needs a display, for example Xvfb.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { kill } from "./client-host.mjs";
import { PATIENCE } from "./stage.mjs";

/** The key of an element in WebDriver's answers. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

const MINI_BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";

const pause = (ms) => new Promise((on) => setTimeout(on, ms));

/** What both have. `command(name, parameters)` and `close()` are theirs; `said` has the lines that the browser printed. */
class Browser {
  said = [];
  folder = mkdtempSync(join(tmpdir(), "tcp-chat-smoke-"));

  /** Starts a program with a home folder of its own, and collects what it prints. */
  run(program, args) {
    const env = { ...process.env, HOME: this.folder, XDG_RUNTIME_DIR: this.folder };
    this.child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) createInterface({ input: stream }).on("line", (line) => this.said.push(line));
    this.ended = new Promise((_, fail) => {
      this.child.once("error", fail);
      this.child.once("exit", (code) => fail(new Error(`${program} ended with ${code}: ${this.said.slice(-5).join("\n")}`)));
    });
    this.ended.catch(() => {});
  }

  /** What the page complained about, as printed. WebKitGTK prints nothing while it is driven. */
  get complaints() {
    return [];
  }

  /** Repeats until the function returns something, for as long as the patience lasts. */
  async until(what, does) {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const got = await does();
      if (got) return got;
      if (Date.now() > end) throw new Error(`${what}: not within ${PATIENCE} ms; the page: ${await this.script("return document.body?.innerText + \" \" + document.querySelector(\"textarea\")?.value")}`);
      await pause(50);
    }
  }

  script(body, ...args) {
    return this.command("script", { script: body, args });
  }

  /** The element, once it is there and shown. */
  async find(selector) {
    const found = await this.until(selector, () => this.script(
      "return [...document.querySelectorAll(arguments[0])].find((e) => e.getClientRects().length > 0)", selector));
    return found[ELEMENT];
  }

  async click(selector) {
    await this.command("click", { id: await this.find(selector) });
  }

  async type(selector, text) {
    await this.command("type", { id: await this.find(selector), text });
  }

  /** Waits until this many elements contain the text. */
  shows(selector, text, count = 1) {
    return this.until(`${count} × ${selector} with "${text}"`, () => this.script(
      "return [...document.querySelectorAll(arguments[0])].filter((e) => e.textContent.includes(arguments[1])).length === arguments[2]",
      selector, text, count));
  }

  async stop() {
    await kill(this.child);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 });
  }
}

export class Firefox extends Browser {
  static title = "Firefox";
  #waiting = new Map();
  #last = 0;

  static async open({ cas }) {
    const browser = new Firefox();
    const certutil = (...args) => execFileSync("certutil", ["-d", `sql:${browser.folder}`, ...args]);
    certutil("-N", "--empty-password");
    cas.forEach((ca, n) => certutil("-A", "-n", `test ${n}`, "-t", "C,,", "-i", ca));
    const prefs = {
      "marionette.port": 0, "devtools.console.stdout.content": true, "datareporting.policy.dataSubmissionEnabled": false,
      "app.update.enabled": false, "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
      "services.settings.server": "data:,#remote-settings-dummy/v1",
    };
    writeFileSync(join(browser.folder, "user.js"), Object.entries(prefs).map(([k, v]) => `user_pref("${k}", ${JSON.stringify(v)});\n`).join(""));
    browser.run(process.env.FIREFOX ?? "firefox-esr", ["--headless", "--no-remote", "--marionette", "--profile", browser.folder]);
    // The browser writes the port that it chose.
    const file = join(browser.folder, "MarionetteActivePort");
    const written = (async () => { while (!existsSync(file) || readFileSync(file, "utf8") === "") await pause(50); })();
    await Promise.race([written, browser.ended]);
    await browser.#connect(Number(readFileSync(file, "utf8")));
    const { capabilities } = await browser.#send("WebDriver:NewSession", { pageLoadStrategy: "normal" });
    browser.version = `${capabilities.browserName} ${capabilities.browserVersion}`;
    return browser;
  }

  /** Each packet is its length in bytes, a colon, and JSON; the first one is a greeting. */
  async #connect(port) {
    this.socket = connect(port, "127.0.0.1");
    let rest = Buffer.alloc(0);
    const greeted = new Promise((done, fail) => { this.#waiting.set(undefined, { done, fail }); });
    this.socket.on("error", () => {});
    this.socket.on("data", (data) => {
      rest = Buffer.concat([rest, data]);
      for (let colon = rest.indexOf(":"); colon > 0; colon = rest.indexOf(":")) {
        const end = colon + 1 + Number(rest.subarray(0, colon));
        if (rest.length < end) return;
        const packet = JSON.parse(rest.subarray(colon + 1, end));
        rest = rest.subarray(end);
        const [, id, error, value] = Array.isArray(packet) ? packet : [1, undefined, null, packet];
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (error) waiting?.fail(new Error(`${error.error}: ${error.message}`));
        else waiting?.done(value);
      }
    });
    await greeted;
  }

  #send(name, parameters) {
    const id = this.#last += 1;
    const answer = new Promise((done, fail) => { this.#waiting.set(id, { done, fail }); });
    const json = JSON.stringify([0, id, name, parameters]);
    this.socket.write(`${Buffer.byteLength(json)}:${json}`);
    return Promise.race([answer, this.ended]);
  }

  async command(name, parameters) {
    const commands = { go: "Navigate", again: "Refresh", script: "ExecuteScript", click: "ElementClick", type: "ElementSendKeys" };
    const answer = await this.#send(`WebDriver:${commands[name]}`, parameters);
    return answer?.value;
  }

  /** Errors of scripts, the console, violations of the policy. */
  get complaints() {
    // RSLoader is Firefox's own: it asks for its settings, which are not there. So are its modules, which start later.
    const isOwn = /RSLoader|^JavaScript error: (resource|chrome):/;
    return this.said.filter((line) => /^(JavaScript error|console\.(error|warn)|Content-Security-Policy)/.test(line) && !isOwn.test(line));
  }
}

export class WebKit extends Browser {
  static title = "WebKitGTK";

  /** It is given the certificates of the servers: it has no list of CAs that a test could add to. */
  static async open({ port, certificates }) {
    const browser = new WebKit();
    browser.run(process.env.WEBKIT_DRIVER ?? "WebKitWebDriver", [`--port=${port}`]);
    browser.at = `http://127.0.0.1:${port}/session`;
    const binary = process.env.WEBKIT_BROWSER ?? MINI_BROWSER;
    const args = ["--automation", "--enable-write-console-messages-to-stdout=true"];
    const wanted = { "webkitgtk:browserOptions": { binary, args, certificates } };
    while (!await fetch(`http://127.0.0.1:${port}/status`).catch(() => undefined)) await Promise.race([pause(50), browser.ended]);
    const { sessionId, capabilities } = await browser.#post("", { capabilities: { alwaysMatch: wanted } });
    browser.at += `/${sessionId}`;
    browser.version = `WebKitGTK ${capabilities.browserVersion}`;
    return browser;
  }

  async #post(path, parameters, method = "POST") {
    const body = method === "POST" ? { body: JSON.stringify(parameters) } : {};
    const answer = await Promise.race([fetch(this.at + path, { method, ...body }), this.ended]);
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${value.error}: ${value.message}`);
    return value;
  }

  command(name, { id, ...parameters }) {
    const paths = { go: "/url", again: "/refresh", script: "/execute/sync", click: `/element/${id}/click`, type: `/element/${id}/value` };
    return this.#post(paths[name], parameters);
  }

  async stop() {
    await this.#post("", undefined, "DELETE").catch(() => {});
    await super.stop();
  }
}
