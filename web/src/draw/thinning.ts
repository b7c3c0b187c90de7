/** Which points of a long line to draw: the lowest and highest of every few, so that no peak is lost. */
export function drawnPoints(values: ArrayLike<number>, most: number): number[] {
  const count = values.length;
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  const every = Math.ceil(count / (most / 2));
  const kept: number[] = [];
  for (let start = 0; start < count; start += every) {
    let [least, highest] = [-1, -1];
    for (let i = start; i < Math.min(start + every, count); i++) {
      if (!Number.isFinite(values[i])) continue;
      if (least < 0 || values[i] < values[least]) least = i;
      if (highest < 0 || values[i] > values[highest]) highest = i;
    }
    if (least < 0) kept.push(start);
    else kept.push(...new Set([Math.min(least, highest), Math.max(least, highest)]));
  }
  return kept;
}

/** The places of the strongest values, strongest first; NaN is left out. */
export function strongest(values: ArrayLike<number>, most: number): number[] {
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) places.push(i);
  places.sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
  return places.slice(0, most);
}
