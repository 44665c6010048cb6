// Owns the check of the examples in docs/OPERATIONS.md for a proxy in front of the page: it runs nginx and Caddy with
// them, word for word but for the ports and the folder of the CA, before a real daemon, and opens the page through them
// in Chromium. Run by `checks/proxies.sh`.
//
// Environment: NGINX (default nginx), CADDY (default caddy), and that of `stage.mjs`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { HEADERS } from "../headers.mjs";
import { kill } from "./client-host.mjs";
import { catchesUp, CHROMIUM, Daemon, enter, freePort, PATIENCE, Peer, reconnects, say, settles, stored, texts, WHOLE } from "./stage.mjs";

const NAME = "chat.example.org";
/** Places of one address in the test of the limit. */
const PLACES = 6;
const document = readFileSync(new URL("../../../docs/OPERATIONS.md", import.meta.url), "utf8");
const section = document.slice(document.indexOf("### A proxy in front"), document.indexOf("## Logs"));

/** The example of this language. */
function example(language) {
  const found = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(section);
  assert.ok(found, `an example for ${language} in docs/OPERATIONS.md`);
  return found[1];
}

const PROXIES = {
  /** The server around the example's location is what every site has. */
  nginx: ({ folder, port, certs, from }) => {
    writeFileSync(join(folder, "nginx.conf"), `
      daemon off; pid ${folder}/nginx.pid; error_log stderr; worker_processes 1;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
        server {
          listen 127.0.0.1:${port} ssl;
          server_name ${NAME};
          ssl_certificate ${certs}/server.pem;
          ssl_certificate_key ${certs}/server.key;
          ${from(example("nginx"))}
        }
      }`);
    return [process.env.NGINX ?? "nginx", ["-p", folder, "-c", join(folder, "nginx.conf")]];
  },
  /** Its certificate would come from a CA in the Internet; here it is the daemon's. */
  caddy: ({ folder, port, certs, from }) => {
    const site = from(example("caddy")).replace(`${NAME} {`, `${NAME}:${port} {\n    tls ${certs}/server.pem ${certs}/server.key\n    bind 127.0.0.1`);
    writeFileSync(join(folder, "Caddyfile"), `{\n    admin off\n    auto_https disable_redirects\n}\n${site}`);
    return [process.env.CADDY ?? "caddy", ["run", "--adapter", "caddyfile", "--config", join(folder, "Caddyfile")]];
  },
};

