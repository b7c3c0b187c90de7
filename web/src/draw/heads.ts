/** How many heads stand side by side: a layer's own where the names say so, else a number that fills the page. */
export function headColumns(names: string[], given?: number): number {
  if (given) return Math.max(1, Math.min(given, names.length));
  const layers = names.map((name) => /^(\d+)\.(\d+)$/.exec(name)?.[1]);
  const counts = new Map<string | undefined, number>();
  for (const layer of layers) counts.set(layer, (counts.get(layer) ?? 0) + 1);
  const sizes = [...new Set(counts.values())];
  const isWhole = !counts.has(undefined) && sizes.length === 1 && layers.every((layer, i) => i % sizes[0] === 0 || layer === layers[i - 1]);
  return isWhole && (sizes[0] > 1 || names.length === 1) ? sizes[0] : Math.min(names.length, 12);
}
