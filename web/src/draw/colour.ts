/** From numbers to colours: zero in the middle, positive blue, negative orange, over the page's own ground. */

export type Rgb = [number, number, number];

export interface Palette {
  ground: Rgb;
  positive: Rgb;
  negative: Rgb;
  text: string;
  soft: string;
  line: string;
  on: string;
  onStrong: string;
}

export interface Scale {
  limit: number;
  isSigned: boolean;
}

export function scaleOf(values: ArrayLike<number>): Scale {
  let limit = 0;
  let isSigned = false;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value < 0) isSigned = true;
    const magnitude = Math.abs(value);
    if (magnitude > limit && magnitude !== Infinity) limit = magnitude;
  }
  return { limit: limit || 1, isSigned };
}

/** Between -1 and 1; NaN stays NaN. */
export function strength(value: number, limit: number): number {
  return Math.max(-1, Math.min(1, value / limit));
}

export function mixed(palette: Palette, share: number): Rgb {
  const pole = share < 0 ? palette.negative : palette.positive;
  const weight = Math.abs(share);
  return palette.ground.map((ground, i) => Math.round(ground + weight * (pole[i] - ground))) as Rgb;
}

/** Black or white, whichever reads better over a colour. */
export function ink(palette: Palette, share: number): string {
  if (Number.isNaN(share)) return palette.text;
  const ground = luminance(mixed(palette, share));
  const contrast = (text: string) => {
    const [dim, bright] = [ground, luminance(rgb(text))].sort((a, b) => a - b);
    return (bright + 0.05) / (dim + 0.05);
  };
  return contrast(palette.on) >= contrast(palette.onStrong) ? palette.on : palette.onStrong;
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export function css(palette: Palette, share: number): string {
  return `rgb(${mixed(palette, share).join(",")})`;
}

/** The colours of 511 strengths from -1 to 1 as pixels, for painting many of them. */
export function pixelTable(palette: Palette): Uint32Array {
  const table = new Uint32Array(511);
  for (let i = 0; i < table.length; i++) {
    const [red, green, blue] = mixed(palette, (i - 255) / 255);
    table[i] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  return table;
}

export function rgb(text: string): Rgb {
  const hex = text.trim().replace("#", "");
  const full = hex.length === 3 ? hex.replace(/./g, "$&$&") : hex;
  return [0, 2, 4].map((start) => parseInt(full.slice(start, start + 2), 16)) as Rgb;
}

/** The palette that the page's style sheet sets at an element. */
export function paletteAt(element: Element): Palette {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ground: rgb(of("bg")),
    positive: rgb(of("pos")),
    negative: rgb(of("neg")),
    text: of("text"),
    soft: of("soft"),
    line: of("line"),
    on: of("on"),
    onStrong: of("on-hi"),
  };
}
