// Owns the session's events: how messages, presence, notices and the life of the connection change the page. Part
// of the model; a port of the terminal's `net.rs`. Asks only for history and members that conversations lack.

import { problemText, say } from "../sentences.ts";
import type { Message, Problem, SessionEvent } from "../session/words.ts";
import { isSameName } from "../wire/name.ts";
import type { LoginReply, MemberState, NoticeEvent, PresenceEvent } from "../wire/types.ts";
import { searchAgain } from "./act.ts";
import { spoken } from "./explain.ts";
import { newForm } from "./form.ts";
import { said, type Said } from "./item.ts";
import { forgetUser, logReplaced, returnUnresolved } from "./keep.ts";
import { isToTell, takeMark, takeMarks } from "./marks.ts";
import type { Model } from "./model.ts";
import { redacted } from "./redact.ts";
import type { Talk } from "./talk.ts";
import { topicChanged } from "./topic.ts";
import type { Effect } from "./words.ts";

/** How long "caught up" stands in the bar, in milliseconds. */
const CAUGHT_UP = 10_000;
/** Between two rings. */
const RING = 2_000;
/** The shortest time between two messages that are read out. The badge alone counts those in between. */
const ANNOUNCE = 1_000;

export function onEvent(model: Model, event: SessionEvent): Effect[] {
  switch (event.kind) {
    case "entered":
      return entered(model, event.login, event.resumed);
    case "refused":
      return refused(model, event.why);
    case "message":
      return message(model, event.message);
    case "presence":
      presence(model, event.event);
      return [];
    case "notice":
      return notice(model, event.event);
    case "redacted":
      return redacted(model, event.place, event.event);
    case "topic":
      topicChanged(model, event.event);
      return [];
    case "mark":
      takeMark(model, event.place, event.seq);
      return [];
    case "connected": {
      model.link = { at: "up" };
      loggedIn(model, event.login);
      // First: what it drops, the refresh loads.
      const looked = lookAgain(model);
      return [...refresh(model, true), ...looked];
    }
    case "resumed":
      model.link = { at: "up", caughtUp: { count: event.caughtUp, until: model.now.up + CAUGHT_UP } };
      if (model.notice?.error) model.notice = undefined;
      delete model.host.problem;
      model.announce(say.caughtUp(event.caughtUp));
      return [...refresh(model, false), ...lookAgain(model)];
    case "connecting":
      if (model.link.at === "waiting") model.link = { ...model.link, until: model.now.up };
      return [];
    case "reconnecting": {
      const why = problemText(event.why);
      if (model.link.at !== "waiting") model.announce(say.connectionLost);
      model.link = { at: "waiting", until: model.now.up + event.wait, attempt: event.attempt, why };
      return [];
    }
    case "session-lost":
      model.noteEverywhere(say.sessionLost);
      return [];
    case "log-replaced":
      logReplaced(model, event.from);
      model.noteEverywhere(say.logReplaced(event.from), "gap");
      return [];
    case "gap":
      model.noteEverywhere(say.gap(event.from, event.to), "gap");
      return [];
    case "chain-broken": {
      const text = say.chainBroken(event.last, event.prev, event.seq);
      model.note(model.open(event.place), text, "broken");
      model.error(text);
      return [];
    }
    case "ended":
      ended(model, event.why);
      return [];
  }
}

/** The first login of this page. */
function entered(model: Model, login: LoginReply, resumed: boolean): Effect[] {
  model.form = undefined;
  model.notice = undefined;
  model.link = { at: "up" };
  // After a session that ended by itself another user may have entered.
  if (model.talks.length > 0 && !isSameName(login.name, model.me)) forgetUser(model);
  loggedIn(model, login);
  returnUnresolved(model);
  // A session that goes on has its own rooms: the one of the invite is joined besides.
  const wanted = model.wantedRoom;
  model.wantedRoom = undefined;
  if (wanted === undefined || !resumed || login.rooms.includes(wanted)) return [];
  return [model.ask({ op: "JOIN", data: { room: wanted } }, { for: "join" })];
}

function refused(model: Model, why: Problem): Effect[] {
  model.link = { at: "off" };
  const lines = (why.kind === "no-connection" ? model.host.problem : undefined) ?? [problemText(why)];
  const isName = why.kind === "login-refused" && ["NAME_TAKEN", "NAME_INVALID"].includes(why.error);
  const isProof = why.kind === "login-refused" && why.error === "AUTH_FAILED";
  const field = isName ? "name" : isProof ? "password" : why.kind === "no-connection" && model.host.kind === "relay" ? "server" : undefined;
  const form = model.form ?? newForm(model.host.server, model.again?.name ?? model.me, model.again?.color ?? model.color);
  model.form = { ...form, tried: true, trying: false, problem: lines, ...(field ? { field } : {}) };
  model.announce(spoken(lines));
  return [];
}

function loggedIn(model: Model, login: LoginReply): void {
  delete model.host.problem;
  model.me = login.name;
  model.color = login.color;
  model.limits = login.limits;
  model.canRemove = true;
  takeMarks(model, login.marks);
  for (const room of login.rooms) {
    const isNew = model.find({ room }) < 0;
    const talk = model.open({ room });
    // There is no read mark for this room: all of it counts as read.
    if (isNew && !model.reads.has(talk.key)) talk.readUpTo(login.head);
  }
  for (const talk of model.talks.filter((t) => t.isRoom && !login.rooms.includes(t.name))) model.close(talk);
  const wanted = model.talks.find((t) => t.key === (model.wantedRoom ?? model.wantedKey));
  if (wanted) model.current = model.talks.indexOf(wanted);
  else if (model.talks.every((t) => t.items.length === 0)) model.current = 0;
  model.wantedKey = undefined;
}

