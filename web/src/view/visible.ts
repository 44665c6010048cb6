// Owns the look of other people's text: control, invisible and bidirectional characters become visible signs. A
// port of the terminal's `neutralise`, with properties of the browser's Unicode tables where the terminal has joining
// types. Pure. Called for every text and name that comes from others. Never changes a text that is sent or searched.

/** How many combining marks one character may carry. Further ones are counted, not shown. */
const MARKS = 8;

/** A piece of text: as it is, or (`odd`) a sign for a character that would not be seen. */
export interface Piece { text: string; odd: boolean }

const ODD = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0000}-\u{e0fff}]/u;
/** Most texts have none of these, and are one piece. */
const SUSPECT = new RegExp(`${ODD.source}|\\p{Mn}{${MARKS + 1},}|\\p{Me}`, "u");
const MARK = /[\p{Mn}\p{Me}]/u;

/** The viramas of the scripts that use joiners with them (canonical combining class 9). */
const VIRAMA = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\ua806\ua8c4\ua953\ua9c0\uaaf6\uabed]/u;
const ARABIC = /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Nko}]/u;
const LETTER = /\p{L}/u;
const EMOJI = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]/u;
const EMOJI_CHAR = /\p{Emoji}/u;
const IDEOGRAPH = /[\p{Script=Han}\u3005-\u3007]/u;
const MONGOLIAN = /[\u1820-\u18aa]/u;

/** Does the invisible character change how its neighbours are written, so that people need it? */
function isWritten(before: string, c: string, after: string): boolean {
  switch (c) {
    case "\u200c":
      return VIRAMA.test(before) || (ARABIC.test(before) && ARABIC.test(after));
    case "\u200d":
      return VIRAMA.test(before) || (EMOJI.test(before) && /\p{Extended_Pictographic}/u.test(after))
        || (LETTER.test(before) && VIRAMA.test(after)) || (ARABIC.test(before) && !ARABIC.test(after));
    case "\ufe0e": case "\ufe0f":
      return EMOJI_CHAR.test(before);
    case "\ufe00": case "\ufe01": case "\ufe02":
      return IDEOGRAPH.test(before);
    default:
      if (/[\u180b-\u180d\u180f]/.test(c)) return MONGOLIAN.test(before);
      return /[\u{e0100}-\u{e01ef}]/u.test(c) && IDEOGRAPH.test(before);
  }
}

/** The tag characters behind a black flag that make it the flag of a region. */
const REGION = /^[\u{e0061}-\u{e007a}]{2}[\u{e0061}-\u{e007a}\u{e0030}-\u{e0039}]{1,4}\u{e007f}/u;

/** Text in pieces. With `lines`, line breaks and tabs stay: the text has several lines. */
export function visible(text: string, lines: boolean): Piece[] {
  if (!SUSPECT.test(text)) return text === "" ? [] : [{ text, odd: false }];
  const pieces: Piece[] = [];
  let plain = "";
  const flush = (): void => {
    if (plain !== "") pieces.push({ text: plain, odd: false });
    plain = "";
  };
  const odd = (sign: string): void => {
    flush();
    pieces.push({ text: sign, odd: true });
  };
  const chars = [...text];
  let marks = 0;
  let at = 0;
  while (at < chars.length) {
    const c = chars[at] ?? "";
    const isOdd = ODD.test(c) && !(lines && (c === "\n" || c === "\t"));
    const onIt = isOdd ? isWritten(chars[at - 1] ?? "", c, chars[at + 1] ?? "") : MARK.test(c);
    if (onIt) {
      marks += 1;
      if (marks <= MARKS) plain += c;
      at += 1;
      continue;
    }
    if (marks > MARKS) odd(`<+${marks - MARKS} marks>`);
    marks = 0;
    at += 1;
    if (c === "\r" && chars[at] === "\n" && lines) continue;
    if (!isOdd) {
      plain += c;
      const tags = c === "\u{1f3f4}" ? REGION.exec(chars.slice(at, at + 8).join(""))?.[0] : undefined;
      if (tags !== undefined) {
        plain += tags;
        at += [...tags].length;
      }
    } else {
      odd(signOf(c));
    }
  }
  if (marks > MARKS) odd(`<+${marks - MARKS} marks>`);
  flush();
  return pieces;
}

/** `␛` for ESC, `<U+202E>` for a character without a picture. */
function signOf(c: string): string {
  const code = c.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/** Text for one line of plain text, as for a title. */
export function plainLine(text: string): string {
  return visible(text, false).map((p) => p.text).join("");
}
