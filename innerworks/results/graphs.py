"""A directed graph of named nodes and weighted edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from innerworks.errors import InnerworksError
from innerworks.results.strict_json import jsonable
from innerworks.results.tables import Table

__all__ = ["Edge", "Graph", "Node"]


@dataclass(frozen=True)
class Node:
    """A node: an id that edges refer to, a label for people, and attributes."""

    id: str
    label: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", jsonable(self.attributes, f"attributes of node {self.id!r}"))


@dataclass(frozen=True)
class Edge:
    """An edge from one node id to another; several edges may join the same two nodes."""

    source: str
    target: str
    weight: float = 1.0
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", float(self.weight))
        where = f"attributes of edge {self.source!r} to {self.target!r}"
        object.__setattr__(self, "attributes", jsonable(self.attributes, where))


@dataclass(frozen=True)
class Graph:
    """Nodes and edges; an edge that names an unknown node, or two nodes with one id, are errors."""

    nodes: Sequence[Node] = ()
    edges: Sequence[Edge] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        object.__setattr__(self, "edges", tuple(self.edges))
        object.__setattr__(self, "attributes", jsonable(self.attributes, "attributes of the graph"))
        counts = Counter(node.id for node in self.nodes)
        twice = [node_id for node_id, count in counts.items() if count > 1]
        if twice:
            raise InnerworksError(f"the graph has more than one node with the id {twice[0]!r}")
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in counts:
                    raise InnerworksError(
                        f"edge {edge.source!r} to {edge.target!r} names the node {end!r}, "
                        f"which is not among the graph's {len(counts)} nodes"
                    )

    def strongest(self, limit: int) -> list[Edge]:
        """The edges of largest absolute weight; NaN weights last."""
        return sorted(self.edges, key=lambda edge: (edge.weight != edge.weight, -abs(edge.weight)))[:limit]

    def edge_table(self) -> Table:
        """The edges as a table of source, target, weight and every attribute any edge has."""
        names = dict.fromkeys(name for edge in self.edges for name in edge.attributes)
        columns: dict[str, Any] = {
            "source": [edge.source for edge in self.edges],
            "target": [edge.target for edge in self.edges],
            "weight": [edge.weight for edge in self.edges],
        }
        for name in names:
            key = name if name not in columns else f"{name} (attribute)"
            columns[key] = [edge.attributes.get(name) for edge in self.edges]
        return Table(columns)
