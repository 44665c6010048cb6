// Owns the state of a session and the steps that change it: a login that is in force, a connection that is lost, a
// session that is over. A port of the client's `life.rs`, without I/O: it puts outputs into `out`. Called
// by `session.ts`, `login.ts` and `converse.ts`. Never opens, reads or writes a socket.

import type { Question } from "../wire/request.ts";
import { placeOfMark, type LoginReply, type NoticeEvent, type RequestId, type Seq } from "../wire/types.ts";
import { fault } from "../sentences.ts";
import { Backoff } from "./backoff.ts";
import { Cursor, partedAt } from "./cursor.ts";
import { Entry, Ids, Outstanding } from "./outstanding.ts";
import { isPassing, type Output, type Problem, type QuestionOp, type Saved, type SessionAnswer, type SessionEvent } from "./words.ts";

/** For one attempt to open a socket, in milliseconds. */
export const CONNECT = 10_000;
/** For the answer to a login or a question, reconnects included. A message has no such limit. */
export const REQUEST = 30_000;
/** After how long a silence the server is asked whether it is there. */
export const SILENCE = 30_000;
/** How long after a question a silent connection counts as lost. */
export const PATIENCE = 20_000;
/** While its node orders, a LOGIN that was given up is ordered within this time, or never. */
export const LATE_LOGIN = 60_000;
/** How long the answer to `QUIT` is waited for. */
export const GOODBYE = 5_000;

/** The login data of a session. */
export interface Start {
  name?: string;
  color?: string;
  /** Left out: the rooms that the server is configured for. */
  rooms?: string[];
  password?: string;
  /** A code of a join line: it sets `password` before the login. */
  code?: string;
  /** The session of an earlier page. It is tried again until it is there or gone. */
  saved?: Saved;
  /** Up to here messages of that log were seen, in a session that is not taken up again. */
  seen?: { after: Seq; log?: string };
}

/** The sources of chance and time. */
export interface Env {
  /** Uniform in 0 to 1. */
  random(): number;
  /** Milliseconds since 1970, for ids only. */
  epochMs(): number;
}

export type Phase =
  | { at: "connecting"; deadline: number }
  | { at: "login"; step: "enrol" | "login"; id: RequestId; resume: boolean; limited: number; resendAt?: number; deadline: number }
  | { at: "up"; since: number }
  | { at: "waiting"; until: number }
  | { at: "over" };

/** The session as the daemon knows it. */
export interface Held { name: string; color: string; token: string; rooms: string[]; log: string | undefined }

export class Life {
  phase: Phase = { at: "over" };
  out: Output[] = [];
  held: Held | undefined;
  cursor: Cursor;
  readonly ids: Ids;
  readonly outstanding = new Outstanding();
  readonly backoff = new Backoff();
  limits = { line_bytes: 65536, msg_bytes: 8192 };
  /** The first login of this page has succeeded. */
  hasEntered = false;
  /** While a resume catches up: how many messages have come. */
  catchingUp: { messages: number } | undefined;
  quitting = false;
  goodbyeAt: number | undefined;
  /** When the server was last heard. */
  heard = 0;
  /** A LOGIN was written and never answered: another node may order it late. */
  #gaveUpLogin = false;
  /** Until then the first `TAKEN_OVER` may come from such a LOGIN. */
  #lateLoginUntil: number | undefined;
  /** The node can order nothing now, so it does not order that LOGIN either. */
  #isStalled = false;

  constructor(readonly start: Start, readonly env: Env) {
    const { saved } = start;
    this.ids = new Ids(saved?.lastId ?? 0, env.epochMs());
    this.cursor = new Cursor(saved?.after ?? 0);
    if (saved) {
      const { name, color, token, rooms, log } = saved;
      this.held = { name, color, token, rooms, log };
      this.outstanding.restore(saved.outstanding);
    }
  }

  get name(): string {
    return this.held?.name ?? this.start.name ?? "";
  }

  tell(event: SessionEvent): void {
    this.out.push({ kind: "event", event });
  }

