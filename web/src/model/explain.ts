// Owns how the lines of a failure become sentences: the relay says a failure as the terminal does, in lines that are cut
// to its width and with indented facts below. Pure. Called by the view and by the model for screen readers. Never words a
// failure itself.

/** A fact of a failure, as `pin seen: 1cd6…`. `label` is empty where the line has none. */
export interface Fact { label: string; value: string }

/** A failure: sentences that come first, and facts for those who want them. */
export interface Explained { sentences: string[]; facts: Fact[] }

/** A piece of a sentence. `isCode`: a command, an option or a file, as it is typed. */
export interface Piece { text: string; isCode: boolean }

/** Indented lines are facts. A line that begins with a small letter goes on where the one before it was cut. */
export function explain(lines: readonly string[]): Explained {
  const sentences: string[] = [];
  const facts: Fact[] = [];
  for (const line of lines.filter((l) => l.trim() !== "")) {
    const text = line.trim();
    const last = sentences.length - 1;
    if (/^\s/.test(line)) facts.push(factOf(text));
    else if (last >= 0 && /^\p{Ll}/u.test(text)) sentences[last] += ` ${text}`;
    else sentences.push(text);
  }
  return { sentences: sentences.map(sentenceOf), facts };
}

function factOf(text: string): Fact {
  const [, label = "", value = text] = /^([\p{L} ]{1,24}):\s+(.*)$/u.exec(text) ?? [];
  return { label, value };
}

/** A file or a host at the beginning keeps its spelling. */
function sentenceOf(text: string): string {
  const first = /^\p{L}+(?=[\s,:]|$)/u.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?:]$/.test(first) ? first : `${first}.`;
}

/** What stands between backticks, and options with their value (`--ca FILE`), are code. */
export function pieces(sentence: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  const plain = (end: number): void => {
    if (end > at) found.push({ text: sentence.slice(at, end), isCode: false });
  };
  for (const code of sentence.matchAll(/`([^`]+)`|(?<![\w-])--[a-z][a-z-]*(?: [A-Z][A-Z0-9]+\b)?/g)) {
    plain(code.index);
    found.push({ text: code[1] ?? code[0], isCode: true });
    at = code.index + code[0].length;
  }
  plain(sentence.length);
  return found;
}

/** The sentences for a screen reader. */
export function spoken(lines: readonly string[]): string {
  return explain(lines).sentences.join(" ").replaceAll("`", "");
}
