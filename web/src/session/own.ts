// Owns two questions about answers: is the server's copy of a message the one that was sent, and is a page of the
// history the one that was asked for? Pure. Called by `converse.ts`. Never decides the consequence.

import { fault } from "../sentences.ts";
import { isSameName } from "../wire/name.ts";
import type { HistoryData } from "../wire/request.ts";
import type { MsgEvent, Place } from "../wire/types.ts";

/** How the daemon's copy differs from the message that `me` sent; `undefined`: it does not. */
export function checkCopy(to: Place | undefined, text: string, me: string, event: MsgEvent): string | undefined {
  // A text that was redacted before the copy came back is nowhere any more.
  if (event.msg !== text && event.redacted !== true) return fault.copy(event.seq, "text");
  if (!isThere(to, event)) return fault.copy(event.seq, "place");
  if (!isSameName(event.user, me)) return fault.copy(event.seq, "author");
  return undefined;
}

function isThere(to: Place | undefined, event: MsgEvent): boolean {
  // A room or user is shown as it was typed first.
  if (to === undefined) return event.room !== undefined;
  if ("room" in to) return event.room !== undefined && isSameName(to.room, event.room);
  return event.to !== undefined && isSameName(to.with, event.to);
}

/** Are these messages of such a page, oldest first? A program that reads page after page would never end otherwise. */
export function pageHolds(page: Pick<HistoryData, "before" | "after">, messages: readonly MsgEvent[]): boolean {
  let last = page.after ?? -1;
  for (const { seq } of messages) {
    if (seq <= last || (page.before !== undefined && seq >= page.before)) return false;
    last = seq;
  }
  return true;
}
