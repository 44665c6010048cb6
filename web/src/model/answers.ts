// Owns the answers to the page's questions, and the fate of its messages. Part of the model. Never asks but for
// the second side of a part around a message.

import { problemText, say } from "../sentences.ts";
import type { Problem, SessionAnswer } from "../session/words.ts";
import { historyData } from "../wire/request.ts";
import { conversationOf, placeOfMark, type HistoryReply, type Place, type SearchReply } from "../wire/types.ts";
import { said, type Fate, type Said } from "./item.ts";
import { takeMark } from "./marks.ts";
import { SIDE, type Model } from "./model.ts";
import { readOn, redactAgain, redactRefused } from "./redact.ts";
import { isSamePart, type Part } from "./talk.ts";
import type { Effect, Purpose } from "./words.ts";

/** Results that are kept of one search. */
export const HITS = 500;
/** Rooms of the server that are remembered for completion. */
const ROOMS = 500;

export function onAnswer(model: Model, answer: SessionAnswer): Effect[] {
  switch (answer.kind) {
    case "kept":
      // The message itself comes next, and takes the pending one's place.
      return [];
    case "not-kept":
      notKept(model, answer.tag, answer.why);
      return [];
    default: {
      const purpose = model.purposes.get(answer.tag);
      model.purposes.delete(answer.tag);
      if (!purpose) return [];
      return answer.kind === "failed" ? failed(model, purpose, answer.why) : answered(model, purpose, answer);
    }
  }
}

function notKept(model: Model, tag: number, why: Problem): void {
  // Where the server's copy was another one, or the session ended, nobody knows.
  const isUnknown = why.kind === "unconfirmed" || why.kind === "protocol";
  const fate: Fate = isUnknown ? { state: "unknown" } : { state: "refused", why: problemText(why) };
  for (const talk of model.talks) {
    if (talk.setPending(tag, fate)) model.announce(isUnknown ? say.fateUnknown : say.notSent(problemText(why)));
  }
}

function answered(model: Model, purpose: Purpose, answer: SessionAnswer & { kind: "answered" }): Effect[] {
  switch (answer.op) {
    case "JOIN": {
      const { room, head, members, member_count, topic = "", mark } = answer.data;
      const talk = model.open({ room });
      talk.setMembers(members, member_count);
      talk.topic = topic;
      talk.loaded = false;
      if (mark === undefined) talk.readUpTo(head);
      else takeMark(model, { room }, mark);
      model.overlay = undefined;
      return model.show(talk);
    }
    case "LEAVE": {
      const talk = model.talks[model.find({ room: answer.data.room })];
      if (talk) model.close(talk);
      return model.look();
    }
    case "WHO": {
      const { room, members, member_count: count } = answer.data;
      if (purpose.for === "who" && purpose.show) {
        model.overlay = { kind: "who", members, count, ...(room === undefined ? {} : { room }) };
      }
      const talk = room === undefined ? undefined : model.talks[model.find({ room })];
      talk?.setMembers(members, count);
      if (talk) talk.topic = answer.data.topic ?? "";
      return [];
    }
    case "ROOMS": {
      const { rooms } = answer.data;
      model.knownRooms = rooms.map((r) => r.room).slice(0, ROOMS);
      for (const info of rooms) {
        const talk = model.talks[model.find({ room: info.room })];
        if (!talk) continue;
        talk.isPrivate = info.private === true;
        talk.topic = info.topic ?? "";
      }
      if (model.overlay?.kind === "rooms") model.overlay = { ...model.overlay, rooms };
      return [];
    }
    case "HISTORY":
      if ("place" in purpose) redactAgain(model, purpose.place, answer.data.messages);
      if (purpose.for === "removed") return readOn(model, purpose.place, answer.data);
      if (purpose.for === "history") history(model, purpose.place, purpose.part, answer.data);
      return purpose.for === "around" ? around(model, purpose, answer.data) : [];
    case "SEARCH":
      if (purpose.for === "search") found(model, purpose, answer.data);
      return [];
    case "MARK": {
      const { seq } = answer.data;
      takeMark(model, placeOfMark(answer.data), seq);
      return [];
    }
    case "REDACT": {
      // The event has come before. Without one the text was removed while the page was away.
      const { seq } = answer.data;
      const talk = model.talks[model.find(placeOfMark(answer.data))];
      const item = talk?.items.find((i): i is Said => i.kind === "said" && i.seq === seq);
      if (!item) model.hint(say.messageRemoved(seq));
      return talk && item && !item.redacted ? model.readAgain(talk) : [];
    }
    default: {
      if (purpose.for !== "action" || !answer.data) return [];
      const talk = model.talks[model.find(purpose.place)];
      if (talk && answer.data.private !== undefined) talk.isPrivate = answer.data.private;
      if (talk && answer.data.topic !== undefined) talk.topic = answer.data.topic;
      // A note in the room says who has set the topic.
      if (answer.data.topic === undefined) model.hint(say.actionDone(answer.op, answer.data));
      const { place } = purpose;
      // Roles may have changed.
      if (!("room" in place)) return [];
      return [model.ask({ op: "WHO", data: { room: place.room } }, { for: "who", room: place.room, show: false })];
    }
  }
}

