// Owns the page at run time: the session, the socket, the clock, the storage and the picture, and how they meet. Made
// by `main.ts`. It passes inputs to the model and the session, and carries out their effects. Decides nothing.

import { h, render } from "preact";
import { askPermission, attend, isPermitted, showTitle } from "./attention.ts";
import { HostDoor } from "./host.ts";
import { forgetUser, keep, takeUp } from "./model/keep.ts";
import { Model } from "./model/model.ts";
import { update } from "./model/update.ts";
import type { Effect, Input, Now } from "./model/words.ts";
import { fault } from "./sentences.ts";
import { Session } from "./session/session.ts";
import type { Start } from "./session/life.ts";
import type { Output } from "./session/words.ts";
import { SessionLock } from "./lock.ts";
import { storage, Store } from "./store.ts";
import { App } from "./view/app.tsx";

/** How long a change that is not urgent may wait to be stored, in milliseconds. */
const LAZY = 500;
/** A picture that took no longer holds up nothing, in milliseconds. */
const CHEAP = 12;
/** The longest time between two pictures of a page that changes. */
const RAREST = 600;
/** The user has logged out. */
const LEFT: Input = { kind: "event", event: { kind: "ended", why: { kind: "closed", how: "quit", msg: "" } } };

export class Shell {
  readonly #model: Model;
  readonly #store: Store;
  readonly #door: HostDoor;
  #session: Session | undefined;
  #socket: WebSocket | undefined;
  /** The name of the session's lock. */
  #key = "";
  readonly #lock = new SessionLock();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #storing: ReturnType<typeof setTimeout> | undefined;
  #version = 0;
  #isDrawn = true;
  #drawAfter = 0;
  #isRunning = false;
  /** The relay's name of the session's server. */
  #server: string | undefined;
  /** Outputs of the session that are not carried out yet. */
  readonly #waiting: Output[] = [];
  #hadOverlay = false;

