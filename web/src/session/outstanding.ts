// Owns the requests that have no answer yet: those to write, those written, those to write again.
// A port of the client's `outstanding.rs`. Pure: moments are arguments (milliseconds). Used by the session alone.

import { encode, msgData, type Question, type Request } from "../wire/request.ts";
import type { Place, RequestId } from "../wire/types.ts";
import { afterRateLimit } from "./backoff.ts";
import type { SavedMessage } from "./words.ts";

/** How many requests may wait for an answer. */
export const MOST = 256;

/** The kind of a request, with the data that its answer is checked against. */
export type What =
  /** A message, with the target and the text that the daemon's copy must have. */
  | { kind: "msg"; tag: number; to: Place | undefined; text: string; /** See `SavedMessage`. */ fixed: boolean }
  | { kind: "ask"; tag: number; question: Question; /** When the asker stops waiting. */ deadline: number }
  /** The session's own `PING` behind a resume: its answer means that all that was missed is here. */
  | { kind: "catch-up" }
  /** The session's own `PING` on a silent connection. */
  | { kind: "keep-alive" }
  | { kind: "quit" };

export class Entry {
  /** Written on the connection that lives now. */
  written = false;
  /** Written on any connection of this session. */
  everWritten = false;
  /** Written again after its connection was lost. */
  rewritten = false;
  /** The asker no longer waits. */
  abandoned = false;
  /** Not to be written before (`RATE_LIMITED`, `UNAVAILABLE`). */
  notBefore: number | undefined;
  /** How often it was not taken. */
  limited = 0;

  constructor(public id: RequestId, readonly request: Request, readonly what: What) {}

  get isMsg(): boolean {
    return this.what.kind === "msg";
  }
}

const least = (moments: number[]): number | undefined => (moments.length > 0 ? Math.min(...moments) : undefined);

/** The entry of a message. */
export function messageEntry(id: RequestId, tag: number, to: Place | undefined, text: string): Entry {
  return new Entry(id, { op: "MSG", data: msgData(to, text) }, { kind: "msg", tag, to, text, fixed: false });
}

export class Outstanding {
  #entries: Entry[] = [];

