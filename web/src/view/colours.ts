// Owns the colours of names: the six of the wire, any other, and one for each user without a choice. A name keeps its hue
// and gets a lightness at which it can be read, one for light and one for dark grounds. A port of the terminal's
// `palette.rs`. Pure. Called by `name.tsx` and the form.

import { colourOf, type ColourWord } from "../wire/name.ts";

type Rgb = [number, number, number];

/** The relative luminance of a name on the light ground, at most, and on the dark ground, at least. */
const ON_LIGHT = 0.155;
const ON_DARK = 0.27;

export const WORDS: { [word in ColourWord]: Rgb } = {
  red: [255, 0, 0], green: [0, 170, 0], yellow: [190, 150, 0], blue: [40, 90, 255], fuchsia: [255, 0, 255],
  cyan: [0, 170, 190],
};

/** The hues for users without a choice. */
const HUES: Rgb[] = [
  [220, 50, 47], [203, 75, 22], [170, 130, 0], [100, 150, 0], [0, 150, 70], [0, 150, 150], [38, 139, 210], [90, 100, 220],
  [150, 80, 210], [211, 54, 130],
];

/** FNV-1a: the same name has the same colour everywhere and always. */
function hash(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name.toLowerCase())) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash >>> 8;
}

const linear = (part: number): number => {
  const x = part / 255;
  return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
};

const part = (x: number): number => {
  const p = x <= 0.0031308 ? x * 12.92 : 1.055 * x ** (1 / 2.4) - 0.055;
  return Math.round(Math.min(1, Math.max(0, p)) * 255);
};

export function luminance([r, g, b]: Rgb): number {
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

/** The same hue with that luminance. */
function withLuminance(rgb: Rgb, wanted: number): Rgb {
  const is = luminance(rgb);
  if (is === wanted) return rgb;
  return rgb.map((p) => {
    const x = linear(p);
    return part(is > wanted ? (x * wanted) / is : x + ((1 - x) * (wanted - is)) / (1 - is));
  }) as Rgb;
}

const hex = (rgb: Rgb): string => `#${rgb.map((p) => p.toString(16).padStart(2, "0")).join("")}`;

/** The colour of a name, on the light and on the dark ground. */
export function nameColours(name: string, color: string): { light: string; dark: string } {
  const read = colourOf(color);
  let rgb: Rgb;
  if (read === undefined) rgb = HUES[hash(name) % HUES.length] ?? [128, 128, 128];
  else if (read.startsWith("#")) rgb = [1, 3, 5].map((at) => Number.parseInt(read.slice(at, at + 2), 16)) as Rgb;
  else rgb = WORDS[read as ColourWord];
  const is = luminance(rgb);
  return {
    light: hex(withLuminance(rgb, Math.min(is, ON_LIGHT))),
    dark: hex(withLuminance(rgb, Math.max(is, ON_DARK))),
  };
}
