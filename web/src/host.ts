// Owns the page's requests to the program that serves it: the daemon, or the client on this machine (the relay).
// Called by `shell.ts`. The chat itself never comes this way: it is all on the WebSocket.
//
//   GET  /host.json   {"kind": "relay" | "daemon", "server": "HOST:PORT", "id": TOKEN?,
//                      "verified": "CA" | "pin" | "browser", "problem": ["line", ...]?}; without it the page is the daemon's.
//                      With status 401 this tab was not let in, and `problem` says what to do
//   POST /ticket      relay: the one-use ticket as text; answered with the bearer as text
//   POST /server      relay: {"server": TEXT}; answered as /host.json, with `problem` where it cannot be used
//
//   GET  /ws          the chat; with the subprotocol "presence", which carries nothing, relay only: this tab is open
//
// The ticket is in the fragment of the first address, which browsers send to nobody. The bearer is in the storage of
// this tab, and goes as a header or as a WebSocket subprotocol, never in an address.

import type { Host } from "./model/words.ts";
import { fault } from "./sentences.ts";

export const PROTOCOL = "tcp-chat.1";
const PRESENCE = "presence";
const BEARER = "tcp-chat.bearer";

export class HostDoor {
  #bearer: string | undefined;
  /** What was said last of the program that serves the page. */
  #last: Host | undefined;
  /** The socket by which the relay knows that this tab is open. */
  #presence: WebSocket | undefined;

  constructor(readonly at: Location, readonly tab: Storage | undefined) {
    try {
      this.#bearer = tab?.getItem(BEARER) ?? undefined;
    } catch {
      // A closed storage: the relay asks for a new ticket.
    }
  }

  /** Trades the ticket of the first address for a bearer, and asks which program serves the page. */
  async find(): Promise<Host> {
    const ticket = /^#ticket=([A-Za-z0-9_-]{20,128})$/.exec(this.at.hash)?.[1];
    if (ticket !== undefined) {
      // It worked once, or it never will: out of sight with it.
      history.replaceState(null, "", this.at.pathname);
      const answer = await fetch("/ticket", { method: "POST", body: ticket }).catch(() => undefined);
      if (answer?.ok) this.#keep((await answer.text()).trim());
    }
    return this.describe();
  }

  async describe(): Promise<Host> {
    const answer = await fetch("/host.json", { headers: this.#headers() }).catch(() => undefined);
    return this.#read(answer);
  }

  /** Tells the relay which server to connect to. */
  async choose(server: string): Promise<Host> {
    const headers = { ...this.#headers(), "Content-Type": "application/json" };
    const answer = await fetch("/server", { method: "POST", headers, body: JSON.stringify({ server }) }).catch(() => undefined);
    return this.#read(answer);
  }

  /** The subprotocols of the WebSocket. The relay refuses one to another server than `id`, which is that of the session. */
  protocols(id?: string): string[] {
    const server = id === undefined ? [] : [`server.${id}`];
    return this.#bearer === undefined ? [PROTOCOL] : [PROTOCOL, `bearer.${this.#bearer}`, ...server];
  }

  /** Shows the relay that this tab is open, also at the form. The relay ends after its last tab was closed. */
  showPresence(): void {
    if (this.#bearer === undefined || this.#presence !== undefined || this.#last?.kind !== "relay") return;
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.socketUrl, [...this.protocols(), PRESENCE]);
    } catch {
      // The chat cannot connect then either, and says so.
      return;
    }
    this.#presence = socket;
    socket.onclose = () => {
      this.#presence = undefined;
      // The relay may be started again while this tab stays at the form.
      addEventListener("focus", () => this.showPresence(), { once: true });
    };
  }

  get socketUrl(): string {
    return `${this.at.protocol === "https:" ? "wss" : "ws"}://${this.at.host}/ws`;
  }

  #headers(): { [name: string]: string } {
    return this.#bearer === undefined ? {} : { Authorization: `Bearer ${this.#bearer}` };
  }

  #keep(bearer: string): void {
    if (!/^[A-Za-z0-9_-]{20,128}$/.test(bearer)) return;
    this.#bearer = bearer;
    try { this.tab?.setItem(BEARER, bearer); } catch { /* It lives as long as the page. */ }
  }

  async #read(answer: Response | undefined): Promise<Host> {
    // Without an answer the page is still that of the relay, which has ended.
    if (!answer && this.#last?.kind === "relay") return { ...this.#last, problem: fault.noRelay };
    const host: Host = { kind: "daemon", server: this.at.host, verified: "browser" };
    const isJson = answer?.headers.get("Content-Type")?.startsWith("application/json") === true;
    const said: unknown = isJson ? await answer?.json().catch(() => undefined) : undefined;
    if (typeof said !== "object" || said === null) return host;
    const { kind, server, id, verified, problem } = said as Partial<Host>;
    if (kind === "relay" || kind === "daemon") host.kind = kind;
    if (typeof server === "string") host.server = server;
    if (typeof id === "string" && /^[0-9a-f]{64}$/.test(id)) host.id = id;
    if (verified === "CA" || verified === "pin" || verified === "browser") host.verified = verified;
    if (Array.isArray(problem) && problem.every((line) => typeof line === "string")) host.problem = problem;
    if (kind === "relay" && answer?.status === 401) host.isShut = true;
    this.#last = { ...host };
    if (answer?.ok) this.showPresence();
    return host;
  }
}
