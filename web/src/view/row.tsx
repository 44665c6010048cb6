// Owns how one entry of a conversation looks: a message with its time, name and text, a note, a message on its way.
// Drawn by `log.tsx`. Never looks at the rows around it: properties tell.

import type { Said, Item, Pending, Removal } from "../model/item.ts";
import { say, ui } from "../sentences.ts";
import type { Place } from "../wire/types.ts";
import { Name, pure, Sentence, Visible, type Send } from "./parts.tsx";
import { Text } from "./text.tsx";

/** Which lines stand above a row, and whether it begins a group. */
export interface Lead { day: boolean; isNew: boolean; head: boolean }

/** Messages of one user within this time, in milliseconds, are one group. */
const GROUP = 5 * 60_000;

export function leadOf(before: Item | undefined, item: Item, newFrom: number | undefined): Lead {
  const day = !before || dayOf(before.at) !== dayOf(item.at);
  const isNew = newFrom !== undefined && item.kind === "said" && item.seq >= newFrom
    && !(before?.kind === "said" && before.seq >= newFrom);
  const isSame = before?.kind === "said" && item.kind === "said" && before.user === item.user && item.at - before.at < GROUP;
  const isMine = before?.kind !== "note" && before !== undefined && item.kind === "pending" && (before.kind === "pending" || before.own);
  return { day, isNew, head: day || isNew || !(isSame || isMine) };
}

const dayOf = (at: number): string => new Date(at).toDateString();

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

function Time({ at }: { at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={full.format(at)}>
      {clock.format(at)}<span class="full" aria-hidden="true"> {full.format(at)}</span>
    </time>
  );
}

export interface RowProps {
  item: Item;
  day: boolean;
  isNew: boolean;
  head: boolean;
  marked: boolean;
  /** The reader is offered to remove the message. */
  canRemove: boolean;
  place: Place;
  /** In direct messages all of the other's mention the reader: there it is not shown. */
  isDirect: boolean;
  me: string;
  color: string;
  send: Send;
}

export const Row = pure((props: RowProps) => {
  const { item, day: isDay, isNew } = props;
  return (
    <>
      {isDay ? <li class="rule" key="day"><span>{day.format(item.at)}</span></li> : null}
      {isNew ? <li class="rule new" key="new"><span>{ui.newSince(clock.format(item.at))}</span></li> : null}
      <Entry {...props} />
    </>
  );
});

function Entry(props: RowProps) {
  const { item } = props;
  switch (item.kind) {
    case "said":
      return <SaidRow {...props} item={item} />;
    case "pending":
      return <PendingRow {...props} item={item} />;
    case "note":
      return (
        <li class={`row note ${item.tone}`} data-id={item.id} tabIndex={-1}>
          <Time at={item.at} /><span class="who" /><div class="text" dir="auto"><Sentence text={item.text} parts={item.parts?.map((p) => p.user) ?? [item.by]} /></div>
        </li>
      );
  }
}

function SaidRow({ item, head, marked, isDirect, canRemove, place, send }: RowProps & { item: Said }) {
  const classes = ["row", "said", head ? "first" : "", item.mention && !isDirect ? "mention" : "", marked ? "marked" : "", item.redacted ? "removed" : ""];
  return (
    <li class={classes.filter(Boolean).join(" ")} data-id={item.id} data-seq={item.seq} tabIndex={-1}>
      <Time at={item.at} />
      <span class={head ? "who" : "who sr"}><Name name={item.user} color={item.color} /></span>
      {item.redacted ? <Removed removal={item.redacted} /> : <Text text={item.text} />}
      {item.own ? <span class="fate kept" title={ui.kept(item.seq)}><span aria-hidden="true">✓</span><span class="sr">{ui.kept(item.seq)}</span></span> : null}
      {canRemove ? (
        <button type="button" class="remove" tabIndex={-1}
          onClick={() => send({ kind: "ask-action", action: { op: "REDACT", seq: item.seq }, place })}>{ui.remove}</button>
      ) : null}
    </li>
  );
}

/** Stands in the place of a text that was removed. */
export function Removed({ removal }: { removal: Removal }) {
  return <div class="text removed" dir="auto"><Sentence text={say.removed(removal.by, removal.reason)} parts={[removal.by, removal.reason]} /></div>;
}

function PendingRow({ item, head, me, color, send }: RowProps & { item: Pending }) {
  const { id, fate } = item;
  const act = (what: "again" | "look" | "edit" | "drop") => () => send({ kind: "pending", id, act: what });
  return (
    <li class={`row pending ${fate.state} ${head ? "first" : ""}`} data-id={id} tabIndex={-1}>
      <Time at={item.at} />
      <span class={head ? "who" : "who sr"}><Name name={me} color={color} /></span>
      <Text text={item.text} />
      {fate.state === "sending" ? <span class="fate" role="img" aria-label={ui.sending} title={ui.sending}>…</span> : null}
      {fate.state === "refused" ? (
        <div class="fate-line"><span><Visible text={ui.refused(fate.why)} /></span>
          <button type="button" onClick={act("edit")}>{ui.edit}</button>
          <button type="button" onClick={act("again")}>{ui.sendAgain}</button>
          <button type="button" onClick={act("drop")}>{ui.drop}</button>
        </div>
      ) : null}
      {fate.state === "unknown" ? (
        <div class="fate-line"><span>{ui.unknown}</span>
          <button type="button" onClick={act("look")}>{ui.look}</button>
          <button type="button" onClick={act("again")}>{ui.sendAgain}</button>
          <button type="button" onClick={act("drop")}>{ui.drop}</button>
        </div>
      ) : null}
    </li>
  );
}
