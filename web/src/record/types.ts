/** What a view record holds once its arrays are decoded. */

export type Cell = string | number | boolean | null;

export interface NumberArray {
  dtype: string;
  shape: number[];
  values: ArrayLike<number>;
}

export interface TextArray {
  dtype: "text" | "object";
  shape: number[];
  items: Cell[];
}

export type DecodedArray = NumberArray | TextArray;

export interface ViewData {
  kind: string;
  title: string;
  state: Record<string, any>;
  arrays: Record<string, DecodedArray>;
  /** The arrays' names in their order, which an object does not keep for names such as "1". */
  names: string[];
  /** Attention patterns, which may be quantised, are kept apart from plain arrays. */
  patterns?: import("./patterns").Patterns;
}

export function isNumbers(array: DecodedArray | undefined): array is NumberArray {
  return array !== undefined && "values" in array;
}

/** The numbers of an array that the kind requires. */
export function numbers(view: ViewData, name: string): NumberArray {
  const array = view.arrays[name];
  if (!isNumbers(array)) throw new Error(`the ${view.kind} view has no numbers named ${name}`);
  return array;
}

/** An array as texts, whatever it holds. */
export function texts(view: ViewData, name: string): string[] {
  const array = view.arrays[name];
  if (array === undefined) throw new Error(`the ${view.kind} view has no array named ${name}`);
  return isNumbers(array) ? Array.from(array.values, String) : array.items.map((item) => String(item ?? ""));
}
