// Owns one conversation as the page knows it: a window of its log, unread counts, its members, and
// whether the reader follows the newest message. A port of the terminal's `talk.rs`. Bounded: over its bound the end
// that is not being read is given up, and is loaded again from the daemon when the reader scrolls there. Never asks
// by itself.

import { placeKey, type Member, type MemberState, type Place, type Seq } from "../wire/types.ts";
import { seqOf, withoutText, type Item, type Note, type Pending, type Removal, type Said } from "./item.ts";

/** Entries that are kept of one conversation. */
export const KEEP = 400;
/** Unread messages that are counted in one conversation. The badge says "999+" before. */
const NEWS = 1000;
/** Members that are kept of one room: as many as the daemon tells. */
const MEMBERS = 500;
/** Names that one line about coming and leaving holds. */
const PRESENCE = 6;

/** Which part of a conversation. */
export type Part = { part: "newest" } | { part: "before" | "after" | "around"; seq: Seq };

export function isSamePart(a: Part | undefined, b: Part): boolean {
  return a !== undefined && a.part === b.part && ("seq" in a ? a.seq : -1) === ("seq" in b ? b.seq : -1);
}

export class Talk {
  readonly key: string;
  items: Item[] = [];
  /** The store has nothing older. */
  atStart = false;
  /** The window reaches to the newest message. */
  atHead = true;
  /** The part that was asked for and has not come. An answer to anything else comes too late. */
  asked: Part | undefined;
  /** It has been filled from the store. */
  loaded = false;
  /** The unread messages, by number: does each mention the reader? Some may be beyond the window. */
  readonly #news = new Map<Seq, boolean>();
  /** The first message that was not read: the "new since" line stands before it. */
  newFrom: Seq | undefined;
  /** The newest message that was read. */
  read: Seq = 0;
  /** There is no read mark yet. */
  fresh = true;
  /** It is here because it was on an earlier page; where nothing of it is left, it goes again. */
  returning = false;
  /** At the newest message, and staying there. */
  following = true;
  /** The reader has asked for the newest message, so the first unread one is not shown instead. */
  wantsFoot = false;
  members: Member[] = [];
  memberCount = 0;
  isPrivate = false;
  /** What the room is for; empty: it has no topic. */
  topic = "";
  /** When the server was last told how far this was read, in milliseconds since some start. */
  toldAt: number | undefined;
  /** The connection was lost: texts may have been removed that are still here. */
  mayHoldRemoved = false;
  /** Texts may have been removed, and nobody sees them now: they are not drawn before they were read again. */
  isHidden = false;
  /** The newest message of the reader whose removal was refused. Removal is not offered up to there. */
  refusedUpTo: Seq = 0;
  /** Text that was typed here and not sent. */
  draft = "";
  /** When something was last said here, for giving up the oldest. */
  active = 0;

  constructor(readonly place: Place) {
    this.key = placeKey(place);
  }

  get unread(): number {
    return this.#news.size;
  }

  get mentions(): number {
    return [...this.#news.values()].filter(Boolean).length;
  }

  get isRoom(): boolean {
    return "room" in this.place;
  }

  get name(): string {
    return "room" in this.place ? this.place.room : this.place.with;
  }

  /** As it is shown: `#lobby`, `@bo`. */
  get title(): string {
    return "room" in this.place ? `#${this.place.room}` : `@${this.place.with}`;
  }

  get oldest(): Seq | undefined {
    return this.items.find((i): i is Said => i.kind === "said")?.seq;
  }

  get newest(): Seq | undefined {
    return this.items.findLast((i): i is Said => i.kind === "said")?.seq;
  }

  has(seq: Seq): boolean {
    return this.items.some((i) => seqOf(i) === seq);
  }

  /** Adds a new entry. Messages that are still on their way stay last. */
  push(item: Item): void {
    if (!this.atHead && item.kind !== "pending") return;
    if (!this.following && item.kind === "said" && this.items.length >= KEEP) {
      // The reader is further up. Those messages stay; the newest are loaded again later.
      this.atHead = false;
      return;
    }
    if (item.kind === "pending") this.items.push(item);
    else this.items.splice(this.#pendingFrom(), 0, item);
    this.#boundFront();
  }

  /** Somebody came or left. Such lines in a row are one line. */
  pushPresence(note: Note): void {
    const at = this.#pendingFrom() - 1;
    const last = this.items[at];
    if (last?.kind === "note" && last.tone === "presence" && this.atHead) {
      // Of a user who came and went, the last counts.
      const others = (last.parts ?? []).filter((p) => !note.parts?.some((n) => n.user === p.user));
      const parts = [...others, ...(note.parts ?? [])].slice(-PRESENCE);
      this.items[at] = { ...last, at: note.at, parts, text: parts.map((p) => p.text).join(", ") };
    } else {
      this.push(note);
    }
  }

  #pendingFrom(): number {
    return this.items.findLastIndex((i) => i.kind !== "pending") + 1;
  }

  #boundFront(): void {
    const over = this.items.length - KEEP;
    if (over <= 0) return;
    this.items.splice(0, over);
    this.atStart = false;
  }

