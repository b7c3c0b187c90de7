"""A `Site`: the name of a place inside a model, as a value that selects, compares, hashes and is written as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from innerworks.errors import SiteError
from innerworks.model.sites.kinds import KINDS, Kind, kind_named
from innerworks.model.sites.selectors import (
    Edge,
    Position,
    Role,
    Selector,
    Span,
    as_position,
    as_selector,
    listed,
    pick,
)

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.sites.basis import Basis

__all__ = ["Extent", "Site"]


class Extent(Protocol):
    """What tells a site how many layers, heads and positions there are: a `Run`, or anything alike."""

    def indices(self, site: Site, dim: str) -> list[int]:
        """The indices along `dim` ("layer", "head", "pos", …) that `site` covers."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """A place: a kind, and optionally which layer, which unit, which positions, and in which coordinates.

    `at.z[5, 3] @ -1` is the last position of head 3 of layer 5. Nothing is looked up until a model runs, so a
    site is a plain value: it can be a dictionary key, be saved, and be used on several models.
    """

    name: str
    layer: Selector | None = None
    unit: Selector | None = None
    pos: Position | None = None
    basis: Basis | None = None
    feature: Selector | None = None
    path: str = ""
    end: str = field(default="output")

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Site:
        """The site that a text such as "z.5.3@-1" names; with a model, one that it has."""
        from innerworks.model.sites.grammar import at

        return (at if model is None else model.at)(text.strip())

    @classmethod
    def parse_several(cls, text: str, model: Any = None) -> list[Site]:
        """The sites in a text with commas between them; "z.1,3" is one, of two layers."""
        from innerworks.model.sites.grammar import listed_sites

        return [cls.parse(part, model) for part in listed_sites(text)]

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of a site's text."""
        examples = ["z.5.3@-1", "resid_post.:@subject", "pattern.5.3@(4,2)"]
        return {"type": "string", "format": "site", "description": "a place in the model", "examples": examples}

    @property
    def kind(self) -> Kind:
        """The site's row in the table of kinds."""
        return KINDS[self.name]

    def __getitem__(self, index: Any) -> Site:
        kind = kind_named(self.name)
        if self.name == "module":
            raise SiteError("at.module(...) takes no [...]: select positions with @.")
        parts = index if isinstance(index, tuple) else (index,)
        if self.layer is not None and len(parts) == 1:
            both = f"at.{self.name}[layer, {kind.unit or 'unit'}]"
            raise SiteError(f"{self} has its layer already: write {both} in one pair of brackets.")
        if not kind.layered:
            raise SiteError(f"{self.name} is not in a layer: write at.{self.name} without [...].")
        if len(parts) > 2 or (len(parts) == 2 and kind.unit is None):
            units = f"a layer and a {kind.unit}" if kind.unit else "a layer"
            raise SiteError(f"at.{self.name}[...] takes {units}, got {parts!r}.")
        layer = as_selector(parts[0], "layer")
        unit = None if len(parts) == 1 or parts[1] == slice(None) else as_selector(parts[1], kind.unit or "unit")
        return replace(self, layer=layer, unit=unit)

    def __call__(self, *_: Any) -> Site:
        """Not how sites are written; says how they are."""
        raise SiteError(f"sites take brackets: at.{self.name}[layer], not at.{self.name}(...).")

    def __matmul__(self, position: Any) -> Site:
        edges = "query" in self.kind.dims
        return replace(self, pos=as_position(position, edges))

    def via(self, basis: Basis, feature: Any = None) -> Site:
        """The same place in other coordinates (a direction, a subspace, a rotation, latents), all or some of them."""
        if not hasattr(basis, "encode"):
            raise SiteError(f"{type(basis).__name__} is not a basis: wrap it, as in iw.direction('name', vector).")
        if not re.fullmatch(r"[^|:@]+", basis.name):
            raise SiteError(f"a basis cannot be called {basis.name!r}: a site's text has | : @ for other things.")
        return replace(self, basis=basis, feature=None if feature is None else as_selector(feature, "feature"))

    @property
    def output(self) -> Site:
        """A module's output (the default)."""
        return self._ended("output")

    @property
    def input(self) -> Site:
        """A module's first input."""
        return self._ended("input")

    def _ended(self, end: str) -> Site:
        if self.name != "module":
            raise SiteError(f"{self} has no .{end}: only at.module(path) has one.")
        return replace(self, end=end)

    @property
    def whole(self) -> Site:
        """The same place with no unit, position or basis chosen."""
        return replace(self, unit=None, pos=None, basis=None, feature=None)

    @property
    def text_of_selection(self) -> str:
        """The unit and positions a site selects, in words; empty if it selects all."""
        parts = [] if self.unit is None else [f"{self.kind.unit} {_text(self.unit)}"]
        parts += [] if self.pos is None else [f"positions {_position_text(self.pos)}"]
        return " and ".join(parts)

    def coordinates(self, values: Tensor) -> Tensor:
        """The values in this site's coordinates (all of them, or the chosen features); as they are without a basis."""
        if self.basis is None:
            return values
        found = self.basis.encode(values)
        where = self.chosen(found.shape[-1])
        return found if where is None else found[..., where]

    def chosen(self, size: int) -> int | list[int] | None:
        """Which of `size` features the site selects, or None for all."""
        if self.feature is None:
            return None
        found = pick(self.feature, size, "feature")
        return found[0] if isinstance(self.feature, int) else found

    @property
    def remaining_dims(self) -> tuple[str, ...]:
        """The dimensions of what the site selects: those in which a single unit or position was named are gone."""
        dims = self.kind.dims
        gone = {self.kind.unit} if isinstance(self.unit, int) else set()
        if isinstance(self.pos, Edge):
            gone |= {dim for dim in ("query", "key") if isinstance(getattr(self.pos, dim), int)}
        elif isinstance(self.pos, int):
            gone |= {"pos", "query"}
        if isinstance(self.feature, int):
            gone.add(dims[-1])
        return tuple(dim for dim in dims if dim not in gone)

    def on(self, layer: int) -> Site:
        """The same site in one layer."""
        return Site(self.name, layer, self.unit, self.pos, self.basis, self.feature, self.path, self.end)

    def each(self, extent: Extent, *dims: str) -> Iterator[Site]:
        """One site for every combination of `dims` ("layer", "head", "pos", …) that `extent` has.

        `extent` is a `Run` (it knows the model and the prompt): `at.z[:].each(run, "layer", "head")`.
        """
        if not hasattr(extent, "indices"):
            raise SiteError(
                f"{extent!r} does not say how many there are: pass a Run of the prompt (or the model, for heads)."
            )
        sites = [self]
        for dim in dims:
            sites = [one for site in sites for one in _along(site, extent, dim)]
        yield from sites

    def each_layer(self, extent: Extent) -> Iterator[Site]:
        """One site for every layer."""
        return self.each(extent, "layer")

    def each_head(self, extent: Extent) -> Iterator[Site]:
        """One site for every layer and head (or key-value head, neuron or expert, whichever the kind has).

        `extent` is a Run or the model: `at.z[:].each_head(model)`.
        """
        if self.kind.unit is None:
            raise SiteError(f"{self} has no heads; sites with heads: q, k, v, q_rot, k_rot, scores, pattern, z, …")
        return self.each(extent, "layer", self.kind.unit)

    def each_position(self, extent: Extent) -> Iterator[Site]:
        """One site for every layer and position of the prompt."""
        return self.each(extent, "layer", "pos") if self.kind.layered else self.each(extent, "pos")

    def __str__(self) -> str:
        if self.name == "module":
            text = f"module({self.path}).{self.end}"
        else:
            text = self.name + "".join(f".{_text(part)}" for part in self._indices())
        text += "" if self.pos is None else f"@{_position_text(self.pos)}"
        if self.basis is None:
            return text
        return f"{text}|{self.basis.name}" + ("" if self.feature is None else f":{_text(self.feature)}")

    def _indices(self) -> list[Selector]:
        if self.layer is None:
            return []
        return [self.layer] if self.unit is None else [self.layer, self.unit]

    def __repr__(self) -> str:
        return f"at({str(self)!r})"


def _text(part: Selector) -> str:
    return listed(part, ",") if isinstance(part, tuple) else str(part)


def _position_text(pos: Position) -> str:
    if isinstance(pos, Edge | Role | Span | int):
        return str(pos)
    return listed(pos, ",")


def _along(site: Site, extent: Extent, dim: str) -> list[Site]:
    if dim not in ("layer", "pos", site.kind.unit):
        raise SiteError(f"{site} has no dimension {dim!r}; it has: layer, {', '.join(site.kind.dims[1:])}.")
    chosen = extent.indices(site, dim)
    if dim == "layer":
        return [replace(site, layer=i) for i in chosen]
    if dim == "pos":
        return [site @ i for i in chosen]
    return [replace(site, unit=i) for i in chosen]