  answer(answer: SessionAnswer): void {
    this.out.push({ kind: "answer", answer });
  }

  /** Tells the asker that the request failed. */
  fail(entry: Entry, why: Problem): void {
    const { what } = entry;
    if (what.kind === "msg") this.answer({ kind: "not-kept", tag: what.tag, why });
    if (what.kind === "ask" && !entry.abandoned) {
      this.answer({ kind: "failed", tag: what.tag, op: what.question.op as QuestionOp, why });
    }
  }

  open(now: number): void {
    this.phase = { at: "connecting", deadline: now + CONNECT };
    this.out.push({ kind: "open" });
  }

  ask(tag: number, question: Question, now: number): void {
    const what = { kind: "ask", tag, question, deadline: now + REQUEST } as const;
    this.outstanding.push(new Entry(this.ids.next(), question, what));
  }

  /** The login was answered; `resumed`: with the session that was asked for. */
  loggedIn(login: LoginReply, resumed: boolean, now: number): void {
    const { saved, seen } = this.start;
    const isFirst = !this.hasEntered;
    const after = this.cursor.seq;
    const known = this.held?.log;
    this.held = {
      name: login.name, color: login.color, token: login.session, rooms: [...login.rooms], log: login.log,
    };
    this.limits = login.limits;
    this.phase = { at: "up", since: now };
    this.heard = now;
    this.hasEntered = true;
    this.backoff.connected();
    // A chat with one server has nobody who could order it late.
    const isPossible = this.#gaveUpLogin && (login.servers?.length ?? 0) > 1;
    this.#lateLoginUntil = isPossible ? now + LATE_LOGIN : undefined;
    this.#gaveUpLogin = false;
    this.#isStalled = false;
    if (isFirst) this.tell({ kind: "entered", login, resumed });
    if (isFirst && !saved) {
      if (seen) this.#hasParted(seen.after, seen.log, login);
      this.cursor = new Cursor(login.head);
      this.tell({ kind: "connected", login });
      return;
    }
    const parted = this.#hasParted(after, known, login);
    if (resumed) {
      if (parted !== undefined) this.cursor = new Cursor(parted);
      this.cursor.reaches(login.head);
      // Made by other sessions while this one was away. The program has those of the first login.
      if (!isFirst) for (const mark of login.marks ?? []) this.tell({ kind: "mark", place: placeOfMark(mark), seq: mark.seq });
      this.#catchUp();
    } else {
      for (const entry of this.outstanding.sessionLost()) this.fail(entry, { kind: "unconfirmed" });
      this.cursor = new Cursor(login.head);
      this.tell({ kind: "session-lost", after: parted ?? after, head: login.head });
      this.tell({ kind: "connected", login });
    }
  }

