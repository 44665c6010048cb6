// Owns a scripted server for the tests of the session: a test says line by line what the server does, and moves the
// clock by hand. It shares no code with the daemon. Never waits: nothing here takes time.

import assert from "node:assert/strict";
import type { Start } from "../../src/session/life.ts";
import { Session } from "../../src/session/session.ts";
import type { Output, Problem, Saved, SessionAnswer, SessionEvent } from "../../src/session/words.ts";
import type { Place } from "../../src/wire/types.ts";

type Line = { op: string; data?: any; id: number | string };

export class Peer {
  now = 1000;
  /** What the client wrote on the connection of now, and nobody has expected yet. */
  written: Line[] = [];
  events: SessionEvent[] = [];
  answers: SessionAnswer[] = [];
  opens = 0;
  isOpen = false;
  chance = 0.5;
  #tag = 0;
  readonly session: Session;

  constructor(start: Start, epochMs = 1_795_000_000_000) {
    this.session = new Session(start, { random: () => this.chance, epochMs: () => epochMs });
    this.run(this.session.begin(this.now));
  }

  run(outputs: Output[]): void {
    for (const out of outputs) {
      switch (out.kind) {
        case "open": this.opens += 1; this.isOpen = true; this.written = []; break;
        case "close": this.isOpen = false; break;
        case "write":
          assert.ok(out.text.endsWith("\n"), "whole lines");
          this.written.push(...out.text.trimEnd().split("\n").map((l) => JSON.parse(l) as Line));
          break;
        case "event": this.events.push(out.event); break;
        case "answer": this.answers.push(out.answer); break;
      }
    }
  }

  /** The socket opens. */
  accept(): this {
    this.run(this.session.opened(this.now));
    return this;
  }

  expect(op: string): Line {
    const line = this.written.shift();
    assert.equal(line?.op, op, JSON.stringify(line));
    return line!;
  }

  nothingWritten(): void {
    assert.deepEqual(this.written, []);
  }

  write(...lines: object[]): void {
    this.raw(lines.map((l) => `${JSON.stringify(l)}\n`).join(""));
  }

  raw(text: string): void {
    this.run(this.session.text(text, this.now));
  }

  login(request: Line, head: number, log?: [string, number], more: object = {}): void {
    const data = {
      name: "ana", color: "", session: "token", ttl_s: 120, rooms: ["lobby"], head,
      server: { name: "scripted", version: "0", protocol: 1 }, limits: { line_bytes: 65536, msg_bytes: 8192 },
      ...(log ? { log: log[0], log_from: log[1] } : {}), ...more,
    };
    this.reply(request, data);
  }

  reply(request: Line, data?: object): void {
    this.write({ op: request.op, status: "OK", id: request.id, data });
  }

  refuse(request: Line, kind: string, retry_after_ms?: number): void {
    this.write({ op: "ERROR_MSG", status: "ERR", id: request.id, data: { kind, msg: "because", retry_after_ms } });
  }

  notice(data: object): void {
    this.write({ op: "NOTICE", status: "OK", data });
  }

  /** Answers the `PING` that a client sends behind its resume. */
  allIsHere(): void {
    this.reply(this.expect("PING"));
  }

  /** Somebody says something in the lobby. */
  say(seq: number, prev: number, text: string): void {
    this.write({ op: "MSG", status: "OK", data: message(seq, prev, "bo", text) });
  }

  /** The author's copy of a message. */
  keep(request: Line, seq: number, prev: number): void {
    const text = typeof request.data === "string" ? request.data : request.data.msg;
    this.write({ op: "MSG", status: "OK", id: request.id, data: message(seq, prev, "ana", text) });
  }

  /** The connection breaks without a word. */
  cut(): void {
    this.isOpen = false;
    this.run(this.session.closed("it is gone", this.now));
  }

  /** The clock goes on, and every moment that was waited for comes. */
  after(ms: number): this {
    const end = this.now + ms;
    for (let turns = 0; ; turns += 1) {
      const at = this.session.wakesAt();
      if (at === undefined || at > end) break;
      assert.ok(turns < 1000, "it wakes again and again for nothing");
      this.now = Math.max(this.now, at);
      this.run(this.session.tick(this.now));
    }
    this.now = end;
    return this;
  }

  /** The next attempt, whenever it is due, is accepted. */
  comesBack(): this {
    const before = this.opens;
    for (let n = 0; n < 100 && this.opens === before; n += 1) this.after(1000);
    assert.equal(this.opens, before + 1, "it comes back");
    return this.accept();
  }

  /** The next connection resumes behind `after`. */
  resumed(after: number): this {
    this.comesBack();
    const login = this.expect("LOGIN");
    assert.equal(login.data.session, "token");
    assert.equal(login.data.after, after);
    this.login(login, after + 100);
    return this;
  }

  send(text: string, to?: Place): number {
    this.#tag += 1;
    this.run(this.session.send(this.#tag, to, text, this.now));
    return this.#tag;
  }

  ask(question: Parameters<Session["ask"]>[1]): number {
    this.#tag += 1;
    this.run(this.session.ask(this.#tag, question, this.now));
    return this.#tag;
  }

  /** The next event, those of reconnecting passed over. */
  next(): SessionEvent {
    for (;;) {
      const event = this.events.shift();
      assert.ok(event, "an event was expected");
      if (event.kind !== "reconnecting" && event.kind !== "connecting" && event.kind !== "entered") return event;
    }
  }

  nextMessage(): [number, string] {
    const event = this.next();
    assert.equal(event.kind, "message", JSON.stringify(event));
    return event.kind === "message" ? [event.message.event.seq, event.message.event.msg] : [0, ""];
  }

  /** The connection is lost: how long the client waits, for which attempt, and why. */
  lost(): { wait: number; attempt: number; why: Problem } {
    const event = this.events.find((e) => e.kind === "reconnecting");
    assert.ok(event?.kind === "reconnecting", `a lost connection was expected: ${JSON.stringify(this.events)}`);
    this.events = this.events.slice(this.events.indexOf(event) + 1);
    return event;
  }

  answerTo(tag: number): SessionAnswer | undefined {
    return this.answers.find((a) => a.tag === tag);
  }

  keptAs(tag: number): number | undefined {
    const answer = this.answerTo(tag);
    return answer?.kind === "kept" ? answer.seq : undefined;
  }

  saved(): Saved {
    const saved = this.session.saved();
    assert.ok(saved);
    return JSON.parse(JSON.stringify(saved)) as Saved;
  }
}

/** A client that is logged in where the newest message is `head`. */
export function loggedIn(head: number, start: Start = { name: "ana" }, log?: [string, number]): Peer {
  const peer = new Peer(start).accept();
  const login = peer.expect("LOGIN");
  assert.equal(login.data.name, "ana");
  peer.login(login, head, log);
  assert.equal(peer.next().kind, "connected");
  return peer;
}

export function message(seq: number, prev: number, user: string, msg: string) {
  return { room: "lobby", seq, prev, ts: "2026-11-24T10:00:00.000Z", user, color: "", msg };
}
