// Owns the part above the messages: the conversation's name and its buttons, and the bar that explains trouble
// with the connection. Drawn by `app.tsx`.

import type { Model } from "../model/model.ts";
import { canSetTopic } from "../model/topic.ts";
import { count, oneLine, say, ui } from "../sentences.ts";
import { Badge, Icon, IconButton, Visible, type Send } from "./parts.tsx";
import { linkText } from "./side.tsx";
import { Text } from "./text.tsx";
import { Trouble } from "./trouble.tsx";
import { plainLine } from "./visible.ts";

export function Head({ model, send, onSide, onMembers }: {
  model: Model; send: Send; onSide: () => void; onMembers: () => void;
}) {
  const { talk } = model;
  const others = model.talks.filter((t) => t !== talk);
  return (
    <header class="head">
      <span class="only-narrow menu">
        <IconButton label={ui.rooms} icon="menu" onClick={onSide} />
        <Badge unread={others.reduce((n, t) => n + t.unread, 0)} mentions={others.reduce((n, t) => n + t.mentions, 0)}
          isMore={others.some((t) => t.hasMoreUnread)} />
      </span>
      <div class="place">
        <h1><bdi><Visible text={talk?.title ?? model.host.server} /></bdi>
          {talk?.isPrivate ? <span class="tag">{ui.privateRoom}</span> : null}
        </h1>
        {talk && talk.topic !== "" ? <Topic key={talk.key} text={talk.topic} /> : null}
      </div>
      {talk?.isRoom ? (
        <button type="button" class="members-button" aria-label={count(talk.memberCount, "member")} title={ui.members} onClick={onMembers}>
          <Icon name="members" />{talk.memberCount}</button>
      ) : null}
      <IconButton label={ui.search} icon="search" onClick={() => send({ kind: "open", overlay: "search" })} />
      <More model={model} send={send} />
    </header>
  );
}

/** What a part needs that the browser opens: Escape closes it, and so does leaving it. */
const shuts = {
  onKeyDown: (e: KeyboardEvent & { currentTarget: HTMLElement }) => {
    if (e.key !== "Escape") return;
    e.stopPropagation();
    e.currentTarget.removeAttribute("open");
  },
  onFocusOut: (e: FocusEvent & { currentTarget: HTMLElement }) => {
    if (!e.currentTarget.contains(e.relatedTarget as Node | null)) e.currentTarget.removeAttribute("open");
  },
};

/** The topic in one line. Opened, it is all there, with its links. */
function Topic({ text }: { text: string }) {
  return (
    <details class="topic" {...shuts}>
      <summary dir="auto" title={plainLine(oneLine(text))}><Visible text={oneLine(text)} /></summary>
      <div class="popup" tabIndex={0}><Text text={text} fold={false} /></div>
    </details>
  );
}

/** A menu that the browser opens and closes by itself. */
function More({ model, send }: { model: Model; send: Send }) {
  const { talk } = model;
  const close = (e: MouseEvent): void => (e.currentTarget as HTMLElement).closest("details")?.removeAttribute("open");
  const item = (label: string, input: Parameters<Send>[0]) => (
    <button type="button" onClick={(e) => { close(e); send(input); }}>{label}</button>
  );
  const isOwner = talk?.isRoom === true && model.roleIn(talk) === "owner";
  return (
    <details class="more" {...shuts}>
      <summary class="icon" aria-label={ui.menu} title={ui.menu}><Icon name="more" /></summary>
      <div class="popup">
        {talk && isOwner ? item(talk.isPrivate ? ui.makePublic : ui.makePrivate,
          { kind: "ask-action", action: { op: "ROOM", private: !talk.isPrivate }, place: talk.place }) : null}
        {talk && canSetTopic(model, talk) ? item(ui.editTopic,
          { kind: "ask-action", action: { op: "TOPIC", topic: talk.topic }, place: talk.place }) : null}
        {talk ? item(talk.isRoom ? ui.leaveRoom : ui.closeTalk, { kind: "command", command: { do: "leave" } }) : null}
        {talk?.newFrom === undefined ? null : item(ui.firstUnread, { kind: "first-unread" })}
        {item(ui.browse, { kind: "open", overlay: "rooms" })}
        {item(ui.help, { kind: "open", overlay: "help" })}
        <hr />
        <label class="switch"><input type="checkbox" checked={model.notify}
          onChange={(e) => send({ kind: "command", command: { do: "notify", on: e.currentTarget.checked } })} />{ui.notify}</label>
        <label class="switch"><input type="checkbox" checked={model.sound}
          onChange={(e) => send({ kind: "command", command: { do: "sound", on: e.currentTarget.checked } })} />{ui.sound}</label>
        <Themes model={model} send={send} />
        <hr />
        {item(ui.leave, { kind: "command", command: { do: "quit" } })}
      </div>
    </details>
  );
}

export function Themes({ model, send }: { model: Model; send: Send }) {
  const themes = ["system", "light", "dark"] as const;
  return (
    <label class="themes">{ui.theme}
      <select value={model.theme} onChange={(e) => {
        const theme = themes.find((one) => one === e.currentTarget.value) ?? "system";
        send({ kind: "command", command: { do: "theme", theme } });
      }}>
        {themes.map((theme) => <option key={theme} value={theme}>{ui.themes[theme]}</option>)}
      </select>
    </label>
  );
}

/** Explains trouble with the connection, with a button where the reader can act. */
export function Bar({ model, send }: { model: Model; send: Send }) {
  const { link, notice } = model;
  if (link.at === "waiting") {
    return (
      <div class="bar bad"><div><b>{linkText(model)}</b><Trouble lines={model.host.problem ?? [link.why]} tone="hint" /></div>
        <button type="button" onClick={() => send({ kind: "reconnect-now" })}>{ui.now}</button></div>
    );
  }
  if (link.at === "over" || link.at === "off") {
    return (
      <div class="bar bad"><span><Visible text={notice?.text ?? ui.over} /></span>
        <button type="button" onClick={() => send({ kind: "command", command: { do: "connect" } })}>{ui.logInAgain}</button></div>
    );
  }
  if (link.at === "up" && link.isStalled) return <div class="bar bad"><span>{say.stalled}</span></div>;
  if (link.at === "connecting") return <div class="bar">{ui.connecting}</div>;
  return null;
}
