import { describe, expect, it } from "vitest";
import { moved } from "../src/keyboard/moves";
import { fileName } from "../src/save/download";
import { exactNumber, numberAmong, shortNumber, signedNumber } from "../src/text/numbers";
import { cut, displayWidth, visibleLabel, visibleToken } from "../src/text/tokens";

describe("keys", () => {
  const at = { row: 1, column: 1 };
  it("moves and stays inside", () => {
    expect(moved(at, "ArrowUp", 3, 3)).toEqual({ row: 0, column: 1 });
    expect(moved({ row: 2, column: 2 }, "ArrowRight", 3, 3)).toEqual({ row: 2, column: 2 });
    expect(moved(at, "End", 3, 5)).toEqual({ row: 1, column: 4 });
    expect(moved(at, "Home", 3, 5, true)).toEqual({ row: 0, column: 0 });
    expect(moved(at, "PageDown", 30, 5)).toEqual({ row: 11, column: 1 });
  });
  it("leaves other keys alone", () => {
    for (const key of ["a", "Tab", "Enter", "?"]) expect(moved(at, key, 3, 3)).toBeNull();
  });
  it("does not enter places that an unfinished last row has not", () => {
    expect(moved({ row: 0, column: 2 }, "ArrowDown", 2, 3, false, 4)).toEqual({ row: 0, column: 2 });
    expect(moved({ row: 0, column: 0 }, "End", 2, 3, true, 4)).toEqual({ row: 1, column: 0 });
  });
});

describe("numbers", () => {
  it("are exact in the precision they came in", () => {
    expect(exactNumber(Math.fround(0.1), "float32")).toBe("0.1");
    expect(exactNumber(0.1 + 0.2)).toBe("0.30000000000000004");
    expect(exactNumber(0.0999755859375, "float16")).toBe("0.1");
    for (const value of [1e-20, 123456.78, -3.4e38, 5e-45]) expect(Math.fround(Number(exactNumber(Math.fround(value), "float32")))).toBe(Math.fround(value));
  });
  it("are short where they are compared, with their signs", () => {
    expect([0.000012, 1234567, 0.12345, 3, -2.5].map((value) => shortNumber(value))).toEqual(["1.2e-5", "1.23e6", "0.123", "3", "−2.50"]);
    expect([1, 0, -1].map((value) => signedNumber(value))).toEqual(["+1", "0", "−1"]);
    expect(numberAmong(-0.0001, 5)).toBe("0.00");
  });
});

describe("tokens", () => {
  it("shows what cannot be seen", () => {
    expect([" a\n", "  ", "\t\r", "", "a b ", "\u202eabc", "\ud83d"].map(visibleToken)).toEqual(["␣a⏎", "␣␣", "⇥␍", "∅", "a b␣", "⟨U+202E⟩abc", "\ufffd"]);
    expect(visibleLabel("layer 3")).toBe("layer 3");
  });
  it("cuts by width", () => {
    expect(displayWidth("東京")).toBe(4);
    expect(cut("abcdef", 4)).toBe("abc…");
  });
  it("makes names for files", () => {
    expect(fileName("Where the answer / comes from?", "heatmap")).toBe("where-the-answer-comes-from");
    expect(fileName("…", "heatmap")).toBe("heatmap");
  });
});
