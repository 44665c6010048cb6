// Owns the list of members: the state of each, by shape and by word, and the moderators' buttons. Drawn by `app.tsx`.
// Moderation is shown only where the server will permit it.

import { canModerate } from "../model/act.ts";
import type { Model } from "../model/model.ts";
import type { Talk } from "../model/talk.ts";
import { count, ui } from "../sentences.ts";
import { ROLES, type Member, type Role } from "../wire/types.ts";
import { Icon, Name, State, type Send } from "./parts.tsx";

export function Members({ model, talk, send }: { model: Model; talk: Talk; send: Send }) {
  const here = talk.members.filter((m) => m.state === "here");
  const others = talk.members.filter((m) => m.state !== "here");
  const more = talk.memberCount - talk.members.length;
  return (
    <aside class="members" aria-label={ui.members}>
      <h2>{count(talk.memberCount, "member")}</h2>
      <ul>
        {[...here, ...others].map((m) => <Entry key={m.user} model={model} talk={talk} member={m} send={send} />)}
        {more > 0 ? <li class="quiet">{ui.andMore(more)}</li> : null}
      </ul>
    </aside>
  );
}

function Entry({ model, talk, member, send }: { model: Model; talk: Talk; member: Member; send: Send }) {
  const isMe = member.user === model.me;
  // Without a connection nobody knows.
  const state = model.link.at === "up" ? member.state : "other";
  return (
    <li class={state}>
      <button type="button" disabled={isMe} title={isMe ? ui.you : ui.write(member.user)}
        onClick={() => send({ kind: "command", command: { do: "msg", user: member.user } })}>
        <State state={state} />
        <Name name={member.user} color={member.color} />
        {member.role && member.role !== "member" ? <span class="tag">{member.role}</span> : null}
        {isMe ? <span class="quiet"> {ui.you}</span> : null}
      </button>
      {canModerate(model, talk, member) ? <Actions model={model} talk={talk} member={member} send={send} /> : null}
    </li>
  );
}

function Actions({ model, talk, member, send }: { model: Model; talk: Talk; member: Member; send: Send }) {
  const { user } = member;
  const close = (e: Event): void => (e.currentTarget as HTMLElement).closest("details")?.removeAttribute("open");
  const act = (label: string, op: "KICK" | "MUTE" | "UNMUTE" | "BAN" | "UNBAN") => (
    <button type="button" onClick={(e) => {
      close(e);
      // An action that takes something back needs no question.
      if (op === "UNMUTE" || op === "UNBAN") send({ kind: "command", command: { do: "action", action: { op, user } } });
      else send({ kind: "ask-action", action: { op, user }, place: talk.place });
    }}>{label}</button>
  );
  return (
    <details class="more" onFocusOut={(e) => { if (!e.currentTarget.contains(e.relatedTarget as Node | null)) e.currentTarget.removeAttribute("open"); }}>
      <summary class="icon" aria-label={ui.actionsFor(user)} title={ui.actionsFor(user)}><Icon name="more" /></summary>
      <div class="popup">
        {act(ui.mute, "MUTE")}{act(ui.unmute, "UNMUTE")}{act(ui.kick, "KICK")}{act(ui.ban, "BAN")}
        <RoleChoice model={model} talk={talk} member={member} send={send} />
      </div>
    </details>
  );
}

/** Moderators name members and readers; owners name all. */
function RoleChoice({ model, talk, member, send }: { model: Model; talk: Talk; member: Member; send: Send }) {
  const mine = ROLES.indexOf(model.roleIn(talk));
  const roles: (Role | "none")[] = ["none", ...ROLES.filter((role) => mine === ROLES.indexOf("owner") || ROLES.indexOf(role) < mine)];
  return (
    <label class="themes">{ui.role}
      <select value={member.role ?? "none"} onChange={(e) => {
        const role = roles.find((one) => one === e.currentTarget.value);
        e.currentTarget.closest("details")?.removeAttribute("open");
        if (role) send({ kind: "ask-action", action: { op: "GRANT", user: member.user, role }, place: talk.place });
      }}>
        {roles.map((role) => <option key={role} value={role}>{role}</option>)}
      </select>
    </label>
  );
}
