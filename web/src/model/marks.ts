// Owns the read marks between the page and the server: what the server has noted, what it is to be told, and what other
// sessions of the user have read. A port of the terminal's `reads.rs`. Part of the model. Only a proven name has marks
// there; for others they stay on the page (`keep.ts`).

import type { MarkData } from "../wire/request.ts";
import { placeKey, placeOfMark, type Place, type ReadMark, type Seq } from "../wire/types.ts";
import type { Model } from "./model.ts";
import type { Talk } from "./talk.ts";
import type { Effect } from "./words.ts";

/** The shortest time between two read marks of one conversation, in milliseconds. */
const MARK = 1_000;
/** Marks that are remembered. The server keeps 1,000 of a user. */
const MARKS = 4_096;

/** The marks of a login; without a list the server keeps none for this name. */
export function takeMarks(model: Model, marks: readonly ReadMark[] | undefined): void {
  model.keepsMarks = marks !== undefined;
  model.told.clear();
  for (const mark of marks ?? []) takeMark(model, placeOfMark(mark), mark.seq);
}

/** The server has this mark: another session of the user has read up to there, or this one has. */
export function takeMark(model: Model, place: Place, seq: Seq): void {
  const key = placeKey(place);
  for (const map of [model.told, model.reads]) {
    if (map.has(key) || map.size < MARKS) map.set(key, Math.max(seq, map.get(key) ?? 0));
  }
  model.talks[model.find(place)]?.readElsewhere(seq);
}

/**
 * Tells the server what was read: of each conversation at most once a second, but at once where the reader looks away
 * (`all`), since the page may be closed next.
 */
export function tellMarks(model: Model, all: boolean): Effect[] {
  if (!model.keepsMarks || model.link.at !== "up") return [];
  const { up } = model.now;
  return model.talks.flatMap((talk) => {
    const seq = toTell(model, talk);
    if (seq === undefined || (!all && talk.toldAt !== undefined && up < talk.toldAt + MARK)) return [];
    model.told.set(talk.key, seq);
    talk.toldAt = up;
    const data: MarkData = { ...talk.place, seq };
    return [model.ask({ op: "MARK", data }, { for: "mark" })];
  });
}

/** When the server is to be told next. */
export function nextMark(model: Model): number | undefined {
  if (!model.keepsMarks || model.link.at !== "up") return undefined;
  const moments = model.talks.flatMap((t) => (toTell(model, t) === undefined ? [] : [(t.toldAt ?? model.now.up) + MARK]));
  return moments.length > 0 ? Math.min(...moments) : undefined;
}

/** Is there a mark that the server does not have yet? */
export function isToTell(model: Model, talk: Talk): boolean {
  return model.keepsMarks && toTell(model, talk) !== undefined;
}

/** Up to which message the server does not know that this was read. */
function toTell(model: Model, talk: Talk): Seq | undefined {
  if (talk.fresh || !talk.loaded) return undefined;
  const seq = Math.min(talk.read, talk.newest ?? 0);
  return seq > (model.told.get(talk.key) ?? 0) ? seq : undefined;
}