/** Asks for history and members after a connect. */
function refresh(model: Model, all: boolean): Effect[] {
  model.returnDirects();
  return model.talks.flatMap((talk) => {
    talk.asked = undefined;
    const history = all || !talk.loaded ? model.load(talk, { part: "newest" }) : [];
    if (!("room" in talk.place)) return history;
    const { room } = talk.place;
    return [...history, model.ask({ op: "WHO", data: { room } }, { for: "who", room, show: false })];
  });
}

/**
 * Texts may have been removed while the connection was lost. What is shown or unread is read again, and searched for
 * again. Other texts are dropped.
 */
function lookAgain(model: Model): Effect[] {
  for (const talk of model.talks.filter((t) => t.loaded)) {
    // The history with a user may no longer be there: those messages are kept.
    if (talk.isRoom && talk !== model.talk && talk.unread === 0 && !isToTell(model, talk)) talk.dropTexts();
    else {
      talk.mayHoldRemoved = true;
      talk.isHidden ||= talk !== model.talk;
    }
  }
  return [...model.look(), ...model.talks.flatMap((t) => (t.mayHoldRemoved && t.unread > 0 ? model.readAgain(t) : [])), ...searchAgain(model)];
}

function message(model: Model, message: Message): Effect[] {
  const { event, own, place } = message;
  const talk = model.open(place);
  const reading = model.isReading(talk);
  const id = model.id();
  talk.active = id;
  if (message.tag !== undefined) {
    stalls(model, false); // It has kept this one.
    talk.takePending(message.tag);
    model.past.link(message.tag, event.seq);
  }
  // It came with a page of the history already.
  if (talk.newest !== undefined && talk.newest >= event.seq) return [];
  const item = said(id, event, model.me);
  if (talk.fresh) talk.readUpTo(event.prev); // Earlier messages are not news.
  const isRead = event.seq <= talk.read; // In another session of the user.
  if (reading) {
    talk.readUpTo(event.seq);
  } else if (own) {
    talk.readElsewhere(event.seq); // Users have read what they answer, perhaps in another session.
  } else if (!isRead) {
    if (talk.unread === 0) talk.newFrom = event.seq;
    talk.addNews(item);
  }
  talk.push(item);
  const isNews = !own && model.link.at === "up";
  if (isNews && talk === model.talk && model.now.up >= model.announcedAt + ANNOUNCE) {
    model.announce(item.redacted ? say.removed(item.redacted.by, item.redacted.reason) : say.announceMessage(event.user, event.msg));
  }
  return item.mention && !isRead && !(reading && model.focus) ? ring(model, talk, item) : [];
}

function ring(model: Model, talk: Talk, { user, text, seq }: Said): Effect[] {
  if (model.now.up < model.rangAt + RING || (!model.notify && !model.sound)) return [];
  model.rangAt = model.now.up;
  model.rung.set(talk.key, seq);
  return [{ kind: "ring", title: say.ring(user, talk.title), text, key: talk.key, show: model.notify, sound: model.sound }];
}

/** Closes notifications whose message was read or removed, or whose conversation is gone. */
export function silence(model: Model): Effect[] {
  return [...model.rung].flatMap(([key, seq]): Effect[] => {
    if (model.talks.some((t) => t.key === key && t.read < seq)) return [];
    model.rung.delete(key);
    return [{ kind: "silence", key }];
  });
}

function presence(model: Model, event: PresenceEvent): void {
  const talk = model.talks[model.find({ room: event.room })];
  if (!talk) return;
  const states: { [state: string]: MemberState | undefined } = { joined: "here", back: "here", away: "away" };
  if (event.state === "other") return;
  talk.member(event.user, event.color, states[event.state], event.state === "joined");
  if (event.user === model.me || (event.state !== "joined" && event.state !== "left")) return;
  const text = event.state === "joined" ? say.joined(event.user) : say.left(event.user);
  talk.pushPresence({ kind: "note", id: model.id(), at: model.now.wall, tone: "presence", text, parts: [{ user: event.user, text }] });
}

function notice(model: Model, notice: NoticeEvent): Effect[] {
  const effects: Effect[] = [];
  if (notice.kind === "UNAVAILABLE" || notice.kind === "AVAILABLE") {
    stalls(model, notice.kind === "UNAVAILABLE");
    return effects;
  }
  const talk = notice.kind === "REMOVED" && notice.room !== undefined ? model.talks[model.find({ room: notice.room })] : undefined;
  if (talk) {
    model.close(talk);
    effects.push(...model.look());
  }
  model.noteEverywhere(notice.kind === "OPERATOR" ? say.operatorSays(notice.msg) : say.serverSays(notice.msg));
  return effects;
}

/** The server can keep nothing new from now on, or can again. */
function stalls(model: Model, isStalled: boolean): void {
  const { link } = model;
  if (link.at !== "up" || isStalled === (link.isStalled ?? false)) return;
  model.link = isStalled ? { at: "up", isStalled } : { at: "up" };
  model.announce(isStalled ? say.stalled : say.stalledNoMore);
}

function ended(model: Model, why: Problem): void {
  const text = problemText(why);
  if (why.kind === "closed" && why.how === "quit") {
    // Left by hand: nothing of it stays on the page.
    model.form = newForm(model.host.kind === "relay" ? model.host.server : "", model.me, model.color);
    model.link = { at: "off" };
    forgetUser(model);
    model.again = undefined;
    model.notice = undefined;
    model.announce(say.youLeft);
    return;
  }
  model.link = { at: "over" };
  model.notice = { text, error: true };
  model.announce(text);
}
