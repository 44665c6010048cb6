// Owns the keys that hold wherever the focus is. Called by `app.tsx`. The keys of a field are the field's own; the
// list for the reader is in `sentences.ts`.

import type { Model } from "../model/model.ts";
import type { Send } from "./parts.tsx";

/** The part of a screenful that a page key scrolls. */
const PAGE = 0.9;

export function onPageKey(e: KeyboardEvent, model: Model, send: Send): void {
  if (e.isComposing || model.overlay) return;
  const does = (input: Parameters<Send>[0]): void => {
    e.preventDefault();
    send(input);
  };
  const hasCtrl = e.ctrlKey || e.metaKey;
  // By the place on the keyboard: with Alt some systems write other letters.
  if (e.altKey && !hasCtrl) {
    if (e.key === "ArrowUp" || e.key === "ArrowDown") return does({ kind: "beside", before: e.key === "ArrowUp" });
    if (e.code === "KeyA") return does({ kind: "next-unread" });
    if (e.code === "KeyN") return does({ kind: "first-unread" });
    const digit = /^Digit([1-9])$/.exec(e.code)?.[1];
    return digit === undefined ? undefined : does({ kind: "nth", n: Number(digit) - 1 });
  }
  if (hasCtrl) {
    if (e.code === "KeyK" && !e.shiftKey) return does({ kind: "open", overlay: "switcher" });
    if (e.code === "KeyF" && e.shiftKey) return does({ kind: "open", overlay: "search" });
    if (e.key === "Home") return does({ kind: "to-top" });
    return e.key === "End" ? does({ kind: "to-end" }) : undefined;
  }
  switch (e.key) {
    case "F1":
      return does({ kind: "open", overlay: "help" });
    case "Escape":
      return does({ kind: "escape" });
    case "PageUp": case "PageDown": {
      const log = document.querySelector<HTMLElement>(".log");
      if (!log || log.contains(document.activeElement)) return;
      e.preventDefault();
      log.scrollBy(0, (e.key === "PageUp" ? -PAGE : PAGE) * log.clientHeight);
      return;
    }
    default:
      // A letter that is typed nowhere goes into the message.
      if (e.key.length === 1 && e.key !== " " && isNowhere(document.activeElement)) {
        document.querySelector<HTMLTextAreaElement>(".composer textarea")?.focus();
      }
  }
}

function isNowhere(element: Element | null): boolean {
  return element === null || element === document.body || element.closest(".log") !== null;
}
