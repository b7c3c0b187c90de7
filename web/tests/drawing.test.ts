import { describe, expect, it } from "vitest";
import { css, ink, mixed, rgb, scaleOf, strength, type Palette } from "../src/draw/colour";
import { depths, placed } from "../src/draw/graph";
import { cellAt, everySo, gridLayout } from "../src/draw/grid";
import { headColumns } from "../src/draw/heads";
import { drawnPoints, strongest } from "../src/draw/thinning";

const LIGHT: Palette = { ground: [255, 255, 255], positive: rgb("#08519c"), negative: rgb("#a63603"), text: "#1c2024", soft: "", line: "", on: "#000", onStrong: "#fff" };
const DARK: Palette = { ...LIGHT, ground: rgb("#15181d"), positive: rgb("#5c9bd6"), negative: rgb("#d97e36"), on: "#fff", onStrong: "#000" };
const luminance = (colour: number[]) => colour.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);

describe("colours", () => {
  it("has zero in the middle and opposite poles", () => {
    const scale = scaleOf([-1, 4, NaN, Infinity]);
    expect(scale).toEqual({ limit: 4, isSigned: true });
    expect(strength(-8, 4)).toBe(-1);
    expect(css(LIGHT, 0)).toBe("rgb(255,255,255)");
    expect(mixed(LIGHT, 1)[2]).toBeGreaterThan(mixed(LIGHT, 1)[0]);
    expect(mixed(LIGHT, -1)[2]).toBeLessThan(mixed(LIGHT, -1)[0]);
    expect(scaleOf([]).limit).toBe(1);
  });

  it("can be read at every strength, in both themes", () => {
    for (const palette of [LIGHT, DARK])
      for (let share = -1; share <= 1; share += 0.01) {
        const [dim, bright] = [luminance(mixed(palette, share)), luminance(rgb(ink(palette, share)))].sort((a, b) => a - b);
        expect((bright + 0.05) / (dim + 0.05)).toBeGreaterThanOrEqual(4.5);
      }
  });
});

describe("layout", () => {
  it("fills the page and never shrinks to nothing", () => {
    const numbered = (count: number) => Array.from({ length: count }, (_, i) => String(i));
    const small = gridLayout({ rows: numbered(12), columns: numbered(12) }, 800, false);
    expect(small.cellWidth).toBe(52);
    const dense = gridLayout({ rows: numbered(512), columns: numbered(512) }, 800, false);
    expect(dense.cellWidth).toBeGreaterThanOrEqual(1);
    expect(dense.cellWidth * 512).toBeLessThan(860);
    expect(gridLayout({ rows: ["a"], columns: ["a long label", "another"] }, 300, false).isUpright).toBe(true);
  });

  it("thins labels by round numbers", () => {
    expect([everySo(14, 20), everySo(14, 5), everySo(14, 1.5), everySo(14, 0.9)]).toEqual([1, 5, 10, 20]);
  });

  it("finds the cell under the mouse", () => {
    const layout = gridLayout({ rows: ["a", "b"], columns: ["x", "y"] }, 800, false);
    expect(cellAt(layout.cellWidth * 1.5, layout.cellHeight * 0.5, layout, 2, 2)).toEqual({ row: 0, column: 1 });
    expect(cellAt(-1, 3, layout, 2, 2)).toBeNull();
    expect(cellAt(3, layout.cellHeight * 2 + 1, layout, 2, 2)).toBeNull();
  });

  it("puts heads of a layer side by side", () => {
    expect(headColumns(["0.0", "0.1", "1.0", "1.1"])).toBe(2);
    expect(headColumns(["0.0", "0.1", "1.0"])).toBe(3);
    expect(headColumns(Array.from({ length: 30 }, (_, i) => `h${i}`))).toBe(12);
    expect(headColumns(["a", "b", "c"], 2)).toBe(2);
  });

  it("places nodes by layer and token, else by their longest path", () => {
    const edges = { nodes: ["a", "b", "c"], sources: ["a", "a", "b"], targets: ["b", "c", "c"] };
    expect(depths(edges)).toEqual([0, 1, 2]);
    const spots = placed({ ...edges, layers: [0, 10, 20], positions: [3, 3, 7] });
    expect([spots.y, spots.x, spots.levels, spots.columns]).toEqual([[0, 1, 2], [0, 0, 1], 3, 2]);
    const shared = placed({ ...edges, layers: [0, 0, 1] });
    expect(shared.x[0]).not.toBe(shared.x[1]);
  });

  it("ends where edges run in a circle", () => {
    expect(Math.max(...depths({ nodes: ["a", "b"], sources: ["a", "b"], targets: ["b", "a"] }))).toBeLessThanOrEqual(1);
  });

  it("keeps the peaks of long lines, and orders by strength", () => {
    const y = new Float64Array(100_000);
    y[77_777] = 5;
    const kept = drawnPoints(y, 2000);
    expect(kept).toContain(77_777);
    expect(kept.length).toBeLessThanOrEqual(2000);
    expect(strongest([1, NaN, -3, 2], 2)).toEqual([2, 3]);
  });
});
