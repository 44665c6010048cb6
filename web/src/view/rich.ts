// Owns which parts of a message are code, links or plain text. Pure. Called by `text.tsx`. Never makes markup: it
// returns parts of the text, and whatever is not surely a link or code stays text.

export type Part =
  | { kind: "text"; text: string; from: number }
  | { kind: "code" | "fence"; text: string; from: number }
  /** `host`: shown beside the link where its text would mislead. */
  | { kind: "link"; text: string; from: number; href: string; host?: string };

/** The longest link that is looked at, in UTF-16 units. */
const LONGEST = 2048;
const LINK = /https?:\/\/[^\s<>"`\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+/gi;

/** The parts of a message, in order; `from` is where each one begins in the text. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const fence of text.matchAll(/^```[^\n`]*\n([\s\S]*?)\n?^```[ \t]*$\n?/gm)) {
    inline(text.slice(at, fence.index), at, parts);
    const code = fence[1] ?? "";
    parts.push({ kind: "fence", text: code, from: fence.index + fence[0].indexOf("\n") + 1 });
    at = fence.index + fence[0].length;
  }
  inline(text.slice(at), at, parts);
  return parts;
}

function inline(text: string, from: number, parts: Part[]): void {
  let at = 0;
  for (const code of text.matchAll(/`([^`\n]+)`/g)) {
    links(text.slice(at, code.index), from + at, parts);
    parts.push({ kind: "code", text: code[1] ?? "", from: from + code.index + 1 });
    at = code.index + code[0].length;
  }
  links(text.slice(at), from + at, parts);
}

function links(text: string, from: number, parts: Part[]): void {
  let at = 0;
  const plain = (end: number): void => {
    if (end > at) parts.push({ kind: "text", text: text.slice(at, end), from: from + at });
  };
  for (const found of text.matchAll(LINK)) {
    const shown = withoutTail(found[0]);
    const link = safeLink(shown);
    if (!link) continue;
    plain(found.index);
    parts.push({ kind: "link", text: shown, from: from + found.index, ...link });
    at = found.index + shown.length;
  }
  plain(text.length);
}

/** A link without the full stop of its sentence, or the bracket that it stands in. */
function withoutTail(link: string): string {
  let shown = link;
  for (;;) {
    const last = shown.at(-1) ?? "";
    const isOpen = { ")": "(", "]": "[", "}": "{" }[last];
    const drop = isOpen !== undefined ? count(shown, last) > count(shown, isOpen) : /[.,;:!?'"’”»*_~]/.test(last);
    if (!drop) return shown;
    shown = shown.slice(0, -1);
  }
}

const count = (text: string, c: string): number => text.split(c).length - 1;

/** Where the link goes, if it may be followed; with its host where the text does not show it. */
export function safeLink(text: string): { href: string; host?: string } | undefined {
  if (text.length > LONGEST) return undefined;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  if ((url.protocol !== "http:" && url.protocol !== "https:") || url.hostname === "") return undefined;
  // A host in another script, or one behind a name and a password, looks like another host.
  const isShown = text.toLowerCase().startsWith(`${url.protocol}//${url.host}`);
  return isShown ? { href: url.href } : { href: url.href, host: url.host };
}

/** A text cut at the words that a search found, each part with whether it is marked. Ranges count code points; one that is empty,
 * that begins before the end of the one before it, or that ends after the text is ignored. */
export function cutAt(text: string, highlights: readonly (readonly [number, number])[]): [part: string, marked: boolean][] {
  const chars = [...text];
  const parts: [string, boolean][] = [];
  let at = 0;
  for (const [start, length] of highlights) {
    if (start < at || length === 0 || start + length > chars.length) continue;
    if (start > at) parts.push([chars.slice(at, start).join(""), false]);
    parts.push([chars.slice(start, start + length).join(""), true]);
    at = start + length;
  }
  if (at < chars.length) parts.push([chars.slice(at).join(""), false]);
  return parts;
}

/** Ranges of code points as ranges of UTF-16 units; those that are outside of the text are left out. */
export function unitRanges(text: string, ranges: readonly (readonly [number, number])[]): [number, number][] {
  if (ranges.length === 0) return [];
  const starts: number[] = [];
  let units = 0;
  for (const c of text) {
    starts.push(units);
    units += c.length;
  }
  starts.push(units);
  return ranges.flatMap(([start, length]): [number, number][] => {
    const [from, to] = [starts[start], starts[start + length]];
    return from === undefined || to === undefined || to <= from ? [] : [[from, to]];
  });
}
