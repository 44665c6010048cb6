// Owns the overlays: the text typed there, the chosen entry, and the effect of taking it. Part of the
// model. Never asks the server by itself: `act.ts` does.

import { nameKey } from "../wire/name.ts";
import { placeKey, type Place, type RoomInfo } from "../wire/types.ts";
import { act, confirmAction, search } from "./act.ts";
import type { Action } from "./command.ts";
import type { Model } from "./model.ts";
import type { Talk } from "./talk.ts";
import type { Effect, Input } from "./words.ts";

/** Entries that the switcher shows. */
const SWITCHER = 12;

/** An entry of the switcher: an open conversation, or one that could be. */
export interface Target { key: string; title: string; talk?: Talk; place: Place }

/** The conversations that match the text; those with mentions first, then those with new messages. */
export function targets(model: Model, text: string): Target[] {
  const wanted = nameKey(text.replace(/^[#@]/, ""));
  const sign = /^[#@]/.exec(text)?.[0];
  const open = [...model.talks].sort((a, b) =>
    Number(b.mentions > 0) - Number(a.mentions > 0) || Number(b.unread > 0) - Number(a.unread > 0) || b.active - a.active);
  const found: Target[] = open.map((talk) => ({ key: talk.key, title: talk.title, talk, place: talk.place }));
  const known = new Set(found.map((t) => t.key));
  const add = (place: Place, title: string): void => {
    const key = placeKey(place);
    if (wanted !== "" && !known.has(key)) found.push({ key, title, place });
    known.add(key);
  };
  for (const room of model.knownRooms) add({ room }, `#${room}`);
  for (const talk of model.talks) for (const m of talk.members) if (m.user !== model.me) add({ with: m.user }, `@${m.user}`);
  const fits = (t: Target): boolean => (sign === undefined || t.title.startsWith(sign)) && nameKey(t.title).includes(wanted);
  const starts = (t: Target): boolean => nameKey(t.title.slice(1)).startsWith(wanted);
  return found.filter(fits).sort((a, b) => Number(starts(b)) - Number(starts(a))).slice(0, SWITCHER);
}

/** The rooms of the server that match the text. */
export function fittingRooms(rooms: readonly RoomInfo[], text: string): RoomInfo[] {
  const wanted = nameKey(text.replace(/^#/, ""));
  return rooms.filter((r) => nameKey(r.room).includes(wanted));
}

export function openOverlay(model: Model, which: "help" | "switcher" | "rooms" | "search"): Effect[] {
  model.completion = undefined;
  switch (which) {
    case "rooms":
      return act(model, { do: "rooms" }) ?? [];
    case "search":
      model.overlay = { kind: "search", text: "", query: "", hits: [], at: 0, more: false, loading: false };
      return [];
    default:
      model.overlay = which === "help" ? { kind: "help" } : { kind: "switcher", text: "", at: 0 };
      return [];
  }
}

export function askAction(model: Model, action: Action, place: Place): Effect[] {
  const talk = model.talks[model.find(place)];
  const said = action.op === "REDACT" ? talk?.items.find((i) => i.kind === "said" && i.seq === action.seq) : undefined;
  model.overlay = {
    kind: "action", action, place, reason: "", time: "",
    ...(said?.kind === "said" ? { said } : {}), ...(action.op === "TOPIC" ? { topic: action.topic } : {}),
  };
  return [];
}

export function onOverlay(model: Model, input: Input): Effect[] {
  const { overlay } = model;
  if (!overlay) return [];
  switch (input.kind) {
    case "overlay-text":
      if ("text" in overlay && overlay.kind !== "paste") {
        model.overlay = overlay.kind === "search" ? { ...overlay, text: input.text } : { ...overlay, text: input.text, at: 0 };
      }
      return [];
    case "action-field":
      if (overlay.kind === "action") model.overlay = { ...overlay, [input.field]: input.value };
      return [];
    case "overlay-move": {
      if (!("at" in overlay)) return [];
      const last = entries(model) - 1;
      model.overlay = { ...overlay, at: Math.max(0, Math.min(last, overlay.at + input.by)) };
      return overlay.kind === "search" && overlay.at + input.by >= last ? search(model) : [];
    }
    case "overlay-pick":
      return pick(model, input.at);
    default:
      return [];
  }
}

/** How many entries the overlay has to choose from. */
function entries(model: Model): number {
  const { overlay } = model;
  switch (overlay?.kind) {
    case "search":
      return overlay.hits.length;
    case "switcher":
      return targets(model, overlay.text).length;
    case "rooms":
      return fittingRooms(overlay.rooms ?? [], overlay.text).length;
    default:
      return 0;
  }
}

function pick(model: Model, given: number | undefined): Effect[] {
  const { overlay } = model;
  switch (overlay?.kind) {
    case "search": {
      // Enter searches for a new text. For the same text it goes to the chosen result.
      if (given === undefined && overlay.text.trim() !== overlay.query) return search(model);
      const hit = overlay.hits[given ?? overlay.at];
      return hit ? jump(model, hit.place, hit.said.seq) : [];
    }
    case "switcher": {
      const target = targets(model, overlay.text)[given ?? overlay.at];
      if (!target) return [];
      model.overlay = undefined;
      if (target.talk) return model.show(target.talk);
      return "room" in target.place
        ? (act(model, { do: "join", what: target.place.room }) ?? [])
        : (act(model, { do: "msg", user: target.place.with }) ?? []);
    }
    case "rooms": {
      const room = fittingRooms(overlay.rooms ?? [], overlay.text)[given ?? overlay.at]?.room;
      const what = room ?? overlay.text.replace(/^#/, "").trim();
      return what === "" ? [] : (act(model, { do: "join", what }) ?? []);
    }
    case "who": {
      const member = overlay.members[given ?? -1];
      if (!member) return [];
      model.overlay = undefined;
      return act(model, { do: "msg", user: member.user }) ?? [];
    }
    case "paste": {
      const { talk } = model;
      model.overlay = undefined;
      if (talk) talk.draft = overlay.text;
      model.caret = { at: overlay.caret };
      return [];
    }
    case "action":
      return confirmAction(model);
    case "quit":
      model.overlay = undefined;
      return [{ kind: "quit" }];
    default:
      model.overlay = undefined;
      return [];
  }
}

/** Goes to a found message and loads the messages around it. */
function jump(model: Model, place: Place, seq: number): Effect[] {
  model.overlay = undefined;
  model.marked = seq;
  const talk = model.open(place);
  if (talk.loaded && talk.has(seq)) {
    const shown = model.show(talk);
    model.goTo = { seq };
    talk.following = false;
    return shown;
  }
  // Loads the messages around the found one, not the newest.
  talk.asked = undefined;
  const asked = model.load(talk, { part: "around", seq });
  return [...asked, ...model.show(talk)];
}
