// Owns the look of the overlays: help, members, rooms, search, switcher, and questions before an action. Drawn by
// `app.tsx`, one at a time. The model decides the effect of a choice.

import { COMMANDS } from "../model/command.ts";
import type { Model } from "../model/model.ts";
import { fittingRooms, targets } from "../model/overlays.ts";
import type { Hit, Overlay } from "../model/words.ts";
import { COMMAND_HELP, count, KEYS, oneLine, say, ui } from "../sentences.ts";
import { nameProblem } from "../wire/name.ts";
import { placeKey } from "../wire/types.ts";
import { Badge, Dialog, Name, Sentence, State, Visible, type Send } from "./parts.tsx";
import { cutAt } from "./rich.ts";

export function OverlayView({ model, overlay, send }: { model: Model; overlay: Overlay; send: Send }) {
  const close = (): void => send({ kind: "escape" });
  switch (overlay.kind) {
    case "help":
      return <Dialog title={ui.help} onClose={close} wide><Help /></Dialog>;
    case "who": {
      const place = overlay.room === undefined ? ui.everyone : `#${overlay.room}`;
      return (
        <Dialog title={overlay.room === undefined ? `${place} (${overlay.count})` : ui.onPlace(overlay.count, place)} onClose={close}>
          <ul class="choices">
            {overlay.members.map((m, n) => (
              <li key={m.user}><button type="button" onClick={() => send({ kind: "overlay-pick", at: n })}>
                <State state={m.state} /><Name name={m.user} color={m.color} />
                {m.role && m.role !== "member" ? <span class="tag">{m.role}</span> : null}
                <span class="quiet">{ui.state(m.state)}</span></button></li>
            ))}
          </ul>
          {overlay.count > overlay.members.length ? <p class="quiet">{ui.andMore(overlay.count - overlay.members.length)}</p> : null}
        </Dialog>
      );
    }
    case "rooms":
      return <Dialog title={ui.browse} onClose={close}><Rooms model={model} overlay={overlay} send={send} /></Dialog>;
    case "search":
      return <Dialog title={ui.search} onClose={close} wide><Search overlay={overlay} send={send} /></Dialog>;
    case "switcher":
      return <Dialog title={ui.switcher} onClose={close}><Switcher model={model} overlay={overlay} send={send} /></Dialog>;
    case "paste":
      return (
        <Question title={ui.pasteTitle(overlay.lines)} yes={ui.paste} send={send}>
          <pre class="preview" tabIndex={0}><Visible text={overlay.text.slice(0, 2000)} lines /></pre>
        </Question>
      );
    case "quit":
      return <Question title={ui.quitTitle(overlay.waiting)} yes={ui.quit} send={send} bad><p>{ui.quitText}</p></Question>;
    case "action":
      return <ActionQuestion overlay={overlay} send={send} />;
  }
}

function Question({ title, yes, send, children, bad = false }: {
  title: string; yes: string; send: Send; children: preact.ComponentChildren; bad?: boolean;
}) {
  return (
    <Dialog title={title} onClose={() => send({ kind: "escape" })}>
      <form onSubmit={(e) => { e.preventDefault(); send({ kind: "overlay-pick" }); }}>
        {children}
        <div class="buttons">
          <button type="button" autofocus={bad} onClick={() => send({ kind: "escape" })}>{ui.cancel}</button>
          <button type="submit" autofocus={!bad} class={bad ? "primary bad" : "primary"}>{yes}</button>
        </div>
      </form>
    </Dialog>
  );
}

