// Owns the lock of a session: two tabs never use one session at the same time. Called by `shell.ts`. Never reads the
// session.

export class SessionLock {
  #release: (() => void) | undefined;

  /** Takes the lock and holds it. `false`: another tab has it. `stolen` is called when another tab takes it later. */
  take(key: string, steal: boolean, stolen: () => void): Promise<boolean> {
    const { locks } = navigator;
    // Without a secure context there are no locks; the daemon then ends the older connection.
    if (!locks) return Promise.resolve(true);
    return new Promise((decided) => {
      const hold = (lock: Lock | null): Promise<void> | undefined => {
        decided(lock !== null);
        return lock ? new Promise<void>((release) => { this.#release = release; }) : undefined;
      };
      locks.request(`tcp-chat.${key}`, steal ? { steal: true } : { ifAvailable: true }, hold).catch(() => {
        this.#release = undefined;
        stolen();
      });
    });
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
