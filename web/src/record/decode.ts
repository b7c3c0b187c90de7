/** A view record, as `innerworks.results` writes it, read into arrays; what cannot be read is refused in a sentence. */
import { asNumbers, complexTexts, fromBase64, inflated } from "./bytes";
import { Layout, Patterns } from "./patterns";
import type { DecodedArray, NumberArray, ViewData } from "./types";

/** The newest schema of view records that this library draws. */
export const SCHEMA = 1;
export const KINDS = ["tokens", "heatmap", "attention", "lens", "graph", "series", "table", "card", "compare"];

/** Why a record is not drawn, in words for the reader. */
export class Refusal extends Error {}

const FLOATS: Record<string, number> = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

/** JSON in which NaN and the infinities are written as `{"$float": "NaN"}`. */
export function parsed(text: string): any {
  return JSON.parse(text, (_key, value) =>
    value !== null && typeof value === "object" && "$float" in value ? FLOATS[value.$float] : value,
  );
}

export function checkHeader(record: any): void {
  if (record?.format !== "innerworks view")
    throw new Refusal(`This is not an innerworks view (its format is ${JSON.stringify(record?.format)}).`);
  if (typeof record.schema !== "number" || record.schema < 1)
    throw new Refusal(`This view has the schema ${JSON.stringify(record.schema)}, which never existed.`);
  if (record.schema > SCHEMA)
    throw new Refusal(
      `This view has schema ${record.schema}, and this page draws schemas up to ${SCHEMA}. ` +
        `A newer innerworks can draw it: pip install --upgrade innerworks.`,
    );
  if (!KINDS.includes(record.kind))
    throw new Refusal(
      `This is a ${JSON.stringify(record.kind)} view of schema ${record.schema}. ` +
        `This page draws schema ${SCHEMA}, with the kinds ${KINDS.join(", ")}. A newer innerworks may know it.`,
    );
}

export async function decodeView(record: any): Promise<ViewData> {
  checkHeader(record);
  const view: ViewData = { kind: record.kind, title: record.title, state: record.state, arrays: Object.create(null), names: [] };
  for (const note of record.arrays) {
    view.names.push(note.name);
    if (view.kind === "attention" && note.name === "pattern") view.patterns = await patterns(note);
    else view.arrays[note.name] = await decodeArray(note);
  }
  return view;
}

export async function decodeArray(note: any): Promise<DecodedArray> {
  if (note.dtype === "text" || note.dtype === "object")
    return { dtype: note.dtype, shape: note.shape, items: note.items };
  const bytes = await bytesOf(note);
  if (note.dtype.startsWith("complex"))
    return { dtype: "text", shape: note.shape, items: complexTexts(bytes, note.dtype) };
  return { dtype: note.dtype, shape: note.shape, values: asNumbers(bytes, note.dtype) };
}

async function bytesOf(note: any): Promise<Uint8Array<ArrayBuffer>> {
  return note.deflate === undefined ? fromBase64(note.base64) : inflated(fromBase64(note.deflate));
}

async function patterns(note: any): Promise<Patterns> {
  const [heads, queries, keys] = note.shape;
  if (note.quantised === undefined) {
    const { values, dtype } = (await decodeArray(note)) as NumberArray;
    const layout = new Layout(queries, keys, false);
    return new Patterns(heads, queries, keys, dtype, layout, byHead(values, [...Array(heads).keys()], layout.size), null);
  }
  const packed = note.quantised;
  const rows = Math.ceil(queries / packed.bin);
  const columns = Math.ceil(keys / packed.bin);
  const quantised = {
    codes: await bytesOf(packed),
    layout: new Layout(rows, columns, packed.triangle),
    bin: packed.bin,
    limits: packed.limits,
    isSigned: packed.signed,
  };
  const layout = new Layout(queries, keys, note.exact.triangle);
  const exact = asNumbers(await bytesOf(note.exact), note.dtype);
  return new Patterns(heads, queries, keys, note.dtype, layout, byHead(exact, note.exact.heads, layout.size), quantised);
}

function byHead(values: ArrayLike<number>, heads: number[], size: number): Map<number, ArrayLike<number>> {
  const all = values as Float32Array;
  return new Map(heads.map((head, index) => [head, all.subarray(index * size, (index + 1) * size)]));
}
