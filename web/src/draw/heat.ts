/** A matrix of numbers as pixels on a canvas. */
import { ink, pixelTable, strength, type Palette } from "./colour";

export interface Matrix {
  rows: number;
  columns: number;
  at: (row: number, column: number) => number;
}

/** No canvas may be larger than this along one side, in any browser in use. */
const LONGEST = 8192;

/** How many cells share a pixel along a side. */
export function pooling(cells: number): number {
  return Math.ceil(cells / LONGEST);
}

/** One pixel per cell, or per strongest of the cells that share it; NaN is left transparent. */
export function heatImage(matrix: Matrix, limit: number, palette: Palette): ImageData {
  const [down, across] = [pooling(matrix.rows), pooling(matrix.columns)];
  const [rows, columns] = [Math.ceil(matrix.rows / down), Math.ceil(matrix.columns / across)];
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const table = pixelTable(palette);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = down * across === 1 ? matrix.at(row, column) : strongest(matrix, row * down, column * across, down, across);
      if (value === value) pixels[row * columns + column] = table[255 + Math.round(255 * strength(value, limit))];
    }
  return image;
}

function strongest(matrix: Matrix, top: number, left: number, down: number, across: number): number {
  let found = NaN;
  for (let row = top; row < Math.min(top + down, matrix.rows); row++)
    for (let column = left; column < Math.min(left + across, matrix.columns); column++) {
      const value = matrix.at(row, column);
      if (value === value && !(Math.abs(value) <= Math.abs(found))) found = value;
    }
  return found;
}

export interface HeatOptions {
  cellWidth: number;
  cellHeight: number;
  limit: number;
  palette: Palette;
  /** What is written into a cell, where there is room. */
  inside?: (row: number, column: number) => string;
}

/** Paint cells, hatches where there is no number, and what is written inside. */
export function paintHeat(canvas: HTMLCanvasElement, matrix: Matrix, options: HeatOptions): void {
  const { cellWidth, cellHeight, palette, limit } = options;
  const [width, height] = [matrix.columns * cellWidth, matrix.rows * cellHeight];
  const ratio = Math.min(devicePixelRatio || 1, LONGEST / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d")!;
  const source = new OffscreenCanvas(Math.ceil(matrix.columns / pooling(matrix.columns)), Math.ceil(matrix.rows / pooling(matrix.rows)));
  source.getContext("2d")!.putImageData(heatImage(matrix, limit, palette), 0, 0);
  context.fillStyle = hatched(context, palette, ratio);
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  context.scale(ratio, ratio);
  if (Math.min(cellWidth, cellHeight) >= 7) gaps(context, width, height, options);
  if (options.inside !== undefined) write(context, matrix, options);
}

function hatched(context: CanvasRenderingContext2D, palette: Palette, ratio: number): CanvasPattern {
  const side = Math.max(4, Math.round(6 * ratio));
  const tile = new OffscreenCanvas(side, side);
  const inside = tile.getContext("2d")!;
  inside.fillStyle = `rgb(${palette.ground.join(",")})`;
  inside.fillRect(0, 0, side, side);
  inside.strokeStyle = palette.soft;
  inside.globalAlpha = 0.6;
  inside.lineWidth = ratio;
  inside.beginPath();
  for (const shift of [-side, 0, side]) {
    inside.moveTo(shift, side);
    inside.lineTo(shift + side, 0);
  }
  inside.stroke();
  return context.createPattern(tile as unknown as CanvasImageSource, "repeat")!;
}

/** A pixel of ground between cells that are large enough to be told apart. */
function gaps(context: CanvasRenderingContext2D, width: number, height: number, options: HeatOptions): void {
  context.fillStyle = `rgb(${options.palette.ground.join(",")})`;
  for (let x = options.cellWidth; x <= width + 0.5; x += options.cellWidth) context.fillRect(x - 1, 0, 1, height);
  for (let y = options.cellHeight; y <= height + 0.5; y += options.cellHeight) context.fillRect(0, y - 1, width, 1);
}

function write(context: CanvasRenderingContext2D, matrix: Matrix, options: HeatOptions): void {
  const { cellWidth, cellHeight, palette, limit } = options;
  context.font = "10.5px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = 0; row < matrix.rows; row++)
    for (let column = 0; column < matrix.columns; column++) {
      const text = options.inside!(row, column);
      if (text === "") continue;
      const share = strength(matrix.at(row, column), limit);
      context.fillStyle = ink(palette, share);
      context.fillText(text, (column + 0.5) * cellWidth - 0.5, (row + 0.5) * cellHeight, cellWidth - 3);
    }
}

