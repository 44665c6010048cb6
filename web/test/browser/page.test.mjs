// The page in a real browser: hostile text, the bound on rows, history both ways, keyboard alone, screen readers' rules
// in four looks, the announcer.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeViolations, enter, Peer, say, settles, Stage, texts, WHOLE } from "./stage.mjs";

let stage;
before(async () => { stage = await Stage.open(); });
after(async () => {
  await stage.stop();
  assert.deepEqual(stage.faults, []);
});

const HOSTILE = [
  "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "\u001b[2J\u001b]0;title\u0007", "javascript:alert(1)",
  "https://a.example/\"onmouseover=alert(1)", "x\u202egpj.exe", "[x](javascript:alert(1))", "&lt;b&gt;", "\u{e0041}\u{e0042}",
  "https://аpple.com/login", "data:text/html,<script>1</script>", "Z" + "\u0301".repeat(200), "```\n<b>code</b>\n```", "{{7*7}} ${7*7}",
  "<svg/onload=alert(1)>", "<a href='javascript:1'>x</a>", "<style>*{display:none}</style>", "\u2066\u2067\u2068", "%00%0a", "<iframe srcdoc='x'>",
];

test("hostile text is text", { timeout: WHOLE }, async () => {
  const [ana, eve] = [await stage.chatting("ana"), await Peer.login(stage.daemon, "eve")];
  const list = Array.from({ length: 300 }, (_, n) => `${n} ${HOSTILE[n % HOSTILE.length]}`);
  await eve.sayAll(list);
  await ana.locator(".row.said", { hasText: "299 " }).waitFor();
  // So are topics, open or not, and the reasons of removals.
  const mine = eve.lines.filter((l) => l.op === "MSG").slice(-HOSTILE.length);
  for (const [n, text] of HOSTILE.entries()) {
    await eve.ask("ROOM", { room: "lobby", topic: text });
    await eve.ask("REDACT", { room: "lobby", seq: mine[n].data.seq, reason: text.slice(0, 100) });
  }
  await ana.locator(".row.said .removed").nth(HOSTILE.length - 1).waitFor();
  await eve.ask("ROOM", { room: "lobby", topic: HOSTILE.join("\n").slice(0, 400) });
  await ana.locator(".head .topic summary").click();
  // Only the last of the topics has two of them.
  await ana.locator(".head .topic .popup", { hasText: /<img[^]*<script/ }).waitFor();
  assert.equal(await ana.locator(".head .topic").evaluate((t) => t.querySelectorAll("img, script, svg, iframe, style, b").length), 0);
  assert.deepEqual(await ana.evaluate(() => window.violations), []);
  const found = await ana.evaluate(() => ({
    elements: document.querySelectorAll(".log img, .log script, .log svg, .log iframe, .log style, .log b").length,
    links: [...document.querySelectorAll(".log a")].map((a) => [a.protocol, a.rel, a.target]),
    hosts: [...document.querySelectorAll(".log .host")].map((h) => h.textContent.trim()),
  }));
  assert.equal(found.elements, 0);
  assert.ok(found.links.length > 0 && found.links.every(([p, rel, target]) => p === "https:" && rel === "noopener noreferrer" && target === "_blank"));
  assert.ok(found.hosts.includes("(xn--pple-43d.com)"));
  eve.close();
  await ana.context().close();
});

test("the rows are bounded, and all of the log can be read", { timeout: WHOLE }, async () => {
  const many = await Peer.login(stage.daemon, "many", { rooms: ["deep"] });
  const ana = await stage.chatting("reader");
  await say(ana, "/join deep");
  await ana.getByRole("heading", { name: "#deep" }).waitFor();
  const most = Number(process.env.MESSAGES ?? 50_000);
  for (let n = 0; n < most; n += 250) await many.sayAll(Array.from({ length: 250 }, (_, m) => `line ${n + m}`), "deep");
  await ana.locator(".row.said", { hasText: `line ${most - 1}` }).waitFor();
  const rows = () => ana.locator(".log li").count();
  assert.ok((await rows()) <= 450, `${await rows()} rows`);
  const log = ana.locator(".log");
  const seen = new Set();
  for (let n = 0; n < 12; n += 1) {
    // Near the top, older messages come.
    await ana.waitForFunction((was) => {
      if (document.querySelector(".row.said .text").textContent !== was) return true;
      document.querySelector(".log").scrollTop = 300;
      return false;
    }, (await texts(ana))[0], { polling: 100 });
    for (const text of await texts(ana)) seen.add(text);
  }
  assert.ok((await rows()) <= 450, `${await rows()} rows`);
  const numbers = [...seen].map((t) => Number(t.slice(5))).sort((a, b) => b - a);
  assert.ok(numbers.length > 900, `${numbers.length} read`);
  assert.deepEqual(numbers, numbers.map((_, n) => numbers[0] - n), "without a hole");
  await ana.keyboard.press("Control+End");
  await ana.locator(".row.said", { hasText: `line ${most - 1}` }).waitFor();
  await settles(() => log.evaluate((e) => e.scrollHeight - e.clientHeight - e.scrollTop < 60), true, "at the foot");
  many.close();
  await ana.context().close();
});

