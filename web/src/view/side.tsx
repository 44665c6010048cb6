// Owns the list of conversations, with our name and the state of the connection at its foot. Drawn by `app.tsx`.

import type { Model } from "../model/model.ts";
import type { Talk } from "../model/talk.ts";
import { ui } from "../sentences.ts";
import { Badge, IconButton, Name, State, Visible, type Send } from "./parts.tsx";

export function Side({ model, send }: { model: Model; send: Send }) {
  const rooms = model.talks.filter((t) => t.isRoom);
  const directs = model.talks.filter((t) => !t.isRoom);
  return (
    <nav class="side" aria-label={ui.rooms}>
      <header>
        <button type="button" class="switcher" onClick={() => send({ kind: "open", overlay: "switcher" })}>
          {ui.switcher}<kbd aria-hidden="true">Ctrl K</kbd>
        </button>
      </header>
      <div class="lists">
        <h2>{ui.rooms}
          <IconButton label={ui.browse} icon="add" onClick={() => send({ kind: "open", overlay: "rooms" })} />
        </h2>
        <List model={model} talks={rooms} send={send} />
        {directs.length > 0 ? <h2>{ui.directs}</h2> : null}
        <List model={model} talks={directs} send={send} />
      </div>
      <footer>
        <div class="me"><Name name={model.me} color={model.color} /></div>
        <div class="where"><Visible text={model.host.server} /></div>
        <LinkState model={model} />
      </footer>
    </nav>
  );
}

function List({ model, talks, send }: { model: Model; talks: Talk[]; send: Send }) {
  return (
    <ul>
      {talks.map((talk) => {
        const isHere = talk === model.talk;
        const classes = [isHere ? "current" : "", talk.unread > 0 ? "unread" : ""].filter(Boolean).join(" ");
        return (
          <li key={talk.key}>
            <button type="button" class={classes} title={talk.title} {...(isHere ? { "aria-current": "page" as const } : {})}
              onClick={() => send({ kind: "show", key: talk.key })}>
              {talk.isRoom ? <span class="sign" aria-hidden="true">#</span> : <State state={stateOf(model, talk.name)} />}
              <bdi class="title"><Visible text={talk.name} /></bdi>
              {talk.draft !== "" && !isHere ? <span class="draft" aria-hidden="true">✎</span> : null}
              <Badge unread={talk.unread} mentions={talk.mentions} isDirect={!talk.isRoom} isMore={talk.hasMoreUnread} />
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** How a user is, as far as a room that we are in says. Without a connection nobody knows. */
export function stateOf(model: Model, user: string): string {
  if (model.link.at !== "up") return "other";
  const states = model.talks.flatMap((t) => t.members.filter((m) => m.user === user).map((m) => m.state));
  return states.includes("here") ? "here" : (states[0] ?? "other");
}

/** The connection in words, and how the server was verified. */
function LinkState({ model }: { model: Model }) {
  const { link } = model;
  const isUp = link.at === "up";
  return (
    <div class={`link ${isUp && !link.isStalled ? "up" : "down"}`}>
      <span>{linkText(model)}</span>
      {isUp ? <span class="verified" title={ui.verified[model.host.verified]}>{ui.verified[model.host.verified]}</span> : null}
    </div>
  );
}

export function linkText({ link, now }: Model): string {
  switch (link.at) {
    case "up":
      if (link.isStalled) return ui.stalled;
      return link.caughtUp && link.caughtUp.count > 0 ? ui.caughtUp(link.caughtUp.count) : ui.connected;
    case "waiting":
      return ui.reconnecting(Math.ceil((link.until - now.up) / 1000));
    case "connecting":
      return ui.connecting;
    case "over":
      return ui.over;
    default:
      return ui.notConnected;
  }
}