function ActionQuestion({ overlay, send }: { overlay: Overlay & { kind: "action" }; send: Send }) {
  const { action, place } = overlay;
  const title = placeKey(place).startsWith("@") ? placeKey(place) : `#${placeKey(place)}`;
  const user = "user" in action ? action.user : "";
  const hasReason = action.op === "KICK" || action.op === "MUTE" || action.op === "BAN" || action.op === "REDACT";
  const hasTime = action.op === "MUTE" || action.op === "BAN";
  const yes = action.op === "KICK" ? ui.kick : action.op === "MUTE" ? ui.mute : action.op === "BAN" ? ui.ban
    : action.op === "REDACT" ? ui.remove : action.op === "TOPIC" ? ui.save
    : action.op === "ROOM" ? (action.private ? ui.makePrivate : ui.makePublic) : ui.role;
  return (
    <Question title={ui.action(action.op, user, title)} yes={yes} send={send} bad={hasReason}>
      {overlay.why === undefined ? null : <p class="problem" role="alert">{overlay.why}</p>}
      {action.op === "ROOM" ? <p>{action.private ? ui.privateText : ui.publicText}</p> : null}
      {action.op === "GRANT" ? <p><bdi>{user}</bdi>: {action.role}</p> : null}
      {action.op === "REDACT" ? <RemovePreview overlay={overlay} seq={action.seq} /> : null}
      {action.op === "TOPIC" ? (
        <label>{ui.topicField}<textarea autofocus rows={3} value={overlay.topic ?? ""} dir="auto" onKeyDown={sendsWithEnter}
          onInput={(e) => send({ kind: "action-field", field: "topic", value: e.currentTarget.value })} /></label>
      ) : null}
      {hasTime ? (
        <label>{ui.time}<input value={overlay.time} placeholder={ui.timeHint}
          onInput={(e) => send({ kind: "action-field", field: "time", value: e.currentTarget.value })} /></label>
      ) : null}
      {hasReason ? (
        <label>{action.op === "REDACT" ? ui.removeReason : ui.reason}<input value={overlay.reason} dir="auto"
          onInput={(e) => send({ kind: "action-field", field: "reason", value: e.currentTarget.value })} /></label>
      ) : null}
    </Question>
  );
}

/** In a field of several lines, too, Enter answers the question. */
function sendsWithEnter(e: KeyboardEvent & { currentTarget: HTMLTextAreaElement }): void {
  if (e.key !== "Enter" || e.isComposing || e.shiftKey) return;
  e.preventDefault();
  e.currentTarget.form?.requestSubmit();
}

/** The message that is to be removed. One that is not here is named by its number. */
function RemovePreview({ overlay, seq }: { overlay: Overlay & { kind: "action" }; seq: number }) {
  const { said } = overlay;
  return (
    <>
      <p>{ui.removeText}</p>
      <blockquote class="preview" tabIndex={0}>
        {said ? <><Name name={said.user} color={said.color} />: <Visible text={said.text.slice(0, 500)} lines /></> : ui.messageNumber(seq)}
      </blockquote>
    </>
  );
}

/** A field over a list of choices: the arrows choose, Enter takes. */
function Chooser({ text, label, send, children }: { text: string; label: string; send: Send; children: preact.ComponentChildren }) {
  const onKeyDown = (e: KeyboardEvent): void => {
    if (e.isComposing) return;
    // A search field would take it to empty itself.
    if (e.key === "Escape") {
      e.preventDefault();
      send({ kind: "escape" });
    }
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -8, PageDown: 8 }[e.key];
    if (by !== undefined) {
      e.preventDefault();
      send({ kind: "overlay-move", by });
    }
  };
  return (
    <form class="chooser" onSubmit={(e) => { e.preventDefault(); send({ kind: "overlay-pick" }); }}>
      <input autofocus type="search" value={text} aria-label={label} placeholder={label} autocomplete="off" dir="auto"
        onInput={(e) => send({ kind: "overlay-text", text: e.currentTarget.value })} onKeyDown={onKeyDown} />
      {children}
    </form>
  );
}

/** Keeps the chosen entry in sight. */
const intoSight = (element: HTMLElement | null): void => element?.scrollIntoView({ block: "nearest" });

