// Owns the meaning of an input: a message, or a command that begins with `/`. The commands of the terminal, but
// for those that are about a terminal. Pure. Called by `act.ts`. Never acts.

import { say } from "../sentences.ts";
import { ROLES, type Role, type Seq } from "../wire/types.ts";

/** The commands with their arguments; `sentences.ts` explains each one. */
export const COMMANDS = [
  ["join", "ROOM"], ["leave", "[ROOM]"], ["room", "ROOM"], ["msg", "USER [TEXT]"], ["who", "[ROOM|*]"], ["rooms", ""],
  ["search", "WORDS"], ["kick", "USER [WHY]"], ["mute", "USER [TIME] [WHY]"], ["unmute", "USER"],
  ["ban", "USER [TIME] [WHY]"], ["unban", "USER"], ["role", "USER ROLE"], ["private", "on|off"], ["topic", "[TEXT|-]"],
  ["redact", "[USER|N] [WHY]"], ["unread", ""],
  ["notify", "on|off"], ["sound", "on|off"], ["theme", "light|dark|system"], ["connect", ""], ["help", ""], ["quit", ""],
] as const;
export type CommandWord = (typeof COMMANDS)[number][0];

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** An action of a moderator or owner in a room, or of an author. The model adds the conversation. */
export type Action =
  | { op: "KICK" | "MUTE" | "UNMUTE" | "BAN" | "UNBAN"; user: string; for_s?: number; reason?: string }
  | { op: "GRANT"; user: string; role: Role | "none" }
  | { op: "ROOM"; private: boolean }
  | { op: "TOPIC"; topic: string }
  | { op: "REDACT"; seq: Seq; reason?: string };

/** The message that `/redact` is about: our newest one, that of a user, or the one of a number. */
export type Which = { of: "own" } | { of: "user"; user: string } | { of: "seq"; seq: Seq };

export type Command =
  | { do: "say"; text: string }
  | { do: "join" | "room" | "search"; what: string }
  | { do: "leave"; what?: string }
  | { do: "msg"; user: string; text?: string }
  | { do: "who"; room?: string }
  | { do: "everyone" | "rooms" | "unread" | "connect" | "help" | "quit" }
  | { do: "action"; action: Action }
  /** Without a topic it is shown; the empty one removes it. */
  | { do: "topic"; topic?: string }
  | { do: "redact"; which: Which; reason: string }
  | { do: "notify" | "sound"; on: boolean }
  | { do: "theme"; theme: Theme };

const ALIASES: { [word: string]: CommandWord } = {
  j: "join", part: "leave", close: "leave", r: "room", m: "msg", query: "msg", s: "search", h: "help", "?": "help",
  q: "quit", exit: "quit",
};

/** Reads an input; `wrong`: a sentence that says how it is written. */
export function readCommand(input: string): { ok: Command } | { wrong: string } {
  if (!input.startsWith("/")) return { ok: { do: "say", text: input } };
  const command = input.slice(1);
  if (command.startsWith("/")) return { ok: { do: "say", text: command } };
  const [first, rest] = splitWord(command);
  const typed = first.toLowerCase();
  const word = ALIASES[typed] ?? typed;
  const found = read(word, rest.trim());
  if (found) return { ok: found };
  const known = COMMANDS.find(([name]) => name === word);
  if (known) return { wrong: `/${known[0]} ${known[1]}`.trim() };
  const meant = nearest(typed, COMMANDS.map(([name]) => name));
  return { wrong: meant === undefined ? say.noSuchCommand(typed) : say.didYouMean(typed, meant) };
}

