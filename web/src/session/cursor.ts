// Owns the record of seen messages: the cursor, and the `prev` chain of each conversation, so that a reader can prove
// that it missed nothing; and which numbers a server can mean. A port of the client's `cursor.rs`. Pure. Called by
// the session for every message.

import { fault } from "../sentences.ts";
import { conversationOf, placeKey, type LoginReply, type MsgEvent, type Seq } from "../wire/types.ts";

/**
 * Conversations whose chain is followed at most; over it the oldest knowledge is given up (not the messages: only
 * the check of the next one's `prev` is weaker).
 */
const MOST = 4096;
/** No number is greater: above it doubles are no longer exact (2^53). */
export const GREATEST = 2 ** 53;
/** No server keeps as many messages between two that a session hears of: four months of 100,000 a second. */
export const JUMP = 2 ** 40;

/** How a message relates to the seen ones; `broken`: a message between `last` and its `prev` is missing. */
export type Seen =
  | { kind: "new" }
  /** It was seen before. */
  | { kind: "again" }
  /** Its number is below one that was seen, and it is not known to be one that was seen before. */
  | { kind: "falls" }
  | { kind: "broken"; last: Seq };

export class Cursor {
  /** The newest number that was seen, in any conversation. */
  #seq: Seq;
  /** The newest number that the server has spoken of. */
  #newest: Seq;
  /** Conversations not in `chains` were seen up to here. */
  #floor: Seq;
  /** Up to here the daemon has said that something is gone. */
  #excused: Seq = 0;
  readonly #chains = new Map<string, Seq>();

  /** A session that begins, or goes on, after `seq`. */
  constructor(seq: Seq) {
    this.#seq = seq;
    this.#newest = seq;
    this.#floor = seq;
  }

  get seq(): Seq {
    return this.#seq;
  }

  /** The server's newest number is this one. */
  reaches(head: Seq): void {
    this.#newest = Math.max(this.#newest, head);
  }

  /**
   * Why the numbers of a message are impossible; `undefined`: they are not. A number that no server gives out would
   * hide all that comes after it.
   */
  check(event: MsgEvent): string | undefined {
    if (event.prev >= event.seq) return fault.prev(event.seq, event.prev);
    return this.checkNumber(event.seq);
  }

  /** Can the server have reached that number? */
  checkNumber(seq: Seq): string | undefined {
    const newest = Math.max(this.#newest, this.#seq);
    return seq > Math.min(newest + JUMP, GREATEST) ? fault.jump(seq, newest) : undefined;
  }

  /** The room was entered when `head` was its newest number. */
  joined(room: string, head: Seq): void {
    this.#put(placeKey({ room }), head);
  }

  /** The room was left: its chain goes on without us. */
  left(room: string): void {
    this.#chains.delete(placeKey({ room }));
    // Joining it again says where it is; a daemon that does not say is not accused.
    this.#excused = Math.max(this.#excused, this.#seq);
  }

  /** The daemon says that everything up to `to` may have holes. */
  gap(to: Seq): void {
    this.#excused = Math.max(this.#excused, to);
  }

  /** Takes note of a message; `me` is the reader's own name. */
  see(event: MsgEvent, me: string): Seen {
    if (event.seq < this.#seq) return { kind: "falls" };
    if (event.seq === this.#seq) return { kind: "again" };
    this.#seq = event.seq;
    const last = this.#put(placeKey(conversationOf(event, me)), event.seq) ?? this.#floor;
    // A known chain must go on exactly where it was; of an unknown one only this is known: all of it after the
    // floor was sent. A chain that begins (`prev` is 0) follows anything: where names prove nothing, direct messages
    // with the next user of a name begin again.
    return event.prev <= last || event.prev <= this.#excused ? { kind: "new" } : { kind: "broken", last };
  }

  #put(key: string, seq: Seq): Seq | undefined {
    if (this.#chains.size >= MOST && !this.#chains.has(key)) {
      this.#chains.clear();
      this.#floor = this.#seq;
      this.#excused = Math.max(this.#excused, this.#seq);
    }
    const before = this.#chains.get(key);
    this.#chains.set(key, seq);
    return before;
  }
}

/** Why the newest number of a login is impossible; `undefined`: a server can have reached it. */
export function checkHead(head: Seq): string | undefined {
  return head > GREATEST ? fault.head(head) : undefined;
}

/**
 * The number after which a session reads on that has seen `after` of the log `known`, where the server now has
 * another log, or one that is shorter. `undefined`: it goes on where it was.
 */
export function partedAt(known: string | undefined, after: Seq, login: LoginReply): Seq | undefined {
  const isOther = known !== undefined && login.log !== undefined && known !== login.log;
  const common = isOther ? (login.log_from ?? login.head) : login.head;
  return isOther || login.head < after ? Math.min(after, common, login.head) : undefined;
}
