// Sessions against a small daemon in memory, over a network that breaks at any moment, through pages that are loaded
// again at any moment. Whatever happens: each message is kept at most once, in the order in which it was sent; one that
// was acknowledged is kept; the reader sees every message once, in order; no chain breaks.
//
// TCP_CHAT_SEED=N repeats one run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../../src/session/session.ts";
import type { Output, Saved, SessionAnswer, SessionEvent } from "../../src/session/words.ts";

const RUNS = 300;
const STEPS = 120;

/** A generator of numbers that a seed repeats (xorshift). */
function dice(seed: number): (below: number) => number {
  let x = seed * 2654435761 + 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

interface Kept { seq: number; prev: number; user: string; msg: string }

/** A daemon with one room: a log, the ids of one session, a cursor for each connection. */
class Daemon {
  log: Kept[] = [];
  ids = new Map<number, Kept>();
  token = 0;
  /** The number up to which the connection of now has got messages; `undefined`: not logged in. */
  cursor: number | undefined;
  limited = 0;

  keep(user: string, msg: string): Kept {
    const prev = this.log.at(-1)?.seq ?? 0;
    const kept = { seq: prev + 1, prev, user, msg };
    this.log.push(kept);
    return kept;
  }

  event({ seq, prev, user, msg }: Kept, id?: number): string {
    const data = { room: "lobby", seq, prev, ts: "2026-11-24T10:00:00.000Z", user, color: "", msg };
    return `${JSON.stringify({ op: "MSG", status: "OK", id, data })}\n`;
  }

  /** New messages for the connection of now. */
  deliver(): string {
    if (this.cursor === undefined) return "";
    const out = this.log.filter((k) => k.seq > (this.cursor ?? 0)).map((k) => this.event(k, this.idOf(k))).join("");
    this.cursor = this.log.at(-1)?.seq ?? this.cursor;
    return out;
  }

  idOf(kept: Kept): number | undefined {
    return [...this.ids].find(([, k]) => k === kept)?.[0];
  }

  take(line: string, random: (below: number) => number): string {
    const { op, data, id } = JSON.parse(line) as { op: string; data: any; id: number };
    const ok = (data?: object): string => `${JSON.stringify({ op, status: "OK", id, data })}\n`;
    const refuse = (kind: string, more = {}): string =>
      `${JSON.stringify({ op: "ERROR_MSG", status: "ERR", id, data: { kind, msg: "no", ...more } })}\n`;
    if (op === "LOGIN") {
      if (data.session !== undefined && data.session !== `token${this.token}`) return refuse("SESSION_EXPIRED");
      if (data.session === undefined) {
        this.token += 1;
        this.ids.clear();
      }
      const head = this.log.at(-1)?.seq ?? 0;
      this.cursor = data.session === undefined ? head : data.after;
      const reply = ok({
        name: "ana", color: "", session: `token${this.token}`, ttl_s: 9, rooms: ["lobby"], head,
        server: { name: "s", version: "0", protocol: 1 }, limits: { line_bytes: 65536, msg_bytes: 8192 },
      });
      // The messages that were missed may take their time; only what is asked behind them waits for them.
      return random(2) === 0 ? reply : reply + this.deliver();
    }
    if (this.cursor === undefined) return refuse("NOT_LOGGED_IN");
    if (op === "MSG") {
      const before = this.ids.get(id);
      if (before) return this.event(before, id);
      if (random(8) === 0) return refuse("RATE_LIMITED", { retry_after_ms: random(400) });
      this.ids.set(id, this.keep("ana", data.msg));
      return this.deliver();
    }
    return this.deliver() + ok();
  }
}

function run(seed: number): void {
  const random = dice(seed);
  const daemon = new Daemon();
  let now = 1000;
  let epoch = 1_795_000_000_000;
  let session: Session;
  let saved: Saved | undefined;
  let isOpen = false;
  /** Bytes on their way, each a text message. */
  let toDaemon: string[] = [];
  let toPage: string[] = [];
  let wantsOpen = false;
  const sent: string[] = [];
  const acknowledged = new Map<number, number>();
  const unknown = new Set<string>();
  const textOf = new Map<number, string>();
  let seen = 0;
  let tag = 0;

  const carry = (outputs: Output[]): void => {
    saved = session.saved() ?? saved;
    for (const out of outputs) {
      if (out.kind === "open") wantsOpen = true;
      if (out.kind === "close") isOpen = false;
      if (out.kind === "write" && isOpen) toDaemon.push(out.text);
      if (out.kind === "answer") answered(out.answer);
      if (out.kind === "event") happened(out.event);
    }
  };
  const answered = (answer: SessionAnswer): void => {
    if (answer.kind === "kept") acknowledged.set(answer.tag, answer.seq);
    if (answer.kind === "not-kept") {
      assert.equal(answer.why.kind, "unconfirmed", JSON.stringify(answer));
      unknown.add(textOf.get(answer.tag) ?? "");
    }
  };
  const happened = (event: SessionEvent): void => {
    assert.ok(!["chain-broken", "ended", "refused", "gap", "log-replaced"].includes(event.kind), JSON.stringify(event));
    if (event.kind === "reconnecting") assert.equal(event.why.kind, "no-connection", JSON.stringify(event));
    if (event.kind === "connected") seen = event.login.head;
    if (event.kind !== "message") return;
    assert.equal(event.message.event.seq, seen + 1, "each once, in order");
    seen += 1;
  };
  const load = (): void => {
    session = new Session(saved ? { saved } : { name: "ana", rooms: ["lobby"] }, { random: () => random(1000) / 1000, epochMs: () => epoch });
    seen = saved?.after ?? 0;
    carry(session.begin(now));
  };
  const cut = (): void => {
    // A part of the text messages that are on their way still arrives.
    const arrive = random(toDaemon.length + 1);
    for (const text of toDaemon.slice(0, arrive)) for (const line of text.trimEnd().split("\n")) daemon.take(line, random);
    toDaemon = [];
    toPage = [];
    daemon.cursor = undefined;
  };
  const connect = (): void => {
    if (!wantsOpen) return;
    wantsOpen = false;
    isOpen = true;
    [toDaemon, toPage] = [[], []];
    carry(session.opened(now));
  };
  const serve = (): void => {
    const text = toDaemon.shift();
    if (text !== undefined) for (const line of text.trimEnd().split("\n")) toPage.push(daemon.take(line, random));
  };
  const arrive = (): void => {
    const text = toPage.shift();
    if (text) carry(session.text(text, now));
  };
  const wait = (ms: number): void => {
    now += ms;
    epoch += ms;
    carry(session.tick(now));
  };

  load();
  connect();
  while (toDaemon.length > 0 || toPage.length > 0) { serve(); arrive(); }
  for (let step = 0; step < STEPS; step += 1) {
    switch (random(12)) {
      case 0: case 1: {
        tag += 1;
        textOf.set(tag, `m${tag}`);
        sent.push(`m${tag}`);
        carry(session!.send(tag, { room: "lobby" }, `m${tag}`, now));
        break;
      }
      case 2: case 3: serve(); break;
      case 4: case 5: case 6: arrive(); break;
      case 7: daemon.keep("bo", `b${step}`); toPage.push(daemon.deliver()); break;
      case 8: wait(random(600)); break;
      case 9: connect(); break;
      case 10:
        if (random(3) === 0 && isOpen) { cut(); isOpen = false; carry(session!.closed("cut", now)); }
        break;
      default:
        if (random(10) === 0) { cut(); isOpen = false; wantsOpen = false; load(); }
        else if (random(60) === 0) { cut(); daemon.token += 1; daemon.ids.clear(); isOpen = false; carry(session!.closed("cut", now)); }
    }
  }
  // From here on the network holds.
  for (let n = 0; n < 3000; n += 1) {
    connect();
    serve();
    arrive();
    wait(50);
  }
  const kept = daemon.log.filter((k) => k.user === "ana").map((k) => k.msg);
  assert.equal(new Set(kept).size, kept.length, "kept at most once");
  assert.deepEqual(kept, sent.filter((m) => kept.includes(m)), "in the order in which it was sent");
  for (const [which, seq] of acknowledged) assert.equal(daemon.log[seq - 1]?.msg, textOf.get(which), "what was acknowledged is kept");
  const lost = sent.filter((m) => !kept.includes(m) && !unknown.has(m));
  assert.deepEqual(lost, [], "nothing is lost but what is said to be unknown");
  assert.equal(session!.saved()?.outstanding.length, 0);
  assert.equal(seen, daemon.log.at(-1)?.seq ?? 0, "all of it was seen");
}

test("whatever breaks, each message is kept once, in order, and seen once", () => {
  const only = process.env["TCP_CHAT_SEED"];
  for (let seed = 1; seed <= RUNS; seed += 1) {
    if (only !== undefined && Number(only) !== seed) continue;
    try {
      run(seed);
    } catch (e) {
      throw new Error(`TCP_CHAT_SEED=${seed}`, { cause: e });
    }
  }
});
