// Owns the parts of the page: the form, or three columns and an overlay; on a phone one column at a
// time. Drawn by `shell.ts` after each change of the model. Never changes the model.

import { useEffect, useState } from "preact/hooks";
import { explain } from "../model/explain.ts";
import type { Model } from "../model/model.ts";
import { say, ui } from "../sentences.ts";
import { Composer } from "./composer.tsx";
import { Enter } from "./enter.tsx";
import { Bar, Head } from "./head.tsx";
import { onPageKey } from "./keys.ts";
import { Log } from "./log.tsx";
import { Members } from "./members.tsx";
import { OverlayView } from "./overlays.tsx";
import { pure, Visible, type Send } from "./parts.tsx";
import { Side } from "./side.tsx";
import { Prose } from "./trouble.tsx";

/** `version` changes with each change of the model, which is changed in place. */
export function App({ model, send, version: _ }: { model: Model; send: Send; version: number }) {
  return (
    <>
      {model.link.at === "elsewhere" ? <Elsewhere send={send} />
        : model.form && model.host.isShut ? <Shut model={model} />
        : model.form ? <Enter model={model} form={model.form} send={send} />
        : <Chat model={model} send={send} />}
      {model.overlay ? <OverlayView key={model.overlay.kind} model={model} overlay={model.overlay} send={send} /> : null}
      <Announcer said={model.announced} />
    </>
  );
}

function Elsewhere({ send }: { send: Send }) {
  return (
    <main class="elsewhere"><p>{ui.elsewhere}</p>
      <button type="button" class="primary" onClick={() => send({ kind: "take-over" })}>{ui.useHere}</button></main>
  );
}

/** A tab that the program on this machine does not know. A form would lead nowhere. */
function Shut({ model }: { model: Model }) {
  const [first = "", ...others] = explain(model.host.problem ?? [ui.shut]).sentences;
  return (
    <main class="elsewhere"><h1>{say.product}</h1>
      <p><Prose text={first} /></p>{others.map((text) => <p class="quiet"><Prose text={text} /></p>)}</main>
  );
}

function Chat({ model, send }: { model: Model; send: Send }) {
  const [drawer, setDrawer] = useState<"side" | "members" | undefined>(undefined);
  const { talk } = model;
  // What lies over the page was asked for in a drawer, and its outcome is told beside it.
  const hasOverlay = model.overlay !== undefined;
  useEffect(() => setDrawer(undefined), [talk?.key, hasOverlay]);
  useEffect(() => {
    const onKey = (e: KeyboardEvent): void => onPageKey(e, model, send);
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [model, send]);
  const hasMembers = talk?.isRoom === true;
  return (
    <div class={`chat ${drawer ? `open-${drawer}` : ""} ${hasMembers ? "" : "no-members"}`}>
      <Side model={model} send={send} />
      <main>
        <Head model={model} send={send} onSide={() => setDrawer(drawer === "side" ? undefined : "side")}
          onMembers={() => setDrawer(drawer === "members" ? undefined : "members")} />
        <Bar model={model} send={send} />
        {talk ? <Log model={model} talk={talk} send={send} /> : <NoTalk model={model} send={send} />}
        <NoticeLine model={model} />
        {talk ? <Composer model={model} talk={talk} send={send} /> : null}
      </main>
      {hasMembers ? <Members model={model} talk={talk} send={send} /> : null}
      {drawer ? <button type="button" class="shade" aria-label={ui.close} onClick={() => setDrawer(undefined)} /> : null}
    </div>
  );
}

function NoTalk({ model, send }: { model: Model; send: Send }) {
  if (model.link.at !== "up") return <div class="empty" />;
  return (
    <div class="empty"><p>{ui.noTalk}</p>
      <button type="button" class="primary" onClick={() => send({ kind: "open", overlay: "rooms" })}>{ui.browse}</button></div>
  );
}

function NoticeLine({ model }: { model: Model }) {
  const { notice, link } = model;
  if (!notice || link.at === "over") return null;
  return <p class={notice.error ? "notice error" : "notice"}><Visible text={notice.text} /></p>;
}

/** The live region for screen readers. Each sentence is a new node, so that a repeated sentence is read again. */
let sentences = 0;
const Announcer = pure(({ said }: { said: Model["announced"] }) => {
  sentences += 1;
  return <div class="sr" role="status" aria-live="polite">{said ? <p key={sentences}><Visible text={said.text} /></p> : null}</div>;
});
