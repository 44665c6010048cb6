// Owns one entry of a conversation: a message, a note of the page itself, or a message that is still on its way.
// Entries never change: a changed one is a new object, so that a view can tell. Made by the model, read by the view.
// Never holds text that was made safe to show: the view does that, since it alone knows how text is shown.

import { nameKey } from "../wire/name.ts";
import type { MsgEvent, Seq } from "../wire/types.ts";

/** The fate of our own message whose copy has not come back. */
export type Fate =
  | { state: "sending" }
  /** It was not kept, for this reason (a sentence). */
  | { state: "refused"; why: string }
  /** It may or may not have been kept. */
  | { state: "unknown" };

export interface Said {
  kind: "said";
  id: number;
  seq: Seq;
  prev: Seq;
  /** Milliseconds since 1970. */
  at: number;
  user: string;
  color: string;
  text: string;
  /** It is ours. Being here means that it is in the store: the server sends a message only then. */
  own: boolean;
  mention: boolean;
  /** Its text was removed; `text` is empty. */
  redacted?: Removal;
}

/** Who removed a text, and why. Without `by` it was an operator. */
export interface Removal { by?: string; reason?: string }

export interface Note {
  kind: "note";
  id: number;
  at: number;
  tone: "quiet" | "presence" | "gap" | "broken";
  text: string;
  /** With `presence`: the parts of the text, each with its user. */
  parts?: { user: string; text: string }[];
  /** The user that the text begins with. */
  by?: string;
}

export interface Pending {
  kind: "pending";
  id: number;
  at: number;
  text: string;
  fate: Fate;
}

export type Item = Said | Note | Pending;

export function seqOf(item: Item): Seq | undefined {
  return item.kind === "said" ? item.seq : undefined;
}

/** A message, as `me` reads it. */
export function said(id: number, event: MsgEvent, me: string): Said {
  const own = event.user === me;
  const item: Said = {
    kind: "said", id, seq: event.seq, prev: event.prev, at: Date.parse(event.ts),
    user: event.user, color: event.color, text: event.msg, own,
    mention: !own && (event.room === undefined || mentions(event.msg, me)),
  };
  return event.redacted === true ? withoutText(item, removalOf(event)) : item;
}

export function removalOf(event: Removal): Removal {
  const { by, reason } = event;
  return { ...(by === undefined ? {} : { by }), ...(reason === undefined ? {} : { reason }) };
}

/** The message after its text was removed. It no longer mentions anyone. */
export function withoutText(item: Said, redacted: Removal): Said {
  return { ...item, text: "", mention: false, redacted };
}

const WITHIN = /[\p{L}\p{N}\p{M}_-]/u;

/** Is the name said in the text, as a word of its own? */
export function mentions(text: string, name: string): boolean {
  if (name === "") return false;
  const where = nameKey(text);
  const what = nameKey(name);
  for (let at = where.indexOf(what); at >= 0; at = where.indexOf(what, at + 1)) {
    const before = lastChar(where.slice(Math.max(0, at - 2), at));
    const after = firstChar(where.slice(at + what.length, at + what.length + 2));
    if (!WITHIN.test(before) && !WITHIN.test(after)) return true;
  }
  return false;
}

const firstChar = (text: string): string => [...text][0] ?? "";
const lastChar = (text: string): string => [...text].at(-1) ?? "";