test("what is read stays where it is while more comes", { timeout: WHOLE }, async () => {
  const bo = await Peer.login(stage.daemon, "steady", { rooms: ["still"] });
  await bo.sayAll(Array.from({ length: 250 }, (_, n) => `still ${n}`), "still");
  const ana = await stage.chatting("anchored");
  await say(ana, "/join still");
  await ana.locator(".row.said", { hasText: "still 249" }).waitFor();
  const log = ana.locator(".log");
  await log.evaluate((e) => { e.scrollTop = 1200; });
  await ana.locator(".to-end").waitFor();
  const place = () => log.evaluate((e) => {
    const top = e.getBoundingClientRect().top;
    const row = [...e.querySelectorAll("[data-seq]")].find((r) => r.getBoundingClientRect().bottom > top + 5);
    return [row.textContent, Math.round(row.getBoundingClientRect().top - top)];
  });
  const was = await place();
  await bo.sayAll(["below 1", "below 2"], "still");
  await ana.locator(".to-end", { hasText: "2 new" }).waitFor();
  assert.deepEqual(await place(), was);
  await log.evaluate((e) => { e.scrollTop = 10; });
  await ana.locator(".row.said", { hasText: /^.*still 60$/ }).first().waitFor();
  bo.close();
  await ana.context().close();
});

test("what was missed comes at once, and is counted", { timeout: WHOLE }, async () => {
  const [ana, bo] = [await stage.chatting("missing"), await Peer.login(stage.daemon, "busy")];
  stage.refuses = true;
  stage.bridge.cut();
  await ana.locator(".bar.bad").waitFor();
  assert.equal(await ana.locator(".state.here").count(), 0, "nobody is known to be here");
  for (let n = 0; n < 3000; n += 500) await bo.sayAll(Array.from({ length: 500 }, (_, m) => `missed ${n + m}`));
  stage.refuses = false;
  await ana.locator(".link", { hasText: "caught up 3000" }).waitFor();
  await ana.locator(".members .state.here").first().waitFor();
  await ana.locator(".row.said", { hasText: "missed 2999" }).waitFor();
  assert.ok((await ana.locator(".log li").count()) <= 450);
  assert.equal(await ana.locator(".row.broken").count(), 0);
  bo.close();
  await ana.context().close();
});

test("a page that is idle sets no timer", { timeout: WHOLE }, async () => {
  const ana = await stage.chatting("idle");
  // At first it draws what it has learned, and stores it. Then a while without a timer comes.
  const set = () => ana.evaluate(() => new Promise((done) => {
    let calls = 0;
    const before = { setTimeout, setInterval, requestAnimationFrame };
    for (const name of Object.keys(before)) window[name] = (...args) => { calls += 1; return before[name].apply(window, args); };
    before.setTimeout.call(window, () => done((Object.assign(window, before), calls)), 2500);
  }));
  await settles(set, 0, "timers in two and a half seconds");
  await ana.context().close();
});

test("by the keyboard alone", { timeout: WHOLE }, async () => {
  const page = await stage.page();
  // The name has the focus at the start.
  await page.locator("input[name=username]:focus").waitFor();
  await page.keyboard.type("keys");
  await page.keyboard.press("Enter");
  await page.locator(".composer textarea").waitFor();
  await page.keyboard.type("typed without a mouse");
  await page.keyboard.press("Enter");
  await page.locator(".row.said", { hasText: "typed without a mouse" }).waitFor();
  await page.keyboard.type("/join keyroom");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "#keyroom" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("lob");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "#lobby" }).waitFor();
  await page.keyboard.press("Alt+ArrowUp");
  await page.getByRole("heading", { name: "#keyroom" }).waitFor();
  await page.keyboard.press("F1");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Control+Shift+F");
  await page.keyboard.type("mouse");
  await page.keyboard.press("Enter");
  await page.locator(".hits mark", { hasText: "mouse" }).waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".row.marked", { hasText: "typed without a mouse" }).waitFor();
  // Tab leaves an empty field.
  await page.locator(".composer textarea").focus();
  await page.keyboard.press("Shift+Tab");
  await settles(() => page.evaluate(() => document.activeElement?.tagName === "TEXTAREA"), false, "the focus is in the field");
  await page.context().close();
});

