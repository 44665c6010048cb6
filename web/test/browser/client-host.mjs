// Owns `tcp-chat-cli web` as the host of the browser tests: started in a home folder of its own, its ticket traded for a
// bearer, killed and started again. Used by `stage.mjs` (HOST=client) and `relay.test.mjs`.
//
// Environment: TCP_CHAT_CLI (default: tcp-chat-cli beside the daemon's program).

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Ends a process; resolves to its exit code once it is gone. */
export const kill = (child, signal = "SIGKILL") => new Promise((gone) => {
  if (child.exitCode !== null || child.signalCode !== null) return gone(child.exitCode);
  child.once("exit", gone);
  child.kill(signal);
});

/** Somebody's home folder, in which relays run. */
export class Home {
  constructor(program) {
    this.program = program;
    this.folder = mkdtempSync(join(tmpdir(), "tcp-chat-relay-"));
    this.running = new Set();
  }

  /** Starts a relay; resolves to the address that it prints. */
  relay(...args) {
    const env = { HOME: this.folder, PATH: process.env.PATH };
    const child = spawn(this.program, [...args, "--no-open"], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.running.add(child);
    let said = "";
    child.stderr.on("data", (data) => { said += data; });
    const ended = new Promise((_, fail) => child.once("exit", (code) => fail(new Error(`the relay ended: ${code} ${said}`))));
    ended.catch(() => {});
    const address = new Promise((done) => createInterface({ input: child.stdout }).once("line", done));
    return Promise.race([address, ended]).then((at) => ({ address: at, child, origin: new URL(at).origin }));
  }

  async stop() {
    await Promise.all([...this.running].map((child) => kill(child)));
    // A program that ran in a terminal of its own may still write its state.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/**
 * A relay in the place of the bridge. `bearer` lets pages in. `cut()` kills it, and starts it again once `refuses` says no
 * more.
 */
export async function clientHost({ program, ca, port, refuses }) {
  const home = new Home(program);
  const args = ["--ca", ca, `localhost:${port}`, "web", "--keep"];
  let running = await home.relay(...args);
  const { origin } = running;
  const ticket = new URL(running.address).hash.replace("#ticket=", "");
  const answer = await fetch(`${origin}/ticket`, { method: "POST", body: ticket, headers: { Origin: origin } });
  if (!answer.ok) throw new Error(`the ticket was refused: ${answer.status}`);
  const bearer = await answer.text();
  let isStopped = false;
  let last = Promise.resolve();
  const again = async () => {
    await kill(running.child);
    while (refuses() && !isStopped) await new Promise((on) => setTimeout(on, 50));
    if (!isStopped) running = await home.relay(...args);
  };
  const cut = () => { last = last.then(again); };
  const stop = async () => { isStopped = true; await last.catch(() => {}); await home.stop(); };
  return { port: Number(new URL(origin).port), bearer, cut, stop };
}
