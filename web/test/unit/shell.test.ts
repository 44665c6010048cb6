// What the page keeps in the browser's storage, and how it talks to the program that serves it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { attend } from "../../src/attention.ts";
import { HostDoor } from "../../src/host.ts";
import { Store, type Stored } from "../../src/store.ts";

class Fake implements Storage {
  readonly map = new Map<string, string>();
  [name: string]: any;
  get length() { return this.map.size; }
  key(n: number) { return [...this.map.keys()][n] ?? null; }
  getItem(name: string) { return this.map.get(name) ?? null; }
  setItem(name: string, value: string) { this.map.set(name, value); }
  removeItem(name: string) { this.map.delete(name); }
  clear() { this.map.clear(); }
}

const stored: Stored = {
  key: "k", saved: { name: "ana", color: "", token: "secret", after: 9, lastId: 1, rooms: ["lobby"], outstanding: [] },
};
const kept = {
  me: "ana", reads: [["lobby", 9]] as [string, number][], drafts: [], unresolved: [], notify: true, sound: false, theme: "dark" as const,
};

test("a session is for this tab alone, unless asked for", () => {
  const [tab, device] = [new Fake(), new Fake()];
  const store = new Store(tab, device);
  store.begin(false);
  store.save(stored);
  assert.ok(![...device.map.values()].some((v) => v.includes("secret")));
  assert.deepEqual(new Store(tab, device).load(), stored);
  assert.equal(new Store(new Fake(), device).load(), undefined, "another tab");
  store.begin(true);
  store.save(stored);
  const other = new Store(new Fake(), device);
  assert.deepEqual(other.load(), stored);
  assert.ok(other.isShared);
});

test("what was kept is for the same user, and leaving wipes all but settings", () => {
  const [tab, device] = [new Fake(), new Fake()];
  const store = new Store(tab, device);
  store.save(stored);
  store.saveKept(kept, { after: 9, log: "a" });
  assert.deepEqual(store.loadKept("ana").reads, [["lobby", 9]]);
  assert.deepEqual(store.loadKept("ana").seen, { after: 9, log: "a" });
  assert.equal(store.loadKept("bo").reads, undefined);
  assert.equal(store.loadKept("ana", "another").reads, undefined, "of the same name on another server");
  assert.equal(store.loadKept("bo").theme, "dark");
  store.forgetSession();
  assert.equal(store.load(), undefined);
  assert.ok(store.loadKept("ana").reads);
  store.wipe();
  assert.deepEqual([[...tab.map.keys()], [...device.map.keys()]], [[], ["tcp-chat.settings"]]);
});

test("a storage that is closed, full or written by something else is no obstacle", () => {
  const closed = new Proxy(new Fake(), { get: () => () => { throw new Error("closed"); } });
  for (const place of [undefined, closed]) {
    const store = new Store(place, place);
    store.save(stored);
    store.saveKept(kept, { after: 1 });
    store.wipe();
    assert.equal(store.load(), undefined);
    assert.deepEqual(store.loadKept("ana"), {});
  }
  for (const text of ["{", "7", "null", '{"key":1}', '{"key":"k","saved":{"name":"ana"}}', JSON.stringify({ ...stored, saved: { ...stored.saved, after: 1.5 } })]) {
    const tab = new Fake();
    tab.setItem("tcp-chat.session", text);
    assert.equal(new Store(tab, undefined).load(), undefined, text);
  }
});

/** A page at an address, and the answers of what serves it. */
async function door(hash: string, answers: { [path: string]: () => Response }, tab = new Fake()) {
  const asked: [string, RequestInit | undefined][] = [];
  const replaced: string[] = [];
  Object.assign(globalThis, {
    history: { replaceState: (_: unknown, __: string, path: string) => replaced.push(path) },
    fetch: (path: string, init?: RequestInit) => {
      asked.push([path, init]);
      const answer = answers[path];
      return answer ? Promise.resolve(answer()) : Promise.reject(new Error("no answer"));
    },
  });
  const at = { hash, pathname: "/", host: "127.0.0.1:81", protocol: "http:" } as Location;
  const made = new HostDoor(at, tab);
  return { door: made, host: await made.find(), asked, replaced, tab };
}

const json = (value: unknown) => () => new Response(JSON.stringify(value), { headers: { "Content-Type": "application/json" } });

test("without an answer the page is the daemon's", async () => {
  for (const answers of [{}, { "/host.json": () => new Response("<html>", { headers: { "Content-Type": "text/html" } }) }, { "/host.json": json("x") }]) {
    const { host, door: made } = await door("", answers);
    assert.deepEqual(host, { kind: "daemon", server: "127.0.0.1:81", verified: "browser" });
    assert.deepEqual([made.protocols(), made.socketUrl], [["tcp-chat.1"], "ws://127.0.0.1:81/ws"]);
  }
});

