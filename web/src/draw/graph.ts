/** Where the nodes of a graph go: layers upwards and tokens across where they are known, else by the longest path. */

export interface GraphInput {
  nodes: string[];
  sources: string[];
  targets: string[];
  layers?: ArrayLike<number>;
  positions?: ArrayLike<number>;
}

export interface Placed {
  /** Column and level of each node, from 0, fractions where several share a spot. */
  x: number[];
  y: number[];
  columns: number;
  levels: number;
}

export function placed(graph: GraphInput): Placed {
  const level = graph.layers ? ranks(graph.layers) : depths(graph);
  const column = graph.positions ? ranks(graph.positions) : null;
  const x: number[] = [];
  const taken = new Map<string, number[]>();
  graph.nodes.forEach((_, node) => {
    const spot = `${level[node]} ${column ? column[node] : ""}`;
    taken.set(spot, [...(taken.get(spot) ?? []), node]);
  });
  const columns = column ? Math.max(...column, 0) + 1 : Math.max(...[...taken.values()].map((at) => at.length), 1);
  for (const at of taken.values())
    at.forEach((node, index) => {
      const share = (index + 0.5) / at.length;
      x[node] = column ? column[node] + share - 0.5 : columns * share - 0.5;
    });
  return { x, y: Array.from(level), columns, levels: Math.max(...level, 0) + 1 };
}

/** Each number's place among the different numbers. */
function ranks(values: ArrayLike<number>): number[] {
  const order = [...new Set(Array.from(values))].sort((a, b) => a - b);
  const place = new Map(order.map((value, index) => [value, index]));
  return Array.from(values, (value) => place.get(value)!);
}

/** The longest path that leads to each node; where edges run in a circle the rounds are limited. */
export function depths(graph: GraphInput): number[] {
  const place = new Map(graph.nodes.map((node, index) => [node, index]));
  const edges = graph.sources.map((source, index) => [place.get(source)!, place.get(graph.targets[index])!]);
  const depth = graph.nodes.map(() => 0);
  for (let round = 0; round < graph.nodes.length; round++) {
    let changed = false;
    for (const [from, to] of edges)
      if (from !== to && depth[to] < depth[from] + 1 && depth[from] + 1 < graph.nodes.length) {
        depth[to] = depth[from] + 1;
        changed = true;
      }
    if (!changed) break;
  }
  return depth;
}
