// Owns the types between the shell and the model: inputs, effects, the state of the connection, and overlays. Data
// alone.

import type { Start } from "../session/life.ts";
import type { Saved, SavedMessage, SessionAnswer, SessionEvent } from "../session/words.ts";
import type { Question } from "../wire/request.ts";
import type { HistoryReply, Member, Place, RoomInfo, Seq } from "../wire/types.ts";
import type { Action, Command, Theme } from "./command.ts";
import type { Field } from "./form.ts";
import type { Said } from "./item.ts";
import type { Part } from "./talk.ts";

/** The time in milliseconds: since some start, and since 1970. */
export interface Now { up: number; wall: number }

/** The program that serves the page. `relay`: the client on this machine, which can reach other servers. */
export interface Host {
  kind: "relay" | "daemon";
  /** `host:port`, as it is shown. */
  server: string;
  /** With `relay`: a token that stands for the server and its trust. A session belongs to one. */
  id?: string;
  /** How the server's certificate was verified. */
  verified: "CA" | "pin" | "browser";
  /** With `relay`: why the last connection to the server failed, as the terminal would say it. */
  problem?: string[];
  /** The program does not know this tab: nothing can be done on it. */
  isShut?: boolean;
}

export type Input =
  | { kind: "typed"; text: string; caret: number }
  | { kind: "enter" | "split" | "escape" | "next-unread" | "first-unread" | "to-end" | "to-top" | "tick" }
  | { kind: "complete"; to: "next" | "back" | number }
  | { kind: "past"; older: boolean }
  /** Many lines were pasted at the caret: `text` is the whole input as it would be. */
  | { kind: "paste"; text: string; caret: number; lines: number }
  | { kind: "show"; key: string }
  | { kind: "beside"; before: boolean }
  | { kind: "nth"; n: number }
  | { kind: "command"; command: Command }
  | { kind: "open"; overlay: "help" | "switcher" | "rooms" | "search" }
  | { kind: "ask-action"; action: Action; place: Place }
  /** In an overlay: typed text, another choice, or the choice is taken. */
  | { kind: "overlay-text"; text: string }
  | { kind: "overlay-move"; by: number }
  | { kind: "overlay-pick"; at?: number }
  | { kind: "action-field"; field: "reason" | "time" | "topic"; value: string }
  | { kind: "scroll"; atFoot: boolean; nearTop: boolean; nearFoot: boolean }
  | { kind: "focus"; here: boolean }
  | { kind: "form"; field: Field; value: string }
  | { kind: "remember"; on: boolean }
  | { kind: "log-in" | "reconnect-now" | "take-over" | "ask-permission" }
  | { kind: "pending"; id: number; act: "again" | "look" | "edit" | "drop" }
  | { kind: "permission"; granted: boolean }
  /** The session is open in another tab. */
  | { kind: "elsewhere" }
  /** The program that serves the page has described itself, perhaps with the reason of a failure. */
  | { kind: "host"; host: Host }
  /** A session of an earlier page goes on. */
  | { kind: "restored"; saved: Saved }
  | { kind: "event"; event: SessionEvent }
  | { kind: "answer"; answer: SessionAnswer };

export type Effect =
  /** `server`: the server for the relay; left out where there is no choice. */
  | { kind: "connect"; start: Start; remember: boolean; server?: string }
  | { kind: "ask"; tag: number; question: Question }
  | { kind: "send"; tag: number; to: Place; text: string }
  | { kind: "quit" | "reconnect" | "take-over" | "ask-permission" }
  /** Makes itself known outside of the page. */
  | { kind: "ring"; title: string; text: string; key: string; sound: boolean; show: boolean }
  /** Closes the notification of that conversation. */
  | { kind: "silence"; key: string }
  | { kind: "theme"; theme: Theme };

/** Why a question was asked. */
export type Purpose =
  | { for: "history"; place: Place; part: Part }
  /** First the older side, then, with that in hand, the newer one. */
  | { for: "around"; place: Place; seq: Seq; older?: HistoryReply }
  | { for: "who"; room?: string; show: boolean }
  | { for: "rooms" | "join" | "leave" | "mark" }
  /** The messages that are here, again: texts may have been removed. */
  | { for: "removed"; place: Place }
  | { for: "search" }
  | { for: "action"; action: Action; place: Place };

/** The connection. Times are those of `Now.up`. */
export type Link =
  | { at: "off" | "connecting" | "over" | "elsewhere" }
  /** `isStalled`: the server can keep nothing new now. */
  | { at: "up"; caughtUp?: { count: number; until: number }; isStalled?: boolean }
  | { at: "waiting"; until: number; attempt: number; why: string };

/** One line above the input. */
export interface Notice {
  text: string;
  error: boolean;
  /** When it goes. Without it the notice stays. */
  until?: number;
}

export interface Hit { place: Place; said: Said; highlights: [number, number][] }

export type Overlay =
  | { kind: "help" }
  | { kind: "who"; room?: string; members: Member[]; count: number }
  | { kind: "rooms"; text: string; at: number; rooms?: RoomInfo[] }
  | { kind: "search"; text: string; query: string; hits: Hit[]; at: number; more: boolean; loading: boolean; why?: string;
    /** The question on its way. Other answers come too late. */
    asked?: Purpose;
    /** The messages that the search did not cover: after the first number, up to the second one. */
    notIndexed?: [Seq, Seq] }
  | { kind: "switcher"; text: string; at: number }
  | { kind: "paste"; text: string; caret: number; lines: number }
  | { kind: "action"; action: Action; place: Place; reason: string; time: string; why?: string;
    /** With REDACT: the message, where it is here. With TOPIC: the text of the field. */
    said?: Said; topic?: string }
  /** The goodbye has to be asked for: messages are on their way. */
  | { kind: "quit"; waiting: number };

/** The state that a later page takes up again. */
export interface Kept {
  /** Whose it is: it is for no other user of this browser. */
  me: string;
  reads: [string, Seq][];
  drafts: [string, string][];
  /** Messages that were refused, or of which nobody knows. */
  unresolved: { key: string; text: string; at: number; why?: string }[];
  current?: string;
  notify: boolean;
  sound: boolean;
  theme: Theme;
}

export type { SavedMessage };
