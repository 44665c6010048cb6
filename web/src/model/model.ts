// Owns the state of the page and the steps that several parts of the model need: a conversation is opened, shown,
// read, closed. The shape of the terminal's model. Pure: no I/O, no clock, no document. Changed by `update.ts` and
// the files beside it; read by the view.

import { say } from "../sentences.ts";
import type { Start } from "../session/life.ts";
import { historyData, type Question } from "../wire/request.ts";
import type { MsgEvent, Place, Role, Seq } from "../wire/types.ts";
import { placeKey, placeOf } from "../wire/types.ts";
import type { Theme } from "./command.ts";
import type { Completion } from "./complete.ts";
import { newForm, type Form } from "./form.ts";
import { said, type Item, type Note, type Said } from "./item.ts";
import { nextMark } from "./marks.ts";
import { Past } from "./past.ts";
import { KEEP, Talk, type Part } from "./talk.ts";
import type { Effect, Host, Kept, Link, Notice, Now, Overlay, Purpose } from "./words.ts";

/** Conversations that are kept; over it the direct messages that were silent longest go. */
const TALKS = 128;
/** Messages on their way at once. */
export const PENDING = 64;
/** How long an error or a hint stands, in milliseconds. */
const NOTICE = 20_000;
/** The size of a page of the history. */
export const PAGE = 100;
/** The size of one side around a message. */
export const SIDE = 60;

export class Model {
  me = "";
  color = "";
  host: Host = { kind: "daemon", server: "", verified: "browser" };
  limits = { line_bytes: 65536, msg_bytes: 8192 };
  /** While it is there, it is the page. */
  form: Form | undefined = newForm();
  link: Link = { at: "off" };
  talks: Talk[] = [];
  current = 0;
  overlay: Overlay | undefined;
  notice: Notice | undefined;
  completion: Completion | undefined;
  /** Where the caret is to stand; a new object asks for it once. */
  caret: { at: number } | undefined;
  /** Which entry is to be brought into sight; a new object asks for it once. */
  goTo: { seq: Seq } | { foot: true } | { top: true } | undefined;
  /** The message that a search has led to. */
  marked: Seq | undefined;
  /** The next sentence for screen readers; a new object is a new sentence. */
  announced: { text: string } | undefined;
  notify = false;
  sound = false;
  theme: Theme = "system";
  /** May the browser show notifications? `undefined`: it was not asked. */
  permission: boolean | undefined;
  now: Now;

  readonly past = new Past();
  readonly purposes = new Map<number, Purpose>();
  /** How the last login was, to begin again after the session has ended. */
  again: Start | undefined;
  remember = false;
  /** Rooms of the server that were seen, for completion. */
  knownRooms: string[] = [];
  /** Does the reader look? */
  focus = true;
  rangAt = -Infinity;
  /** The message of each conversation's notification. */
  readonly rung = new Map<string, Seq>();
  announcedAt = -Infinity;
  /** The read marks of an earlier page. */
  reads = new Map<string, Seq>();
  /** Does the server keep the read marks? It does for a proven name. */
  keepsMarks = false;
  /** `false`: the server cannot remove messages. */
  canRemove = true;
  /** The read marks that the server has, or was told. */
  readonly told = new Map<string, Seq>();
  /** Drafts of an earlier page, for conversations that are not open yet. */
  drafts = new Map<string, string>();
  /** Direct messages of an earlier page, to be opened once the session is there. */
  returning: string[] = [];
  unresolved: Kept["unresolved"] = [];
  wantedRoom: string | undefined;
  wantedKey: string | undefined;
  #nextId: number;

  constructor(now: Now) {
    this.now = now;
    // Ids outlive the page with the messages that are on their way, so they begin at the time.
    this.#nextId = Math.floor(now.wall) * 1000;
  }

  id(): number {
    this.#nextId += 1;
    return this.#nextId;
  }