  #boundBack(): void {
    const over = this.items.length - KEEP;
    if (over <= 0) return;
    const waiting = this.items.slice(this.#pendingFrom());
    this.items = [...this.items.slice(0, Math.max(1, KEEP - waiting.length)), ...waiting];
    this.atHead = false;
  }

  /** Adds a page from before the oldest message here. */
  prepend(page: Said[], more: boolean): void {
    const oldest = this.oldest;
    const older = page.filter((i) => oldest === undefined || i.seq < oldest);
    this.items.unshift(...older);
    // The first unread message was further up than the window. Those behind `newFrom` are counted already.
    const { newFrom = 0 } = this;
    const news = this.unread > 0 ? older.filter((i) => !i.own && i.seq > this.read && i.seq < newFrom) : [];
    for (const item of news) this.addNews(item);
    this.newFrom = news[0]?.seq ?? this.newFrom;
    this.atStart = !more;
    this.#boundBack();
  }

  /** Adds a page from after the newest message here. */
  append(page: Said[], more: boolean): void {
    const newest = this.newest;
    const fresh = page.filter((i) => newest === undefined || i.seq > newest);
    this.items.splice(this.#pendingFrom(), 0, ...fresh);
    this.atHead = !more;
    this.#boundFront();
  }

  /**
   * Merges the newest page. Where it does not meet the window, it replaces it: the messages in between are loaded when
   * the reader scrolls there.
   */
  mergeNewest(page: Said[], more: boolean): void {
    const first = page[0]?.seq;
    const last = page.at(-1)?.seq;
    const newest = this.newest;
    const was = this.items;
    if (this.atHead && first !== undefined && newest !== undefined && newest >= first) {
      const at = was.findIndex((i) => i.kind === "said" && i.seq >= first);
      const from = at < 0 ? was.length : at;
      const before = was.slice(0, from);
      const known = new Map(was.flatMap((i) => (i.kind === "said" ? [[i.seq, i] as const] : [])));
      // Notes stay last, and so do messages that are newer than the page.
      const rest = was.slice(from).filter((i) => i.kind !== "said" || last === undefined || i.seq > last);
      // An entry that is here already stays the same object: its row need not be drawn again.
      this.items = [...before, ...page.map((i) => (i.redacted ? i : known.get(i.seq)) ?? i), ...rest];
      if (!before.some((i) => i.kind === "said")) this.atStart = !more;
    } else {
      const rest = was.filter((i) => i.kind !== "said" || last === undefined || i.seq > last);
      this.items = [...page, ...rest];
      this.atStart = !more;
      this.following = true;
    }
    this.atHead = true;
    this.loaded = true;
    this.#boundFront();
  }

  /** Replaces the window by a part of the log around one message. */
  replace(part: Said[], older: boolean, newer: boolean): void {
    this.items = [...part, ...this.items.filter((i) => i.kind === "pending")];
    this.atStart = !older;
    this.atHead = !newer;
    this.following = false;
    this.loaded = true;
    this.#boundFront();
  }

  /** The window is emptied; the newest page is to be loaded. */
  reset(): void {
    this.dropTexts();
    this.items = this.items.filter((i) => i.kind === "pending");
  }

  /** Drops the messages. They are loaded again when the conversation is shown. Notes of missing messages stay. */
  dropTexts(): void {
    this.items = this.items.filter((i) => i.kind === "pending" || (i.kind === "note" && i.tone !== "presence" && i.tone !== "quiet"));
    this.isHidden = false;
    this.atStart = false;
    this.atHead = true;
    this.loaded = false;
    this.asked = undefined;
    this.following = true;
  }

  /** Takes out the message that was on its way. */
  takePending(id: number): Pending | undefined {
    const at = this.items.findIndex((i) => i.kind === "pending" && i.id === id);
    return at < 0 ? undefined : (this.items.splice(at, 1)[0] as Pending);
  }

  setPending(id: number, fate: Pending["fate"]): Pending | undefined {
    const at = this.items.findIndex((i) => i.kind === "pending" && i.id === id);
    const item = this.items[at];
    if (item?.kind !== "pending") return undefined;
    const changed = { ...item, fate };
    this.items[at] = changed;
    return changed;
  }

  /** All of it was seen. */
  wasRead(): void {
    this.#news.clear();
    this.readUpTo(this.newest ?? 0);
  }

  /** Everything up to this number is read. */
  readUpTo(seq: Seq): void {
    this.read = Math.max(seq, this.read);
    this.fresh = false;
  }

  /** Another session of the user has read up to there. */
  readElsewhere(seq: Seq): void {
    if (seq <= this.read) return;
    this.readUpTo(seq);
    for (const one of this.#news.keys()) if (one <= seq) this.#news.delete(one);
    this.newFrom = this.unread > 0 ? Math.min(...this.#news.keys()) : undefined;
  }

  /** One more unread message. */
  addNews({ seq, mention }: Said): void {
    this.#news.set(seq, mention);
    const [first] = this.#news.keys();
    if (first !== undefined && this.unread > NEWS) this.#news.delete(first);
  }

  /** Everything that is here is unread, and so is more that is not here. */
  get hasMoreUnread(): boolean {
    const first = this.items.find((i): i is Said => i.kind === "said");
    return this.unread > 0 && first !== undefined && first.seq === this.newFrom && first.prev > this.read;
  }

  /** The text of a message was removed; returns the message as it was, if it is here. */
  redact(seq: Seq, removal: Removal): Said | undefined {
    // It may be unread and beyond the window.
    if (this.#news.has(seq)) this.#news.set(seq, false);
    const at = this.items.findIndex((i) => seqOf(i) === seq);
    const item = this.items[at];
    if (item?.kind !== "said" || item.redacted) return undefined;
    this.items[at] = withoutText(item, removal);
    return item;
  }

  /** Counts unread messages by the read mark. */
  count(): void {
    const unread = this.items.filter((i): i is Said => i.kind === "said" && !i.own && i.seq > this.read);
    this.#news.clear();
    for (const item of unread) this.addNews(item);
    this.newFrom = unread[0]?.seq;
  }

  /** What was unread belongs to another log. */
  clearNews(): void {
    this.#news.clear();
    this.newFrom = undefined;
  }

  setMembers(members: readonly Member[], count: number): void {
    this.members = [...members].sort((a, b) => order(a.user, b.user)).slice(0, MEMBERS);
    this.memberCount = count;
  }

  /** Somebody is here, away, or (`undefined`) gone. `came`: an unknown one is one more. */
  member(user: string, color: string, state: MemberState | undefined, came: boolean): void {
    const known = this.members.find((m) => m.user === user);
    if (!known && came) this.memberCount += 1;
    if (state === undefined) this.memberCount = Math.max(0, this.memberCount - 1);
    const others = this.members.filter((m) => m !== known);
    if (state !== undefined) others.push(known ? { ...known, state } : { user, color, state });
    this.members = others.sort((a, b) => order(a.user, b.user)).slice(0, MEMBERS);
  }
}

function order(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  return x < y ? -1 : x > y ? 1 : 0;
}