test("a ticket is traded once, leaves the address, and its bearer goes nowhere but to the relay", async () => {
  const ticket = "T".repeat(43);
  const bearer = "B".repeat(43);
  const relay = { kind: "relay", server: "chat.example:3000", verified: "pin" };
  const first = await door(`#ticket=${ticket}`, { "/ticket": () => new Response(`${bearer}\n`), "/host.json": json(relay) });
  assert.deepEqual(first.host, relay);
  assert.deepEqual(first.replaced, ["/"]);
  assert.deepEqual(first.door.protocols(), ["tcp-chat.1", `bearer.${bearer}`]);
  assert.deepEqual(first.asked.map(([path, init]) => [path, init?.body ?? (init?.headers as any)?.Authorization]),
    [["/ticket", ticket], ["/host.json", `Bearer ${bearer}`]]);
  assert.ok(first.asked.every(([path]) => !path.includes(ticket) && !path.includes(bearer)));
  const again = await door("", { "/host.json": json({ ...relay, problem: ["one", "two"] }) }, first.tab);
  assert.deepEqual(again.host.problem, ["one", "two"]);
  assert.deepEqual(again.door.protocols(), ["tcp-chat.1", `bearer.${bearer}`]);
  const id = "0a".repeat(32);
  assert.deepEqual(again.door.protocols(id), ["tcp-chat.1", `bearer.${bearer}`, `server.${id}`]);
  const named = await door("", { "/host.json": json({ ...relay, id }) }, first.tab);
  assert.equal(named.host.id, id);
  assert.equal(again.host.isShut, undefined);
  const headers = { "Content-Type": "application/json" };
  const shut = () => new Response(JSON.stringify({ ...relay, problem: ["not let in"] }), { status: 401, headers });
  assert.equal((await door("", { "/host.json": shut })).host.isShut, true);
  const refused = await door(`#ticket=${ticket}`, { "/ticket": () => new Response("no", { status: 403 }), "/host.json": json(relay) });
  assert.deepEqual(refused.door.protocols(), ["tcp-chat.1"]);
});

test("a server is chosen by a POST", async () => {
  const { door: made, asked } = await door("", { "/server": json({ kind: "relay", server: "b:1", verified: "CA", problem: [7] }) });
  assert.deepEqual(await made.choose("b:1"), { kind: "relay", server: "b:1", verified: "CA" });
  const [, init] = asked.at(-1) ?? [];
  assert.deepEqual([init?.method, init?.body], ["POST", '{"server":"b:1"}']);
});

test("a relay that has ended is still the relay, and the page says what to do", async () => {
  const relay = { kind: "relay", server: "chat.example:3000", verified: "pin" };
  const answers: { [path: string]: () => Response } = { "/host.json": json(relay) };
  const { door: made, host } = await door("", answers);
  assert.deepEqual(host, relay);
  delete answers["/host.json"];
  const { problem, ...rest } = await made.describe();
  assert.deepEqual(rest, relay);
  assert.match(problem?.join(" ") ?? "", /has ended.*Start it again/);
  answers["/host.json"] = json(relay);
  assert.deepEqual(await made.describe(), relay);
});

test("an open tab shows itself to the relay by a socket of its own", async () => {
  const made: { url: string; protocols: string[]; onclose?: () => void }[] = [];
  class Socket {
    onclose?: () => void;
    constructor(readonly url: string, readonly protocols: string[]) { made.push(this); }
  }
  const before = globalThis.WebSocket;
  const focused: (() => void)[] = [];
  Object.assign(globalThis, { WebSocket: Socket, addEventListener: (_: string, heard: () => void) => focused.push(heard) });
  try {
    const bearer = "B".repeat(43);
    const tab = new Fake();
    tab.setItem("tcp-chat.bearer", bearer);
    const relay = { kind: "relay", server: "chat.example:3000", verified: "pin" };
    const { door: open } = await door("", { "/host.json": json(relay) }, tab);
    await open.describe();
    assert.deepEqual(made.map(({ url, protocols }) => [url, protocols]),
      [["ws://127.0.0.1:81/ws", ["tcp-chat.1", `bearer.${bearer}`, "presence"]]], "one, at the form already");
    made[0]?.onclose?.();
    assert.equal(made.length, 1, "nothing is tried without the reader");
    focused[0]?.();
    open.showPresence();
    assert.equal(made.length, 2, "again when the reader comes back");
    await door("", { "/host.json": json({ ...relay, kind: "daemon" }) });
    assert.equal(made.length, 2, "a daemon counts its connections");
  } finally {
    Object.assign(globalThis, { WebSocket: before, addEventListener: undefined });
  }
});

test("a notification goes with the text of its message, and a browser that makes none breaks nothing", () => {
  const open = new Set<string>();
  let isRefused = false;
  class Fake {
    static permission = "granted";
    constructor(readonly title: string, { body }: { body: string }) {
      if (isRefused) throw new TypeError("Illegal constructor");
      open.add(`${title}: ${body}`);
    }
    close(): void {
      open.clear();
    }
  }
  Object.assign(globalThis, { Notification: Fake, document: { hasFocus: () => false } });
  const ring = { kind: "ring", title: "bo wrote to you", text: "hunter2\u202e", key: "@bo", sound: false, show: true } as const;
  attend(ring, () => {});
  assert.deepEqual([...open], ["bo wrote to you: hunter2<U+202E>"]);
  attend({ kind: "silence", key: "@cal" }, () => {});
  assert.equal(open.size, 1, "another conversation's");
  attend({ kind: "silence", key: "@bo" }, () => {});
  assert.equal(open.size, 0);
  isRefused = true;
  attend(ring, () => {});
});
