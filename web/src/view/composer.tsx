// Owns the field in which a message is written: it grows with its lines, counts bytes where they matter, offers
// completions, asks before many lines are pasted. Drawn by `app.tsx`. The model decides the meaning of Enter.

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Model } from "../model/model.ts";
import { splitText } from "../model/split.ts";
import type { Talk } from "../model/talk.ts";
import { canComplete } from "../model/update.ts";
import { ui } from "../sentences.ts";
import { byteLength } from "../wire/request.ts";
import { Icon, Visible, type Send } from "./parts.tsx";

/** A paste of more lines than this asks first. */
const PASTE_LINES = 3;
/** From this part of the bound on, the bytes are counted. */
const COUNT_FROM = 0.8;
/** The letters of a title that fit into the field of a phone. */
const TITLE = 20;
/** The height of the field at most, in pixels. */
const TALLEST = 240;

export function Composer({ model, talk, send }: { model: Model; talk: Talk; send: Send }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const caret = useRef<Model["caret"]>(undefined);

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, TALLEST)}px`;
    if (model.caret && model.caret !== caret.current) element.setSelectionRange(model.caret.at, model.caret.at);
    caret.current = model.caret;
  });
  // On another conversation the field is ready; on a phone the keyboard stays where it is.
  useLayoutEffect(() => {
    // After a question about a message the focus is on its row again.
    if (!isCoarse() && !model.overlay && !document.activeElement?.matches(".row")) field.current?.focus();
  }, [talk.key, model.overlay === undefined]);

  const bytes = byteLength(talk.draft);
  const bound = model.limits.msg_bytes;
  const parts = bytes > bound && !talk.draft.startsWith("/") ? splitText(talk.draft, bound).length : 0;
  const isShut = model.link.at === "over" || model.link.at === "off";
  return (
    <form class="composer" onSubmit={(e) => { e.preventDefault(); send({ kind: "enter" }); }}>
      <Completions model={model} send={send} />
      <div class="field">
        <textarea ref={field} rows={1} value={talk.draft} aria-label={ui.write(talk.title)} placeholder={ui.write(shortTitle(talk.title))}
          dir="auto" autocomplete="off" spellcheck enterkeyhint={isCoarse() ? "enter" : "send"} disabled={isShut}
          aria-describedby="bytes"
          onInput={(e) => send({ kind: "typed", text: e.currentTarget.value, caret: e.currentTarget.selectionStart })}
          onPaste={(e) => onPaste(e, send)} onKeyDown={(e) => onKey(e, model, send)} />
        <button type="submit" class="send" disabled={talk.draft.trim() === "" || parts > 0 || isShut} aria-label={ui.send} title={ui.send}>
          <Icon name="send" /></button>
      </div>
      <div class="below" id="bytes">
        {bytes > bound * COUNT_FROM ? <span class={bytes > bound ? "over" : ""}>{ui.bytes(bytes, bound)}</span> : null}
        {parts > 0 ? <button type="button" onClick={() => send({ kind: "split" })}>{ui.splitInto(parts)}</button> : null}
      </div>
    </form>
  );
}

function Completions({ model, send }: { model: Model; send: Send }) {
  const { completion } = model;
  if (!completion) return null;
  return (
    <ul class="completions" aria-label={ui.offered}>
      {completion.words.map((word, n) => (
        <li key={word.shown}>
          <button type="button" tabIndex={-1} class={n === completion.at ? "current" : ""}
            onMouseDown={(e) => e.preventDefault()} onClick={() => send({ kind: "complete", to: n })}>
            <bdi><Visible text={word.shown} /></bdi></button>
        </li>
      ))}
    </ul>
  );
}

/** Browsers cut the hint of a field of several lines without a mark. */
function shortTitle(title: string): string {
  const letters = [...title];
  return letters.length > TITLE && isCoarse() ? `${letters.slice(0, TITLE - 1).join("")}…` : title;
}

export function isCoarse(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

function onPaste(e: ClipboardEvent & { currentTarget: HTMLTextAreaElement }, send: Send): void {
  const pasted = (e.clipboardData?.getData("text/plain") ?? "").replace(/\r\n?/g, "\n").replace(/\n+$/, "");
  const lines = pasted.split("\n").length;
  if (lines <= PASTE_LINES) return;
  e.preventDefault();
  const { value, selectionStart, selectionEnd } = e.currentTarget;
  const text = value.slice(0, selectionStart) + pasted + value.slice(selectionEnd);
  send({ kind: "paste", text, caret: selectionStart + pasted.length, lines });
}

function onKey(e: KeyboardEvent & { currentTarget: HTMLTextAreaElement }, model: Model, send: Send): void {
  // An input method is composing: these keys are its own.
  if (e.isComposing || e.ctrlKey || e.metaKey || e.altKey) return;
  const { value, selectionStart, selectionEnd } = e.currentTarget;
  const does = (input: Parameters<Send>[0]): void => {
    e.preventDefault();
    send(input);
  };
  switch (e.key) {
    case "Enter":
      // A finger has no Shift: there Enter is a new line, and the button sends.
      if (!e.shiftKey && !isCoarse()) does({ kind: "enter" });
      break;
    case "Tab":
      if (canComplete(model)) does({ kind: "complete", to: e.shiftKey ? "back" : "next" });
      break;
    case "ArrowUp":
      if (selectionStart === selectionEnd && !value.slice(0, selectionStart).includes("\n")) does({ kind: "past", older: true });
      break;
    case "ArrowDown":
      if (selectionStart === selectionEnd && !value.slice(selectionEnd).includes("\n")) does({ kind: "past", older: false });
      break;
    default:
  }
}
