// Owns a bridge for development and the browser tests: it serves `dist/` with the hosts' headers, and carries lines
// between a WebSocket and the daemon's TLS. It is no host: no tickets, no limits, on loopback only.
//
//   node test/bridge.mjs --ca certs/ca.pem [--daemon localhost:3000] [--port 8080] [--relay]
//
// `--relay` lets it say that it is the relay, so that the form has a field for the server.

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { HEADERS } from "./headers.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json",
};
const dist = fileURLToPath(new URL("../dist/", import.meta.url));

/**
 * Starts a bridge; resolves to its port and how to stop it. `cut()` breaks all connections. `lines` sees what goes "in"
 * (to the page) and "out"; where it returns `false` that gets lost, and a text that it returns goes on instead.
 */
export async function bridge({ ca, host = "localhost", port = 3000, listen = 0, relay = false, problem, lines = () => {}, refuses = () => false }) {
  const links = new Set();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    if (pathname === "/host.json" || (pathname === "/server" && request.method === "POST")) {
      response.writeHead(200, { ...HEADERS, "Content-Type": "application/json" });
      const why = problem?.();
      const kind = relay ? "relay" : "daemon";
      response.end(JSON.stringify({ kind, server: `${host}:${port}`, verified: "CA", ...(why ? { problem: why } : {}) }));
      return;
    }
    const file = pathname === "/" ? "index.html" : pathname.slice(1);
    if (!/^[\w.-]+$/.test(file) || !existsSync(dist + file)) {
      response.writeHead(404, HEADERS).end();
      return;
    }
    response.writeHead(200, { ...HEADERS, "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" });
    createReadStream(dist + file).pipe(response);
  });
  const sockets = new WebSocketServer({
    server, path: "/ws", perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has("tcp-chat.1") ? "tcp-chat.1" : false),
  });
  sockets.on("connection", (socket) => {
    if (refuses()) return socket.close(1013, "refused by the test");
    const tls = connect({ host, port, ca: readFileSync(ca), servername: host, ALPNProtocols: ["tcp-chat/1"] });
    const link = { socket, tls };
    links.add(link);
    const waiting = [];
    let rest = Buffer.alloc(0);
    tls.on("secureConnect", () => waiting.splice(0).forEach((text) => tls.write(text)));
    tls.on("data", (data) => {
      rest = Buffer.concat([rest, data]);
      const end = rest.lastIndexOf(10) + 1;
      if (end === 0) return;
      const text = rest.subarray(0, end).toString("utf8");
      rest = rest.subarray(end);
      const passed = lines("in", text);
      if (passed === false) return;
      if (socket.readyState === socket.OPEN) socket.send(typeof passed === "string" ? passed : text);
    });
    tls.on("error", () => socket.close(1011, "the daemon cannot be reached"));
    tls.on("close", () => { links.delete(link); socket.close(1001, "the daemon closed the connection"); });
    socket.on("message", (data, isBinary) => {
      if (isBinary) return socket.close(1003);
      const text = data.toString("utf8").replace(/\n?$/, "\n");
      if (lines("out", text) === false) return;
      if (tls.secureConnecting || tls.connecting) waiting.push(text);
      else tls.write(text);
    });
    socket.on("close", () => tls.destroy());
    socket.on("error", () => tls.destroy());
  });
  await new Promise((ready) => server.listen(listen, "127.0.0.1", ready));
  const cut = () => { for (const { socket, tls } of links) { tls.destroy(); socket.terminate(); } };
  const stop = () => new Promise((done) => { cut(); sockets.close(); server.close(done); server.closeAllConnections(); });
  return { port: server.address().port, cut, stop };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, usual) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? usual : process.argv[at + 1];
  };
  const [host, port] = option("daemon", "localhost:3000").split(":");
  const started = await bridge({
    ca: option("ca", "../certs/ca.pem"), host, port: Number(port), listen: Number(option("port", "8080")),
    relay: process.argv.includes("--relay"),
  });
  console.log(`http://127.0.0.1:${started.port}/`);
}
