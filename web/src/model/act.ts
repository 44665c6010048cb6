// Owns the effects of commands and buttons: say, join, leave, search, moderate. Part of the model: it changes state and
// returns effects. Never waits for an answer: those come to `answers.ts`.

import { say } from "../sentences.ts";
import { byteLength, REASON_BYTES, tooLong, wellFormed, type Question } from "../wire/request.ts";
import { isSameName, nameProblem } from "../wire/name.ts";
import { ROLES, type Member, type Place, type Seq } from "../wire/types.ts";
import { COMMANDS, readCommand, readDuration, type Action, type Command } from "./command.ts";
import type { Candidates } from "./complete.ts";
import { newForm, readForm } from "./form.ts";
import { PENDING, type Model } from "./model.ts";
import { askRedact } from "./redact.ts";
import { splitText } from "./split.ts";
import type { Talk } from "./talk.ts";
import { cleanTopic, onTopic, topicProblem } from "./topic.ts";
import type { Effect, Overlay, Purpose } from "./words.ts";

/** Enter: sends the message or does the command. If that fails, the text stays in the input. */
export function enter(model: Model): Effect[] {
  const { talk } = model;
  if (!talk || talk.draft.trim() === "") return [];
  const typed = talk.draft;
  model.marked = undefined;
  model.completion = undefined;
  // The complaint about an earlier input is over. One that stays has another reason.
  if (model.notice?.error && model.notice.until !== undefined) model.notice = undefined;
  const read = readCommand(typed);
  if ("wrong" in read) {
    model.error(read.wrong);
    return [];
  }
  // Taken first: a command may show another conversation, with a draft of its own.
  talk.draft = "";
  const done = act(model, read.ok);
  if (!done) {
    talk.draft = typed;
    return [];
  }
  model.past.remember(typed, done.flatMap((e) => (e.kind === "send" ? [e.tag] : [])));
  return done;
}

/** A text that is too long for one message, as several. */
export function sendInParts(model: Model): Effect[] {
  const { talk } = model;
  if (!talk) return [];
  const parts = splitText(talk.draft, model.limits.msg_bytes);
  if (parts.length > PENDING - model.waiting) {
    model.error(say.tooManyWaiting);
    return [];
  }
  const typed = talk.draft;
  talk.draft = "";
  const done = parts.map((part) => sayIn(model, talk.place, part));
  if (done.some((effects) => effects === undefined)) talk.draft = typed;
  return done.flatMap((effects) => effects ?? []);
}

/** Does a command. `undefined`: it was not done, and the text stays in the input. */
export function act(model: Model, command: Command): Effect[] | undefined {
  const { talk } = model;
  switch (command.do) {
    case "say":
      if (talk) return sayIn(model, talk.place, command.text);
      model.error(say.noRoom);
      return undefined;
    case "msg": {
      if (nameProblem(command.user)) {
        model.error(say.noName(command.user));
        return undefined;
      }
      const place = direct(model, command.user);
      const sent = command.text === undefined ? [] : sayIn(model, place, command.text);
      return sent && [...sent, ...model.show(model.open(place))];
    }
    case "join": {
      const known = model.talks.find((t) => t.isRoom && isSameName(t.name, command.what));
      model.overlay = undefined;
      if (known) return model.show(known);
      if (nameProblem(command.what)) {
        model.error(say.noName(command.what));
        return undefined;
      }
      return [model.ask({ op: "JOIN", data: { room: command.what } }, { for: "join" })];
    }
    case "leave":
      return leave(model, command.what);
    case "room": {
      const known = named(model, command.what);
      if (known) return model.show(known);
      model.error(say.notIn(command.what));
      return undefined;
    }
    case "who": {
      const room = command.room ?? (talk?.isRoom ? talk.name : undefined);
      const question: Question = room === undefined ? { op: "WHO" } : { op: "WHO", data: { room } };
      return [model.ask(question, { for: "who", show: true, ...(room === undefined ? {} : { room }) })];
    }
    case "everyone":
      return [model.ask({ op: "WHO" }, { for: "who", show: true })];
    case "rooms":
      model.overlay = { kind: "rooms", text: "", at: 0 };
      return [model.ask({ op: "ROOMS" }, { for: "rooms" })];
    case "action":
      if (talk?.isRoom) return perform(model, command.action, talk.place);
      model.error(say.aboutARoom);
      return undefined;
    case "topic":
      return onTopic(model, command.topic);
    case "redact":
      return askRedact(model, command.which, command.reason);
    case "search":
      model.overlay = { kind: "search", text: command.what, query: "", hits: [], at: 0, more: false, loading: false };
      return search(model);
    case "unread":
      if (talk?.newFrom === undefined) {
        model.hint(say.allRead);
        return [];
      }
      if (!talk.has(talk.newFrom)) return model.load(talk, { part: "around", seq: talk.newFrom });
      model.goTo = { seq: talk.newFrom };
      return [];
    case "notify":
      model.notify = command.on;
      model.hint(command.on ? say.notifyOn : say.notifyOff);
      return command.on && model.permission !== true ? [{ kind: "ask-permission" }] : [];
    case "sound":
      model.sound = command.on;
      model.hint(command.on ? say.soundOn : say.soundOff);
      return [];
    case "theme":
      model.theme = command.theme;
      return [{ kind: "theme", theme: command.theme }];
    case "connect":
      return connectAgain(model);
    case "help":
      model.overlay = { kind: "help" };
      return [];
    case "quit":
      if (model.waiting > 0 && model.link.at !== "over") {
        model.overlay = { kind: "quit", waiting: model.waiting };
        return [];
      }
      return [{ kind: "quit" }];
  }
}

