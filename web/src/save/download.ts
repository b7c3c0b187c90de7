/** Figures handed to the reader as files. */
import { figure } from "./figure";

const SHARPNESS = 2;

export function fileName(title: string, kind: string): string {
  const slug = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60);
  return slug || kind;
}

export function saveSvg(root: HTMLElement, title: string, kind: string): void {
  const { text } = figure(root, title);
  hand(new Blob([text], { type: "image/svg+xml" }), `${fileName(title, kind)}.svg`);
}

export async function savePng(root: HTMLElement, title: string, kind: string): Promise<void> {
  const { text, width, height } = figure(root, title);
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const sharpness = Math.min(SHARPNESS, 8192 / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * sharpness);
  canvas.height = Math.round(height * sharpness);
  canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (blob === null) throw new Error("the browser could not make a PNG of this size");
  hand(blob, `${fileName(title, kind)}.png`);
}

function hand(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