function failed(model: Model, purpose: Purpose, why: Problem): Effect[] {
  const text = problemText(why);
  switch (purpose.for) {
    case "history":
    case "around": {
      const talk = model.talks[model.find(purpose.place)];
      const part: Part = purpose.for === "around" ? { part: "around", seq: purpose.seq } : purpose.part;
      // Another part was asked for since.
      if (!talk || !isSamePart(talk.asked, part)) return [];
      talk.asked = undefined;
      if (why.kind === "refused" && !talk.isRoom) {
        // Nobody of that name is here, so there is no history with them either.
        talk.loaded = true;
        talk.atStart = true;
        model.closeIfNothingReturned(talk);
        return [];
      }
      model.error(say.historyFailed(talk.title, text));
      // A slow server may answer the next question. Without one, the conversation would stay empty.
      return why.kind === "timed-out" && talk === model.talk ? model.look() : [];
    }
    case "who":
      if (purpose.show) model.error(text);
      return [];
    case "mark":
      // The next one says more. Where the name proves nothing, there is no next one.
      if (why.kind === "refused" && why.error === "FORBIDDEN") model.keepsMarks = false;
      return [];
    case "removed": {
      const talk = model.talks[model.find(purpose.place)];
      if (!talk) return [];
      if (why.kind === "timed-out") talk.mayHoldRemoved = true;
      else if (talk.isHidden && talk.isRoom) talk.dropTexts();
      else talk.isHidden = false;
      return talk === model.talk && (talk.isHidden || !talk.loaded) ? model.look() : [];
    }
    case "search":
      if (model.overlay?.kind === "search" && model.overlay.asked === purpose) {
        model.overlay = { ...model.overlay, loading: false, why: text };
      }
      return [];
    case "action":
      if (purpose.action.op === "REDACT" && why.kind === "refused") redactRefused(model, purpose.place, purpose.action.seq, why.error);
      model.error(text);
      return [];
    default:
      model.error(text);
      return [];
  }
}

function history(model: Model, place: Place, part: Part, reply: HistoryReply): void {
  const talk = model.talks[model.find(place)];
  if (!talk || !isSamePart(talk.asked, part)) return;
  talk.asked = undefined;
  const items = model.saidOf(reply.messages);
  const reading = model.isReading(talk);
  if (part.part === "before") return talk.prepend(items, reply.more);
  if (part.part !== "newest") return talk.append(items, reply.more);
  talk.mergeNewest(items, reply.more);
  if (talk.fresh && talk.unread === 0) talk.wasRead(); // A conversation that was opened just now.
  talk.count();
  if (reading && talk.unread > 0 && !talk.wantsFoot) model.arriveAt(talk);
  else if (reading) talk.wasRead();
  talk.wantsFoot = false;
  if (talk.returning && talk.items.length === 0) model.reads.delete(talk.key); // It was another session's.
  model.closeIfNothingReturned(talk);
}

function around(model: Model, purpose: Purpose & { for: "around" }, reply: HistoryReply): Effect[] {
  const { place, seq, older } = purpose;
  const talk = model.talks[model.find(place)];
  if (!talk || !isSamePart(talk.asked, { part: "around", seq })) return [];
  if (!older) {
    const data = historyData(place, { after: seq, limit: SIDE });
    return [model.ask({ op: "HISTORY", data }, { ...purpose, older: reply })];
  }
  talk.asked = undefined;
  talk.replace(model.saidOf([...older.messages, ...reply.messages]), older.more, reply.more);
  if (talk === model.talk) model.goTo = { seq };
  return [];
}

function found(model: Model, purpose: Purpose, reply: SearchReply): void {
  // It may have been closed meanwhile, or something else is searched for.
  const { overlay } = model;
  if (overlay?.kind !== "search" || overlay.asked !== purpose) return;
  const hits = reply.messages.map((m) => ({
    place: conversationOf(m, model.me), said: said(model.id(), m, model.me), highlights: m.highlights ?? [],
  }));
  const { why: _, ...rest } = overlay;
  model.overlay = { ...rest, loading: false, hits: [...overlay.hits, ...hits].slice(0, HITS), more: reply.more };
  // Of the first page: the newest messages would be in it.
  const { indexed, head } = reply;
  if (overlay.hits.length === 0 && indexed !== undefined && head !== undefined && indexed < head) {
    model.overlay.notIndexed = [indexed, head];
  }
  const missing = model.overlay.notIndexed;
  const found = say.found(model.overlay.hits.length, reply.more);
  model.announce(missing ? `${found} ${say.notIndexed(...missing)}` : found);
}
