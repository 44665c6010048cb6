// Owns the topic of a room: the event, the command, and whether the reader may set it. Part of the model.

import { say } from "../sentences.ts";
import { TOPIC_CHARS, wellFormed } from "../wire/request.ts";
import { ROLES, type TopicEvent } from "../wire/types.ts";
import type { Model } from "./model.ts";
import type { Talk } from "./talk.ts";
import type { Effect } from "./words.ts";

/** The topic of a room has changed. */
export function topicChanged(model: Model, event: TopicEvent): void {
  const talk = model.talks[model.find({ room: event.room })];
  if (!talk) return;
  talk.topic = event.topic;
  const text = say.topicChanged(event.user, event.topic);
  const by = event.user === undefined ? {} : { by: event.user };
  talk.push({ kind: "note", id: model.id(), at: model.now.wall, tone: "quiet", text, ...by });
  if (talk === model.talk) model.announce(text);
}

/** `/topic`: shows the topic of the room, or sets it. `undefined`: it was not done. */
export function onTopic(model: Model, typed: string | undefined): Effect[] | undefined {
  const { talk } = model;
  if (!talk || !("room" in talk.place)) {
    model.error(say.aboutARoom);
    return undefined;
  }
  if (typed === undefined) {
    model.hint(talk.topic === "" ? say.noTopic : say.topicIs(talk.topic));
    return [];
  }
  const topic = cleanTopic(typed);
  const wrong = topicProblem(topic);
  if (wrong !== undefined) {
    model.error(wrong);
    return undefined;
  }
  const { place } = talk;
  return [model.ask({ op: "ROOM", data: { room: place.room, topic } }, { for: "action", action: { op: "TOPIC", topic }, place })];
}

/** The topic as it is sent. */
export function cleanTopic(typed: string): string {
  return wellFormed(typed.trim()).replaceAll("\0", "\u{fffd}");
}

/** Why a text cannot be a topic, as a sentence. */
export function topicProblem(topic: string): string | undefined {
  const chars = [...topic].length;
  return chars > TOPIC_CHARS ? say.topicTooLong(chars, TOPIC_CHARS) : undefined;
}

/**
 * Is the reader offered to set the topic? Moderators are; in a room without one, each member that may write. The page
 * does not know of moderators that are not in the room, so the server may still refuse.
 */
export function canSetTopic(model: Model, talk: Talk): boolean {
  const isModerator = (role: (typeof ROLES)[number] | undefined): boolean =>
    ROLES.indexOf(role ?? "member") >= ROLES.indexOf("moderator");
  const mine = model.roleIn(talk);
  if (!talk.isRoom || mine === "read-only") return false;
  return isModerator(mine) || !talk.members.some((m) => isModerator(m.role));
}
