// Owns how the text of a message looks: links, code, highlights, lines, and the fold of a long one. Called by `row.tsx`
// and the search. Makes text nodes and anchors only; `rich.ts` decides which text is a link.

import { useState } from "preact/hooks";
import { ui } from "../sentences.ts";
import { Visible } from "./parts.tsx";
import { partsOf, unitRanges, type Part } from "./rich.ts";

/** A text with more lines, or more characters, is folded. */
const LINES = 14;
const CHARS = 1600;

export function Text({ text, highlights = [], fold = true }: {
  text: string; highlights?: readonly (readonly [number, number])[]; fold?: boolean;
}) {
  const [isOpen, open] = useState(false);
  const ranges = unitRanges(text, highlights);
  const lines = fold ? lineCount(text) : 0;
  const isLong = fold && (lines > LINES || text.length > CHARS);
  const content = partsOf(text).map((part) => <PartOf part={part} ranges={ranges} />);
  if (!isLong) return <div class="text" dir="auto">{content}</div>;
  return (
    <div class="text" dir="auto">
      <div class={isOpen ? "" : "folded"}>{content}</div>
      <button type="button" class="link" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
        {isOpen ? ui.showLess : ui.showAll(lines)}
      </button>
    </div>
  );
}

function PartOf({ part, ranges }: { part: Part; ranges: readonly [number, number][] }) {
  const inside = <Marked text={part.text} from={part.from} ranges={ranges} />;
  switch (part.kind) {
    case "text":
      return inside;
    case "code":
      return <code>{inside}</code>;
    case "fence":
      return <pre tabIndex={0}><code>{inside}</code></pre>;
    case "link":
      return (
        <>
          <a href={part.href} target="_blank" rel="noopener noreferrer">{inside}</a>
          {part.host === undefined ? null : <span class="host"> ({part.host})</span>}
        </>
      );
  }
}

/** Text with the parts marked that a search has found. */
function Marked({ text, from, ranges }: { text: string; from: number; ranges: readonly [number, number][] }) {
  const pieces = [];
  let at = 0;
  for (const [start, end] of ranges) {
    const [a, b] = [Math.max(at, start - from), Math.min(text.length, end - from)];
    if (b <= a) continue;
    pieces.push(<Visible text={text.slice(at, a)} lines />, <mark><Visible text={text.slice(a, b)} lines /></mark>);
    at = b;
  }
  pieces.push(<Visible text={text.slice(at)} lines />);
  return <>{pieces}</>;
}

function lineCount(text: string): number {
  let lines = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}
