// The page with its second host: the daemon itself (`[web]`), over HTTPS, with the CA in a throwaway NSS database. What
// the page does is tested by the other files with HOST=daemon; here are the door, the headers, and the certificate.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { HEADERS } from "../headers.mjs";
import { catchesUp, HOST, enter, launch, reconnects, say, settles, Stage, WHOLE } from "./stage.mjs";

const skip = HOST !== "daemon";
let stage;
before(async () => { if (!skip) stage = await Stage.open(); });
after(async () => {
  if (skip) return;
  await stage.stop();
  assert.deepEqual(stage.faults, []);
});

/** The status of a request that is sent as it is, over TLS. */
const status = (lines) => new Promise((done, fail) => {
  const tls = connect({ host: "localhost", port: stage.bridge.port, servername: "localhost", rejectUnauthorized: false }, () => {
    tls.write(`${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n`);
  });
  tls.once("data", (data) => { tls.destroy(); done(Number(/^HTTP\/1\.1 (\d+)/.exec(data)?.[1])); });
  tls.once("error", fail);
});

test("enter, send, tick, reload and resume, with kill -9 in between", { timeout: WHOLE, skip }, async () => {
  const page = await stage.chatting("ana");
  await settles(() => page.locator(".verified").textContent(), "Verified by the browser");
  await say(page, "one");
  await page.locator(".fate.kept").waitFor();
  const head = await page.locator(".row.said").getAttribute("data-seq");
  await stage.daemon.kill();
  await say(page, "two");
  await page.locator(".row.pending.sending").waitFor();
  await stage.daemon.run();
  await reconnects(page, "two");
  await page.reload();
  await catchesUp(page, stage.daemon);
  const seqs = () => page.locator(".row.said").evaluateAll((rows) => rows.map((row) => Number(row.dataset.seq)));
  await settles(seqs, [Number(head), Number(head) + 1], "one after the other, each once");
  await page.context().close();
});

test("each answer has the security headers, and nothing sets a cookie", { timeout: WHOLE, skip }, async () => {
  const context = await stage.browser.newContext();
  const answers = [];
  context.on("response", (answer) => answers.push(answer));
  const page = await stage.pageIn(context);
  await enter(page, "headers");
  const paths = () => answers.map((answer) => new URL(answer.url()).pathname);
  await settles(() => ["/", "/app.js", "/style.css", "/host.json"].filter((path) => !paths().includes(path)), [], "paths without an answer");
  for (const answer of answers) {
    const headers = await answer.allHeaders();
    for (const [name, value] of Object.entries(HEADERS)) {
      if (name === "Cache-Control" && headers[name.toLowerCase()] === "no-store") continue;
      assert.equal(headers[name.toLowerCase()], value, `${name} of ${answer.url()}`);
    }
    for (const name of ["set-cookie", "strict-transport-security", "access-control-allow-origin"]) {
      assert.equal(headers[name], undefined, `${name} of ${answer.url()}`);
    }
  }
  const own = await page.evaluate(() => [document.cookie, isSecureContext, crossOriginIsolated, window.violations.length]);
  assert.deepEqual(own, ["", true, false, 0]);
  assert.deepEqual(await context.cookies(), []);
  // The files are asked for again, and not sent again.
  const before = answers.length;
  await page.reload();
  await page.locator(".composer textarea").waitFor();
  const again = () => answers.slice(before).filter((a) => /app\.js|style\.css/.test(a.url()));
  await settles(() => again().length > 0, true, "a file was asked for again");
  const sizes = await Promise.all(again().map((a) => a.request().sizes()));
  assert.ok(sizes.every((one) => one.responseBodySize === 0), JSON.stringify(sizes));
  await context.close();
});

