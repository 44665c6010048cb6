// Owns the history of inputs and the position in it. A port of the terminal's `past.rs`. Used by the model.
// Bounded. Never stored: an input may be a secret.

/** How many inputs are remembered. */
const REMEMBERED = 200;

/** An input, with the tags and numbers of the messages that it was sent as. They share no number: tags are times. */
interface Typed { text: string; ids: number[] }

export class Past {
  readonly #inputs: Typed[] = [];
  /** Which of them is shown, and the text that was typed before. */
  #shown: { at: number; typed: string } | undefined;

  /** `tags`: the messages that it was sent as. */
  remember(text: string, tags: number[] = []): void {
    const last = this.#inputs.at(-1);
    if (last?.text === text) last.ids.push(...tags);
    else if (text.trim() !== "") this.#inputs.push({ text, ids: tags });
    if (this.#inputs.length > REMEMBERED) this.#inputs.shift();
    this.#shown = undefined;
  }

  /** The message of that tag or number has another one. */
  link(id: number, other: number): void {
    for (const { ids } of this.#inputs) if (ids.includes(id)) ids.push(other);
  }

  clear(): void {
    this.#inputs.length = 0;
    this.#shown = undefined;
  }

  /** A message was removed: the input that it was typed as is not offered again. */
  forget(id: number): void {
    const kept = this.#inputs.filter((one) => !one.ids.includes(id));
    if (kept.length === this.#inputs.length) return;
    this.#inputs.splice(0, this.#inputs.length, ...kept);
    this.#shown = undefined;
  }

  /** The next input is a new one. */
  leave(): void {
    this.#shown = undefined;
  }

  /** The input before the one that is shown; `typed` is kept if it is none of the past. */
  older(typed: string): string | undefined {
    const at = (this.#shown?.at ?? this.#inputs.length) - 1;
    const older = this.#inputs[at]?.text;
    if (older === undefined) return undefined;
    this.#shown = { at, typed: this.#shown?.typed ?? typed };
    return older;
  }

  /** The input after the one that is shown, or the text that was typed before. */
  newer(): string | undefined {
    if (!this.#shown) return undefined;
    const { at, typed } = this.#shown;
    const newer = this.#inputs[at + 1]?.text;
    this.#shown = newer === undefined ? undefined : { at: at + 1, typed };
    return newer ?? typed;
  }
}