function Rooms({ model, overlay, send }: { model: Model; overlay: Overlay & { kind: "rooms" }; send: Send }) {
  const name = overlay.text.trim().replace(/^#/, "");
  const rooms = overlay.rooms && fittingRooms(overlay.rooms, overlay.text);
  const canCreate = name !== "" && nameProblem(name) === undefined && rooms && !rooms.some((r) => r.room === name);
  return (
    <Chooser text={overlay.text} label={ui.filterRooms} send={send}>
      {!rooms ? <p class="quiet">{ui.loading}</p> : null}
      <ul class="choices">
        {(rooms ?? []).map((r, n) => {
          const isIn = model.find({ room: r.room }) >= 0;
          return (
            <li key={r.room}><button type="button" class={n === overlay.at ? "current" : ""} ref={n === overlay.at ? intoSight : null}
              onClick={() => send({ kind: "overlay-pick", at: n })}>
              <span class="sign" aria-hidden="true">#</span>
              <span class="about"><bdi class="title"><Visible text={r.room} /></bdi>
                {r.topic ? <bdi class="topic"><Visible text={oneLine(r.topic)} /></bdi> : null}</span>
              {r.private ? <span class="tag">{ui.privateRoom}</span> : null}
              <span class="quiet">{isIn ? `${ui.joined}, ` : ""}{count(r.members, "member")}</span></button></li>
          );
        })}
      </ul>
      {canCreate ? (
        <button type="button" class="primary" onClick={() => send({ kind: "command", command: { do: "join", what: name } })}>{ui.create(name)}</button>
      ) : null}
    </Chooser>
  );
}

function Switcher({ model, overlay, send }: { model: Model; overlay: Overlay & { kind: "switcher" }; send: Send }) {
  return (
    <Chooser text={overlay.text} label={ui.switchTo} send={send}>
      <ul class="choices">
        {targets(model, overlay.text).map((t, n) => (
          <li key={t.key}><button type="button" class={n === overlay.at ? "current" : ""} ref={n === overlay.at ? intoSight : null}
            onClick={() => send({ kind: "overlay-pick", at: n })}>
            <bdi class="title"><Visible text={t.title} /></bdi>
            {t.talk ? <Badge unread={t.talk.unread} mentions={t.talk.mentions} isDirect={!t.talk.isRoom} isMore={t.talk.hasMoreUnread} /> : null}</button></li>
        ))}
      </ul>
    </Chooser>
  );
}

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

function Search({ overlay, send }: { overlay: Overlay & { kind: "search" }; send: Send }) {
  const { hits, query, loading, more, why, notIndexed } = overlay;
  return (
    <Chooser text={overlay.text} label={ui.searchFor} send={send}>
      {why === undefined ? null : <p class="problem" role="alert"><Visible text={why} /></p>}
      {loading ? <p class="quiet">{ui.searching}</p> : null}
      {query !== "" && !loading && hits.length === 0 && why === undefined ? <p class="quiet">{ui.nothingFound}</p> : null}
      {notIndexed && !loading ? <p class="quiet">{say.notIndexed(...notIndexed)}</p> : null}
      <ul class="choices hits">
        {hits.map((hit, n) => (
          <li key={hit.said.seq} class={n === overlay.at ? "current" : ""} ref={n === overlay.at ? intoSight : null}>
            <HitView hit={hit} onPick={() => send({ kind: "overlay-pick", at: n })} />
          </li>
        ))}
      </ul>
      {more && !loading ? <button type="button" onClick={() => send({ kind: "overlay-move", by: hits.length })}>{ui.moreResults}</button> : null}
    </Chooser>
  );
}

function HitView({ hit, onPick }: { hit: Hit; onPick: () => void }) {
  const { said, place, highlights } = hit;
  const title = "room" in place ? `#${place.room}` : `@${place.with}`;
  return (
    <button type="button" onClick={onPick}>
      <span class="hit-head"><bdi><Visible text={title} /></bdi> <Name name={said.user} color={said.color} />
        <time dateTime={new Date(said.at).toISOString()}>{when.format(said.at)}</time></span>
      <span class={said.redacted ? "hit-text removed" : "hit-text"}>{said.redacted
        ? <Sentence text={say.removed(said.redacted.by, said.redacted.reason)} parts={[said.redacted.by, said.redacted.reason]} />
        : <Excerpt text={said.text} highlights={highlights} />}</span>
    </button>
  );
}

/** The lines around the first highlight of a long text. */
function Excerpt({ text, highlights }: { text: string; highlights: readonly (readonly [number, number])[] }) {
  const chars = [...text];
  const first = highlights[0]?.[0] ?? 0;
  const from = chars.length > 400 ? Math.max(0, first - 120) : 0;
  const cut = chars.slice(from, from + 400).join("");
  const moved = highlights.map(([start, length]) => [start - from, length] as const).filter(([start]) => start >= 0);
  return <>{from > 0 ? "… " : ""}<PlainHit text={cut} highlights={moved} />{from + 400 < chars.length ? " …" : ""}</>;
}

function PlainHit({ text, highlights }: { text: string; highlights: readonly (readonly [number, number])[] }) {
  // Within a button there are no links: they would be buttons in a button.
  const pieces = cutAt(text, highlights).map(([part, marked]) =>
    marked ? <mark><Visible text={part} lines /></mark> : <Visible text={part} lines />);
  return <>{pieces}</>;
}

function Help() {
  return (
    <div class="help">
      <section><h3>{ui.keysTitle}</h3>
        <dl>{KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl></section>
      <section><h3>{ui.commandsTitle}</h3>
        <dl>{COMMANDS.map(([name, args]) => (
          <div key={name}><dt><code>/{name} {args}</code></dt><dd>{COMMAND_HELP[name]}</dd></div>))}</dl></section>
    </div>
  );
}

