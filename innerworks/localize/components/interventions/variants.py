"""The single places that a technique tries one after the other, and their answers as arrays again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.errors import SiteError
from innerworks.model.sites import Site, at
from innerworks.results import labelled

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["Grid", "Listing", "Sites", "as_sites", "grid"]

Sites = Site | Sequence[Site]
"""One kind of place, or several."""

Key = Any
"""The numbers of a place along the dimensions of its grid."""


@dataclass(frozen=True)
class Grid:
    """All places of one site, along `dims` such as (layer, head): each number along them, in order."""

    site: Site
    dims: tuple[str, ...]
    along: tuple[tuple[int, ...], ...]

    @property
    def keys(self) -> list[Key]:
        """The numbers of every place."""
        return list(product(*self.along))

    def place(self, key: Key) -> Site:
        """The site of one place, its position left to the caller."""
        site = self.site
        for dim, number in zip(self.dims, key, strict=True):
            if dim == "layer":
                site = site.on(number)
            elif dim != "position":
                site = replace(site, unit=number)
        return site

    def position(self, key: Key) -> int | None:
        """The position of one place; None where all of the site's are meant."""
        return key[self.dims.index("position")] if "position" in self.dims else None

    def array(self, values: Mapping[Key, Tensor]) -> Any:
        """Values [row] by place as [example, …]; NaN where a place has none."""
        shaped = _filled(self.keys, values).reshape(-1, *(len(numbers) for numbers in self.along))
        coords = {d: list(n) for d, n in zip(self.dims, self.along, strict=True) if d != "position"}
        return labelled(shaped, ("example", *self.dims), coords=coords)


@dataclass(frozen=True)
class Listing:
    """Chosen units of one site, in any layers, in the order in which they were chosen; perhaps by position too."""

    site: Site
    units: tuple[tuple[int, int], ...]
    """Layer and unit of each."""
    positions: tuple[int, ...] = ()
    """Those that are gone through one by one; none where all of the site's are meant at once."""

    @property
    def keys(self) -> list[Key]:
        """The units, with each position where these are gone through."""
        if not self.positions:
            return list(self.units)
        return [(*unit, position) for unit in self.units for position in self.positions]

    def place(self, key: Key) -> Site:
        """The site of one unit."""
        return replace(self.site.on(key[0]), unit=key[1])

    def position(self, key: Key) -> int | None:
        """The position of one place; None where all of the site's are meant."""
        return key[2] if self.positions else None

    def array(self, values: Mapping[Key, Tensor]) -> Any:
        """Values [row] by unit as [example, unit, …], the units called as in "5.123"; NaN where a place has none."""
        unit = str(self.site.kind.unit)
        dims, sizes = ["example", unit], [len(self.units)]
        if self.positions:
            dims, sizes = [*dims, "position"], [*sizes, len(self.positions)]
        names = {unit: [f"{layer}.{one}" for layer, one in self.units]}
        return labelled(_filled(self.keys, values).reshape(-1, *sizes), dims, coords=names)


def _filled(keys: Sequence[Key], values: Mapping[Key, Tensor]) -> Any:
    """Values [row] by place as [row, place]; NaN where a place has none."""
    filled = np.full((len(keys), next(iter(values.values())).shape[0]), np.nan)
    for number, key in enumerate(keys):
        if key in values:
            filled[number] = values[key].double().cpu().numpy()
    return filled.T


def as_sites(model: Model, sites: Any) -> list[Site]:
    """What the user named as sites, each of which this model has."""
    listed = [sites] if isinstance(sites, (Site, str)) else sites
    if not isinstance(listed, Iterable) or not (listed := list(listed)):
        raise SiteError(f"sites={sites!r}: name a place, at.resid_post[:] or at.z[:], or a list of them.")
    found = [at(site) for site in listed]
    for site in found:
        if site.kind.layered and site.layer is None:
            raise SiteError(f"{site} is in every layer: write at.{site.name}[:] for all of them, or at.{site.name}[5].")
        model.anatomy.check(site)
    kinds = [site.name for site in found]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice is not None:
        raise SiteError(f"{twice} is named twice: take its layers or heads together, as in at.{twice}[[3, 5]].")
    return found


def grid(model: Model, site: Site, each: Sequence[str] | None, width: int) -> Grid:
    """The places of a site: by layer and position for the stream, by layer and head (or other unit) where there are.

    `each` names the dimensions to go through instead: "layer", "position", and what the kind's units are called.
    """
    unit = site.kind.unit
    usual = ("layer", unit) if unit else ("layer", "position") if site.pos is None else ("layer",)
    each = (each,) if isinstance(each, str) else each
    dims = tuple(each) if each is not None else tuple(dim for dim in usual if dim != "layer" or site.kind.layered)
    known = [dim for dim in ("layer", unit, "position") if dim]
    wrong = next((dim for dim in dims if dim not in known), None)
    if wrong is not None or len(set(dims)) != len(dims):
        raise SiteError(f"each={list(dims)}: {site} can be gone through by {', '.join(known)}, each once.")
    if site.kind.layered and "layer" not in dims and not isinstance(site.layer, int):
        raise SiteError(f"{site} is in several layers, so they are gone through: put 'layer' into each.")
    if "neuron" in dims and site.unit is None:
        raise SiteError(
            f"{site} names every neuron: choose some, as in at.{site.name}[5, [10, 20]], or ask for top=50."
        )
    if "position" in dims and "query" in site.kind.dims:
        raise SiteError(f"{site} has queries and keys and no single positions: name them, as in {site} @ (-1, 3).")
    if "position" in dims and site.pos is not None:
        raise SiteError(f"{site} names positions already: leave out the @ or 'position'.")
    sizes: dict[str, Sequence[int]] = {"position": range(width)}
    if site.kind.layered:
        sizes["layer"] = [one.layer for one in model.anatomy.concrete(site) if isinstance(one.layer, int)]
    if unit and unit in dims:
        sizes[unit] = model.indices(site, unit)
    return Grid(site, dims, tuple(tuple(sizes[dim]) for dim in dims))