/** Says something in a conversation. `undefined`: it was not sent. */
export function sayIn(model: Model, place: Place, typed: string): Effect[] | undefined {
  const text = wellFormed(typed).replaceAll("\0", "\u{fffd}");
  if (["off", "over", "elsewhere"].includes(model.link.at)) {
    model.error(say.sessionOver);
    return undefined;
  }
  const over = tooLong(place, text, model.limits);
  if (over) {
    model.error(say.tooLong(over.bytes, over.bound));
    return undefined;
  }
  if (model.waiting >= PENDING) {
    model.error(say.tooManyWaiting);
    return undefined;
  }
  const tag = model.id();
  const talk = model.open(place);
  talk.active = tag;
  if (!talk.atHead) talk.reset();
  talk.following = true;
  talk.wantsFoot = !talk.loaded;
  talk.newFrom = undefined;
  talk.push({ kind: "pending", id: tag, at: model.now.wall, text, fate: { state: "sending" } });
  if (talk === model.talk) model.goTo = { foot: true };
  const effects: Effect[] = [{ kind: "send", tag, to: place, text }];
  return talk === model.talk ? [...effects, ...model.look()] : effects;
}

/** The direct messages with a user, under the name that they have already. */
export function direct(model: Model, user: string): Place {
  return model.talks.find((t) => !t.isRoom && isSameName(t.name, user))?.place ?? { with: user };
}