  constructor(readonly root: HTMLElement) {
    const tab = storage("sessionStorage");
    this.#store = new Store(tab, storage("localStorage"));
    this.#door = new HostDoor(location, tab);
    this.#model = new Model(this.#now());
    takeUp(this.#model, this.#store.loadSettings());
    this.#model.permission = isPermitted();
    this.#model.focus = document.hasFocus();
  }

  async start(): Promise<void> {
    this.#showTheme();
    const stored = this.#store.load();
    if (stored) {
      this.#model.form = undefined;
      this.#model.link = { at: "connecting" };
    }
    addEventListener("focus", () => this.send({ kind: "focus", here: true }));
    addEventListener("blur", () => this.send({ kind: "focus", here: false }));
    document.addEventListener("visibilitychange", () => {
      const isVisible = document.visibilityState === "visible";
      // A phone may send no blur event when it hides a page. Messages that arrive then stay unread.
      this.send({ kind: "focus", here: isVisible && document.hasFocus() });
      if (isVisible) this.#event((s, now) => s.probe(now));
    });
    addEventListener("online", () => this.send({ kind: "reconnect-now" }));
    addEventListener("pagehide", () => this.#saveNow());
    // After a log out in another tab nothing of the user stays in this one.
    addEventListener("storage", () => {
      if (this.#model.link.at === "elsewhere" && this.#store.load()?.key !== this.#key) this.send(LEFT);
    });
    this.send({ kind: "host", host: await this.#door.find() });
    if (stored) await this.#goOn(false);
    this.#draw();
  }

  /** Takes an input of the reader, the session or the browser. */
  readonly send = (input: Input): void => {
    for (const effect of update(this.#model, input, this.#now())) this.#do(effect);
    // All lines of one message of the socket are one change.
    if (!this.#isRunning) this.#changed();
  };

  #now(): Now {
    return { up: performance.now(), wall: Date.now() };
  }

  #do(effect: Effect): void {
    const now = performance.now();
    switch (effect.kind) {
      case "connect":
        void this.#connect(effect.start, effect.remember, effect.server);
        break;
      case "ask":
        if (this.#session) this.#run(this.#session.ask(effect.tag, effect.question, now));
        break;
      case "send":
        if (this.#session) this.#run(this.#session.send(effect.tag, effect.to, effect.text, now));
        break;
      case "quit": this.#quit(now); break;
      case "reconnect":
        if (this.#session) this.#run(this.#session.reconnectNow(now));
        break;
      case "take-over": void this.#goOn(true); break;
      case "ask-permission":
        void askPermission().then((granted) => this.send({ kind: "permission", granted }));
        break;
      case "ring": case "silence":
        attend(effect, (key) => this.send({ kind: "show", key }));
        break;
      case "theme": this.#showTheme(); break;
    }
  }

  async #connect(start: Start, remember: boolean, server: string | undefined): Promise<void> {
    this.#drop();
    if (server !== undefined) {
      const host = await this.#door.choose(server);
      this.send({ kind: "host", host });
      if (host.problem) {
        this.send({ kind: "event", event: { kind: "refused", why: { kind: "no-connection", why: fault.closed } } });
        return;
      }
    }
    this.#store.begin(remember);
    if (this.#server !== this.#model.host.id) forgetUser(this.#model);
    this.#server = this.#model.host.id;
    // The last session may have ended by itself. Its read marks and drafts go on.
    const kept = this.#store.loadKept(start.name ?? "", this.#server);
    if (this.#model.talks.length === 0) takeUp(this.#model, kept);
    const seen = Number.isSafeInteger(kept.seen?.after) ? kept.seen : undefined;
    this.#key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    // A lock that nobody else can know is free.
    void this.#lock.take(this.#key, false, this.#stolen);
    this.#begin(seen ? { ...start, seen } : start);
  }

  /** Takes up the session of an earlier page, unless another tab has it. */
  async #goOn(steal: boolean): Promise<void> {
    const stored = this.#store.load();
    if (!stored) return this.send(LEFT);
    if (this.#isOther(stored.server)) return this.#refuseOther();
    if (this.#key !== stored.key) {
      // Perhaps of another user: this page may have the state of an earlier session.
      forgetUser(this.#model);
      this.#model.again = undefined;
    }
    this.#key = stored.key;
    this.#server = stored.server;
    if (!(await this.#lock.take(stored.key, steal, this.#stolen))) return this.send({ kind: "elsewhere" });
    // The other tab may have stored more meanwhile.
    const saved = this.#store.load()?.saved ?? stored.saved;
    takeUp(this.#model, this.#store.loadKept(saved.name, stored.server));
    this.send({ kind: "restored", saved });
    this.#begin({ saved });
  }

  /** Does the relay connect to another server than that of a session? Such a server must not learn the token. */
  #isOther(server: string | undefined): boolean {
    return this.#model.host.id !== server;
  }

  /** Shows the form. The session stays in the storage, for a page with its server. */
  #refuseOther(): void {
    this.#drop();
    this.send({ kind: "event", event: { kind: "refused", why: { kind: "no-connection", why: fault.otherServer } } });
  }

  #begin(start: Start): void {
    const random = (): number => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
    this.#session = new Session(start, { random, epochMs: () => Date.now() });
    this.#run(this.#session.begin(performance.now()));
  }

  readonly #stolen = (): void => {
    this.#drop();
    this.send({ kind: "elsewhere" });
  };

  #quit(now: number): void {
    const isUp = this.#model.link.at === "up";
    if (this.#session && isUp) return this.#run(this.#session.quit(now));
    // Without a connection nobody hears a goodbye: the daemon ends the session when its time is over.
    this.#drop();
    this.#store.wipe();
    this.send(LEFT);
  }

  /** The page no longer needs the session. It is not ended: another tab may have it. */
  #drop(): void {
    this.#session = undefined;
    this.#door.showPresence();
    this.#waiting.length = 0;
    this.#closeSocket();
    this.#lock.release();
    clearTimeout(this.#storing);
    this.#storing = undefined;
  }

  /**
   * Stores the session first, then carries out its outputs. Outputs that these lead to come last, so that lines go out
   * in the order in which the session wrote them.
   */
  #run(outputs: Output[]): void {
    if (outputs.some((o) => o.kind === "write" || o.kind === "answer")) this.#saveNow();
    else this.#saveLater();
    this.#waiting.push(...outputs);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let output = this.#waiting.shift(); output; output = this.#waiting.shift()) this.#carryOut(output);
    } finally {
      this.#isRunning = false;
    }
    this.#changed();
  }

  #carryOut(output: Output): void {
    switch (output.kind) {
      case "open": this.#open(); break;
      case "close": this.#closeSocket(); break;
      case "write":
        if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(output.text);
        break;
      case "event":
        this.#told(output.event);
        break;
      case "answer":
        this.send({ kind: "answer", answer: output.answer });
        break;
    }
  }

  #told(event: (Output & { kind: "event" })["event"]): void {
    if (event.kind === "ended" || event.kind === "refused") {
      const isLeft = event.kind === "ended" && event.why.kind === "closed" && event.why.how === "quit";
      // Drafts of a refused session stay for the next one.
      if (isLeft) this.#store.wipe();
      else this.#store.forgetSession();
      this.#drop();
    }
    this.send({ kind: "event", event });
    const isLost = event.kind === "reconnecting" || event.kind === "refused";
    if (isLost && this.#model.host.kind === "relay") {
      void this.#door.describe().then((host) => {
        this.send({ kind: "host", host });
        if (this.#session && host.id !== undefined && this.#isOther(this.#server)) this.#refuseOther();
      });
    }
  }

  #open(): void {
    this.#closeSocket();
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#door.socketUrl, this.#door.protocols(this.#server));
    } catch {
      setTimeout(() => this.#event((s, now) => s.closed(fault.closed, now)));
      return;
    }
    this.#socket = socket;
    const isMine = (): boolean => this.#socket === socket;
    socket.onopen = () => isMine() && this.#event((s, now) => s.opened(now));
    socket.onmessage = (e) => isMine() && this.#event((s, now) => s.text(typeof e.data === "string" ? e.data : "", now));
    socket.onclose = (e) => {
      if (!isMine()) return;
      this.#socket = undefined;
      this.#event((s, now) => s.closed(e.reason || fault.closed, now));
    };
  }

  #event(tell: (session: Session, now: number) => Output[]): void {
    if (this.#session) this.#run(tell(this.#session, performance.now()));
  }

  #closeSocket(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #saveLater(): void {
    this.#storing ??= setTimeout(() => this.#saveNow(), LAZY);
  }

  #saveNow(): void {
    clearTimeout(this.#storing);
    this.#storing = undefined;
    const saved = this.#session?.saved();
    if (saved) {
      this.#store.save({ key: this.#key, ...(this.#server === undefined ? {} : { server: this.#server }), saved });
      const { after, log } = saved;
      this.#store.saveKept(keep(this.#model), { after, ...(log === undefined ? {} : { log }) }, this.#server);
    }
  }

  /** After each change: the next moment that is waited for, the title, and a new picture with the next frame. */
  #changed(): void {
    const model = this.#model;
    const moments = [this.#session?.wakesAt(), model.wakesAt()].filter((at) => at !== undefined);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (moments.length > 0) {
      const wait = Math.max(0, Math.ceil(Math.min(...moments) - performance.now()));
      this.#timer = setTimeout(() => this.#tick(), Math.min(wait, 2 ** 31 - 1));
    }
    if (this.#session) this.#saveLater();
    showTitle(model.title);
    // The next key is for the overlay, so the overlay is drawn at once.
    if ((model.overlay !== undefined) !== this.#hadOverlay) return this.#draw();
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    // A page that nobody sees gets no frames, and needs no picture.
    const frame = (): number => requestAnimationFrame(() => this.#draw());
    const wait = this.#drawAfter - performance.now();
    if (wait > 0) setTimeout(frame, wait);
    else frame();
  }

  #tick(): void {
    this.#event((s, now) => s.tick(now));
    this.send({ kind: "tick" });
  }

  #draw(): void {
    this.#isDrawn = true;
    this.#hadOverlay = this.#model.overlay !== undefined;
    this.#version += 1;
    const began = performance.now();
    render(h(App, { model: this.#model, send: this.send, version: this.#version }), this.root);
    // While many messages arrive, most of the time goes to reading them, not to drawing them.
    const took = performance.now() - began;
    this.#drawAfter = took < CHEAP ? 0 : began + Math.min(took * 5, RAREST);
  }

  #showTheme(): void {
    const { theme, notify, sound } = this.#model;
    this.#store.saveSettings({ theme, notify, sound });
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  }
}
