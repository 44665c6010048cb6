// Owns the list of messages and the reader's place in it: the rows in sight stay where they are while entries arrive
// above or below. Drawn by `app.tsx`. Never asks for entries: it says where the reader is, and the model asks.

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Model } from "../model/model.ts";
import { canRedact } from "../model/redact.ts";
import type { Talk } from "../model/talk.ts";
import { ui } from "../sentences.ts";
import type { Send } from "./parts.tsx";
import { leadOf, Row } from "./row.tsx";

/** So near to an end, in pixels, more is asked for. */
const NEAR = 900;
/** So near to the foot the reader follows the newest message. */
const FOOT = 48;

interface Anchor { id: string; top: number }

export function Log({ model, talk, send }: { model: Model; talk: Talk; send: Send }) {
  const box = useRef<HTMLElement>(null);
  const anchor = useRef<Anchor | undefined>(undefined);
  const done = useRef<Model["goTo"]>(undefined);
  const shown = useRef("");
  const state = useRef({ following: true });
  state.current = { following: talk.following };

  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    anchor.current = anchorOf(element);
    const below = element.scrollHeight - element.clientHeight - element.scrollTop;
    const at = { atFoot: below < FOOT, nearTop: element.scrollTop < NEAR, nearFoot: below < NEAR };
    const isNews = at.atFoot !== talk.following || (at.nearTop && !talk.atStart) || (at.nearFoot && !talk.atHead);
    if (isNews && talk.loaded) send({ kind: "scroll", ...at });
  };

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const isOther = shown.current !== talk.key;
    shown.current = talk.key;
    if (isOther) anchor.current = undefined;
    const { goTo } = model;
    if (goTo && goTo !== done.current && arrive(element, goTo)) {
      done.current = goTo;
      // The entry that is gone to stays where it is until the reader scrolls.
      anchor.current = "foot" in goTo ? undefined : anchorOf(element);
      onScroll();
    } else if (talk.following || isOther) {
      element.scrollTop = element.scrollHeight;
    } else if (anchor.current) {
      const row = rowOf(element, anchor.current.id);
      if (row) element.scrollTop += row.getBoundingClientRect().top - element.getBoundingClientRect().top - anchor.current.top;
    }
  });

  // Pictures of letters, a keyboard, a fold that opens: the foot stays in sight.
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(() => {
      if (state.current.following) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    const list = element.querySelector("ol");
    if (list) observer.observe(list);
    return () => observer.disconnect();
  }, [talk.key]);

  const items = talk.isHidden ? talk.items.filter((i) => i.kind !== "said") : talk.items;
  const isEmpty = items.length === 0;
  return (
    <div class="log-frame">
      <section class="log" ref={box} onScroll={onScroll} tabIndex={0} aria-label={ui.messagesIn(talk.title)} onKeyDown={moveFocus}>
        <ol>
          {talk.loaded && talk.atStart ? <li class="start" key="start">{isEmpty ? ui.nothingSaid : ui.startOf(talk.title)}</li> : null}
          {!talk.loaded || talk.isHidden || (talk.asked && !talk.following) ? <li class="start" key="loading">{ui.loading}</li> : null}
          {items.map((item, n) => (
            <Row key={item.id} item={item} {...leadOf(items[n - 1], item, talk.newFrom)} send={send}
              me={model.me} color={model.color} isDirect={!talk.isRoom} marked={item.kind === "said" && item.seq === model.marked}
              canRemove={item.kind === "said" && canRedact(model, talk, item)} place={talk.place} />
          ))}
        </ol>
      </section>
      {talk.following && talk.atHead ? null : (
        <button type="button" class="to-end" onClick={() => send({ kind: "to-end" })}>
          {talk.unread > 0 ? ui.newBelow(`${talk.unread}${talk.hasMoreUnread ? "+" : ""}`) : ui.toEnd} <span aria-hidden="true">↓</span>
        </button>
      )}
    </div>
  );
}

/** Brings an entry, or an end, into sight. `false`: it is not here yet. */
function arrive(element: HTMLElement, goTo: NonNullable<Model["goTo"]>): boolean {
  if ("foot" in goTo) element.scrollTop = element.scrollHeight;
  else if ("top" in goTo) element.scrollTop = 0;
  else {
    const rows = [...element.querySelectorAll<HTMLElement>("[data-seq]")];
    const row = rows.find((r) => Number(r.dataset["seq"]) >= goTo.seq);
    if (!row) return false;
    const middle = (element.clientHeight - row.offsetHeight) / 2;
    element.scrollTop += row.getBoundingClientRect().top - element.getBoundingClientRect().top - Math.max(0, middle);
  }
  return true;
}

/** The first row that is in sight, and how far from the top. */
function anchorOf(element: HTMLElement): Anchor | undefined {
  const top = element.getBoundingClientRect().top;
  for (const row of element.querySelectorAll<HTMLElement>("[data-id]")) {
    const rect = row.getBoundingClientRect();
    if (rect.bottom > top) return { id: row.dataset["id"] ?? "", top: rect.top - top };
  }
  return undefined;
}

function rowOf(element: HTMLElement, id: string): HTMLElement | undefined {
  return [...element.querySelectorAll<HTMLElement>("[data-id]")].find((row) => row.dataset["id"] === id);
}

/**
 * With the focus in the list, the arrows go from entry to entry; the entry that has the focus shows its full date, and
 * Delete asks to remove it.
 */
function moveFocus(e: KeyboardEvent): void {
  if (e.key === "Delete") (e.target as HTMLElement).closest("li")?.querySelector<HTMLButtonElement>(".remove")?.click();
  if ((e.key !== "ArrowUp" && e.key !== "ArrowDown") || e.altKey || e.ctrlKey || e.metaKey) return;
  const box = e.currentTarget as HTMLElement;
  const rows = [...box.querySelectorAll<HTMLElement>("li[tabindex]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? rows.at(-1) : rows[at + (e.key === "ArrowUp" ? -1 : 1)];
  if (!next) return;
  e.preventDefault();
  next.focus();
}
