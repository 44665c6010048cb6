// Owns how a failure looks: the reason, what to do, and the facts folded below. Drawn by the form, by the bar above the
// messages and by the page of a tab that was not let in. Never decides when there is a failure.

import { explain, pieces, type Fact } from "../model/explain.ts";
import { ui } from "../sentences.ts";
import { Visible } from "./parts.tsx";

/** A sentence with its commands and options as code. */
export function Prose({ text }: { text: string }) {
  return <>{pieces(text).map((p) => (p.isCode ? <code><Visible text={p.text} /></code> : <Visible text={p.text} />))}</>;
}

/**
 * `tone`: an alert interrupts a screen reader; a hint does not. `lead`: a sentence that comes first; what is to be done about
 * the failure itself is then among the details.
 */
export function Trouble({ lines, tone, lead }: { lines: readonly string[]; tone: "alert" | "hint"; lead?: string }) {
  const { sentences, facts } = explain(lines);
  const isShort = lead !== undefined;
  const rest = isShort ? sentences.slice(1) : [];
  return (
    <div class={tone === "alert" ? "problem" : "hint"}>
      <div id="problem" {...(tone === "alert" ? { role: "alert" as const } : {})}>
        {isShort ? <p>{lead}</p> : null}
        {(isShort ? sentences.slice(0, 1) : sentences).map((text) => <p class={isShort ? "quiet" : ""}><Prose text={text} /></p>)}
      </div>
      {rest.length > 0 || facts.length > 0 ? (
        <details><summary>{ui.details}</summary>
          {rest.map((text) => <p><Prose text={text} /></p>)}
          {facts.length > 0 ? <Facts facts={facts} /> : null}
        </details>
      ) : null}
    </div>
  );
}

function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">{facts.map(({ label, value }) => (
      <div><dt>{label}</dt><dd><Visible text={value} /></dd></div>
    ))}</dl>
  );
}