/** A conversation by its typed name: `#ops`, `@bo`, `ops`. */
function named(model: Model, which: string): Talk | undefined {
  const plain = which.replace(/^[#@]+/, "");
  return model.talks.find((t) => !which.startsWith(t.isRoom ? "@" : "#") && isSameName(t.name, plain));
}

function leave(model: Model, which: string | undefined): Effect[] {
  const talk = which === undefined ? model.talk : named(model, which);
  if (talk && !talk.isRoom) {
    model.reads.delete(talk.key);
    model.close(talk);
    return model.look();
  }
  const room = talk?.name ?? which?.replace(/^#/, "");
  return room === undefined ? [] : [model.ask({ op: "LEAVE", data: { room } }, { for: "leave" })];
}

/** Sends a moderator's action. Where it needs a question, the moderator has confirmed it. */
export function perform(model: Model, action: Action, place: Place): Effect[] {
  if (action.op === "REDACT") {
    const { seq, reason } = action;
    return [model.ask({ op: "REDACT", data: { ...place, seq, ...(reason ? { reason } : {}) } }, { for: "action", action, place })];
  }
  if (!("room" in place)) return [];
  const { room } = place;
  const question: Question =
    action.op === "TOPIC" ? { op: "ROOM", data: { room, topic: action.topic } }
    : action.op === "ROOM" ? { op: "ROOM", data: { room, private: action.private } }
    : action.op === "GRANT" ? { op: "GRANT", data: { user: action.user, role: action.role, room } }
    : { op: action.op, data: against(action, room) };
  return [model.ask(question, { for: "action", action, place })];
}

function against(action: Action & { op: "KICK" | "MUTE" | "UNMUTE" | "BAN" | "UNBAN" }, room: string) {
  const { user, for_s, reason } = action;
  return { user, room, ...(for_s === undefined ? {} : { for_s }), ...(reason ? { reason } : {}) };
}

/** The moderator has confirmed the action: reads the reason and the time. */
export function confirmAction(model: Model): Effect[] {
  const { overlay } = model;
  if (overlay?.kind !== "action") return [];
  const { action, place } = overlay;
  let filled = action;
  if ("for_s" in action || action.op === "MUTE" || action.op === "BAN" || action.op === "KICK" || action.op === "REDACT") {
    const reason = wellFormed(overlay.reason.trim());
    const time = overlay.time.trim();
    const for_s = time === "" ? undefined : readDuration(time);
    const wrong = time !== "" && for_s === undefined ? say.noTime(time)
      : byteLength(reason) > REASON_BYTES ? say.reasonTooLong(REASON_BYTES) : undefined;
    if (wrong !== undefined) {
      model.overlay = { ...overlay, why: wrong };
      return [];
    }
    filled = { ...action, ...(reason === "" ? {} : { reason }), ...(for_s === undefined ? {} : { for_s }) } as Action;
  }
  if (action.op === "TOPIC") {
    const topic = cleanTopic(overlay.topic ?? action.topic);
    const wrong = topicProblem(topic);
    if (wrong !== undefined) {
      model.overlay = { ...overlay, why: wrong };
      return [];
    }
    filled = { op: "TOPIC", topic };
  }
  model.overlay = undefined;
  return perform(model, filled, place);
}

/** May we act on that member there? The server decides; this only hides buttons that it would refuse. */
export function canModerate(model: Model, talk: Talk, member: Member): boolean {
  const rank = (role: Member["role"]): number => ROLES.indexOf(role ?? "member");
  const mine = rank(model.roleIn(talk));
  return talk.isRoom && member.user !== model.me && mine >= rank("moderator") && mine > rank(member.role);
}

/** Searches for the text in the overlay. The same text again gets the next results. */
export function search(model: Model): Effect[] {
  const { overlay } = model;
  if (overlay?.kind !== "search" || overlay.loading) return [];
  const query = overlay.text.trim();
  if (query === "") return [];
  const isMore = query === overlay.query;
  if (isMore && !overlay.more) return [];
  const before = isMore ? overlay.hits.at(-1)?.said.seq : undefined;
  const { why: _, notIndexed, ...rest } = overlay;
  const shown = isMore && notIndexed ? { notIndexed } : {};
  return askSearch(model, { ...rest, ...shown, query, ...(isMore ? {} : NO_HITS) }, before);
}

/** Searches again after a lost connection. An answer to the earlier question comes too late. */
export function searchAgain(model: Model): Effect[] {
  const { overlay } = model;
  if (overlay?.kind !== "search" || overlay.query === "") return [];
  const { why: _, notIndexed: __, ...rest } = overlay;
  return askSearch(model, { ...rest, ...NO_HITS });
}

const NO_HITS = { hits: [], at: 0, more: false };

function askSearch(model: Model, overlay: Overlay & { kind: "search" }, before?: Seq): Effect[] {
  const asked: Purpose = { for: "search" };
  const data = { query: overlay.query, limit: 50, ...(before === undefined ? {} : { before }) };
  model.overlay = { ...overlay, loading: true, asked };
  return [model.ask({ op: "SEARCH", data }, asked)];
}

function connectAgain(model: Model): Effect[] {
  if (!["off", "over", "elsewhere"].includes(model.link.at)) {
    model.hint(say.goesOn);
    return [];
  }
  model.notice = undefined;
  if (!model.again) {
    model.form = newForm(model.host.kind === "relay" ? model.host.server : "", model.me, model.color);
    model.link = { at: "off" };
    return [];
  }
  model.link = { at: "connecting" };
  return [{ kind: "connect", start: { ...model.again }, remember: model.remember }];
}

/** The form was sent off. */
export function logIn(model: Model): Effect[] {
  const { form } = model;
  if (!form || form.trying || model.host.isShut) return [];
  const read = readForm(form, model.host);
  if ("problem" in read) {
    model.form = { ...form, tried: true, field: read.field, problem: [read.problem] };
    model.announce(read.problem);
    return [];
  }
  const { start, server, room } = read.ok;
  const { field: _, ...rest } = form;
  model.form = { ...rest, tried: true, trying: true, problem: [] };
  model.link = { at: "connecting" };
  model.wantedRoom = room;
  // A code works once: the next login has the password that it set.
  const { code: __, ...again } = start;
  model.again = again;
  model.remember = form.remember;
  const rooms = room === undefined ? {} : { rooms: [room] };
  return [{ kind: "connect", start: { ...start, ...rooms }, remember: form.remember, ...(server === undefined ? {} : { server }) }];
}

/** The candidates for completion, the likeliest first. */
export function candidates(model: Model): Candidates {
  const names = new Set<string>();
  const rooms = new Set<string>();
  const { talk } = model;
  for (const item of (talk?.items ?? []).slice(-200).reverse()) if (item.kind === "said") names.add(item.user);
  for (const member of talk?.members ?? []) if (member.state === "here") names.add(member.user);
  for (const one of [talk, ...model.talks]) {
    if (!one) continue;
    (one.isRoom ? rooms : names).add(one.name);
    for (const member of one.members) names.add(member.user);
  }
  for (const room of model.knownRooms) rooms.add(room);
  const isName = (name: string): boolean => nameProblem(name) === undefined;
  return {
    commands: COMMANDS.map(([name]) => name), roles: [...ROLES, "none"],
    rooms: [...rooms].filter(isName), names: [...names].filter((n) => isName(n) && n !== model.me),
  };
}
