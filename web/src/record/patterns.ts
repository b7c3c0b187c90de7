/** Attention patterns of many heads: exact for some, eight bits for the others, and honest about which is which. */

/** How the rows of a matrix follow each other: whole, or only up to the diagonal. */
export class Layout {
  readonly size: number;
  constructor(
    readonly rows: number,
    readonly columns: number,
    readonly isTriangle: boolean,
  ) {
    this.size = isTriangle ? this.start(rows) : rows * columns;
  }
  /** Where a row begins. */
  start(row: number): number {
    if (!this.isTriangle) return row * this.columns;
    return row * (this.columns - this.rows + 1) + (row * (row - 1)) / 2;
  }
  /** How many of a row's entries are stored; the others are zero. */
  width(row: number): number {
    return this.isTriangle ? this.columns - this.rows + row + 1 : this.columns;
  }
}

export interface Quantised {
  codes: Uint8Array;
  layout: Layout;
  bin: number;
  limits: number[];
  isSigned: boolean;
}

export const NOT_A_NUMBER = 255;

export class Patterns {
  constructor(
    readonly heads: number,
    readonly queries: number,
    readonly keys: number,
    readonly dtype: string,
    readonly layout: Layout,
    readonly exact: Map<number, ArrayLike<number>>,
    readonly quantised: Quantised | null,
  ) {}

  isExact(head: number): boolean {
    return this.exact.has(head);
  }

  /** How many tokens side by side share one stored value, of a head that is not exact. */
  get bin(): number {
    return this.quantised?.bin ?? 1;
  }

  /** How far a stored value of this head may be from the true one. */
  bound(head: number): number {
    if (this.exact.has(head) || this.quantised === null) return 0;
    return this.quantised.limits[head] / (this.quantised.isSigned ? 127 : 254) / 2;
  }

  /** The weight from a query to a key, or of the strongest in its bin. */
  at(head: number, query: number, key: number): number {
    const values = this.exact.get(head);
    if (values !== undefined) return key < this.layout.width(query) ? values[this.layout.start(query) + key] : 0;
    const { layout, bin } = this.quantised!;
    const row = Math.floor(query / bin);
    const column = Math.floor(key / bin);
    return column < layout.width(row) ? this.decoded(head, layout.start(row) + column) : 0;
  }

  private decoded(head: number, place: number): number {
    const { codes, layout, limits, isSigned } = this.quantised!;
    const code = codes[head * layout.size + place];
    if (code === NOT_A_NUMBER) return NaN;
    return isSigned ? ((code - 127) / 127) * limits[head] : (code / 254) * limits[head];
  }

  /** The strongest value under each pixel of a square picture of a head, row by row. */
  thumbnail(head: number, side: number): Float32Array {
    const pixels = new Float32Array(side * side);
    const values = this.exact.get(head);
    const layout = values === undefined ? this.quantised!.layout : this.layout;
    const across = columnPixels(layout.columns, side);
    for (let row = 0; row < layout.rows; row++) {
      const first = Math.floor((row * side) / layout.rows);
      const last = Math.max(first, Math.ceil(((row + 1) * side) / layout.rows) - 1);
      const start = layout.start(row);
      const width = layout.width(row);
      for (let column = 0; column < width; column++) {
        const value = values === undefined ? this.decoded(head, start + column) : values[start + column];
        if (value === 0) continue;
        for (let y = first; y <= last; y++)
          for (let x = across[2 * column]; x <= across[2 * column + 1]; x++) {
            const at = y * side + x;
            if (Math.abs(value) > Math.abs(pixels[at])) pixels[at] = value;
          }
      }
    }
    return pixels;
  }

  /** The largest magnitude of a head. */
  limit(head: number): number {
    if (this.quantised !== null) return this.quantised.limits[head];
    let found = 0;
    const values = this.exact.get(head)!;
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i]);
      if (magnitude > found && magnitude !== Infinity) found = magnitude;
    }
    return found;
  }

  /** Whether negative weights occur. */
  get isSigned(): boolean {
    if (this.quantised !== null) return this.quantised.isSigned;
    for (const values of this.exact.values()) for (let i = 0; i < values.length; i++) if (values[i] < 0) return true;
    return false;
  }
}

function columnPixels(columns: number, side: number): Int32Array {
  const found = new Int32Array(2 * columns);
  for (let column = 0; column < columns; column++) {
    const first = Math.floor((column * side) / columns);
    found[2 * column] = first;
    found[2 * column + 1] = Math.max(first, Math.ceil(((column + 1) * side) / columns) - 1);
  }
  return found;
}
