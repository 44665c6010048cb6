// Owns the meaning of lines after the login: messages, answers, refusals, events. A port of the
// client's `converse.rs`. Called by `session.ts` for every line. Never writes a request: that is `outstanding.ts`.

import { fault } from "../sentences.ts";
import { readLine } from "../wire/incoming.ts";
import { replyData } from "../wire/read.ts";
import { Misread } from "../wire/shape.ts";
import { conversationOf, placeOfMark, type ErrorData, type MsgEvent, type RequestId } from "../wire/types.ts";
import type { Life } from "./life.ts";
import type { Entry } from "./outstanding.ts";
import { checkCopy, pageHolds } from "./own.ts";
import type { SessionAnswer } from "./words.ts";

/** Takes in one line. Throws `Misread` where it is none of the contract's. */
export function takeLine(life: Life, line: string, now: number): void {
  const incoming = readLine(line);
  switch (incoming.kind) {
    case "msg":
      return takeMessage(life, incoming.event, incoming.id, now);
    case "presence":
      return life.tell({ kind: "presence", event: incoming.event });
    case "notice":
      return life.notice(incoming.event, now);
    case "redacted": {
      const { event } = incoming;
      return life.tell({ kind: "redacted", event, place: conversationOf({ user: "", ...event }, life.name) });
    }
    case "topic":
      return life.tell({ kind: "topic", event: incoming.event });
    case "mark":
      return life.tell({ kind: "mark", place: placeOfMark(incoming.event), seq: incoming.event.seq });
    case "error":
      // Without an id it is about the connection; the daemon closes it when it means to.
      return incoming.id === undefined ? undefined : refused(life, incoming.id, incoming.error, now);
    case "reply": {
      const entry = incoming.id === undefined ? undefined : life.outstanding.take(incoming.id);
      if (!entry) return;
      if (incoming.op !== entry.request.op) return wrongAnswer(life, entry, incoming.op, now);
      return answered(life, entry, incoming.data);
    }
  }
}

/** A message: with an `id` it may be the answer to one of ours. */
function takeMessage(life: Life, event: MsgEvent, id: RequestId | undefined, now: number): void {
  const wrong = life.cursor.check(event);
  const entry = id === undefined ? undefined : life.outstanding.take(id);
  if (wrong !== undefined) {
    if (entry) life.fail(entry, { kind: "protocol", what: wrong });
    return life.nonsense(wrong, now);
  }
  let tag: number | undefined;
  if (entry) {
    const { what } = entry;
    if (what.kind !== "msg") return wrongAnswer(life, entry, "MSG", now);
    const isOther = checkCopy(what.to, what.text, life.name, event);
    if (isOther !== undefined) {
      life.fail(entry, { kind: "protocol", what: isOther });
      return life.nonsense(isOther, now);
    }
    tag = what.tag;
    life.answer({ kind: "kept", tag, seq: event.seq });
  }
  const newest = life.cursor.seq;
  const seen = life.cursor.see(event, life.name);
  if (seen.kind === "again") return;
  if (seen.kind === "falls") {
    // A message that is sent again is answered with the first one's event. And a server may send more after a resume
    // than it was asked for.
    if (tag !== undefined || life.catchingUp) return;
    return life.nonsense(fault.falls(event.seq, newest), now);
  }
  if (life.catchingUp) life.catchingUp.messages += 1;
  const place = conversationOf(event, life.name);
  if (seen.kind === "broken") {
    life.tell({ kind: "chain-broken", place, last: seen.last, prev: event.prev, seq: event.seq });
  }
  const ids = { ...(id === undefined ? {} : { id }), ...(tag === undefined ? {} : { tag }) };
  life.tell({ kind: "message", message: { event, ...ids, own: event.user === life.name, place } });
}

function refused(life: Life, id: RequestId, error: ErrorData, now: number): void {
  if (error.kind === "RATE_LIMITED" || error.kind === "UNAVAILABLE") {
    life.outstanding.again(id, now, error.retry_after_ms);
    return;
  }
  const entry = life.outstanding.take(id);
  if (!entry) return;
  const { what } = entry;
  // Its first answer was lost with a connection: it was done then.
  if (entry.request.op === "LEAVE" && entry.rewritten && error.kind === "NOT_A_MEMBER") {
    return answered(life, entry, entry.request.data);
  }
  if (what.kind === "catch-up") return life.caughtUp();
  if (what.kind === "quit") return life.over({ kind: "closed", how: "quit", msg: "" });
  // An earlier page has used the id. The other causes of DATA were checked before the message was sent.
  if (what.kind === "msg" && !what.fixed && error.kind === "DATA") {
    return life.outstanding.rename(entry, life.ids.next());
  }
  const until = error.until === undefined ? {} : { until: error.until };
  life.fail(entry, { kind: "refused", error: error.kind, msg: error.msg, ...until });
}

function answered(life: Life, entry: Entry, data: unknown): void {
  const { what } = entry;
  switch (what.kind) {
    case "catch-up":
      return life.caughtUp();
    case "quit":
      return life.over({ kind: "closed", how: "quit", msg: "" });
    case "ask": {
      const answer = read(entry, data);
      if (!answer) return;
      if (answer.kind === "answered") noteRooms(life, answer);
      if (!entry.abandoned) life.answer(answer);
      return;
    }
    default:
  }
}

/** The answer to a question, or a failure where it cannot be read. */
function read(entry: Entry, data: unknown): SessionAnswer | undefined {
  const { what } = entry;
  if (what.kind !== "ask") return undefined;
  const { tag, question } = what;
  const { op } = question;
  const failed = (why: string): SessionAnswer => ({ kind: "failed", tag, op, why: { kind: "protocol", what: why } });
  try {
    const read = replyData(op, data);
    if (question.op === "HISTORY" && read && "messages" in read && !pageHolds(question.data, read.messages)) {
      return failed(fault.page);
    }
    // `op` and its data belong together by `replyData`; the type cannot say so for a union.
    return { kind: "answered", tag, op, data: read } as SessionAnswer;
  } catch (e) {
    if (!(e instanceof Misread)) throw e;
    return failed(fault.misread(`the answer to ${op}`, e.message));
  }
}

/** Follows which rooms the session is in. */
function noteRooms(life: Life, answer: SessionAnswer & { kind: "answered" }): void {
  if (answer.op === "JOIN") life.joinedRoom(answer.data.room, answer.data.head);
  if (answer.op === "LEAVE") life.leftRoom(answer.data.room);
}

/** A request was answered as if it had been another one. */
function wrongAnswer(life: Life, entry: Entry, op: string, now: number): void {
  const what = fault.wrongAnswer(entry.request.op, op);
  life.fail(entry, { kind: "protocol", what });
  life.nonsense(what, now);
}
