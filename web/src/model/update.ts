// Owns the step from an input to effects: `update` changes the model and returns them. Called by the shell alone.
// Pure: the time is an argument. The longer answers to an input are in the files beside this one.

import { say } from "../sentences.ts";
import { act, candidates, enter, logIn, sayIn, sendInParts } from "./act.ts";
import { onAnswer } from "./answers.ts";
import { beginCompletion, stepCompletion } from "./complete.ts";
import { onEvent, silence } from "./events.ts";
import { newForm, setField } from "./form.ts";
import { tellMarks } from "./marks.ts";
import type { Model } from "./model.ts";
import { askAction, onOverlay, openOverlay } from "./overlays.ts";
import type { Saved } from "../session/words.ts";
import type { Effect, Host, Input, Now } from "./words.ts";

/** Takes an input; returns the effects for the shell to carry out. */
export function update(model: Model, input: Input, now: Now): Effect[] {
  model.now = now;
  const effects = take(model, input, now);
  return [...effects, ...silence(model), ...tellMarks(model, input.kind === "focus" && !input.here)];
}

function take(model: Model, input: Input, now: Now): Effect[] {
  if (model.notice?.until !== undefined && model.notice.until <= now.up) model.notice = undefined;
  if (model.link.at === "up" && model.link.caughtUp && model.link.caughtUp.until <= now.up) model.link = { at: "up" };
  switch (input.kind) {
    case "typed":
      return typed(model, input.text, input.caret);
    case "enter":
      return enter(model);
    case "split":
      return sendInParts(model);
    case "complete":
      return complete(model, input.to);
    case "past":
      return past(model, input.older);
    case "paste":
      model.overlay = { kind: "paste", text: input.text, caret: input.caret, lines: input.lines };
      return [];
    case "escape":
      return escape(model);
    case "show": {
      const talk = model.talks.find((t) => t.key === input.key);
      return talk ? model.show(talk) : [];
    }
    case "beside":
      return beside(model, input.before ? -1 : 1);
    case "nth": {
      const talk = model.talks[input.n];
      return talk ? model.show(talk) : [];
    }
    case "next-unread":
      return nextUnread(model);
    case "first-unread":
      return act(model, { do: "unread" }) ?? [];
    case "to-end":
      return toEnd(model);
    case "to-top":
      model.goTo = { top: true };
      return loadOlder(model);
    case "command":
      return act(model, input.command) ?? [];
    case "open":
      return openOverlay(model, input.overlay);
    case "ask-action":
      return askAction(model, input.action, input.place);
    case "overlay-text": case "overlay-move": case "overlay-pick": case "action-field":
      return onOverlay(model, input);
    case "scroll":
      return scrolled(model, input);
    case "focus":
      return focus(model, input.here);
    case "form":
      if (model.form && !model.form.trying) model.form = setField(model.form, input.field, input.value);
      return [];
    case "remember":
      if (model.form) model.form = { ...model.form, remember: input.on };
      return [];
    case "log-in":
      return logIn(model);
    case "reconnect-now": case "take-over": case "ask-permission":
      return [{ kind: input.kind === "reconnect-now" ? "reconnect" : input.kind }];
    case "pending":
      return pending(model, input.id, input.act);
    case "permission":
      model.permission = input.granted;
      if (!input.granted && model.notify) model.hint(say.notifyDenied);
      return [];
    case "elsewhere":
      model.link = { at: "elsewhere" };
      model.form = undefined;
      model.announce(say.elsewhere);
      return [];
    case "host":
      described(model, input.host);
      return [];
    case "restored":
      restored(model, input.saved);
      return [];
    case "event":
      return onEvent(model, input.event);
    case "answer":
      return onAnswer(model, input.answer);
    case "tick":
      return [];
  }
}

/** The relay explains a failure better than the browser can: its lines take the place of ours. */
function described(model: Model, host: Host): void {
  model.host = host;
  if (!model.form) return;
  if (model.form.server === "" && host.kind === "relay") model.form = newForm(host.server, model.form.name, model.form.color);
  if (!host.problem || model.form.trying) return;
  model.form = { ...model.form, problem: host.problem };
  // Before anything was tried there is nothing to correct yet.
  if (model.form.tried) model.form.field = "server";
}

/** A session of an earlier page, or of another tab, goes on here. This page's view of it may be out of date. */
function restored(model: Model, saved: Saved): void {
  model.form = undefined;
  model.link = { at: "connecting" };
  model.purposes.clear();
  model.me = saved.name;
  model.color = saved.color;
  for (const talk of model.talks) {
    talk.reset();
    talk.items = talk.items.filter((i) => i.kind === "pending" && i.fate.state !== "sending");
  }
  for (const { tag, to, text } of saved.outstanding) {
    model.idsAbove(tag);
    if (to) model.open(to).push({ kind: "pending", id: tag, at: model.now.wall, text, fate: { state: "sending" } });
  }
}

