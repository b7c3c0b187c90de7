"""`Action`: one thing to do at one site while the model runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from innerworks.model.edits.values import Edit
from innerworks.model.sites import Edge, Site
from innerworks.model.taps.layout import Columns, Layout
from innerworks.model.taps.point import Point

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Action", "columns_of"]


@dataclass(eq=False)
class Action:
    """One thing to do at one concrete site: an edit of some rows, a reading, or keeping the tensor for gradients."""

    site: Site
    point: Point
    edit: Edit | None = None
    rows: range | None = None
    reader: Callable[[Tensor], None] | None = None
    keep_graph: bool = False
    columns: dict[str, Columns] = field(default_factory=dict)
    selects: bool = True
    fired: bool = False
    whole: bool = False
    here: Site | None = None
    """The site as it is numbered in a tensor that shows only some units."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The dimensions of what an edit is given, from left to right."""
        dims = [
            d for d in self.point.dims or ("batch", "pos", "d") if d not in self.columns or not self.columns[d].scalar
        ]
        if self.site.unit is not None and isinstance(self.site.unit, int):
            dims.remove(str(self.site.kind.unit))
        return tuple(dims[:-1] if isinstance(self.site.feature, int) else dims)


def columns_of(site: Site, layout: Layout) -> dict[str, Columns]:
    """Which columns a site selects, by the dimension it selects along."""
    if site.pos is None:
        return {}
    if isinstance(site.pos, Edge):
        ends = {"query": site.pos.query, "key": site.pos.key}
    elif "query" in site.kind.dims:
        ends = {"query": site.pos}
    else:
        ends = {"pos": site.pos}
    found = {dim: layout.columns(selector) for dim, selector in ends.items()}
    return {dim: columns for dim, columns in found.items() if columns is not None}
