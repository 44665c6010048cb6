// Owns the types of everything that comes over the wire, with the wire's own field names. Made by `read.ts`,
// used everywhere. Data alone: never holds a function.

/** The number of a message: unique on the server, strictly increasing. */
export type Seq = number;

/** How a request names itself: an unsigned integer or at most 64 bytes of text. */
export type RequestId = number | string;

export const ERROR_KINDS = [
  "PARSE", "DATA", "UNKNOWN_OP", "TOO_LARGE", "NOT_LOGGED_IN", "ALREADY_LOGGED_IN", "NAME_INVALID", "NAME_TAKEN",
  "SESSION_EXPIRED", "AUTH_FAILED", "NOT_A_MEMBER", "NO_SUCH_USER", "NO_SUCH_ROOM", "FORBIDDEN", "RATE_LIMITED",
  "SERVER_FULL", "TIMEOUT", "UNAVAILABLE", "INTERNAL", "OTHER",
] as const;
/** Why a request was refused. `OTHER` is a kind that this version does not know. */
export type ErrorKind = (typeof ERROR_KINDS)[number];

export const ROLES = ["read-only", "member", "moderator", "owner"] as const;
/** The roles of a user, the least first: a later one includes the permissions of an earlier one. */
export type Role = (typeof ROLES)[number];

export const MEMBER_STATES = ["here", "away", "other"] as const;
export type MemberState = (typeof MEMBER_STATES)[number];

export const PRESENCE_STATES = ["joined", "away", "back", "left", "other"] as const;
export type PresenceState = (typeof PRESENCE_STATES)[number];

export const NOTICE_KINDS = ["SHUTDOWN", "TAKEN_OVER", "GAP", "KICKED", "REMOVED", "OPERATOR", "UNAVAILABLE", "AVAILABLE", "OTHER"] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** The data of a `MSG` event. It has `room`, or `to` for a direct message, never both. */
export interface MsgEvent {
  room?: string;
  to?: string;
  seq: Seq;
  /** The message before it in the same conversation; 0: it is the first. */
  prev: Seq;
  /** RFC 3339, UTC, milliseconds. */
  ts: string;
  user: string;
  color: string;
  /** Empty where it was redacted. */
  msg: string;
  /** Its text was removed. */
  redacted?: boolean;
  /** With `redacted`: the user who removed it; without one it was an operator. */
  by?: string;
  reason?: string;
}

/** The data of `REDACTED`: the text of that message is removed. `to` and `user` are those of a direct message. */
export interface RedactedEvent {
  room?: string;
  to?: string;
  user?: string;
  seq: Seq;
  by?: string;
  reason?: string;
}

/** The data of the event `ROOM`: the topic of a room has changed. Without `user` it was an operator. */
export interface TopicEvent { room: string; topic: string; user?: string }

/** Up to which number a conversation was read. */
export interface ReadMark { room?: string; with?: string; seq: Seq }

/** A message that a search found; each highlight is a start and a length in code points. */
export interface FoundMessage extends MsgEvent {
  highlights?: [number, number][];
}

export interface PresenceEvent {
  room: string;
  user: string;
  color: string;
  state: PresenceState;
}

export interface NoticeEvent {
  kind: NoticeKind;
  msg: string;
  retry_after_ms?: number;
  from?: Seq;
  to?: Seq;
  room?: string;
}

export interface ErrorData {
  kind: ErrorKind;
  /** The daemon's sentence. A stranger's text. */
  msg: string;
  retry_after_ms?: number;
  /** With `FORBIDDEN`: until when, where it ends by itself. */
  until?: string;
}

export interface LoginReply {
  name: string;
  color: string;
  /** The secret that resumes the session. */
  session: string;
  ttl_s: number;
  rooms: string[];
  head: Seq;
  /** Which log the numbers are of. */
  log?: string;
  /** Up to this number the log is also the one that it was copied from. */
  log_from?: Seq;
  server: { name: string; version: string; protocol: number };
  limits: { line_bytes: number; msg_bytes: number };
  /** The nodes of the chat, where it has several. */
  servers?: string[];
  /** The read marks, for a proven name. Without them the server keeps none. */
  marks?: ReadMark[];
}

export interface Member {
  user: string;
  color: string;
  state: MemberState;
  /** Where it is more or less than a member. */
  role?: Role;
}

export interface EnrolReply { name: string; certificate?: string }
export interface JoinReply { room: string; head: Seq; members: Member[]; member_count: number; topic?: string; mark?: Seq }
export interface LeaveReply { room: string }
export interface WhoReply { room?: string; members: Member[]; member_count: number; topic?: string }
export interface RoomInfo { room: string; members: number; head: Seq; private?: boolean; topic?: string }
export interface RoomsReply { rooms: RoomInfo[] }
export interface HistoryReply { messages: MsgEvent[]; more: boolean }
/** `indexed`: the search covered all messages up to this number; `head`: the newest one. A daemon of an older version sends neither. */
export interface SearchReply { messages: FoundMessage[]; more: boolean; indexed?: Seq; head?: Seq }

/** The reply to KICK, MUTE, UNMUTE, BAN, UNBAN, ROOM and GRANT. */
export interface ActReply {
  user?: string;
  room?: string;
  role?: Role;
  private?: boolean;
  topic?: string;
  until?: string;
}

/** The data of the reply to each op; `null` where it has none. */
export interface Replies {
  LOGIN: LoginReply;
  ENROL: EnrolReply;
  JOIN: JoinReply;
  LEAVE: LeaveReply;
  WHO: WhoReply;
  ROOMS: RoomsReply;
  HISTORY: HistoryReply;
  SEARCH: SearchReply;
  KICK: ActReply;
  MUTE: ActReply;
  UNMUTE: ActReply;
  BAN: ActReply;
  UNBAN: ActReply;
  ROOM: ActReply;
  GRANT: ActReply;
  REDACT: ReadMark;
  MARK: ReadMark;
  PING: null;
  QUIT: null;
}
export type Op = keyof Replies;

/** A line from the daemon. The data of a reply is still unread: only the asker knows its type. */
export type Incoming =
  | { kind: "msg"; id?: RequestId; event: MsgEvent }
  | { kind: "presence"; event: PresenceEvent }
  | { kind: "notice"; event: NoticeEvent }
  | { kind: "redacted"; event: RedactedEvent }
  | { kind: "topic"; event: TopicEvent }
  | { kind: "mark"; event: ReadMark }
  | { kind: "error"; id?: RequestId; error: ErrorData }
  | { kind: "reply"; op: string; id?: RequestId; data: unknown };

/** A room, or the direct messages with a user. */
export type Place = { room: string } | { with: string };

/** The place as one string, for maps and for storage: `lobby`, `@bo`. No room has an `@`. */
export function placeKey(place: Place): string {
  return "room" in place ? place.room : `@${place.with}`;
}

export function placeOf(key: string): Place {
  return key.startsWith("@") ? { with: key.slice(1) } : { room: key };
}

/** The conversation that a message belongs to, seen by `me`. */
export function conversationOf(event: { room?: string; to?: string; user: string }, me: string): Place {
  if (event.room !== undefined) return { room: event.room };
  return { with: event.user === me && event.to !== undefined ? event.to : event.user };
}

/** The conversation of a read mark. It has `room` or `with`: `read.ts` has made sure. */
export function placeOfMark(mark: { room?: string; with?: string }): Place {
  return mark.room !== undefined ? { room: mark.room } : { with: mark.with ?? "" };
}
