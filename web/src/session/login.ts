// Owns one login on a fresh connection: the request, and the meaning of the answer. A port of the client's `login.rs`.
// Called by `session.ts` while the phase is `login`. Never decides about a lost connection: that is `life.ts`.

import { fault } from "../sentences.ts";
import { readLine } from "../wire/incoming.ts";
import { replyData } from "../wire/read.ts";
import { encode, type LoginData } from "../wire/request.ts";
import { Misread } from "../wire/shape.ts";
import type { ErrorData, LoginReply } from "../wire/types.ts";
import { afterRateLimit } from "./backoff.ts";
import { checkHead } from "./cursor.ts";
import { REQUEST, type Life } from "./life.ts";

/** The socket is open: the first request goes out. */
export function beginLogin(life: Life, now: number): void {
  const isFirst = !life.hasEntered && life.held === undefined;
  const step = isFirst && life.start.code !== undefined ? "enrol" : "login";
  life.phase = { at: "login", step, id: 0, resume: life.held !== undefined, limited: 0, deadline: now + REQUEST };
  ask(life);
}

/** Sends the request of the phase, under a new id. */
function ask(life: Life): void {
  const { phase, start, held } = life;
  if (phase.at !== "login") return;
  const id = life.ids.next();
  const { resendAt: _, ...rest } = phase;
  life.phase = { ...rest, id };
  if (phase.step === "enrol") {
    const data = { name: start.name ?? "", code: start.code ?? "", password: start.password ?? "" };
    life.out.push({ kind: "write", text: encode({ op: "ENROL", data }, id) });
    return;
  }
  const log = held?.log ?? start.seen?.log;
  const { password } = start;
  const proof = password === undefined ? {} : { password };
  let data: LoginData;
  if (phase.resume && held) {
    data = { name: held.name, ...proof, session: held.token, after: life.cursor.seq };
  } else {
    // The name and rooms of now, should the session be gone.
    const name = held?.name ?? start.name;
    const color = held?.color ?? start.color;
    const rooms = held?.rooms ?? start.rooms;
    data = { ...(name === undefined ? {} : { name }), ...(color ? { color } : {}), ...(rooms ? { rooms } : {}), ...proof };
  }
  if (log !== undefined) data.log = log;
  life.out.push({ kind: "write", text: encode({ op: "LOGIN", data }, id) });
}

/** A moment has come that the login waited for. */
export function tickLogin(life: Life, now: number): void {
  const { phase } = life;
  if (phase.at !== "login") return;
  if (phase.deadline <= now) return life.lost({ kind: "timed-out", what: "LOGIN", afterMs: REQUEST }, now);
  if (phase.resendAt !== undefined && phase.resendAt <= now) ask(life);
}

/** A line that came before the login was answered. */
export function takeLoginLine(life: Life, line: string, now: number): void {
  const { phase } = life;
  if (phase.at !== "login") return;
  const incoming = readLine(line);
  if (incoming.kind === "reply" && incoming.id === phase.id) {
    if (phase.step === "enrol") {
      life.phase = { ...phase, step: "login" };
      return ask(life);
    }
    let login: LoginReply;
    try {
      login = replyData("LOGIN", incoming.data);
    } catch (e) {
      if (!(e instanceof Misread)) throw e;
      return life.nonsense(fault.misread("the answer to LOGIN", e.message), now);
    }
    const wrong = checkHead(login.head);
    if (wrong !== undefined) return life.nonsense(wrong, now);
    return life.loggedIn(login, phase.resume, now);
  }
  // Without an id it is about the connection: full, too late.
  if (incoming.kind === "error" && (incoming.id === undefined || incoming.id === phase.id)) {
    refused(life, incoming.error, now);
  }
}

function refused(life: Life, error: ErrorData, now: number): void {
  const { phase } = life;
  if (phase.at !== "login") return;
  if (error.kind === "SESSION_EXPIRED" && phase.resume) {
    life.phase = { ...phase, resume: false };
    return ask(life);
  }
  // A node that can order nothing: a session that is held goes to another one, where the page's host has one.
  const isUnavailable = error.kind === "UNAVAILABLE";
  if (isUnavailable && life.held) life.backoff.asked(error.retry_after_ms ?? 0);
  else if ((isUnavailable || error.kind === "RATE_LIMITED") && error.retry_after_ms !== undefined) {
    const resendAt = now + afterRateLimit(error.retry_after_ms, phase.limited);
    life.phase = { ...phase, limited: phase.limited + 1, resendAt };
    return;
  }
  const until = error.until === undefined ? {} : { until: error.until };
  life.lost({ kind: "login-refused", error: error.kind, msg: error.msg, ...until }, now);
}
