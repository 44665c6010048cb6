// Owns the page's part of the browser's storage: the session that a later page takes up, read marks and drafts,
// settings. A session is known to this tab alone unless the reader asks for more. Called by `shell.ts`. Never in a
// cookie: ports do not keep cookies apart.

import type { Theme } from "./model/command.ts";
import type { Kept } from "./model/words.ts";
import type { Saved } from "./session/words.ts";

const SESSION = "tcp-chat.session";
const KEPT = "tcp-chat.kept";
const SETTINGS = "tcp-chat.settings";

/**
 * A session in the storage. `key` names its lock: two tabs never use one session at the same time. `server` is the
 * relay's name of the session's server, which alone may learn the token.
 */
export interface Stored { key: string; server?: string; saved: Saved }

/** Up to which number of which log a session has seen messages. */
export interface Seen { after: number; log?: string }

/** A storage of the browser, which may close it by throwing. */
export function storage(which: "sessionStorage" | "localStorage"): Storage | undefined {
  try { return window[which]; } catch { return undefined; }
}

export class Store {
  /** This tab alone, or this device. */
  #isShared = false;

  constructor(readonly tab: Storage | undefined, readonly device: Storage | undefined) {}

  get isShared(): boolean {
    return this.#isShared;
  }

  get #place(): Storage | undefined {
    return this.#isShared ? this.device : this.tab;
  }

  /** The session of an earlier page; this tab's comes first. */
  load(): Stored | undefined {
    for (const isShared of [false, true]) {
      const stored = read(isShared ? this.device : this.tab, SESSION);
      if (!isStored(stored)) continue;
      this.#isShared = isShared;
      return stored;
    }
    return undefined;
  }

  begin(isShared: boolean): void {
    this.#isShared = isShared;
  }

  save(stored: Stored): void {
    write(this.#place, SESSION, stored);
  }

  /** The kept state of this user's last page with that server, and up to where it had seen which log. */
  loadKept(me: string, server?: string): Partial<Kept> & { seen?: Seen } {
    const kept = read(this.#place, KEPT) as (Partial<Kept> & { seen?: Seen; server?: string }) | undefined;
    return { ...(kept?.me === me && kept.server === server ? kept : {}), ...this.loadSettings() };
  }

  saveKept({ notify, sound, theme, ...kept }: Kept, seen: Seen, server?: string): void {
    write(this.#place, KEPT, { ...kept, seen, server });
    this.saveSettings({ notify, sound, theme });
  }

  saveSettings(settings: { notify: boolean; sound: boolean; theme: Theme }): void {
    write(this.device, SETTINGS, settings);
  }

  loadSettings(): { notify?: boolean; sound?: boolean; theme?: Theme } {
    return (read(this.device, SETTINGS) as object | undefined) ?? {};
  }

  /** Nothing of the session stays. Settings are no secret. */
  wipe(): void {
    for (const place of [this.tab, this.device]) {
      for (const name of [SESSION, KEPT]) {
        // A storage that is closed to us holds nothing of ours.
        try { place?.removeItem(name); } catch { /* As above. */ }
      }
    }
  }

  /** Removes the session alone. Read marks and drafts stay for the next one. */
  forgetSession(): void {
    try { this.#place?.removeItem(SESSION); } catch { /* As in `wipe`. */ }
  }
}

function read(place: Storage | undefined, name: string): unknown {
  try {
    const text = place?.getItem(name);
    return text === null || text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function write(place: Storage | undefined, name: string, value: unknown): void {
  try {
    place?.setItem(name, JSON.stringify(value));
  } catch {
    // A full or closed storage: the page works, and does not outlive a reload.
  }
}

function isStored(value: unknown): value is Stored {
  if (typeof value !== "object" || value === null) return false;
  const { key, saved } = value as { key?: unknown; saved?: Partial<Saved> };
  return typeof key === "string" && typeof saved === "object" && saved !== null
    && typeof saved.name === "string" && typeof saved.token === "string" && Number.isSafeInteger(saved.after)
    && Number.isSafeInteger(saved.lastId) && Array.isArray(saved.rooms) && Array.isArray(saved.outstanding);
}