  get hasRoom(): boolean {
    return this.#entries.length < MOST;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Is anybody waiting, the session itself not counted? */
  get somebodyWaits(): boolean {
    return this.#entries.some((e) => e.isMsg || (e.what.kind === "ask" && !e.abandoned));
  }

  get pings(): boolean {
    return this.#entries.some((e) => e.what.kind === "keep-alive" || e.what.kind === "catch-up");
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  /**
   * The lines that can be written now. With `onlyOwn`, only the session's own requests: until a resume has caught
   * up, since the answer to a message sent again would come before messages that were missed.
   */
  write(now: number, onlyOwn: boolean): string {
    this.#entries = this.#entries.filter((e) => e.written || !e.abandoned);
    // A wait that is over is forgotten, also where the request must not be written yet.
    for (const e of this.#entries) if (e.notBefore !== undefined && e.notBefore <= now) e.notBefore = undefined;
    // A message on its way, or one that must wait, holds up those behind it: so they stay in order even where the
    // server's rate limit refuses one of them.
    let held = this.#entries.some((e) => e.isMsg && e.written);
    let out = "";
    for (const e of this.#entries) {
      if (e.written) continue;
      if (onlyOwn && e.what.kind !== "catch-up" && e.what.kind !== "keep-alive") continue;
      const waits = e.notBefore !== undefined;
      const isHeld = e.isMsg && held;
      if (e.isMsg) held = true;
      if (isHeld || waits) continue;
      out += encode(e.request, e.id);
      e.written = true;
      e.rewritten = e.everWritten;
      e.everWritten = true;
    }
    return out;
  }

  /** When something can be written that had to wait: a moment to come, or `undefined`. */
  wakesAt(): number | undefined {
    return least(this.#entries.flatMap((e) => (e.notBefore === undefined ? [] : [e.notBefore])));
  }

  /** When an asker stops waiting. */
  expiresAt(): number | undefined {
    return least(this.#entries.flatMap((e) => (e.what.kind === "ask" && !e.abandoned ? [e.what.deadline] : [])));
  }

  /** The questions whose askers stop waiting now. Their answers, should they come, are nobody's. */
  expire(now: number): Entry[] {
    const expired = this.#entries.filter((e) => e.what.kind === "ask" && !e.abandoned && e.what.deadline <= now);
    for (const e of expired) e.abandoned = true;
    return expired;
  }

  /**
   * Takes out the request that is answered: also one that was written on the connection before, since a resume
   * brings the copies of messages that were kept then.
   */
  take(id: RequestId): Entry | undefined {
    const at = this.#entries.findIndex((e) => e.everWritten && e.id === id);
    return at < 0 ? undefined : this.#entries.splice(at, 1)[0];
  }

  /** The request was not taken: it is to be made again after a while. */
  again(id: RequestId, now: number, asked: number | undefined): boolean {
    const e = this.#entries.find((one) => one.written && one.id === id);
    if (!e) return false;
    e.written = false;
    // This copy was not taken. One on an earlier connection may have been.
    e.everWritten = e.rewritten;
    e.notBefore = now + afterRateLimit(asked, e.limited);
    e.limited += 1;
    return true;
  }

  /** The id was used for another message: take a fresh one and send again. */
  rename(entry: Entry, id: RequestId): void {
    if (entry.what.kind === "msg") entry.what.fixed = true;
    entry.id = id;
    entry.written = false;
    entry.everWritten = false;
    this.#entries.unshift(entry);
  }

  /** The connection is gone: everything is to be written again. */
  connectionLost(): void {
    this.#entries = this.#entries.filter((e) => e.what.kind !== "catch-up" && e.what.kind !== "keep-alive");
    for (const e of this.#entries) e.written = false;
  }

  /** The session is gone: takes out the messages that were on their way, of which nobody knows. */
  sessionLost(): Entry[] {
    return this.#takeWhere((e) => e.isMsg && e.everWritten);
  }

  /** All is over: takes out everything. */
  takeAll(): Entry[] {
    return this.#takeWhere(() => true);
  }

  #takeWhere(is: (e: Entry) => boolean): Entry[] {
    const taken = this.#entries.filter(is);
    this.#entries = this.#entries.filter((e) => !is(e));
    return taken;
  }

  /** The messages without an answer, for a later page. */
  saved(): SavedMessage[] {
    return this.#entries.flatMap(({ id, everWritten, what }) => {
      if (what.kind !== "msg") return [];
      const { tag, to, text, fixed } = what;
      return [{ id, tag, ...(to ? { to } : {}), text, sent: everWritten, fixed }];
    });
  }

  /** Takes up the messages that an earlier page had on their way. */
  restore(messages: readonly SavedMessage[]): void {
    for (const { id, tag, to, text, sent, fixed } of messages) {
      const entry = messageEntry(id, tag, to, text);
      entry.everWritten = sent;
      if (entry.what.kind === "msg") entry.what.fixed = fixed;
      this.#entries.push(entry);
    }
  }
}

/** Above this a double is no longer exact (2^53). */
const EXACT = 2 ** 53;

/**
 * Ids are numbers that only grow. They begin at the time in microseconds, so that a page that is loaded again and
 * resumes the session does not use one twice, even where it was killed before it could save the last one.
 */
export class Ids {
  #last: number;

  constructor(saved: number, epochMs: number) {
    const known = saved < EXACT / 2 ? saved : 0;
    this.#last = Math.max(Math.min(Math.floor(epochMs * 1000), EXACT / 2), known);
  }

  next(): number {
    this.#last += 1;
    return this.#last;
  }

  get last(): number {
    return this.#last;
  }
}
