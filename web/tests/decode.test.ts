import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { asNumbers, half } from "../src/record/bytes";
import { decodeView, parsed, Refusal } from "../src/record/decode";
import { Layout, Patterns } from "../src/record/patterns";
import { numbers, texts } from "../src/record/types";

const base64 = (values: ArrayBufferView) => Buffer.from(values.buffer).toString("base64");
const deflated = (values: ArrayBufferView) => deflateSync(Buffer.from(values.buffer)).toString("base64");
const record = (kind: string, arrays: unknown[], more = {}) => ({ format: "innerworks view", schema: 1, kind, title: "", state: {}, arrays, ...more });

describe("records", () => {
  it("reads numbers whether deflated or not, and texts", async () => {
    const values = new Float32Array([1.5, -2, NaN]);
    for (const packed of [{ base64: base64(values) }, { deflate: deflated(values) }]) {
      const view = await decodeView(
        record("tokens", [
          { name: "tokens", dtype: "object", shape: [3], items: ["a", " b", "\n"] },
          { name: "values", dtype: "float32", shape: [3], ...packed },
        ]),
      );
      expect(Array.from(numbers(view, "values").values)).toEqual([1.5, -2, NaN]);
      expect(texts(view, "tokens")).toEqual(["a", " b", "\n"]);
    }
  });

  it("refuses what it cannot know, naming both versions", async () => {
    await expect(decodeView(record("tokens", [], { schema: 3 }))).rejects.toThrow(/schema 3.*up to 1/);
    await expect(decodeView(record("hologram", []))).rejects.toThrow(/"hologram" view of schema 1.*draws schema 1/);
    await expect(decodeView({ format: "vega" })).rejects.toThrow(Refusal);
    await expect(decodeView(null)).rejects.toThrow(/not an innerworks view/);
  });

  it("reads numbers that JSON has no word for", () => {
    expect(parsed('{"a": {"$float": "NaN"}, "b": [{"$float": "-Infinity"}]}')).toEqual({ a: NaN, b: [-Infinity] });
  });

  it("reads half precision as IEEE has it", () => {
    expect([0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00].map(half)).toEqual([1, -2, 2 ** -24, 65504, Infinity, -Infinity]);
    expect(half(0x7e00)).toBeNaN();
  });

  it("reads long integers", () => {
    expect(Array.from(asNumbers(new Uint8Array(new BigInt64Array([-5n, 7n]).buffer), "int64"))).toEqual([-5, 7]);
  });
});

describe("patterns", () => {
  it("finds rows in a triangle, with earlier keys in front", () => {
    const layout = new Layout(3, 5, true);
    const widths = [0, 1, 2].map((row) => layout.width(row));
    expect(widths).toEqual([3, 4, 5]);
    expect([0, 1, 2].map((row) => layout.start(row))).toEqual([0, 3, 7]);
    expect(layout.size).toBe(12);
  });

  it("is exact where it says so, and within its bound elsewhere", async () => {
    const truth = [0.2, 0.1, 0.9, 1, 0, 0];
    const view = await decodeView(
      record("attention", [
        {
          name: "pattern",
          dtype: "float64",
          shape: [2, 2, 2],
          quantised: { deflate: deflated(new Uint8Array([254, 51, 203, 254, 127, 255])), triangle: true, bin: 1, limits: [1, 0.8], signed: false },
          exact: { heads: [0], triangle: true, deflate: deflated(new Float64Array([1, truth[1], truth[2]])) },
        },
      ]),
    );
    const patterns = view.patterns!;
    expect([patterns.isExact(0), patterns.isExact(1)]).toEqual([true, false]);
    expect(patterns.at(0, 1, 0)).toBe(0.1);
    expect(patterns.at(0, 0, 1)).toBe(0);
    expect(patterns.bound(0)).toBe(0);
    expect(patterns.bound(1)).toBeCloseTo(0.8 / 254 / 2, 12);
    expect(patterns.at(1, 0, 0)).toBeCloseTo(0.8, 12);
    expect(patterns.at(1, 1, 0)).toBeCloseTo(0.4, 2);
    expect(patterns.at(1, 1, 1)).toBeNaN();
  });

  it("keeps the strongest in a small picture", () => {
    const values = new Float32Array(64 * 64);
    values[63 * 64 + 1] = -5;
    values[10 * 64 + 10] = 2;
    const patterns = new Patterns(1, 64, 64, "float32", new Layout(64, 64, false), new Map([[0, values]]), null);
    const pixels = patterns.thumbnail(0, 8);
    expect([Math.min(...pixels), Math.max(...pixels)]).toEqual([-5, 2]);
    expect(pixels[7 * 8]).toBe(-5);
    expect(patterns.isSigned).toBe(true);
    expect(patterns.thumbnail(0, 128)[127 * 128 + 2]).toBe(-5);
  });
});
