// Owns the envelope: a text message becomes lines, and a line becomes an `Incoming`. Called by the session for
// every message of the socket. Never knows which request a line answers.

import { errorData, msgEvent, noticeEvent, presenceEvent, readMark, redactedEvent, requestId, topicEvent } from "./read.ts";
import { Fields, Misread, object, string, word, type Json, type Read } from "./shape.ts";
import type { Incoming } from "./types.ts";

/** The longest line that is taken from the daemon, in UTF-16 units: a page of 500 of the longest messages. */
export const LINE_UNITS = 32 * 1024 * 1024;

/** Leaves the data of a reply unread. */
const as_it_is = (value: Json | undefined): unknown => value ?? null;

/** Does the object have that field? */
const has = (name: string): Read<boolean> => (value, path) => name in object(value, path);

/** The lines of one text message. Empty lines are passed over; the last one's end may be left out. */
export function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.replace(/\r$/, "")).filter((line) => line !== "");
}

/** Reads one line. Throws `Misread` where it is none of the contract's. */
export function readLine(line: string): Incoming {
  if (line.length > LINE_UNITS) throw new Misread("the line", "it is too long");
  let json: Json;
  try {
    json = JSON.parse(line) as Json;
  } catch {
    throw new Misread("the line", "it is not JSON");
  }
  const f = new Fields(json, "the line");
  const op = f.get("op", string);
  const status = f.get("status", word(["OK", "ERR"]));
  const id = f.maybe("id", requestId);
  if (status === "ERR") return { kind: "error", ...id, error: f.get("data", errorData) };
  if (op === "MSG") return { kind: "msg", ...id, event: f.get("data", msgEvent) };
  if (id.id === undefined) {
    if (op === "PRESENCE") return { kind: "presence", event: f.get("data", presenceEvent) };
    if (op === "NOTICE") return { kind: "notice", event: f.get("data", noticeEvent) };
    if (op === "REDACTED") return { kind: "redacted", event: f.get("data", redactedEvent) };
    // Our own requests have an id, so what has a topic is no reply.
    if (op === "ROOM" && f.get("data", has("topic"))) return { kind: "topic", event: f.get("data", topicEvent) };
    if (op === "MARK") return { kind: "mark", event: f.get("data", readMark) };
  }
  return { kind: "reply", op, ...id, data: f.maybe("data", as_it_is).data ?? null };
}
