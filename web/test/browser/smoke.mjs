// Owns the smoke test of the page in Firefox and WebKitGTK, with both of its hosts: it opens, somebody enters, sends and
// gets a tick, hears another one, reloads and resumes, and sends while the daemon is dead. Run by `checks/browsers.sh`,
// which starts a display.
//
//   node test/browser/smoke.mjs [firefox|webkit]

import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { Home } from "./client-host.mjs";
import { daemonHost } from "./daemon-host.mjs";
import { Firefox, WebKit } from "./other-browsers.mjs";
import { CLI, Daemon, freePort, Peer, settles, stored, WHOLE } from "./stage.mjs";

const only = process.argv[2];
const browsers = [Firefox, WebKit].filter((kind) => !only || kind.title.toLowerCase().startsWith(only));

for (const kind of browsers) {
  for (const host of ["daemon", "client"]) {
    test(`${kind.title}, page of the ${host}`, { timeout: WHOLE }, async (t) => {
      const road = await daemonHost({ port: await freePort(), refuses: () => false });
      const daemon = await Daemon.start(road.settings);
      const home = new Home(CLI);
      const certificates = [{ host: "localhost", certificateFile: join(daemon.folder, "certs/server.pem") }];
      const browser = await kind.open({ cas: [daemon.ca], certificates, port: await freePort() });
      try {
        const address = host === "daemon" ? `https://localhost:${road.port}/`
          : (await home.relay("--ca", daemon.ca, `localhost:${daemon.port}`, "web", "--keep")).address;
        t.diagnostic(browser.version);
        await chat({ browser, daemon, address });
      } finally {
        await browser.stop();
        await home.stop();
        await road.stop();
        await daemon.stop();
      }
    });
  }
}

async function chat({ browser, daemon, address }) {
  const watch = () => browser.script(`
    window.violations = [];
    addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
    addEventListener("error", (e) => violations.push(String(e.message)));
    addEventListener("unhandledrejection", (e) => violations.push(String(e.reason)));
    for (const level of ["error", "warn"]) console[level] = (...what) => violations.push(what.join(" "));`);
  await browser.command("go", { url: address });
  await watch();
  await browser.type("input[name=username]", "ana");
  await browser.click("form button.primary");
  await browser.find(".composer textarea");
  const bo = await Peer.login(daemon, "bo");
  await browser.type(".composer textarea", "from the page");
  await browser.click(".composer .send:enabled");
  await browser.shows(".row.said .fate.kept", "✓");
  await bo.say("from another one: <b>ünï</b> 👍 שלום");
  await browser.shows(".row.said", "<b>ünï</b> 👍 שלום");
  // What a terminal would not show is shown here, and nothing of the text is an element.
  await bo.say("x\u202egpj.exe <img src=x onerror=alert(1)>");
  await browser.shows(".row.said .odd", "U+202E");
  assert.equal(await browser.script("return document.querySelectorAll('.log img, .log b').length"), 0);
  // The topic opens to its links, and a message is removed after a question.
  await bo.ask("ROOM", { room: "lobby", topic: "On call: bo.\nSee https://wiki.example" });
  await browser.shows(".head .topic summary", "On call: bo. See");
  await browser.click(".head .topic summary");
  await browser.shows(".head .topic .popup a", "https://wiki.example");
  await browser.type(".composer textarea", "by mistake");
  await browser.click(".composer .send:enabled");
  await browser.shows(".row.said .fate.kept", "✓", 2);
  await browser.type(".composer textarea", "/redact");
  await browser.click(".composer .send:enabled");
  await browser.shows("dialog blockquote", "by mistake");
  await browser.click("dialog .primary.bad");
  await browser.shows(".row.said .removed", "message removed by ana");
  assert.deepEqual(await browser.script("return window.violations"), []);

  await browser.command("again", {});
  await watch();
  await browser.shows(".row.said", "from the page");
  await browser.shows(".link.up", "Connected");
  assert.deepEqual(browser.complaints, [], "until here nothing went wrong");

  await daemon.kill();
  await browser.find(".bar.bad");
  await browser.type(".composer textarea", "while it is down");
  await browser.click(".composer .send:enabled");
  await browser.find(".row.pending.sending");
  await daemon.run();
  await browser.shows(".row.said .text", "while it is down");
  await browser.shows(".row.said .fate.kept", "✓", 3);
  await browser.shows(".row.said .removed", "message removed by ana");
  assert.deepEqual(await browser.script("return window.violations"), []);
  const seen = () => browser.script("return [...document.querySelectorAll('.row.said')].map((row) => Number(row.dataset.seq))");
  await settles(seen, (await stored(daemon)).map((m) => m.seq), "each once, in order");
  bo.close();
}
