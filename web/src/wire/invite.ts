// Owns addresses of servers as people paste them: `host`, `host:port`, `host1,host2:port` for the nodes of one chat,
// `tcps://host:port/room#pin`, and join lines, `tcps://user:code@host:port#pin`. A port of the client's rules. Called by the form of the model. Never looks
// anything up; whether a host can be reached is the host's of the page to find out.

import { nameProblem } from "./name.ts";

export const DEFAULT_PORT = 3000;

export interface Invite {
  /** A name or an address; IPv6 without brackets. */
  host: string;
  port: number;
  /** Further servers of the same chat, as `host:port`. */
  more?: string[];
  room?: string;
  /** The SHA-256 of the CA's certificate: 64 hexadecimal digits in small letters. */
  pin?: string;
  join?: Join;
}

/** A registered user's first time. The code is a secret until it is used. */
export interface Join { user: string; code: string; certificate: boolean }

/** Why a text is no address, as a word for the sentences. */
export type InviteProblem = "host" | "scheme" | "port" | "room" | "join" | "pin";

export type ReadInvite = { ok: Invite } | { problem: InviteProblem };

/** Characters around an address that is copied from a mail, a chat or a shell. */
const AROUND = "<>(){}\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\ufeff\u200b\u200e\u200f\u2060";
/** Characters that end the sentence with the address in it. */
const ENDS = ".,;!?\u3002\uff0c\uff0e\u2026";

const isAround = (c: string): boolean => AROUND.includes(c) || /[\s\p{Cc}]/u.test(c);
const isV6 = (text: string): boolean => /^[0-9a-f:.]+(%.*)?$/i.test(text) && text.includes(":");

function trimStart(text: string, is: (c: string) => boolean): string {
  let at = 0;
  while (at < text.length && is(text.charAt(at))) at += 1;
  return text.slice(at);
}

function trimEnd(text: string, is: (c: string) => boolean): string {
  let end = text.length;
  while (end > 0 && is(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function withoutScheme(text: string): string {
  return /^tcps:\/\//i.test(text) ? text.slice("tcps://".length) : text;
}

/** The address without the characters pasted with it. An IPv6 address keeps its brackets and its colons. */
function withoutSurroundings(text: string): string {
  let rest = trimStart(text, isAround);
  const bracketed = /^\[([^\]]*)\]/.exec(rest);
  if (rest.startsWith("[") && !(bracketed && isV6(bracketed[1] ?? ""))) rest = trimStart(rest.slice(1), isAround);
  for (;;) {
    const before = rest;
    rest = trimEnd(rest, isAround);
    if (rest.endsWith("]") && !rest.includes("[")) rest = rest.slice(0, -1);
    // Directly behind a host a colon is the beginning of a port.
    const hasMore = /[/#]/.test(withoutScheme(rest));
    rest = trimEnd(rest, (c) => ENDS.includes(c) || (c === ":" && hasMore));
    if (rest === before) return rest;
  }
}

function splitOnce(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + at.length)];
}

/** Reads an address. */
export function readInvite(pasted: string): ReadInvite {
  let text = withoutSurroundings(pasted);
  // The whole command of the invitation is pasted too.
  if (text.startsWith("tcp-chat-cli ")) text = withoutSurroundings(text.slice("tcp-chat-cli ".length));
  let rest = withoutScheme(text);
  if (rest.includes("://")) return { problem: "scheme" };

  const invite: Invite = { host: "", port: DEFAULT_PORT };
  const [beforePin, pinText] = splitOnce(rest, "#");
  if (pinText !== undefined) {
    const pin = pinText.trim().replace(/^sha256:/i, "").replaceAll(":", "").toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(pin)) return { problem: "pin" };
    invite.pin = pin;
  }
  const [beforeRoom, room] = splitOnce(beforePin, "/");
  if (room) {
    if (nameProblem(room)) return { problem: "room" };
    invite.room = room;
  }
  rest = beforeRoom;
  const at = rest.lastIndexOf("@");
  if (at >= 0) {
    const join = readJoin(rest.slice(0, at));
    if (!join) return { problem: "join" };
    invite.join = join;
    rest = rest.slice(at + 1);
  }
  const [first = "", ...others] = rest.split(",");
  const place = readHost(first);
  if ("problem" in place) return place;
  const more: string[] = [];
  for (const other of others) {
    const at = readHost(other);
    if ("problem" in at) return at;
    more.push(serverOf(at));
  }
  return { ok: { ...invite, ...place, ...(more.length > 0 ? { more } : {}) } };
}

function readHost(text: string): { host: string; port: number } | { problem: InviteProblem } {
  let host = text;
  let port: string | undefined;
  const bracketed = /^\[([^\]]*)\](.*)$/.exec(text);
  if (bracketed) {
    host = bracketed[1] ?? "";
    const after = bracketed[2] ?? "";
    if (after !== "" && !after.startsWith(":")) return { problem: "host" };
    if (after !== "") port = after.slice(1);
  } else if (text.indexOf(":") === text.lastIndexOf(":") && text.includes(":")) {
    // More than one colon and no brackets: an IPv6 address alone.
    [host, port] = splitOnce(text, ":");
  }
  const isHost = bracketed || host.includes(":") ? isV6(host) : /^[\p{L}\p{N}\p{M}._-]+$/u.test(host);
  if (!isHost) return { problem: "host" };
  if (port === undefined) return { host, port: DEFAULT_PORT };
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65535) return { problem: "port" };
  return { host, port: number };
}

function readJoin(text: string): Join | undefined {
  const [user, rest] = splitOnce(text, ":");
  if (rest === undefined || nameProblem(user)) return undefined;
  const certificate = rest.startsWith("cert:");
  const code = certificate ? rest.slice("cert:".length) : rest;
  return /^[A-Za-z0-9_-]+$/.test(code) ? { user, code, certificate } : undefined;
}

/** The servers of an invite as the relay reads them: `host:port`, with commas where there are several. */
export function serverOf({ host, port, more = [] }: Pick<Invite, "host" | "port" | "more">): string {
  return [`${host.includes(":") ? `[${host}]` : host}:${port}`, ...more].join();
}
