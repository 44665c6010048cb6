// Owns the small parts that several views use: a name in its colour, text of others made visible, a badge, a dialog.
// All of them make text nodes only. Called by every view.

import { Component, type ComponentChildren, type ComponentType, type VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Input } from "../model/words.ts";
import { ui } from "../sentences.ts";
import { nameColours } from "./colours.ts";
import { visible } from "./visible.ts";

/** Passes an input of the reader to the model. */
export type Send = (input: Input) => void;

/** The component, drawn again only where one of its properties is another one. */
export function pure<P extends object>(Inner: (props: P) => VNode | null): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const keys = Object.keys(next) as (keyof P)[];
      return keys.length !== Object.keys(this.props).length || keys.some((key) => next[key] !== (this.props as P)[key]);
    }

    override render(props: P): VNode | null {
      return Inner(props);
    }
  };
}

/** Text of others in one line or, with `lines`, in several. */
export function Visible({ text, lines = false }: { text: string; lines?: boolean }) {
  return <>{visible(text, lines).map((p) => (p.odd ? <span class="odd">{p.text}</span> : p.text))}</>;
}

/** A sentence with texts of others in it, in their order. Each of them has a direction of its own. */
export function Sentence({ text, parts }: { text: string; parts: readonly (string | undefined)[] }) {
  let rest = text;
  const pieces = parts.map((part = "") => {
    const at = rest.indexOf(part);
    if (part === "" || at < 0) return null;
    const before = rest.slice(0, at);
    rest = rest.slice(at + part.length);
    return <><Visible text={before} /><bdi><Visible text={part} /></bdi></>;
  });
  return <>{pieces}<Visible text={rest} /></>;
}

/** A name in its colour. Its direction is its own. */
export const Name = pure(({ name, color }: { name: string; color: string }) => {
  const { light, dark } = nameColours(name, color);
  return <bdi class="name" style={{ "--light": light, "--dark": dark }}><Visible text={name} /></bdi>;
});

/**
 * The count of unread messages: `3`, or `1!3` where one of them mentions the reader. Direct messages all do. `isMore`: there
 * may be more of them than the page has.
 */
export function Badge({ unread, mentions, isDirect = false, isMore = false }: { unread: number; mentions: number; isDirect?: boolean; isMore?: boolean }) {
  if (unread === 0) return null;
  const short = (n: number): string => (n > 999 ? "999+" : String(n));
  const count = isMore ? `${unread}+` : short(unread);
  const text = mentions > 0 && !isDirect ? `${short(mentions)}!${count}` : count;
  return <span class={mentions > 0 ? "badge mention" : "badge"}><span aria-hidden="true">{text}</span><span class="sr">{ui.unreadBadge(count, isDirect ? 0 : mentions)}</span></span>;
}

/** Here or away, by shape and by word. */
export function State({ state }: { state: string }) {
  return <span class={`state ${state}`}><span class="sr">{ui.state(state)}</span></span>;
}

/** A dialog over the page. The browser keeps the focus in it and gives it back. */
export function Dialog({ title, onClose, children, wide = false }: {
  title: string; onClose: () => void; children: ComponentChildren; wide?: boolean;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={ref} class={wide ? "wide" : ""} aria-labelledby="dialog-title"
      onCancel={(e) => { e.preventDefault(); onClose(); }}
      onClick={(e) => { if (e.target === ref.current) onClose(); }}>
      <div class="dialog-body">
        <header>
          <h2 id="dialog-title"><Visible text={title} /></h2>
          <IconButton label={ui.close} icon="close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

const ICONS = {
  menu: "M3 6h18M3 12h18M3 18h18", search: "M10.500 17a6.500 6.500 0 1 1 0-13 6.500 6.500 0 0 1 0 13zM15.500 15.500 21 21",
  more: "M5 12h.01M12 12h.01M19 12h.01", add: "M12 5v14M5 12h14", close: "M6 6l12 12M18 6 6 18", send: "M4 12l16-8-5 16-3-7z",
  members: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-4 3-6 6.500-6s6.500 2 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2.200.800 3.500 2.700 3.500 5.500",
} as const;
export type IconName = keyof typeof ICONS;

export function Icon({ name }: { name: IconName }) {
  return <svg class={`pic pic-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d={ICONS[name]} /></svg>;
}

/** A button with a picture, and a label for screen readers. */
export function IconButton({ label, icon, onClick }: { label: string; icon: IconName; onClick: () => void }) {
  return <button type="button" class="icon" aria-label={label} title={label} onClick={onClick}><Icon name={icon} /></button>;
}
