// Owns how the data of every reply and event is read: strict about what the contract states, silent about
// fields that it does not know. Called by `incoming.ts` for events and by the session for replies. Never decides
// whether the numbers are possible: that is the cursor's.

import { boolean, count, Fields, list, Misread, string, word, type Json, type Read } from "./shape.ts";
import {
  ERROR_KINDS, MEMBER_STATES, NOTICE_KINDS, PRESENCE_STATES, ROLES,
  type ActReply, type ErrorData, type FoundMessage, type Member, type MsgEvent, type NoticeEvent, type Op,
  type PresenceEvent, type ReadMark, type RedactedEvent, type Replies, type RequestId, type RoomInfo, type TopicEvent,
} from "./types.ts";

/** The longest text that may serve as an id, in bytes. */
export const ID_BYTES = 64;

const role = word(ROLES);
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** A moment: RFC 3339. */
const timestamp: Read<string> = (value, path) => {
  const text = string(value, path);
  if (!TIMESTAMP.test(text) || Number.isNaN(Date.parse(text))) throw new Misread(path, "a moment is expected");
  return text;
};

export const requestId: Read<RequestId> = (value, path) => {
  if (typeof value === "string") {
    if (new TextEncoder().encode(value).length > ID_BYTES) throw new Misread(path, `over ${ID_BYTES} bytes`);
    return value;
  }
  return count(value, path);
};

export const msgEvent: Read<MsgEvent> = (value, path) => {
  const f = new Fields(value, path);
  const event: MsgEvent = {
    ...f.maybe("room", string),
    ...f.maybe("to", string),
    seq: f.get("seq", count),
    prev: f.get("prev", count),
    ts: f.get("ts", timestamp),
    user: f.get("user", string),
    color: f.get("color", string),
    msg: f.get("msg", string),
    ...f.maybe("redacted", boolean),
    ...f.maybe("by", string),
    ...f.maybe("reason", string),
  };
  if ((event.room === undefined) === (event.to === undefined)) {
    throw new Misread(path, "it has `room` or `to`, and never both");
  }
  return event;
};

export const redactedEvent: Read<RedactedEvent> = (value, path) => {
  const f = new Fields(value, path);
  const event: RedactedEvent = {
    ...f.maybe("room", string),
    ...f.maybe("to", string),
    ...f.maybe("user", string),
    seq: f.get("seq", count),
    ...f.maybe("by", string),
    ...f.maybe("reason", string),
  };
  if ((event.room === undefined) === (event.to === undefined || event.user === undefined)) {
    throw new Misread(path, "it has `room`, or `to` and `user`");
  }
  return event;
};

export const topicEvent: Read<TopicEvent> = (value, path) => {
  const f = new Fields(value, path);
  return { room: f.get("room", string), topic: f.get("topic", string), ...f.maybe("user", string) };
};

export const readMark: Read<ReadMark> = (value, path) => {
  const f = new Fields(value, path);
  const mark: ReadMark = { ...f.maybe("room", string), ...f.maybe("with", string), seq: f.get("seq", count) };
  if ((mark.room === undefined) === (mark.with === undefined)) {
    throw new Misread(path, "it has `room` or `with`, and never both");
  }
  return mark;
};

const highlight: Read<[number, number]> = (value, path) => {
  const [start, length, ...more] = list(count)(value, path);
  if (start === undefined || length === undefined || more.length > 0) throw new Misread(path, "a pair is expected");
  return [start, length];
};

const foundMessage: Read<FoundMessage> = (value, path) => {
  const f = new Fields(value, path);
  return { ...msgEvent(value, path), ...f.maybe("highlights", list(highlight)) };
};

export const presenceEvent: Read<PresenceEvent> = (value, path) => {
  const f = new Fields(value, path);
  return {
    room: f.get("room", string),
    user: f.get("user", string),
    color: f.get("color", string),
    state: f.get("state", word(PRESENCE_STATES, "other")),
  };
};

export const noticeEvent: Read<NoticeEvent> = (value, path) => {
  const f = new Fields(value, path);
  return {
    kind: f.get("kind", word(NOTICE_KINDS, "OTHER")),
    msg: f.get("msg", string),
    ...f.maybe("retry_after_ms", count),
    ...f.maybe("from", count),
    ...f.maybe("to", count),
    ...f.maybe("room", string),
  };
};

