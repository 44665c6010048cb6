// Owns messages whose text was removed: the event, the command, and which messages the reader may remove. Part of the
// model. Asks before it removes: nothing brings a text back.

import { say } from "../sentences.ts";
import { isSameName } from "../wire/name.ts";
import { ROLES, type MsgEvent, type Place, type RedactedEvent } from "../wire/types.ts";
import type { Which } from "./command.ts";
import { removalOf, withoutText, type Said } from "./item.ts";
import type { Model } from "./model.ts";
import type { Talk } from "./talk.ts";
import type { Effect } from "./words.ts";

/**
 * How long an author may remove a message, in milliseconds: the daemon's default. It does not tell its own limit. Here
 * it only hides buttons; `/redact` asks the server in any case.
 */
export const OWN_LIMIT = 15 * 60_000;

/** The text of a message was removed: it goes from the conversation and from the results of a search. */
export function redacted(model: Model, place: Place, event: RedactedEvent): void {
  const talk = model.talks[model.find(place)];
  const removal = removalOf(event);
  talk?.redact(event.seq, removal);
  if (talk && talk === model.talk) model.announce(say.removed(removal.by, removal.reason));
  // The question whether to remove it shows its text, and has its answer.
  if (model.overlay?.kind === "action" && model.overlay.said?.seq === event.seq) model.overlay = undefined;
  if (model.overlay?.kind !== "search") return;
  const hits = model.overlay.hits.map((hit) =>
    hit.said.seq === event.seq ? { ...hit, said: withoutText(hit.said, removal), highlights: [] } : hit);
  model.overlay = { ...model.overlay, hits };
}

/** The server does not repeat what was removed while the page was away: it is read again. */
export function redactAgain(model: Model, place: Place, messages: readonly MsgEvent[]): void {
  const talk = model.talks[model.find(place)];
  for (const message of messages) if (message.redacted === true) talk?.redact(message.seq, removalOf(message));
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
  if (item.redacted !== undefined) return false;
  if (item.own && model.now.wall < item.at + OWN_LIMIT) return true;
  return talk.isRoom && ROLES.indexOf(model.roleIn(talk)) >= ROLES.indexOf("moderator");
}
