// Owns which texts may be names, when two names are the same, and which colours the wire knows. Called by the
// session (own copies) and the model (forms, commands). Never decides whether a name is free: the daemon does, by
// rules that are stricter than these.

/** The longest name, in characters. */
export const NAME_CHARS = 32;

const NAME = /^[\p{L}\p{Nd}][\p{L}\p{Nd}\p{Mn}\p{Mc}_.-]*$/u;
const ENDS = /[_.-]$/;
/** Letters and marks that show nothing: fillers, joiners, variation selectors. */
const INVISIBLE = /[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{16fe4}\u{1d159}\u{e0000}-\u{e0fff}]/u;

/** Why a text is no name, as a word for the sentences; `undefined`: it may be one. */
export type NameProblem = "empty" | "long" | "characters" | "shape";

export function nameProblem(text: string): NameProblem | undefined {
  if (text === "") return "empty";
  if ([...text].length > NAME_CHARS) return "long";
  if (INVISIBLE.test(text) || /[^\p{L}\p{Nd}\p{Mn}\p{Mc}_.-]/u.test(text)) return "characters";
  if (!NAME.test(text) || ENDS.test(text)) return "shape";
  return undefined;
}

/** The key by which names are compared: NFKC and case fold. */
export function nameKey(name: string): string {
  // Upper case first: lower case alone keeps ß and ss apart.
  return name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}

export function isSameName(a: string, b: string): boolean {
  return a === b || nameKey(a) === nameKey(b);
}

export const COLOURS = ["red", "green", "yellow", "blue", "fuchsia", "cyan"] as const;
export type ColourWord = (typeof COLOURS)[number];

/** A colour: one of the six words, `#rrggbb` in small letters, or `undefined` for none. */
export type Colour = ColourWord | `#${string}` | undefined;

/** Reads a colour. A text that is none counts as no colour where others wrote it. */
export function colourOf(text: string): Colour {
  const known = COLOURS.find((one) => one === text);
  if (known) return known;
  return /^#[0-9a-f]{6}$/i.test(text) ? (text.toLowerCase() as `#${string}`) : undefined;
}

/** May the text stand in the colour's field? */
export function isColour(text: string): boolean {
  return text === "" || colourOf(text) !== undefined;
}
