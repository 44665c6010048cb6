// Owns how single JSON values become typed values: each reader returns the value or throws `Misread` with the
// path of the field. Called by `read.ts` only. Never knows what a field means, and never keeps the value that
// was wrong: it is a stranger's text.

/** A value that is none of the contract's. `path` names the field, for example `data.seq`. */
export class Misread extends Error {
  readonly path: string;

  constructor(path: string, what: string) {
    super(`${path}: ${what}`);
    this.path = path;
  }
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** A reader of one kind of value. */
export type Read<T> = (value: Json | undefined, path: string) => T;

export const string: Read<string> = (value, path) => {
  if (typeof value !== "string") throw new Misread(path, "a string is expected");
  return value;
};

export const boolean: Read<boolean> = (value, path) => {
  if (typeof value !== "boolean") throw new Misread(path, "true or false is expected");
  return value;
};

/**
 * An unsigned integer. Above 2^53 it is no longer exact; the cursor refuses such numbers, with a sentence
 * that says what the server did.
 */
export const count: Read<number> = (value, path) => {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw new Misread(path, "an unsigned integer is expected");
  }
  return value;
};

export const object: Read<JsonObject> = (value, path) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Misread(path, "an object is expected");
  }
  return value;
};

/** A list, each entry read by `entry`. */
export function list<T>(entry: Read<T>): Read<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new Misread(path, "a list is expected");
    return value.map((one, at) => entry(one, `${path}[${at}]`));
  };
}

/**
 * One of some words. `other` stands for a word that this version does not know; without it such a word is
 * refused.
 */
export function word<T extends string>(words: readonly T[], other?: T): Read<T> {
  return (value, path) => {
    const text = string(value, path);
    const known = words.find((one) => one === text);
    if (known !== undefined) return known;
    if (other !== undefined) return other;
    throw new Misread(path, `it is none of ${words.join(", ")}`);
  };
}

/**
 * The fields of an object, read one after another. A field that is `null` counts as left out, as it does for
 * the daemon. Fields that nobody asks for are ignored.
 */
export class Fields {
  readonly #of: JsonObject;
  readonly #path: string;

  constructor(value: Json | undefined, path: string) {
    this.#of = object(value, path);
    this.#path = path;
  }

  get<T>(name: string, read: Read<T>): T {
    const value = this.#own(name);
    const path = `${this.#path}.${name}`;
    if (value === undefined) throw new Misread(path, "it is missing");
    return read(value, path);
  }

  /** The field as an entry to spread, or nothing: so an optional field is absent and never `undefined`. */
  maybe<K extends string, T>(name: K, read: Read<T>): { [key in K]?: T } {
    const value = this.#own(name);
    const found: { [key in K]?: T } = {};
    if (value !== undefined) found[name] = read(value, `${this.#path}.${name}`);
    return found;
  }

  #own(name: string): Json | undefined {
    // A name of Object.prototype is no field.
    const value = Object.hasOwn(this.#of, name) ? this.#of[name] : undefined;
    return value === null ? undefined : value;
  }
}
