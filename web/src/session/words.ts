// Owns the types between the session and its program: events, answers, outputs, problems, and the state that is saved
// for a later page. Data alone.

import type { Question } from "../wire/request.ts";
import type {
  ErrorKind, LoginReply, MsgEvent, NoticeEvent, Op, Place, PresenceEvent, RedactedEvent, Replies, RequestId, Seq, TopicEvent,
} from "../wire/types.ts";

/** Why something was not done. A program branches on `kind`; `sentences.ts` has the sentence. */
export type Problem =
  | { kind: "no-connection"; why: string }
  /** The daemon refused the login, or (`refused`) a request. `msg` is its sentence: a stranger's text. */
  | { kind: "login-refused" | "refused"; error: ErrorKind; msg: string; until?: string }
  | { kind: "timed-out"; what: string; afterMs: number }
  | { kind: "closed"; how: "quit" | "taken-over" | "kicked"; msg: string }
  /** The session ended before the daemon confirmed the message: it may or may not have been kept. */
  | { kind: "unconfirmed" }
  /** Nothing was sent. */
  | { kind: "invalid"; why: string }
  /** The server says something that is not this protocol. */
  | { kind: "protocol"; what: string };

/** Can the same thing succeed a little later, with nothing changed on this side? */
export function isPassing(problem: Problem): boolean {
  switch (problem.kind) {
    case "no-connection":
    case "timed-out":
      return true;
    case "login-refused":
      return ["SERVER_FULL", "TIMEOUT", "RATE_LIMITED", "UNAVAILABLE", "INTERNAL"].includes(problem.error);
    default:
      return false;
  }
}

/** A message, as its reader gets it. All text in it is a stranger's. */
export interface Message {
  event: MsgEvent;
  /** The id of the request that sent it, where this session sent it. */
  id?: RequestId;
  /** The program's own name for that request, where it was still waited for. */
  tag?: number;
  /** Does the author have this session's name? */
  own: boolean;
  place: Place;
}

/** An event of a session. Events come in the order in which they happened. */
export type SessionEvent =
  /** The first login of this page succeeded. A new session begins, or one goes on. */
  | { kind: "entered"; login: LoginReply; resumed: boolean }
  /** The first login failed, and is not tried again. */
  | { kind: "refused"; why: Problem }
  | { kind: "message"; message: Message }
  | { kind: "presence"; event: PresenceEvent }
  | { kind: "notice"; event: NoticeEvent }
  /** The text of a message was removed. */
  | { kind: "redacted"; event: RedactedEvent; place: Place }
  | { kind: "topic"; event: TopicEvent }
  /** Another session of the user has read up to there. */
  | { kind: "mark"; place: Place; seq: Seq }
  /** A new session has begun: at the start, and after `session-lost`. */
  | { kind: "connected"; login: LoginReply }
  /** The connection is lost; the next attempt is made after `wait` ms. Repeated for each attempt. */
  | { kind: "reconnecting"; wait: number; attempt: number; why: Problem }
  /** The wait is over, and an attempt is under way. */
  | { kind: "connecting" }
  /** The session goes on where it was. All missed messages came before this event. */
  | { kind: "resumed"; caughtUp: number }
  /** The daemon no longer had the session; a new one begins with `connected`. */
  | { kind: "session-lost"; after: Seq; head: Seq }
  /** The server has another log. Messages that were seen after `from` are not in it. */
  | { kind: "log-replaced"; after: Seq; from: Seq; log?: string }
  /** Retention has removed messages between the two numbers before they could be read. */
  | { kind: "gap"; from: Seq; to: Seq }
  /** A message came whose `prev` says that one was missed. The message itself comes next. */
  | { kind: "chain-broken"; place: Place; last: Seq; prev: Seq; seq: Seq }
  /** The session is over; nothing comes after this. */
  | { kind: "ended"; why: Problem };

export type QuestionOp = Question["op"] & Op;

/** The answer to a question, or the fate of a message. */
export type SessionAnswer =
  | { kind: "kept"; tag: number; seq: Seq }
  | { kind: "not-kept"; tag: number; why: Problem }
  | { kind: "failed"; tag: number; op: QuestionOp; why: Problem }
  | { [O in QuestionOp]: { kind: "answered"; tag: number; op: O; data: Replies[O] } }[QuestionOp];

/** Work for the caller of a session. */
export type Output =
  /** Open a socket; the one before, if any, is no longer needed. */
  | { kind: "open" }
  | { kind: "write"; text: string }
  | { kind: "close" }
  | { kind: "event"; event: SessionEvent }
  | { kind: "answer"; answer: SessionAnswer };

/** A message that has no answer yet, as it is kept for a later page. */
export interface SavedMessage {
  id: RequestId;
  tag: number;
  to?: Place;
  text: string;
  /** It may be with the daemon already. */
  sent: boolean;
  /** The id must not be changed any more. */
  fixed: boolean;
}

/** The state with which a later page resumes the session. `token` is a secret: it alone proves the user. */
export interface Saved {
  name: string;
  color: string;
  token: string;
  /** The newest number that was handed out. */
  after: Seq;
  log?: string;
  lastId: number;
  rooms: string[];
  outstanding: SavedMessage[];
}