  /** Ids that an earlier page gave out are not given out again. */
  idsAbove(id: number): void {
    this.#nextId = Math.max(this.#nextId, id);
  }

  /** The conversation that is shown. */
  get talk(): Talk | undefined {
    return this.talks[this.current];
  }

  find(place: Place): number {
    const key = placeKey(place);
    return this.talks.findIndex((t) => t.key === key);
  }

  ask(question: Question, purpose: Purpose): Effect {
    const tag = this.id();
    this.purposes.set(tag, purpose);
    return { kind: "ask", tag, question };
  }

  /** Asks for a part of a conversation, unless one was asked for already. */
  load(talk: Talk, part: Part): Effect[] {
    if (talk.asked) return [];
    talk.asked = part;
    const { place } = talk;
    if (part.part === "around") {
      const data = historyData(place, { before: part.seq + 1, limit: SIDE });
      return [this.ask({ op: "HISTORY", data }, { for: "around", place, seq: part.seq })];
    }
    const page = part.part === "before" ? { before: part.seq } : part.part === "after" ? { after: part.seq } : {};
    const data = historyData(place, { ...page, limit: PAGE });
    return [this.ask({ op: "HISTORY", data }, { for: "history", place, part })];
  }

  /** The conversation, which is opened where it is not there. Rooms stand before users. */
  open(place: Place): Talk {
    const known = this.talks[this.find(place)];
    if (known) return known;
    this.#makeRoom();
    const talk = new Talk(place);
    const read = this.reads.get(talk.key);
    if (read !== undefined) talk.readUpTo(read);
    talk.draft = this.drafts.get(talk.key) ?? "";
    this.drafts.delete(talk.key);
    const firstUser = this.talks.findIndex((t) => !t.isRoom);
    const at = talk.isRoom && firstUser >= 0 ? firstUser : this.talks.length;
    this.talks.splice(at, 0, talk);
    if (at <= this.current && this.talks.length > 1) this.current += 1;
    return talk;
  }