test("no rule of axe is broken in four looks", { timeout: WHOLE }, async () => {
  for (const [name, options] of Object.entries({
    light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, forced: { forcedColors: "active" },
    phone: { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true },
  })) {
    const page = await stage.page(options);
    const check = async (what) => {
      assert.deepEqual(await axeViolations(page), [], `${name} ${what}`);
    };
    await page.getByRole("button", { name: "Enter" }).waitFor();
    await check("form");
    await enter(page, `axe-${name}`);
    const sends = async (text) => {
      await say(page, text);
      if (name === "phone") await page.getByRole("button", { name: "Send", exact: true }).click();
    };
    await sends(`/join axe-room-${name}`);
    await page.getByRole("heading", { name: `#axe-room-${name}` }).waitFor();
    await sends("hello, `code` and https://a.example");
    await page.locator(".row.said .fate.kept").waitFor();
    await sends("/topic On call: bo, see https://wiki.example");
    await page.locator(".head .topic summary").click();
    await check("chat, with its topic open");
    await page.keyboard.press("Escape");
    await sends("/redact");
    await page.getByRole("dialog").waitFor();
    await check("the question before a message is removed");
    await page.getByLabel("Reason").fill("a mistake");
    await page.keyboard.press("Enter");
    await page.locator(".row.said .removed").waitFor();
    await check("a removed message");
    if (name !== "phone") {
      for (const key of ["F1", "Control+k", "Control+Shift+F"]) {
        await page.keyboard.press(key);
        await page.getByRole("dialog").waitFor();
        await check(key);
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
      }
    } else {
      await page.getByRole("button", { name: "Rooms" }).first().click();
      await page.locator(".shade").waitFor();
      await check("drawer");
    }
    stage.refuses = true;
    stage.bridge.cut();
    await page.locator(".bar.bad").waitFor();
    await check("without a connection");
    stage.refuses = false;
    await page.context().close();
  }
});

test("at 200 and 400 % zoom nothing is cut, and nothing scrolls sideways", { timeout: WHOLE }, async () => {
  const bo = await Peer.login(stage.daemon, "a-very-long-name-of-thirty-two-c", { rooms: ["zoom"] });
  await bo.ask("ROOM", { room: "zoom", topic: `${"x".repeat(200)} https://wiki.example/${"y".repeat(150)}` });
  await bo.sayAll(["w".repeat(300), `https://a.example/${"z".repeat(300)}`, "`" + "c".repeat(300) + "`"], "zoom");
  // A window of 1100 x 700 and one of 1280 x 1024 at that zoom.
  for (const [width, height] of [[550, 350], [320, 256]]) {
    const page = await stage.page({ viewport: { width, height } });
    /** The width of the page and the foot of what lies over it, where they are within the window. */
    const fits = async (what, popup) => {
      const ends = () => page.evaluate((selector) =>
        [document.documentElement.scrollWidth, selector ? document.querySelector(selector).getBoundingClientRect().bottom : 0], popup);
      const within = async () => (await ends()).map((end, n) => Math.max(end, [width, height][n]));
      await settles(within, [width, height], `${what}: the ends of the page`);
    };
    await page.getByRole("button", { name: "Enter" }).waitFor();
    await fits("form");
    await enter(page, `zoom-${width}`);
    await say(page, "/join zoom");
    await page.locator(".row.said", { hasText: "ccc" }).waitFor();
    await fits("chat");
    await page.locator(".head .topic summary").click();
    await fits("topic", ".topic .popup");
    await page.keyboard.press("Escape");
    await page.locator("main > .head details.more summary").click();
    await fits("menu", ".more .popup");
    await page.keyboard.press("Escape");
    const shown = { "/redact 1": "form", "/rooms": ".choices li", "/help": "kbd", "/who": ".choices li", "/search example": ".hits mark" };
    for (const [command, content] of Object.entries(shown)) {
      await say(page, command);
      await page.locator(`dialog ${content}`).first().waitFor();
      await fits(command, "dialog");
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    await page.context().close();
  }
  bo.close();
});

test("the announcer says a message once and counts no flood", { timeout: WHOLE }, async () => {
  const [ana, bo] = [await stage.chatting("listener"), await Peer.login(stage.daemon, "speaker")];
  await ana.evaluate(() => {
    window.heard = [];
    new MutationObserver(() => window.heard.push(document.querySelector("[aria-live]").textContent))
      .observe(document.querySelector("[aria-live]"), { childList: true, subtree: true });
  });
  const start = performance.now();
  await bo.say("one for the ears");
  await ana.locator(".row.said", { hasText: "one for the ears" }).waitFor();
  await bo.sayAll(Array.from({ length: 50 }, (_, n) => `flood ${n}`));
  await ana.locator(".row.said", { hasText: "flood 49" }).waitFor();
  const heard = await ana.evaluate(() => window.heard);
  const seconds = (performance.now() - start) / 1000;
  assert.equal(heard.filter((t) => t.includes("one for the ears")).length, 1);
  // One in a second at most.
  assert.ok(heard.length <= 2 + seconds, `${seconds} s: ${JSON.stringify(heard)}`);
  bo.close();
  await ana.context().close();
});