/** A daemon with the settings of the example, and a proxy in front of it. */
async function behind(proxy, settings = "") {
  const [inner, port] = [await freePort(), await freePort()];
  const daemon = await Daemon.start(`tls.names = ["localhost", "${NAME}"]\nlog.level = "debug"\n${settings}\n${example("toml").replace(":3443", `:${inner}`)}`);
  const folder = mkdtempSync(join(tmpdir(), `tcp-chat-${proxy}-`));
  const certs = join(daemon.folder, "certs");
  const from = (text) => text.replaceAll(":3443", `:${inner}`).replaceAll("/var/lib/tcp-chatd/certs", certs);
  const [program, args] = PROXIES[proxy]({ folder, port, certs, from });
  const child = spawn(program, args, { env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => { said += data; });
  const ca = readFileSync(daemon.ca);
  const dials = { host: "127.0.0.1", port, servername: NAME, ca };
  /** Sends a request as it is; resolves to its status, and whether the answer is the page. */
  const ask = (lines) => new Promise((done, fail) => {
    const tls = connect(dials, () => tls.write(`${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n`));
    let all = "";
    tls.on("data", (data) => { all += data; });
    tls.once("close", () => done({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(all)?.[1]), isPage: all.includes("app.js") }));
    tls.once("error", fail);
  });
  for (const end = performance.now() + PATIENCE; ;) {
    if (child.exitCode !== null || performance.now() > end) throw new Error(`${program} does not serve (${child.exitCode}): ${said.split("\n").slice(-4).join("\n")}`);
    if ((await ask(["GET / HTTP/1.1", `Host: ${NAME}`]).catch(() => undefined))?.isPage) break;
    await new Promise((on) => setTimeout(on, 50));
  }
  const stop = async () => {
    await kill(child, "SIGTERM");
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  /** A WebSocket through the proxy, from this address of the loopback. */
  const socket = (localAddress, options = {}) => new Promise((done) => {
    const made = new WebSocket(`wss://${NAME}/ws`, ["tcp-chat.1"], { origin: `https://${NAME}`, perMessageDeflate: false, ...options, createConnection: () => connect({ ...dials, localAddress }) });
    made.once("open", () => done(made));
    made.once("unexpected-response", (_, answer) => { answer.resume(); made.on("error", () => {}); done(answer.statusCode); });
    made.once("error", () => done(0));
  });
  return { daemon, port, ask, socket, stop };
}

for (const proxy of Object.keys(PROXIES)) {
  test(`${proxy}: the page, its headers, the chat, and the daemon killed in between`, { timeout: WHOLE }, async () => {
    const { daemon, port, stop } = await behind(proxy);
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", `--host-resolver-rules=MAP ${NAME}:443 127.0.0.1:${port}`] });
    try {
      const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
      page.setDefaultTimeout(2 * PATIENCE);
      const faults = [];
      page.on("pageerror", (e) => faults.push(e.message));
      const answer = await page.goto(`https://${NAME}/`);
      for (const [name, value] of Object.entries(HEADERS)) assert.equal((await answer.allHeaders())[name.toLowerCase()], value, name);
      await enter(page, "ana");
      await settles(() => page.locator(".side .where").textContent(), NAME);
      await say(page, "through the proxy");
      await page.locator(".fate.kept").waitFor();
      const bo = await Peer.login(daemon, "bo");
      await bo.say("not through it");
      await page.locator(".row.said", { hasText: "not through it" }).waitFor();
      await daemon.kill();
      await page.locator(".bar.bad").waitFor();
      await say(page, "while it is down");
      await page.locator(".row.pending.sending").waitFor();
      await daemon.run();
      await reconnects(page, "while it is down");
      await page.reload();
      await catchesUp(page, daemon);
      await settles(() => texts(page), (await stored(daemon)).map((m) => m.msg));
      assert.deepEqual(faults, []);
    } finally {
      await browser.close();
      await stop();
    }
  });

  test(`${proxy}: Host and Origin arrive, and the daemon still decides`, { timeout: WHOLE }, async () => {
    const { ask, socket, stop } = await behind(proxy);
    try {
      // A proxy may answer a foreign host itself; it must not get the page.
      assert.equal((await ask(["GET / HTTP/1.1", "Host: evil.example"])).isPage, false);
      assert.equal((await ask(["POST / HTTP/1.1", `Host: ${NAME}`, "Content-Length: 0"])).status, 405);
      for (const origin of ["https://evil.example", `http://${NAME}`, `https://${NAME}:3443`]) assert.equal(await socket("127.0.0.1", { origin }), 403, origin);
      const ours = await socket("127.0.0.1");
      assert.ok(ours instanceof WebSocket);
      ours.terminate();
    } finally {
      await stop();
    }
  });

  test(`${proxy}: all browsers share the limit of one address, and direct ones do not`, { timeout: WHOLE }, async () => {
    const { daemon, socket, stop } = await behind(proxy, `limits.connections_per_address = ${PLACES}`);
    try {
      const open = [];
      let refused;
      for (let n = 1; refused === undefined && n <= PLACES + 1; n += 1) {
        const got = await socket(`127.0.0.${n}`);
        if (got instanceof WebSocket) open.push(got);
        else refused = got;
      }
      console.log(`# ${proxy}: ${open.length} of ${PLACES} places through the proxy, then ${refused}`);
      assert.ok(open.length > 0 && open.length <= PLACES && [502, 503].includes(refused), `${open.length}, then ${refused}`);
      // Somebody on another address, who comes to the daemon itself, still finds a place.
      const direct = await new Promise((done, fail) => {
        const tls = connect({ host: "127.0.0.1", port: daemon.port, localAddress: "127.0.0.9", servername: "localhost", ca: readFileSync(daemon.ca) }, () => tls.write('{"op":"LOGIN","data":{"name":"direct"}}\n'));
        tls.once("data", (data) => { tls.destroy(); done(String(data)); });
        tls.once("error", fail);
      });
      assert.match(direct, /"status":"OK"/);
      for (const made of open) made.terminate();
    } finally {
      await stop();
    }
  });
}