  #makeRoom(): void {
    if (this.talks.length < TALKS) return;
    const silent = this.talks.filter((t) => t !== this.talk && !t.isRoom);
    silent.sort((a, b) => Number(a.unread > 0) - Number(b.unread > 0) || a.active - b.active);
    if (silent[0]) this.close(silent[0]);
  }

  close(talk: Talk): void {
    const at = this.talks.indexOf(talk);
    if (at < 0) return;
    this.talks.splice(at, 1);
    if (at < this.current || this.current === this.talks.length) this.current = Math.max(0, this.current - 1);
  }

  /** Shows another conversation. */
  show(talk: Talk): Effect[] {
    const old = this.talk;
    if (talk !== old) {
      if (old && old.unread === 0) old.newFrom = undefined;
      this.current = Math.max(0, this.talks.indexOf(talk));
      this.completion = undefined;
      this.caret = { at: talk.draft.length };
      this.arriveAt(talk);
    }
    return this.look();
  }

  /** The reader begins where something new begins. Whether that is at the foot, and so read, the view finds out. */
  arriveAt(talk: Talk): void {
    const isNew = talk.unread > 0 && talk.newFrom !== undefined;
    if (isNew) talk.following = false;
    this.goTo = isNew && talk.newFrom !== undefined ? { seq: talk.newFrom } : { foot: true };
  }

  /** The reader looks at the current conversation: marks its end as read, and asks for messages that are missing. */
  look(): Effect[] {
    const { talk } = this;
    if (!talk) return [];
    if (this.isReading(talk) && talk.loaded) talk.wasRead();
    if (talk.loaded && talk.mayHoldRemoved && this.link.at === "up") return this.readAgain(talk);
    return talk.loaded || this.link.at !== "up" ? [] : this.load(talk, { part: "newest" });
  }

  /** Reads the messages that are here again, for texts that were removed meanwhile. */
  readAgain(talk: Talk, after = Math.max(0, (talk.oldest ?? 1) - 1)): Effect[] {
    talk.mayHoldRemoved = false;
    if (talk.oldest === undefined) talk.isHidden = false;
    if (talk.oldest === undefined) return [];
    const data = historyData(talk.place, { after, limit: KEEP });
    return [this.ask({ op: "HISTORY", data }, { for: "removed", place: talk.place })];
  }

  /** Does the reader see new messages there at once? */
  isReading(talk: Talk): boolean {
    return talk === this.talk && this.focus && this.form === undefined && talk.following && talk.atHead;
  }

  /** The messages of a page, as they are shown. */
  saidOf(messages: readonly MsgEvent[]): Said[] {
    return messages.map((m) => said(this.id(), m, this.me));
  }

  note(talk: Talk, text: string, tone: Note["tone"] = "quiet"): void {
    talk.push({ kind: "note", id: this.id(), at: this.now.wall, tone, text });
  }

  noteEverywhere(text: string, tone: Note["tone"] = "quiet"): void {
    for (const talk of this.talks) if (talk.isRoom || talk === this.talk) this.note(talk, text, tone);
    // Nowhere else: it stays until there is something newer to say.
    if (this.talks.length === 0) this.notice = { text, error: false };
    this.announce(text);
  }

  error(text: string): void {
    this.notice = { text, error: true, until: this.now.up + NOTICE };
    this.announce(text);
  }

  hint(text: string): void {
    this.notice = { text, error: false, until: this.now.up + NOTICE };
    this.announce(text);
  }

  announce(text: string): void {
    this.announced = { text };
    this.announcedAt = this.now.up;
  }

  /** Messages that have not come back, in all conversations. */
  get waiting(): number {
    const isSending = (i: Item): boolean => i.kind === "pending" && i.fate.state === "sending";
    return this.talks.reduce((sum, t) => sum + t.items.filter(isSending).length, 0);
  }

  get unread(): number {
    return this.talks.reduce((sum, t) => sum + t.unread, 0);
  }

  get mentions(): number {
    return this.talks.reduce((sum, t) => sum + t.mentions, 0);
  }

  /** Our role in a room, as far as the page knows. */
  roleIn(talk: Talk): Role {
    return talk.members.find((m) => m.user === this.me)?.role ?? "member";
  }

  /** Direct messages of an earlier page of which nothing is left go again, unless the reader looks. */
  closeIfNothingReturned(talk: Talk): void {
    const was = talk.returning;
    talk.returning = false;
    if (was && talk.items.length === 0 && talk !== this.talk) this.close(talk);
  }

  /** Opens the direct messages of an earlier page. */
  returnDirects(): void {
    for (const key of this.returning.splice(0)) {
      const place = placeOf(key);
      if (this.find(place) < 0) this.open(place).returning = true;
    }
  }

  /** The next moment at which the page changes by itself: a countdown, a notice that has stood long enough. */
  wakesAt(): number | undefined {
    const moments: number[] = [];
    const { link, now } = this;
    if (link.at === "waiting" && link.until > now.up) {
      const left = link.until - now.up;
      moments.push(now.up + (left % 1000 || Math.min(1000, left)) + 1);
    }
    if (link.at === "up" && link.caughtUp) moments.push(link.caughtUp.until);
    if (this.notice?.until !== undefined) moments.push(this.notice.until);
    const mark = nextMark(this);
    if (mark !== undefined) moments.push(mark);
    return moments.length > 0 ? Math.min(...moments) : undefined;
  }

  /** The title of the window. */
  get title(): string {
    if (this.link.at === "elsewhere") return say.product;
    const count = this.mentions > 0 ? `(${this.mentions}!) ` : this.unread > 0 ? `(${this.unread}) ` : "";
    const place = this.form ? "" : (this.talk?.title ?? "");
    return `${count}${place === "" ? "" : `${place} – `}${say.product}`;
  }
}
