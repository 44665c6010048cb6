// Owns a model with a server that a test plays: what happens goes in, what is to be done is looked at. The clock is
// moved by hand. Used by the tests of the model.

import assert from "node:assert/strict";
import { Model } from "../../src/model/model.ts";
import type { Talk } from "../../src/model/talk.ts";
import { update } from "../../src/model/update.ts";
import type { Effect, Input } from "../../src/model/words.ts";
import type { SessionAnswer, SessionEvent } from "../../src/session/words.ts";
import { conversationOf, type LoginReply, type Member, type MsgEvent, type Replies, type Role } from "../../src/wire/types.ts";

const WALL = 1_795_000_000_000;

export class World {
  up = 1000;
  seq = 100;
  effects: Effect[] = [];
  readonly model: Model;

  constructor() {
    this.model = new Model({ up: this.up, wall: WALL });
  }

  /** Logged in as ana, in two rooms with their history, looking at the first one. */
  static chatting(): World {
    const w = new World();
    w.enter(["lobby", "ops"]);
    w.answerAll();
    return w;
  }

  does(input: Input): Effect[] {
    this.effects = update(this.model, input, { up: this.up, wall: WALL + this.up });
    return this.effects;
  }

  event(event: SessionEvent): Effect[] {
    return this.does({ kind: "event", event });
  }

  after(ms: number): this {
    this.up += ms;
    this.does({ kind: "tick" });
    return this;
  }

  enter(rooms: string[], head = this.seq, resumed = false): Effect[] {
    this.does({ kind: "form", field: "name", value: "ana" });
    this.does({ kind: "log-in" });
    const entered = this.event({ kind: "entered", login: login(rooms, head), resumed });
    return [...entered, ...(resumed ? [] : this.event({ kind: "connected", login: login(rooms, head) }))];
  }

  /** Answers every question of the last effects as an empty server would. */
  answerAll(effects = this.effects): void {
    const asks = effects.filter((e) => e.kind === "ask");
    for (const { tag, question } of asks) {
      if (question.op === "HISTORY") this.answer(tag, "HISTORY", { messages: [], more: false });
      if (question.op === "WHO") {
        const members: Member[] = ["ana", "bo", "Chloé"].map((user) => ({ user, color: "", state: "here" }));
        this.answer(tag, "WHO", { ...(question.data ?? {}), members, member_count: 3 });
      }
    }
  }

  answer<O extends keyof Replies>(tag: number, op: O, data: Replies[O]): Effect[] {
    return this.does({ kind: "answer", answer: { kind: "answered", tag, op, data } as SessionAnswer });
  }

  /** The question of an op among the last effects. */
  asked(op: string, effects = this.effects): Effect & { kind: "ask" } {
    const found = effects.find((e): e is Effect & { kind: "ask" } => e.kind === "ask" && e.question.op === op);
    assert.ok(found, `${op}: ${JSON.stringify(effects)}`);
    return found;
  }

  type(text: string): void {
    this.does({ kind: "typed", text, caret: text.length });
  }

  /** Types and presses Enter. */
  says(text: string): Effect[] {
    this.type(text);
    return this.does({ kind: "enter" });
  }

  /** Somebody says something: in a room, or with `@` to a user. */
  said(place: string, user: string, msg: string, more: { id?: number; tag?: number } = {}): Effect[] {
    this.seq += 1;
    const event = message(place, user, this.seq, msg);
    const own = user === "ana";
    return this.event({ kind: "message", message: { event, own, place: conversationOf(event, "ana"), ...more } });
  }

  get talk(): Talk {
    assert.ok(this.model.talk);
    return this.model.talk;
  }

  talkOf(key: string): Talk {
    const talk = this.model.talks.find((t) => t.key === key);
    assert.ok(talk, key);
    return talk;
  }

  /** The texts of the shown conversation, each with what it is. */
  texts(talk = this.talk): string[] {
    return talk.items.map((i) => (i.kind === "pending" ? `${i.fate.state}: ${i.text}` : i.kind === "note" ? `* ${i.text}` : `${i.user}: ${i.text}`));
  }

  counts(): [string, number, number][] {
    return this.model.talks.map((t) => [t.title, t.unread, t.mentions]);
  }
}

export function login(rooms: string[], head: number): LoginReply {
  return {
    name: "ana", color: "red", session: "token", ttl_s: 120, rooms: [...rooms], head,
    server: { name: "tcp-chatd", version: "0", protocol: 1 }, limits: { line_bytes: 65536, msg_bytes: 8192 },
  };
}

export function message(place: string, user: string, seq: number, msg: string): MsgEvent {
  const where = place.startsWith("@") ? { to: place.slice(1) } : { room: place };
  return { ...where, seq, prev: seq - 1, ts: new Date(WALL + seq * 1000).toISOString(), user, color: "", msg };
}

/** Messages of a page of the history. */
export function page(place: string, from: number, to: number): MsgEvent[] {
  return Array.from({ length: to - from + 1 }, (_, n) => message(place, "bo", from + n, `message ${from + n}`));
}

/** The role of ana, who is the user, and of bo in the lobby. */
export function roles(w: World, ana: Role, bo: Role): void {
  w.talk.setMembers([{ user: "ana", color: "", state: "here", role: ana }, { user: "bo", color: "", state: "here", role: bo }], 2);
}
