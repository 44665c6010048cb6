// Owns the session as its program sees it: events of the socket go in, outputs come out. A port of
// crates/client as a machine without I/O: socket, clock and chance are the caller's. Called by `shell.ts` and by
// the tests. Never touches the network, the storage or the screen.
//
// The caller does after each call, in this order: store `saved()`, then carry out the outputs. So a message is in
// the storage before it is on the wire, and a page that is loaded again sends it under the same id.

import { fault } from "../sentences.ts";
import { linesOf } from "../wire/incoming.ts";
import type { Question } from "../wire/request.ts";
import { Misread } from "../wire/shape.ts";
import type { Place } from "../wire/types.ts";
import { takeLine } from "./converse.ts";
import { GOODBYE, Life, REQUEST, SILENCE, type Env, type Start } from "./life.ts";
import { beginLogin, takeLoginLine, tickLogin } from "./login.ts";
import { Entry, messageEntry } from "./outstanding.ts";
import type { Output, QuestionOp, Saved } from "./words.ts";

/** A connection that was heard so lately, in milliseconds, need not be probed. */
const PROBE = 5_000;

export class Session {
  readonly #life: Life;

  constructor(start: Start, env: Env) {
    this.#life = new Life(start, env);
  }

  /** Opens the first connection. */
  begin(now: number): Output[] {
    this.#life.open(now);
    return this.#done(now);
  }

  /** The socket that was asked for is open. */
  opened(now: number): Output[] {
    if (this.#life.phase.at === "connecting") beginLogin(this.#life, now);
    return this.#done(now);
  }

  /** A text message of the socket: one or more whole lines. */
  text(data: string, now: number): Output[] {
    const life = this.#life;
    life.heard = now;
    try {
      for (const line of linesOf(data)) {
        if (life.phase.at === "login") takeLoginLine(life, line, now);
        else if (life.phase.at === "up") takeLine(life, line, now);
        else break;
      }
    } catch (e) {
      if (!(e instanceof Misread)) throw e;
      life.nonsense(fault.misread("a line", e.message), now);
    }
    return this.#done(now);
  }

  /** The socket could not be opened, or has closed. */
  closed(why: string, now: number): Output[] {
    if (this.#life.phase.at !== "waiting") this.#life.lost({ kind: "no-connection", why }, now);
    return this.#done(now);
  }

  /** A moment has come: see `wakesAt`. */
  tick(now: number): Output[] {
    const life = this.#life;
    for (const entry of life.outstanding.expire(now)) this.#timedOut(entry);
    const { phase } = life;
    switch (phase.at) {
      case "connecting":
        if (phase.deadline <= now) life.lost({ kind: "no-connection", why: fault.noAnswer }, now);
        break;
      case "login":
        tickLogin(life, now);
        break;
      case "waiting":
        if (phase.until <= now) this.#connect(now);
        break;
      case "up":
        if (life.goodbyeAt !== undefined && life.goodbyeAt <= now) {
          life.over({ kind: "closed", how: "quit", msg: "" });
        } else if (life.goodbyeAt === undefined && life.silenceEnds() <= now) {
          life.silent(now);
        }
        break;
      default:
    }
    return this.#done(now);
  }

  /** When `tick` has something to do. */
  wakesAt(): number | undefined {
    const life = this.#life;
    const { phase } = life;
    const moments = [life.outstanding.expiresAt()];
    if (phase.at === "connecting" || phase.at === "login") moments.push(phase.deadline);
    if (phase.at === "login") moments.push(phase.resendAt);
    if (phase.at === "waiting") moments.push(phase.until);
    if (phase.at === "up") moments.push(life.goodbyeAt ?? life.silenceEnds(), life.outstanding.wakesAt());
    const known = moments.filter((at) => at !== undefined);
    return phase.at === "over" || known.length === 0 ? undefined : Math.min(...known);
  }

  /** Sends a message, over every reconnect, until it is kept or refused. Without a place: to the first room. */
  send(tag: number, to: Place | undefined, text: string, now: number): Output[] {
    const life = this.#life;
    const entry = messageEntry(life.ids.next(), tag, to, text);
    if (life.phase.at === "over" || !life.outstanding.hasRoom) {
      life.fail(entry, { kind: "invalid", why: life.phase.at === "over" ? fault.isOver : fault.tooMany });
    } else {
      life.outstanding.push(entry);
    }
    return this.#done(now);
  }

  ask(tag: number, question: Question, now: number): Output[] {
    const life = this.#life;
    if (life.phase.at === "over" || !life.outstanding.hasRoom) {
      const why = life.phase.at === "over" ? fault.isOver : fault.tooMany;
      life.answer({ kind: "failed", tag, op: question.op, why: { kind: "invalid", why } });
    } else {
      life.ask(tag, question, now);
    }
    return this.#done(now);
  }

  /**
   * The page is looked at again, perhaps after the machine has slept: a clock that slept too says nothing of how long
   * the connection was silent. So the server is asked at once.
   */
  probe(now: number): Output[] {
    const life = this.#life;
    if (life.phase.at === "up" && !life.outstanding.pings && now >= life.heard + PROBE) {
      life.heard = now - SILENCE;
      life.silent(now);
    }
    return this.#done(now);
  }

  /** Ends the wait for the next attempt. */
  reconnectNow(now: number): Output[] {
    if (this.#life.phase.at === "waiting") this.#connect(now);
    return this.#done(now);
  }

  /**
   * Waits until all messages are kept, then says goodbye: the name is free at once, and the session cannot be
   * resumed. Without a connection it ends when there is nothing left to send.
   */
  quit(now: number): Output[] {
    const life = this.#life;
    life.quitting = true;
    if (life.phase.at !== "up" && !life.outstanding.somebodyWaits) life.over({ kind: "closed", how: "quit", msg: "" });
    return this.#done(now);
  }

  /**
   * The state with which a later page resumes the session; `undefined`: there is no session. From `ended` on there
   * is none.
   */
  saved(): Saved | undefined {
    const { held, phase, cursor, ids, outstanding } = this.#life;
    if (!held || phase.at === "over") return undefined;
    const { name, color, token, rooms, log } = held;
    return {
      name, color, token, rooms: [...rooms], after: cursor.seq, lastId: ids.last,
      ...(log === undefined ? {} : { log }), outstanding: outstanding.saved(),
    };
  }

  get limits(): { line_bytes: number; msg_bytes: number } {
    return this.#life.limits;
  }

  #connect(now: number): void {
    this.#life.tell({ kind: "connecting" });
    this.#life.open(now);
  }

  #timedOut(entry: Entry): void {
    if (entry.what.kind !== "ask") return;
    const { tag, question } = entry.what;
    const why = { kind: "timed-out", what: question.op, afterMs: REQUEST } as const;
    this.#life.answer({ kind: "failed", tag, op: question.op as QuestionOp, why });
  }

  /** Writes the requests that can go out now, and returns the outputs. */
  #done(now: number): Output[] {
    const life = this.#life;
    if (life.phase.at === "up") {
      if (life.quitting && life.goodbyeAt === undefined && !life.outstanding.somebodyWaits) {
        life.outstanding.push(new Entry(life.ids.next(), { op: "QUIT" }, { kind: "quit" }));
        life.goodbyeAt = now + GOODBYE;
      }
      const text = life.outstanding.write(now, life.catchingUp !== undefined);
      if (text !== "") life.out.push({ kind: "write", text });
    }
    const { out } = life;
    life.out = [];
    return out;
  }
}
