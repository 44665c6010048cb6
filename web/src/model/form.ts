// Owns the login form: its fields, the checks of them, and the reason of the last refusal.
// Pure. Part of the model; shown by `view/enter.tsx`. Never connects.

import { say } from "../sentences.ts";
import type { Start } from "../session/life.ts";
import { readInvite, serverOf, type Invite } from "../wire/invite.ts";
import { isColour, nameProblem } from "../wire/name.ts";
import type { Host } from "./words.ts";

export const FIELDS = ["server", "name", "color", "password"] as const;
export type Field = (typeof FIELDS)[number];

export interface Form {
  /** With a relay the server; in both hosts a pasted invite or join line. */
  server: string;
  name: string;
  color: string;
  password: string;
  /** Keep the session on this device, and not only in this tab. */
  remember: boolean;
  /** The form was sent off at least once. */
  tried: boolean;
  /** An attempt is under way. */
  trying: boolean;
  /** Why the last attempt failed, in lines. */
  problem: string[];
  /** The field that it is about. */
  field?: Field;
}

export function newForm(server = "", name = "", color = ""): Form {
  return { server, name, color, password: "", remember: false, tried: false, trying: false, problem: [] };
}

/** The invite that stands in the field, if one does. */
export function inviteOf(form: Form): Invite | undefined {
  const read = form.server.trim() === "" ? undefined : readInvite(form.server);
  return read && "ok" in read ? read.ok : undefined;
}

/** Is this a registered user's first time, so that the password is chosen and not asked for? */
export function isFirstTime(form: Form): boolean {
  return inviteOf(form)?.join !== undefined;
}

/** A field has changed. A pasted join line brings the name along. */
export function setField(form: Form, field: Field, value: string): Form {
  const changed: Form = { ...form, [field]: value };
  if (field === "server") {
    const join = inviteOf(changed)?.join;
    if (join) changed.name = join.user;
  }
  // The sentence stays until the form is sent off again: without it the fields would move under the reader's hands.
  if (form.field === field) delete changed.field;
  return changed;
}

export interface Entering { start: Start; server?: string; room?: string }

/** The login data of the form, or the field to correct with a sentence. */
export function readForm(form: Form, host: Host): { ok: Entering } | { field: Field; problem: string } {
  const typed = form.server.trim();
  const entering: Entering = { start: {} };
  if (typed === "" && host.kind === "relay") return { field: "server", problem: say.serverMissing };
  if (typed !== "") {
    const read = readInvite(typed);
    if ("problem" in read) return { field: "server", problem: say.inviteProblem[read.problem] };
    const { join, room, pin } = read.ok;
    if (join?.certificate) return { field: "server", problem: say.certificateInvite };
    if (join) {
      entering.start.code = join.code;
      if (form.password === "") return { field: "password", problem: say.choosePassword };
    }
    if (room !== undefined) entering.room = room;
    // The relay reads the line itself: it knows profiles, and it verifies by the pin. A code is for the server alone.
    if (host.kind === "relay") {
      const isAsTyped = pin === undefined && join === undefined;
      entering.server = isAsTyped ? typed : `tcps://${serverOf(read.ok)}${pin === undefined ? "" : `#${pin}`}`;
    }
  }
  const name = form.name.trim();
  const wrong = nameProblem(name);
  if (wrong) return { field: "name", problem: say.nameProblem[wrong] };
  entering.start.name = name;
  const color = form.color.trim();
  if (!isColour(color)) return { field: "color", problem: say.colourProblem };
  if (color !== "") entering.start.color = color;
  if (form.password !== "") entering.start.password = form.password;
  return { ok: entering };
}
