// Owns how requests are written: one object becomes one line. Called by the session and, for the bounds, by the
// model. Never decides whether a request may be made.

import type { Op, Place, RequestId, Role, Seq } from "./types.ts";

/** The part of a `MSG` line around its data and id. */
const ENVELOPE = '{"op":"MSG","data":,"id":}';
/** The longest of the ids that the session gives out: 2^53 has 16 digits. */
const OWN_ID = 16;
/** The longest query of a SEARCH, in bytes. */
export const QUERY_BYTES = 512;
/** The longest reason of a moderator, in bytes. */
export const REASON_BYTES = 256;

/** The longest topic of a room, in code points. */
export const TOPIC_CHARS = 400;

/** The user, the room, the time in seconds and the reason of a moderator's action. */
export interface Against { user: string; room?: string; for_s?: number; reason?: string }

export interface LoginData {
  name?: string;
  color?: string;
  rooms?: string[];
  password?: string;
  session?: string;
  after?: Seq;
  log?: string;
}

/** A request without its id. The order of the fields is the order on the wire. */
export type Request =
  | { op: "LOGIN"; data: LoginData }
  | { op: "ENROL"; data: { name: string; code: string; password: string } }
  | { op: "JOIN" | "LEAVE"; data: { room: string } }
  | { op: "MSG"; data: MsgData }
  | { op: "WHO"; data?: { room: string } }
  | { op: "ROOMS" }
  | { op: "PING" | "QUIT" }
  | { op: "HISTORY"; data: HistoryData }
  | { op: "SEARCH"; data: { query: string; room?: string; user?: string; before?: Seq; after?: Seq; limit?: number } }
  | { op: "KICK" | "MUTE" | "UNMUTE" | "BAN" | "UNBAN"; data: Against }
  | { op: "ROOM"; data: { room: string; private: boolean } | { room: string; topic: string } }
  | { op: "REDACT"; data: MarkData & { reason?: string } }
  | { op: "MARK"; data: MarkData }
  | { op: "GRANT"; data: { user: string; role: Role | "none"; room?: string } };

export type MsgData = string | { room: string; msg: string } | { to: string; msg: string };

/** A message of a conversation. */
export type MarkData = { room: string; seq: Seq } | { with: string; seq: Seq };

export interface HistoryData {
  room?: string;
  with?: string;
  before?: Seq;
  after?: Seq;
  limit?: number;
}

/** A request that a program makes of a session; MSG, LOGIN and ENROL are the session's own. */
export type Question = Exclude<Request, { op: "MSG" | "LOGIN" | "ENROL" | "PING" | "QUIT" }>;

/** The line of a request, its newline included. Fields that are `undefined` are left out. */
export function encode(request: Request, id: RequestId): string {
  const data = "data" in request ? request.data : undefined;
  return `${JSON.stringify({ op: request.op, data, id })}\n`;
}

/** The data of a `MSG`. */
export function msgData(to: Place | undefined, text: string): MsgData {
  if (to === undefined) return text;
  return "room" in to ? { room: to.room, msg: text } : { to: to.with, msg: text };
}

export function historyData(of: Place, page: Omit<HistoryData, "room" | "with">): HistoryData {
  return { ...("room" in of ? { room: of.room } : { with: of.with }), ...page };
}

const encoder = new TextEncoder();

/** How many bytes of UTF-8 a text has. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** The text without halves of surrogate pairs: they are no characters, and UTF-8 cannot write them. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\u{fffd}");
}

/**
 * Why a text cannot be sent, as the bound that it breaks; `undefined`: it can. A text within `msg_bytes` may
 * still not fit a line: JSON writes some characters as two to six bytes. The server could not tell in its answer
 * which request that was.
 */
export function tooLong(
  to: Place | undefined, text: string, limits: { line_bytes: number; msg_bytes: number },
): { bytes: number; bound: number; of: "text" | "line" } | undefined {
  const bytes = byteLength(text);
  if (bytes > limits.msg_bytes) return { bytes, bound: limits.msg_bytes, of: "text" };
  const line = ENVELOPE.length + byteLength(JSON.stringify(msgData(to, text))) + OWN_ID;
  if (line > limits.line_bytes) return { bytes: line, bound: limits.line_bytes, of: "line" };
  return undefined;
}

export const OPS: readonly Op[] = [
  "LOGIN", "ENROL", "JOIN", "LEAVE", "WHO", "ROOMS", "HISTORY", "SEARCH", "KICK", "MUTE", "UNMUTE", "BAN", "UNBAN",
  "ROOM", "GRANT", "REDACT", "MARK", "PING", "QUIT",
];
