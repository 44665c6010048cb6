// Owns how long to wait: before the next attempt to connect, and before a request is made again that was refused
// as too fast. A port of the client's `backoff.rs`. Called by `session.ts` and `outstanding.ts`. Pure: chance and
// times are arguments, all times are milliseconds.

/** The bound of the first wait; each next one is twice that of the one before. */
const FIRST = 250;
/** No wait is longer. */
const LONGEST = 30_000;
/** A connection that was lost sooner counts as an attempt that failed. */
const LIVED = 10_000;
/** The longest wait that a `SHUTDOWN` may ask for. */
const LONGEST_ASKED = 600_000;

/** The longest wait that a `RATE_LIMITED` may ask for. */
const LONGEST_LIMIT = 60_000;
/** The wait where a `RATE_LIMITED` names none. */
const USUAL_LIMIT = 250;
/** The shortest wait after the first `RATE_LIMITED` for a request; each next one is twice as long, */
const SHORTEST_LIMIT = 25;
/** up to this. */
const LONGEST_FLOOR = 2_000;

/**
 * Exponential, with jitter, so that clients that lost their connection together do not come back together: the
 * first wait is anything up to its bound, each later one at least half of its bound.
 */
export class Backoff {
  /** Attempts in a row after which no connection lived. */
  #failures = 0;
  #attempts = 0;
  /** The last wait. */
  #waited = 0;
  /** The wait that the server asked for (`SHUTDOWN`), for the next attempt alone. */
  #asked: number | undefined;

  /** The server has said when to come back. It staggers its clients itself: no jitter on top. */
  asked(wait: number): void {
    this.#asked = Math.min(wait, LONGEST_ASKED);
  }

  /** How many attempts have been waited for since the connection was lost. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The next wait; `chance` is uniform in 0 to 1. */
  next(chance: number): number {
    const bound = Math.min(FIRST * 2 ** Math.min(this.#failures, 16), LONGEST);
    const least = this.#failures === 0 ? 0 : bound / 2;
    const own = Math.round(least + (bound - least) * chance);
    const asked = this.#asked;
    this.#asked = undefined;
    // A server that asks for nothing and fails again and again does not decide.
    const wait = asked === undefined ? own : this.#failures > 0 ? Math.max(asked, own) : asked;
    this.#failures += 1;
    this.#attempts += 1;
    this.#waited = wait;
    return wait;
  }

  /** The session goes on. Only a connection that lives makes the next wait a short one. */
  connected(): void {
    this.#attempts = 0;
  }

  /** A connection has ended after so long. */
  lived(soLong: number): void {
    if (soLong >= Math.max(Math.min(this.#waited, LONGEST), LIVED)) this.#failures = 0;
  }
}

/**
 * How long to wait after a `RATE_LIMITED` that asks for `asked`, where the same request was refused `before` times
 * already: never nothing, whatever the server says.
 */
export function afterRateLimit(asked: number | undefined, before: number): number {
  const floor = Math.min(SHORTEST_LIMIT * 2 ** Math.min(before, 16), LONGEST_FLOOR);
  return Math.min(Math.max(asked ?? USUAL_LIMIT, floor), LONGEST_LIMIT);
}
