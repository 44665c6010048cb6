// Owns how a text that is too long for one message becomes several: at the end of a line if it can be, otherwise of
// a word, otherwise of a character. Pure. Called by `act.ts` and, for the count, by the composer. Never loses a
// character but for the white space at which it cuts.

import { byteLength } from "../wire/request.ts";

/** The parts, each of 1 to `bound` bytes of UTF-8. */
export function splitText(text: string, bound: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (byteLength(rest) > bound) {
    const fits = longestStart(rest, bound);
    const cut = cutAt(rest, fits);
    const part = rest.slice(0, cut).trimEnd();
    if (part !== "") parts.push(part);
    rest = rest.slice(cut).replace(/^[ \t]*\n?/, "");
  }
  if (rest.trim() !== "") parts.push(rest);
  return parts;
}

/** How many UTF-16 units of the text fit the bound. Never cuts a pair of surrogates or one visible character. */
function longestStart(text: string, bound: number): number {
  let bytes = 0;
  let units = 0;
  for (const c of text) {
    bytes += byteLength(c);
    if (bytes > bound) break;
    units += c.length;
  }
  // A mark, a joiner or a selector belongs to what stands before it.
  let end = units;
  while (end > 0 && /^[\p{M}\u200d\ufe0f]/u.test(text.slice(end, end + 2))) end -= 1;
  return Math.max(1, end === 0 ? units : end);
}

function cutAt(text: string, fits: number): number {
  const head = text.slice(0, fits);
  const line = head.lastIndexOf("\n");
  if (line > fits / 2) return line + 1;
  const space = Math.max(head.lastIndexOf(" "), head.lastIndexOf("\t"), line);
  return space > fits / 2 ? space + 1 : fits;
}
