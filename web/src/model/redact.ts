// Owns messages whose text was removed: the event, the command, and which messages the reader may remove. Part of the
// model. Asks before it removes: nothing brings a text back.

import { say } from "../sentences.ts";
import { isSameName } from "../wire/name.ts";
import { placeKey, ROLES, type ErrorKind, type HistoryReply, type MsgEvent, type Place, type RedactedEvent, type Seq } from "../wire/types.ts";
import type { Which } from "./command.ts";
import { removalOf, withoutText, type Removal, type Said } from "./item.ts";
import type { Model } from "./model.ts";
import type { Talk } from "./talk.ts";
import type { Effect } from "./words.ts";

/**
 * How long an author may remove a message, in milliseconds: the daemon's default. It does not tell its own limit. Here
 * it only hides buttons; `/redact` asks the server in any case.
 */
const OWN_LIMIT = 15 * 60_000;

/** The text of a message was removed. */
export function redacted(model: Model, place: Place, event: RedactedEvent): Effect[] {
  const { seq } = event;
  const removal = removalOf(event);
  takeOut(model, place, seq, removal);
  if (model.talk?.key === placeKey(place)) model.announce(say.removed(removal.by, removal.reason));
  return [];
}

/** The server does not repeat what was removed while the page was away: it is read again. */
export function redactAgain(model: Model, place: Place, messages: readonly MsgEvent[]): void {
  for (const message of messages) if (message.redacted === true) takeOut(model, place, message.seq, removalOf(message));
}

/** A page has so many messages or bytes at most, so the rest of the window may come with another one. */
export function readOn(model: Model, place: Place, { messages, more }: HistoryReply): Effect[] {
  const talk = model.talks[model.find(place)];
  const last = messages.at(-1)?.seq;
  if (talk && more && last !== undefined && last < (talk.newest ?? 0)) return model.readAgain(talk, last);
  if (talk) talk.isHidden = false;
  return [];
}

/** Takes a text out of all that the page holds: the conversation, results of a search, questions, what was typed. */
function takeOut(model: Model, place: Place, seq: Seq, removal: Removal): void {
  const was = model.talks[model.find(place)]?.redact(seq, removal);
  model.past.forget(seq);
  // `silence` closes its notification.
  if (model.rung.get(placeKey(place)) === seq) model.rung.set(placeKey(place), 0);
  // It may have been read out just now.
  if (was) model.announced = undefined;
  // The older side of a part that is being loaded waits for the newer one.
  for (const purpose of model.purposes.values()) {
    const one = purpose.for === "around" ? purpose.older?.messages.find((m) => m.seq === seq) : undefined;
    if (one) Object.assign(one, removal, { msg: "", redacted: true });
  }
  const { overlay } = model;
  // The question whether to remove it shows its text, and has its answer.
  if (overlay?.kind === "action" && overlay.said?.seq === seq) model.overlay = undefined;
  if (overlay?.kind !== "search") return;
  const hits = overlay.hits.map((hit) =>
    hit.said.seq === seq ? { ...hit, said: withoutText(hit.said, removal), highlights: [] } : hit);
  model.overlay = { ...overlay, hits };
}

/** The server has not removed a message. Where it is too old, so are those before it. */
export function redactRefused(model: Model, place: Place, seq: Seq, error: ErrorKind): void {
  const talk = model.talks[model.find(place)];
  if (error === "UNKNOWN_OP") model.canRemove = false;
  else if (error === "FORBIDDEN" && talk) talk.refusedUpTo = Math.max(seq, talk.refusedUpTo);
}

/** `/redact`: asks whether the message is to be removed. `undefined`: there is none. */
export function askRedact(model: Model, which: Which, reason: string): Effect[] | undefined {
  const { talk } = model;
  if (!talk) {
    model.error(say.noRoom);
    return undefined;
  }
  const item = talk.items.findLast((i): i is Said => i.kind === "said" && (
    which.of === "seq" ? i.seq === which.seq
    : i.redacted === undefined && (which.of === "own" ? i.own : isSameName(i.user, which.user))));
  if (!item && which.of !== "seq") {
    model.error(which.of === "own" ? say.wroteNothing : say.noMessageOf(which.user));
    return undefined;
  }
  const seq = item?.seq ?? (which.of === "seq" ? which.seq : 0);
  model.overlay = { kind: "action", action: { op: "REDACT", seq }, place: talk.place, reason, time: "", ...(item ? { said: item } : {}) };
  return [];
}

/** Is the reader offered to remove that message? The server decides. */
export function canRedact(model: Model, talk: Talk, item: Said): boolean {
  if (item.redacted !== undefined || !model.canRemove) return false;
  if (item.own && item.seq > talk.refusedUpTo && model.now.wall < item.at + OWN_LIMIT) return true;
  return talk.isRoom && ROLES.indexOf(model.roleIn(talk)) >= ROLES.indexOf("moderator");
}