function typed(model: Model, text: string, caret: number): Effect[] {
  const { talk } = model;
  if (!talk) return [];
  talk.draft = text;
  model.past.leave();
  // Names, rooms and emoji are offered as soon as their sign is typed; a finger has no Tab.
  model.completion = beginCompletion(text, caret, candidates(model), true);
  return [];
}

function complete(model: Model, to: "next" | "back" | number): Effect[] {
  const { talk } = model;
  if (!talk) return [];
  const caret = model.caret?.at ?? talk.draft.length;
  const completion = model.completion ?? beginCompletion(talk.draft, caret, candidates(model), false);
  if (!completion) return [];
  const end = completion.at < 0 ? caretOf(model, talk.draft) : completion.from + (completion.words[completion.at]?.text.length ?? 0);
  const done = stepCompletion(completion, talk.draft, end, to);
  talk.draft = done.text;
  model.caret = { at: done.caret };
  // A tap takes the word; Tab may go on to the next one.
  model.completion = typeof to === "number" ? undefined : done.completion;
  return [];
}

/** Where the word that is completed ends. */
function caretOf(model: Model, text: string): number {
  const from = model.completion?.from ?? text.search(/\S*$/);
  const rest = text.slice(from).search(/\s/);
  return rest < 0 ? text.length : from + rest;
}

/** Has Tab something to complete? Otherwise it goes to the next element, as everywhere. */
export function canComplete(model: Model): boolean {
  const { talk, completion } = model;
  if (!talk || talk.draft.trim() === "") return false;
  return completion !== undefined || beginCompletion(talk.draft, talk.draft.length, candidates(model), false) !== undefined;
}

function past(model: Model, older: boolean): Effect[] {
  const { talk } = model;
  const found = talk && (older ? model.past.older(talk.draft) : model.past.newer());
  if (!talk || found === undefined) return [];
  talk.draft = found;
  model.completion = undefined;
  model.caret = { at: found.length };
  return [];
}

function escape(model: Model): Effect[] {
  if (model.completion) model.completion = undefined;
  else if (model.overlay) model.overlay = undefined;
  else {
    model.notice = undefined;
    model.marked = undefined;
    return toEnd(model);
  }
  return [];
}

function beside(model: Model, by: number): Effect[] {
  const count = model.talks.length;
  const talk = model.talks[(model.current + by + count) % Math.max(1, count)];
  return talk ? model.show(talk) : [];
}

/** The next conversation with something new; those that mean the reader come first. */
function nextUnread(model: Model): Effect[] {
  const { talks, current } = model;
  const others = talks.map((_, n) => talks[(current + n) % talks.length]).slice(1);
  const best = others.find((t) => t && t.mentions > 0) ?? others.find((t) => t && t.unread > 0);
  return best ? model.show(best) : [];
}

/** To the newest message, and staying there. */
function toEnd(model: Model): Effect[] {
  const { talk } = model;
  if (!talk) return [];
  if (!talk.atHead) talk.reset();
  talk.following = true;
  talk.wantsFoot = !talk.loaded;
  model.goTo = { foot: true };
  return model.look();
}

function loadOlder(model: Model): Effect[] {
  const { talk } = model;
  if (!talk?.loaded || talk.atStart || talk.oldest === undefined) return [];
  return model.load(talk, { part: "before", seq: talk.oldest });
}

function scrolled(model: Model, at: { atFoot: boolean; nearTop: boolean; nearFoot: boolean }): Effect[] {
  const { talk } = model;
  if (!talk?.loaded) return [];
  talk.following = at.atFoot && talk.atHead;
  const read = talk.following ? model.look() : [];
  const older = at.nearTop ? loadOlder(model) : [];
  const newer = at.nearFoot && !talk.atHead && talk.newest !== undefined
    ? model.load(talk, { part: "after", seq: talk.newest }) : [];
  return [...read, ...older, ...newer];
}

function focus(model: Model, here: boolean): Effect[] {
  model.focus = here;
  if (here) return model.look();
  if (model.talk?.unread === 0) model.talk.newFrom = undefined;
  return [];
}

/** The reader deals with a message that was refused or whose fate is unknown. */
function pending(model: Model, id: number, what: "again" | "look" | "edit" | "drop"): Effect[] {
  const talk = model.talks.find((t) => t.items.some((i) => i.kind === "pending" && i.id === id));
  if (!talk) return [];
  if (what === "look") {
    talk.reset();
    return model.look();
  }
  if (what === "edit" && talk.draft.trim() !== "") {
    model.hint(say.draftInTheWay);
    return [];
  }
  const item = talk.takePending(id);
  if (!item || what === "drop") return [];
  if (what === "edit") {
    talk.draft = item.text;
    model.caret = { at: item.text.length };
    return [];
  }
  const sent = sayIn(model, talk.place, item.text);
  if (sent) {
    for (const effect of sent) if (effect.kind === "send") model.past.link(id, effect.tag);
    return sent;
  }
  talk.push(item);
  return [];
}