export const errorData: Read<ErrorData> = (value, path) => {
  const f = new Fields(value, path);
  return {
    kind: f.get("kind", word(ERROR_KINDS, "OTHER")),
    msg: f.get("msg", string),
    ...f.maybe("retry_after_ms", count),
    ...f.maybe("until", timestamp),
  };
};

const member: Read<Member> = (value, path) => {
  const f = new Fields(value, path);
  return {
    user: f.get("user", string),
    color: f.get("color", string),
    state: f.get("state", word(MEMBER_STATES, "other")),
    ...f.maybe("role", role),
  };
};

const roomInfo: Read<RoomInfo> = (value, path) => {
  const f = new Fields(value, path);
  return {
    room: f.get("room", string),
    members: f.get("members", count),
    head: f.get("head", count),
    ...f.maybe("private", boolean),
    ...f.maybe("topic", string),
  };
};

const act: Read<ActReply> = (value, path) => {
  const f = new Fields(value, path);
  return {
    ...f.maybe("user", string),
    ...f.maybe("room", string),
    ...f.maybe("role", role),
    ...f.maybe("private", boolean),
    ...f.maybe("topic", string),
    ...f.maybe("until", timestamp),
  };
};

const nothing: Read<null> = () => null;

const READERS: { [op in Op]: Read<Replies[op]> } = {
  LOGIN: (value, path) => {
    const f = new Fields(value, path);
    const server = f.get("server", (v, p) => new Fields(v, p));
    const limits = f.get("limits", (v, p) => new Fields(v, p));
    return {
      name: f.get("name", string),
      color: f.get("color", string),
      session: f.get("session", string),
      ttl_s: f.get("ttl_s", count),
      rooms: f.get("rooms", list(string)),
      head: f.get("head", count),
      ...f.maybe("log", string),
      ...f.maybe("log_from", count),
      server: {
        name: server.get("name", string),
        version: server.get("version", string),
        protocol: server.get("protocol", count),
      },
      limits: { line_bytes: limits.get("line_bytes", count), msg_bytes: limits.get("msg_bytes", count) },
      ...f.maybe("servers", list(string)),
      ...f.maybe("marks", list(readMark)),
    };
  },
  ENROL: (value, path) => {
    const f = new Fields(value, path);
    return { name: f.get("name", string), ...f.maybe("certificate", string) };
  },
  JOIN: (value, path) => {
    const f = new Fields(value, path);
    return {
      room: f.get("room", string),
      head: f.get("head", count),
      members: f.get("members", list(member)),
      member_count: f.get("member_count", count),
      ...f.maybe("topic", string),
      ...f.maybe("mark", count),
    };
  },
  LEAVE: (value, path) => ({ room: new Fields(value, path).get("room", string) }),
  WHO: (value, path) => {
    const f = new Fields(value, path);
    return {
      ...f.maybe("room", string),
      members: f.get("members", list(member)),
      member_count: f.get("member_count", count),
      ...f.maybe("topic", string),
    };
  },
  ROOMS: (value, path) => ({ rooms: new Fields(value, path).get("rooms", list(roomInfo)) }),
  HISTORY: (value, path) => {
    const f = new Fields(value, path);
    return { messages: f.get("messages", list(msgEvent)), more: f.get("more", boolean) };
  },
  SEARCH: (value, path) => {
    const f = new Fields(value, path);
    return {
      messages: f.get("messages", list(foundMessage)), more: f.get("more", boolean),
      ...f.maybe("indexed", count), ...f.maybe("head", count),
    };
  },
  KICK: act, MUTE: act, UNMUTE: act, BAN: act, UNBAN: act, ROOM: act, GRANT: act,
  REDACT: readMark, MARK: readMark,
  PING: nothing, QUIT: nothing,
};

/** Reads the data of a reply. Throws `Misread`. */
export function replyData<O extends Op>(op: O, data: unknown): Replies[O] {
  return READERS[op](data as Json, "data");
}
