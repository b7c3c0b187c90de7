/** Where the arrow keys lead in a grid. */

export interface Place {
  row: number;
  column: number;
}

const PAGE = 10;

/** The place after a key, or null where the key does not move. Rows may have unequal last ones: `count` says how many cells there are. */
export function moved(at: Place, key: string, rows: number, columns: number, isWhole = false, count = rows * columns): Place | null {
  let { row, column } = at;
  if (key === "ArrowUp") row -= 1;
  else if (key === "ArrowDown") row += 1;
  else if (key === "ArrowLeft") column -= 1;
  else if (key === "ArrowRight") column += 1;
  else if (key === "PageUp") row -= PAGE;
  else if (key === "PageDown") row += PAGE;
  else if (key === "Home") [row, column] = isWhole ? [0, 0] : [row, 0];
  else if (key === "End") [row, column] = isWhole ? [rows - 1, columns - 1] : [row, columns - 1];
  else return null;
  row = Math.min(rows - 1, Math.max(0, row));
  column = Math.min(columns - 1, Math.max(0, column));
  while (row * columns + column >= count) {
    if (column > 0 && row === rows - 1 && key !== "ArrowDown") column -= 1;
    else row -= 1;
  }
  return { row, column };
}
