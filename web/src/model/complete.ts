// Owns completion: the words that match the text before the caret, and stepping through them. A port of the
// terminal's `complete.rs`, with emoji. Pure; the candidates are the model's.

import { nameKey } from "../wire/name.ts";
import { EMOJI } from "./emoji.ts";

/** Words that are offered at once. */
const OFFERED = 12;

/** The words to choose from; names without signs, the likeliest first. */
export interface Candidates { commands: string[]; roles: string[]; rooms: string[]; names: string[] }

/** A completion that is under way. */
export interface Completion {
  /** Where the word begins. */
  from: number;
  words: { shown: string; text: string }[];
  /** Which of them stands in the input; -1: none yet. */
  at: number;
  /** It was offered by itself, and not asked for. */
  offered: boolean;
}

/** The completion of the text before the caret, if anything matches. */
export function beginCompletion(text: string, caret: number, all: Candidates, offered: boolean): Completion | undefined {
  const head = text.slice(0, caret);
  const from = head.search(/\S*$/);
  const word = head.slice(from);
  if (word.startsWith(":")) return emoji(word, from, offered);
  const typed = head.trim().split(/\s+/);
  const command = head.startsWith("/") ? (typed[0] ?? "").slice(1) : "";
  const words = head.trim() === "" ? 0 : typed.length;
  const isRole = command === "role" && words + (word === "" ? 1 : 0) === 3;
  const aboutRooms = ["join", "j", "room", "r", "leave", "part", "who"].includes(command);
  const [sign, pool, end] = poolOf();
  if (!pool || (offered && sign === "")) return undefined;
  const begun = nameKey(word.slice(sign.length));
  const fitting = pool.filter((one) => nameKey(one).startsWith(begun)).slice(0, OFFERED);
  const made = fitting.map((one) => ({ shown: `${sign}${one}`, text: `${sign}${one}${end}` }));
  return made.length === 0 ? undefined : { from, words: made, at: -1, offered };

  function poolOf(): [string, string[] | undefined, string] {
    if (word.startsWith("/") && from === 0) return ["/", all.commands, " "];
    if (word.startsWith("#")) return ["#", all.rooms, " "];
    if (word.startsWith("@")) return ["@", all.names, " "];
    if (word === "" && from === 0) return ["", undefined, ""];
    if (from > 0 && aboutRooms) return ["", all.rooms, " "];
    if (isRole) return ["", all.roles, " "];
    if (word === "") return ["", undefined, ""];
    return ["", all.names, from === 0 ? ": " : " "];
  }
}

function emoji(word: string, from: number, offered: boolean): Completion | undefined {
  const begun = word.slice(1).toLowerCase().replace(/:$/, "");
  if (begun.length < 2) return undefined;
  const found = Object.entries(EMOJI).filter(([name]) => name.startsWith(begun)).slice(0, OFFERED);
  const words = found.map(([name, sign]) => ({ shown: `${sign} :${name}:`, text: sign }));
  return words.length === 0 ? undefined : { from, words, at: -1, offered };
}

/** Puts another of the words in; returns the text and where the caret stands. */
export function stepCompletion(
  completion: Completion, text: string, caret: number, to: number | "next" | "back",
): { text: string; caret: number; completion: Completion } {
  const count = completion.words.length;
  const { at } = completion;
  const next = typeof to === "number" ? to : to === "next" ? (at + 1) % count : (at <= 0 ? count : at) - 1;
  const word = completion.words[next]?.text ?? "";
  const head = text.slice(0, completion.from) + word;
  return { text: head + text.slice(caret), caret: head.length, completion: { ...completion, at: next, offered: false } };
}
