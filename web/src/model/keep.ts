// Owns the state that outlives the page: read marks, drafts, messages whose fate is open, settings. A port of the
// terminal's `reads.rs`. Part of the model. Never touches the storage: the shell does.

import { placeOf, type Seq } from "../wire/types.ts";
import { THEMES } from "./command.ts";
import type { Model } from "./model.ts";
import type { Kept } from "./words.ts";

/** Direct messages that are opened again on a new page. */
const RETURNING = 32;
/** Conversations whose read mark is kept. */
const READS = 128;
/** The longest draft that is kept, in UTF-16 units. */
const DRAFT = 32 * 1024;

/** The state that a later page takes up again. */
export function keep(model: Model): Kept {
  const open = model.talks.filter((t) => !t.fresh).map((t): [string, Seq] => [t.key, t.read]);
  const isOpen = new Set(model.talks.map((t) => t.key));
  const closed = [...model.reads].filter(([key]) => key.startsWith("@") && !isOpen.has(key));
  const reads = [...open, ...closed].sort(([a, x], [b, y]) => Number(a.startsWith("@")) - Number(b.startsWith("@")) || y - x);
  const drafts = model.talks.filter((t) => t.draft !== "" && t.draft.length <= DRAFT).map((t): [string, string] => [t.key, t.draft]);
  const unresolved = model.talks.flatMap((talk) =>
    talk.items.flatMap((i) => {
      if (i.kind !== "pending" || i.fate.state === "sending") return [];
      const why = i.fate.state === "refused" ? { why: i.fate.why } : {};
      return [{ key: talk.key, text: i.text, at: i.at, ...why }];
    }));
  const { me, notify, sound, theme } = model;
  return {
    me, reads: reads.slice(0, READS), drafts, unresolved, notify, sound, theme,
    ...(model.talk ? { current: model.talk.key } : {}),
  };
}

/** Takes up the state of an earlier page. Ignores values of another shape: another version may have written them. */
export function takeUp(model: Model, kept: Partial<Kept>): void {
  const pairs = <T>(list: unknown, is: (value: unknown) => value is T): [string, T][] =>
    (Array.isArray(list) ? list : []).filter(
      (p): p is [string, T] => Array.isArray(p) && typeof p[0] === "string" && is(p[1]));
  const isSeq = (value: unknown): value is Seq => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  const isText = (value: unknown): value is string => typeof value === "string";
  const reads = pairs(kept.reads, isSeq);
  model.reads = new Map(reads);
  const directs = reads.filter(([key]) => key.startsWith("@")).sort((a, b) => b[1] - a[1]);
  model.returning = directs.slice(0, RETURNING).map(([key]) => key);
  model.drafts = new Map(pairs(kept.drafts, isText));
  model.unresolved = (Array.isArray(kept.unresolved) ? kept.unresolved : []).filter(
    (u) => isText(u?.key) && isText(u.text) && isSeq(u.at));
  model.notify = kept.notify === true;
  model.sound = kept.sound === true;
  model.theme = THEMES.find((one) => one === kept.theme) ?? "system";
  if (isText(kept.current)) model.wantedKey = kept.current;
}

/** Shows again the messages of an earlier page whose fate is open. */
export function returnUnresolved(model: Model): void {
  for (const { key, text, at, why } of model.unresolved.splice(0)) {
    const fate = why === undefined ? ({ state: "unknown" } as const) : ({ state: "refused", why } as const);
    model.open(placeOf(key)).push({ kind: "pending", id: model.id(), at, text, fate });
  }
}

/** The user has left: nothing of theirs stays on the page for the next one. */
export function forgetUser(model: Model): void {
  model.talks = [];
  model.current = 0;
  model.reads.clear();
  model.drafts.clear();
  model.past.clear();
  model.returning = [];
  model.unresolved = [];
  model.knownRooms = [];
  model.purposes.clear();
  model.told.clear();
  model.keepsMarks = false;
  model.wantedKey = undefined;
  model.overlay = undefined;
  model.completion = undefined;
  model.notice = undefined;
  model.marked = undefined;
  model.goTo = undefined;
}

/** After that number the server has another log. The messages here belong to the old one; they are loaded again. */
export function logReplaced(model: Model, from: Seq): void {
  for (const [key, seq] of model.reads) model.reads.set(key, Math.min(from, seq));
  for (const [key, seq] of model.told) model.told.set(key, Math.min(from, seq));
  for (const talk of model.talks) {
    talk.reset();
    talk.read = Math.min(from, talk.read);
    talk.clearNews();
  }
}