  /** Says so where the server's log is not the one that `after` numbers are known of. */
  #hasParted(after: Seq, known: string | undefined, login: LoginReply): Seq | undefined {
    const from = partedAt(known, after, login);
    if (from !== undefined) {
      this.tell({ kind: "log-replaced", after, from, ...(login.log === undefined ? {} : { log: login.log }) });
    }
    return from;
  }

  /** Asks the daemon for a sign behind all that was missed. */
  #catchUp(): void {
    this.outstanding.push(new Entry(this.ids.next(), { op: "PING" }, { kind: "catch-up" }));
    this.catchingUp = { messages: 0 };
  }

  caughtUp(): void {
    const done = this.catchingUp;
    this.catchingUp = undefined;
    if (done) this.tell({ kind: "resumed", caughtUp: done.messages });
  }

  /** The server has broken the protocol. Nothing else on this connection can be trusted. */
  nonsense(what: string, now: number): void {
    this.lost({ kind: "protocol", what }, now);
  }

  /** The connection is lost, or could not be had. */
  lost(why: Problem, now: number): void {
    const { phase } = this;
    if (phase.at === "over") return;
    if (phase.at === "up") this.backoff.lived(now - phase.since);
    if (phase.at === "login" && phase.step === "login" && why.kind !== "login-refused") this.#gaveUpLogin = true;
    if (phase.at !== "waiting") this.out.push({ kind: "close" });
    this.outstanding.connectionLost();
    this.catchingUp = undefined;
    if (this.goodbyeAt !== undefined || (this.quitting && !this.outstanding.somebodyWaits)) {
      this.over({ kind: "closed", how: "quit", msg: "" });
    } else if (!this.hasEntered && !this.start.saved) {
      this.#end({ kind: "refused", why }, why);
    } else if (isPassing(why) || why.kind === "protocol") {
      const wait = this.backoff.next(this.env.random());
      this.phase = { at: "waiting", until: now + wait };
      this.tell({ kind: "reconnecting", wait, attempt: this.backoff.attempts, why });
    } else {
      this.over(why);
    }
  }

  /** The session is over. */
  over(why: Problem): void {
    if (this.phase.at === "over") return;
    // Before the first login the form waits for a refusal.
    this.#end(this.hasEntered ? { kind: "ended", why } : { kind: "refused", why }, why);
  }

  #end(event: SessionEvent, why: Problem): void {
    if (this.phase.at === "up" || this.phase.at === "login") this.out.push({ kind: "close" });
    this.phase = { at: "over" };
    for (const entry of this.outstanding.takeAll()) {
      // A message that was written may have been kept. No sentence may say otherwise.
      this.fail(entry, entry.isMsg && entry.everWritten ? { kind: "unconfirmed" } : why);
    }
    this.tell(event);
  }

  notice(notice: NoticeEvent, now: number): void {
    switch (notice.kind) {
      case "TAKEN_OVER":
        if (this.#wasLateLogin(now)) return this.lost({ kind: "no-connection", why: fault.lateLogin }, now);
        return this.over({ kind: "closed", how: "taken-over", msg: notice.msg });
      case "KICKED":
        return this.over({ kind: "closed", how: "kicked", msg: notice.msg });
      case "GAP": {
        const to = notice.to ?? this.cursor.seq;
        const wrong = this.cursor.checkNumber(to);
        if (wrong !== undefined) return this.nonsense(wrong, now);
        this.cursor.gap(to);
        return this.tell({ kind: "gap", from: notice.from ?? 0, to });
      }
      case "SHUTDOWN":
        this.backoff.asked(notice.retry_after_ms ?? 0);
        break;
      case "UNAVAILABLE":
        this.#isStalled = true;
        break;
      case "AVAILABLE":
        this.#isStalled = false;
        if (this.#lateLoginUntil !== undefined) this.#lateLoginUntil = now + LATE_LOGIN;
        break;
      case "REMOVED":
        if (notice.room !== undefined) this.leftRoom(notice.room);
        break;
      default:
    }
    this.tell({ kind: "notice", event: notice });
  }

  /** Was the session taken over by an own LOGIN that came late? Only once: after that another client has the session. */
  #wasLateLogin(now: number): boolean {
    const until = this.#lateLoginUntil;
    this.#lateLoginUntil = undefined;
    return until !== undefined && (now < until || this.#isStalled);
  }

  joinedRoom(room: string, head: Seq): void {
    this.cursor.joined(room, head);
    if (this.held && !this.held.rooms.includes(room)) this.held.rooms.push(room);
  }

  leftRoom(room: string): void {
    this.cursor.left(room);
    if (this.held) this.held.rooms = this.held.rooms.filter((one) => one !== room);
  }

  /** When a silent connection is to be asked, or given up. */
  silenceEnds(): number {
    return this.heard + SILENCE + (this.outstanding.pings ? PATIENCE : 0);
  }

  /** The silence has lasted: ask once, then give up. */
  silent(now: number): void {
    if (this.outstanding.pings) return this.lost({ kind: "no-connection", why: fault.silent }, now);
    this.outstanding.push(new Entry(this.ids.next(), { op: "PING" }, { kind: "keep-alive" }));
  }
}