function read(word: string, rest: string): Command | undefined {
  const room = rest.replace(/^#/, "");
  switch (word) {
    case "join":
      return room === "" ? undefined : { do: "join", what: room };
    case "leave":
      return rest === "" ? { do: "leave" } : { do: "leave", what: rest };
    case "room":
      return rest === "" ? undefined : { do: "room", what: rest };
    case "search":
      return rest === "" ? undefined : { do: "search", what: rest };
    case "msg": {
      const [name, text] = splitWord(rest);
      const user = name.replace(/^@/, "");
      if (user === "") return undefined;
      return text === "" ? { do: "msg", user } : { do: "msg", user, text };
    }
    case "who":
      if (rest === "*") return { do: "everyone" };
      return room === "" ? { do: "who" } : { do: "who", room };
    case "topic":
      return rest === "" ? { do: "topic" } : { do: "topic", topic: rest === "-" ? "" : rest };
    case "redact": {
      const [name, reason] = splitWord(rest);
      const user = name.replace(/^@/, "");
      if (user === "") return { do: "redact", which: { of: "own" }, reason };
      const isSeq = /^\d{1,15}$/.test(name);
      return { do: "redact", which: isSeq ? { of: "seq", seq: Number(name) } : { of: "user", user }, reason };
    }
    case "notify":
    case "sound":
      return rest === "on" || rest === "off" ? { do: word, on: rest === "on" } : undefined;
    case "theme": {
      const theme = THEMES.find((one) => one === rest);
      return theme ? { do: "theme", theme } : undefined;
    }
    case "rooms": case "unread": case "connect": case "help": case "quit":
      return { do: word };
    default: {
      const action = readAction(word, rest);
      return action ? { do: "action", action } : undefined;
    }
  }
}

/** Reads a moderator's command: `/kick`, `/mute`, `/ban`, `/role`, `/private`. */
export function readAction(word: string, rest: string): Action | undefined {
  if (word === "private") {
    return rest === "on" || rest === "off" ? { op: "ROOM", private: rest === "on" } : undefined;
  }
  const [name, more] = splitWord(rest);
  const user = name.replace(/^@/, "");
  if (user === "") return undefined;
  const because = (reason: string): { reason?: string } => (reason === "" ? {} : { reason });
  switch (word) {
    case "kick":
      return { op: "KICK", user, ...because(more) };
    case "mute": case "ban": {
      const op = word === "mute" ? "MUTE" : "BAN";
      const [time, reason] = splitWord(more);
      const for_s = readDuration(time);
      return for_s === undefined ? { op, user, ...because(more) } : { op, user, for_s, ...because(reason) };
    }
    case "unmute": case "unban":
      return more === "" ? { op: word === "unmute" ? "UNMUTE" : "UNBAN", user } : undefined;
    case "role": {
      const role = [...ROLES, "none" as const].find((one) => one === more);
      return role ? { op: "GRANT", user, role } : undefined;
    }
    default:
      return undefined;
  }
}

const UNITS: { [unit: string]: number } = {
  s: 1, sec: 1, m: 60, min: 60, h: 3600, hr: 3600, d: 86_400, day: 86_400, days: 86_400, w: 604_800,
};

/** A time as people write it, `10m`, `2h`, `1h30m`, in seconds; at least one. */
export function readDuration(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d{1,9})([a-z]+)/g)];
  if (text === "" || parts.map((p) => p[0]).join("") !== text) return undefined;
  let seconds = 0;
  for (const [, number, unit] of parts) {
    const each = UNITS[unit ?? ""];
    if (each === undefined) return undefined;
    seconds += Number(number) * each;
  }
  return Math.max(1, seconds);
}

/** The first word, and the rest. */
function splitWord(text: string): [string, string] {
  const at = text.search(/\s/);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at).trimStart()];
}

/** The known word that is nearest, if it is near: a letter or two are wrong, or it is begun. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const scored = known.flatMap((one): [number, string][] => {
    if (word.length >= 3 && one.startsWith(word)) return [[0, one]];
    // In short words one wrong letter is much already.
    const most = one.length < 6 ? 1 : 2;
    const far = distance(one, word);
    return word.length >= 2 && far <= most ? [[far, one]] : [];
  });
  return scored.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1))[0]?.[1];
}

/** Letters to add, drop, change or swap to make one word of the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