test("the door: host, origin, method and path", { timeout: WHOLE, skip }, async () => {
  const port = stage.bridge.port;
  const own = `https://localhost:${port}`;
  const upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: tcp-chat.1"];
  const hosts = { [`localhost:${port}`]: 200, [`LOCALHOST:${port}`]: 200, localhost: 421, [`127.0.0.1:${port}`]: 421, [`[::1]:${port}`]: 421, [`evil.example:${port}`]: 421, [`localhost.:${port}`]: 421, "localhost:443": 421 };
  for (const [host, expected] of Object.entries(hosts)) {
    for (const path of ["/", "/app.js", "/host.json"]) assert.equal(await status([`GET ${path} HTTP/1.1`, `Host: ${host}`]), expected, `${host} ${path}`);
    // The WebSocket of another name is refused, whatever its origin.
    for (const origin of [own, `https://${host}`]) {
      if (expected === 421) assert.equal(await status(["GET /ws HTTP/1.1", `Host: ${host}`, `Origin: ${origin}`, ...upgrade]), 421, `${host} ${origin}`);
    }
  }
  for (const origin of ["https://evil.example", `http://localhost:${port}`, "https://localhost", `https://127.0.0.1:${port}`, "null", `${own}.evil.example`, ""]) {
    assert.equal(await status(["GET /ws HTTP/1.1", `Host: localhost:${port}`, `Origin: ${origin}`, ...upgrade]), 403, origin);
  }
  assert.equal(await status(["GET /ws HTTP/1.1", `Host: localhost:${port}`, ...upgrade]), 403, "no origin");
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]) {
    for (const path of ["/", "/ws", "/app.js", "/host.json"]) {
      assert.equal(await status([`${method} ${path} HTTP/1.1`, `Host: localhost:${port}`, `Origin: ${own}`, "Content-Length: 0"]), 405, `${method} ${path}`);
    }
  }
  for (const path of ["/ticket", "/server", "/index.htm", "/../config.toml", "/%2e%2e/config.toml", "/certs/server.key"]) {
    assert.equal(await status([`GET ${path} HTTP/1.1`, `Host: localhost:${port}`]), 404, path);
  }
});

test("a page of another site gets nothing, in a browser that trusts the server", { timeout: WHOLE, skip }, async () => {
  // It is on another port of this host: the nearest that an attacker could be.
  const evil = createServer((_, answer) => answer.writeHead(200, { "Content-Type": "text/html" }).end("<p>evil</p>"));
  await new Promise((ready) => evil.listen(0, "127.0.0.1", ready));
  const page = await (await stage.browser.newContext()).newPage();
  await page.goto(`http://localhost:${evil.address().port}/`);
  const got = await page.evaluate(async (target) => {
    const socket = (protocols) => new Promise((done) => {
      const ws = new WebSocket(`${target.replace("https", "wss")}ws`, protocols);
      ws.onopen = () => done("open");
      ws.onerror = () => done("refused");
    });
    const element = (name, attributes) => new Promise((done) => {
      const made = Object.assign(document.createElement(name), attributes);
      made.onload = () => done("loaded");
      made.onerror = () => done("refused");
      document.body.append(made);
    });
    const read = (options) => fetch(target, options).then((answer) => answer.type, () => "refused");
    return {
      socket: await socket(["tcp-chat.1"]), anySocket: await socket([]), read: await read({}), blind: await read({ mode: "no-cors" }),
      post: await read({ method: "POST", mode: "no-cors" }),
      script: await element("script", { src: `${target}app.js` }), picture: await element("img", { src: `${target}icon.svg` }),
    };
  }, stage.url);
  assert.deepEqual(got, Object.fromEntries(Object.keys(got).map((way) => [way, "refused"])));
  // In a frame there is nothing of the page.
  await page.evaluate((target) => new Promise((done) => {
    document.body.append(Object.assign(document.createElement("iframe"), { src: target, onload: done }));
  }), stage.url);
  for (const frame of page.frames().slice(1)) assert.equal(await frame.locator("form, #app").count(), 0);
  // Under a name that is not the page's, the door says so instead of showing a form.
  const other = await page.goto(`https://127.0.0.1:${stage.bridge.port}/`);
  assert.equal(other.status(), 421);
  assert.equal(await page.locator("form, script").count(), 0);
  await page.context().close();
  await new Promise((done) => evil.close(done));
});

test("without the CA the browser refuses, and a renewed certificate closes nothing", { timeout: WHOLE, skip }, async () => {
  const stranger = await launch();
  const refused = await stranger.newPage();
  await assert.rejects(refused.goto(stage.url), /ERR_CERT_AUTHORITY_INVALID/);
  await stranger.close();

  const page = await stage.chatting("renewed");
  await say(page, "before");
  await page.locator(".fate.kept").waitFor();
  const issued = async () => {
    const context = await stage.browser.newContext();
    const visit = await context.newPage();
    const { validFrom } = await (await visit.goto(stage.url)).securityDetails();
    await context.close();
    return validFrom;
  };
  const was = await issued();
  const opened = [];
  page.on("websocket", (socket) => opened.push(socket));
  // As certbot's hook does: the files are replaced, then the daemon is told.
  await stage.daemon.command("cert", "renew");
  await stage.daemon.command("reload");
  await settles(async () => await issued() === was, false, "new pages get the old certificate");
  await say(page, "after");
  await page.locator(".fate.kept").nth(1).waitFor();
  assert.equal(opened.length, 0, "the same WebSocket");
  await page.context().close();
});
