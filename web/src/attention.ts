// Owns how the page makes itself known outside of itself: the window's title, its icon, notifications, a sound. Called
// by `shell.ts`. Asks for the permission only when the reader has clicked for it.

import type { Effect } from "./model/words.ts";
import { plainLine } from "./view/visible.ts";

/** How long the sound is, in seconds, and how high, in hertz. */
const LENGTH = 0.18;
const PITCH = 660;
/** The longest text of a notification, in UTF-16 units. */
const TEXT = 160;

let audio: AudioContext | undefined;
/** The open notification of each conversation. */
const shown = new Map<string, Notification>();

/** A title with a count begins with a bracket. */
export function showTitle(title: string): void {
  const plain = plainLine(title);
  if (document.title !== plain) document.title = plain;
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  const wanted = title.startsWith("(") ? "icon-news.svg" : "icon.svg";
  if (icon && !icon.href.endsWith(`/${wanted}`)) icon.href = wanted;
}

/** Rings, or closes the notification of a conversation. */
export function attend(effect: Effect & { kind: "ring" | "silence" }, onClick: (key: string) => void): void {
  if (effect.kind === "ring") return ring(effect, onClick);
  shown.get(effect.key)?.close();
  shown.delete(effect.key);
}

function ring(effect: Effect & { kind: "ring" }, onClick: (key: string) => void): void {
  if (effect.sound) beep();
  if (!effect.show || typeof Notification === "undefined" || Notification.permission !== "granted" || document.hasFocus()) return;
  const text = plainLine(effect.text);
  const body = text.length > TEXT ? `${text.slice(0, TEXT)} …` : text;
  let notification: Notification;
  try {
    // One for each conversation: a newer one takes the place of the one before.
    notification = new Notification(plainLine(effect.title), { body, tag: effect.key, icon: "icon.svg" });
  } catch {
    // Chrome on Android makes them only for pages with a service worker.
    return;
  }
  shown.set(effect.key, notification);
  notification.onclose = () => {
    if (shown.get(effect.key) === notification) shown.delete(effect.key);
  };
  notification.onclick = () => {
    focus();
    onClick(effect.key);
    notification.close();
  };
}

export function isPermitted(): boolean | undefined {
  if (typeof Notification === "undefined") return false;
  return Notification.permission === "default" ? undefined : Notification.permission === "granted";
}

export async function askPermission(): Promise<boolean> {
  if (typeof Notification === "undefined") return false;
  return (await Notification.requestPermission()) === "granted";
}

function beep(): void {
  try {
    audio ??= new AudioContext();
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const now = audio.currentTime;
    tone.frequency.value = PITCH;
    volume.gain.setValueAtTime(0.12, now);
    volume.gain.exponentialRampToValueAtTime(0.001, now + LENGTH);
    tone.connect(volume).connect(audio.destination);
    tone.start(now);
    tone.stop(now + LENGTH);
  } catch {
    // A browser without sound, or one that allows it only after a click.
  }
}
