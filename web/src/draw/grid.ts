/** Where the cells and labels of a grid go. */
import { displayWidth, visibleLabel } from "../text/tokens";

const CHAR = 6.6;
export const LABEL_CHARS = 18;
const LABEL_HEIGHT = 14;

export interface GridLayout {
  cellWidth: number;
  cellHeight: number;
  left: number;
  top: number;
  bottom: number;
  isUpright: boolean;
  rowStep: number;
  columnStep: number;
}

export interface GridLabels {
  rows: string[];
  columns: string[];
  beneath?: string[];
  rowTitle?: string;
  columnTitle?: string;
}

/** Width in pixels of the widest label. */
export function labelWidth(labels: string[]): number {
  let widest = 0;
  for (const label of labels) widest = Math.max(widest, displayWidth(visibleLabel(label)));
  return Math.min(widest, LABEL_CHARS) * CHAR;
}

/** Label every so many cells: 1, 2, 5 or these times a power of ten. */
export function everySo(space: number, cell: number): number {
  for (let power = 1; ; power *= 10) for (const factor of [1, 2, 5]) if (factor * power * cell >= space) return factor * power;
}

/** Cells that fill the room there is, and scroll sideways rather than shrink to nothing. */
export function gridLayout(labels: GridLabels, room: number, hasWords: boolean): GridLayout {
  const [rows, columns] = [labels.rows.length, labels.columns.length];
  const isDense = rows * columns > 2000;
  const smallest = isDense ? 1.5 : hasWords ? 38 : 9;
  const left = labelWidth(labels.rows) + 10 + (labels.rowTitle ? 18 : 0);
  const widest = hasWords ? 72 : 52;
  let cellWidth = Math.min(widest, Math.max(smallest, (room - left - 12) / Math.max(1, columns)));
  const tallest = rows <= 48 ? 24 : 16;
  let cellHeight = Math.min(tallest, Math.max(isDense ? 1.5 : tallest, isDense ? 640 / rows : tallest));
  if (isDense && Math.max(cellWidth, cellHeight) < 2 * Math.min(cellWidth, cellHeight))
    cellWidth = cellHeight = Math.min(cellWidth, cellHeight);
  const all = [...labels.columns, ...(labels.beneath ?? [])];
  const isShort = all.every((label) => /^\d{1,5}$/.test(label));
  const isUpright = labelWidth(all) > cellWidth - 4 && !isShort;
  const labelHeight = (of: string[]) => (isUpright ? labelWidth(of) : LABEL_HEIGHT) + 8;
  return {
    cellWidth,
    cellHeight,
    left,
    top: labelHeight(labels.columns) + (labels.columnTitle ? 18 : 0),
    bottom: labels.beneath ? labelHeight(labels.beneath) : 4,
    isUpright,
    rowStep: everySo(LABEL_HEIGHT, cellHeight),
    columnStep: everySo(isUpright ? LABEL_HEIGHT : labelWidth(all) + 6, cellWidth),
  };
}

/** The cell under a point inside the grid, or null beside it. */
export function cellAt(x: number, y: number, layout: GridLayout, rows: number, columns: number): { row: number; column: number } | null {
  const column = Math.floor(x / layout.cellWidth);
  const row = Math.floor(y / layout.cellHeight);
  return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
}
