"""Units as numbers: which sites are read for them, and which number of a site's tensor each unit is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.data.lifting.asked import content
from innerworks.errors import SiteError
from innerworks.model.sites import Site, at, pick
from innerworks.model.weights.factored import at_least_float32

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["Units", "units_of"]

_VECTORS = ("d", "d_head")
_NO_UNITS = {
    "scores": "a number for every pair of tokens, and not one for a token",
    "pattern": "a number for every pair of tokens, and not one for a token",
    "router_index": "a choice, and not an activation",
    "logits": "what the model says, and no unit of it",
}


@dataclass(frozen=True)
class _Numbers:
    """What is taken of one site's tensor: the length of its vectors, or the numbers in some columns."""

    is_vector: bool
    columns: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """[row, position, number], in at least float32."""
        values = at_least_float32(values)
        if self.is_vector:
            values = values.norm(dim=-1, keepdim=True)
        flat = values[..., None] if values.dim() == 2 else values.flatten(2)
        return flat if len(self.columns) == flat.shape[-1] else flat[..., self.columns.to(flat.device)]


@dataclass(frozen=True)
class Units:
    """Named numbers that every token has, and how a run gives them."""

    labels: tuple[str, ...]
    capture: dict[Site, _Numbers]
    order: Tensor
    """Where each unit is among the numbers of all sites."""
    like: Tensor
    """A number of the type, and on the device, of all of them."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bases(self) -> str:
        """The same for equal numbers in the bases that sites are read through."""
        held: list[Any] = [
            (site.basis.name, getattr(site.basis, "tensors", dict)()) for site in self.capture if site.basis
        ]
        return sha256(repr(content(held)).encode()).hexdigest()[:16] if held else "none"

    def read(self, model: Model, ids: Tensor) -> Tensor:
        """Every unit's activation on every token, [unit, row, position]; the model stops behind the last of them."""
        run = model.run(ids, capture=self.capture, logits=None)
        numbers = [run[site] for site in self.capture]
        together = torch.cat([one.to(numbers[0].device) for one in numbers], -1)
        return together[..., self.order.to(together.device)].permute(2, 0, 1).contiguous()


Key = tuple[Any, ...]
"""What sites have in common that are read at once."""
Where = tuple[Key, int]
"""A column among the numbers of a place."""


@dataclass(frozen=True)
class _Named:
    """One site of a single layer, as it was asked for."""

    site: Site
    units: list[int] | None

    @property
    def key(self) -> Key:
        return (self.site.name, self.site.layer, self.site.path, self.site.end, id(self.site.basis))


@dataclass(frozen=True)
class _Place:
    """One site that is read for all that is asked of it, the units that it shows, and its shape behind positions."""

    site: Site
    units: list[int] | None
    """None where it shows all."""
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, members: Sequence[_Named]) -> _Place:
        """One place for sites of one key."""
        site = replace(members[0].site, feature=None)
        if any(one.units is None for one in members):
            return cls(replace(site, unit=None), None)
        units = sorted({unit for one in members for unit in one.units or []})
        return cls(replace(site, unit=tuple(units)), units)


def units_of(model: Model, given: Any, ids: Tensor) -> Units:
    """The units that sites name, in their order; `ids` is a short row on which their shapes are seen."""
    named = [one for site in _listed(given) for one in _in_each_layer(model, site)]
    groups: dict[Key, list[_Named]] = {}
    for one in named:
        groups.setdefault(one.key, []).append(one)
    places, like = _seen(model, {key: _Place.of(members) for key, members in groups.items()}, ids)
    found: dict[str, Where] = {}
    for one in named:
        for label, column in _columns(one, places[one.key]):
            if label in found:
                raise SiteError(f"{label} is named twice: name each unit once, and each basis in its own way.")
            found[label] = one.key, column
    columns: dict[Key, list[int]] = {key: [] for key in places}
    for key, column in found.values():
        columns[key].append(column)
    capture = {
        place.site: _Numbers(_is_vector(place.site), torch.tensor(sorted(columns[key])))
        for key, place in places.items()
    }
    read = {where: number for number, where in enumerate((key, one) for key in places for one in sorted(columns[key]))}
    return Units(tuple(found), capture, torch.tensor([read[where] for where in found.values()]), like)


def _listed(given: Any) -> list[Site]:
    several = [given] if isinstance(given, (Site, str)) else given
    if not isinstance(several, Iterable) or not (listed := list(several)):
        raise SiteError(f"units={given!r}: name units as sites, such as at.neurons[5, 17] or [at.z[5, 3], at.z[6, 0]].")
    wrong = [one for one in listed if not isinstance(one, (Site, str))]
    if wrong:
        raise SiteError(f"{wrong[0]!r} is not a site: name units as in at.neurons[5, 17], or site.via(direction).")
    return [at(one) for one in listed]


def _in_each_layer(model: Model, site: Site) -> Iterator[_Named]:
    if site.name in _NO_UNITS:
        raise SiteError(f"{site} is {_NO_UNITS[site.name]}: name neurons, heads, or a direction of a stream.")
    if site.pos is not None:
        raise SiteError(f"{site}: every token of the corpus is looked at, so leave out @ and what follows it.")
    if site.unit is not None and site.basis is not None and _unit_dim(site) is None:
        raise SiteError(f"{site}: the basis reads all {site.kind.unit}s together, so leave out which.")
    for one in model.anatomy.concrete(site):
        dim = _unit_dim(one)
        units = None if dim is None or one.unit is None else pick(one.unit, model.anatomy.size(dim, one.name), dim)
        yield _Named(one, units)


def _unit_dim(site: Site) -> str | None:
    """The dimension of the places (heads, neurons, …) that a site has side by side, in its own coordinates."""
    return None if site.basis is not None and site.kind.unit == (*site.kind.dims, None)[-2] else site.kind.unit


def _is_vector(site: Site) -> bool:
    return site.basis is None and (site.name == "module" or site.kind.dims[-1] in _VECTORS)


def _seen(model: Model, places: dict[Key, _Place], ids: Tensor) -> tuple[dict[Key, _Place], Tensor]:
    """The places with the shapes of their tensors, and a number like theirs."""
    run = model.run(ids, capture={place.site: _shape for place in places.values()}, logits=None)
    found: dict[Key, _Place] = {}
    for key, place in places.items():
        site, (shape, _) = place.site, run[place.site]
        if shape[:2] != tuple(ids.shape):
            raise SiteError(f"{site} has shape {shape} on {ids.shape[1]} tokens, and not a number or vector for each.")
        if site.name == "module" and len(shape) != 3:
            raise SiteError(f"{site} has shape {shape}: of modules those are taken that give each token a vector.")
        found[key] = replace(place, shape=shape[2:])
    numbers = [run[place.site][1] for place in places.values()]
    return found, torch.cat([one.to(numbers[0].device) for one in numbers])[:1]


def _shape(values: Tensor) -> tuple[tuple[int, ...], Tensor]:
    return tuple(values.shape), at_least_float32(values.new_zeros(1))


def _columns(named: _Named, place: _Place) -> Iterator[tuple[str, int]]:
    """The label and the column of every unit that a site names."""
    site, bare = named.site, replace(named.site, unit=None, feature=None)
    dim = _unit_dim(site)
    rest = place.shape if dim is None else place.shape[1:]
    inner = 1 if _is_vector(site) or not rest else rest[-1]
    every = range(place.shape[0] if dim is not None else 1) if place.units is None else place.units
    outer = {unit: number for number, unit in enumerate(every)}
    features = range(inner) if site.feature is None else pick(site.feature, inner, "feature")
    for unit in every if named.units is None else named.units:
        own = bare if dim is None else replace(bare, unit=unit)
        for feature in features:
            yield _label(own, feature, inner, is_named=site.feature is not None), outer[unit] * inner + feature


def _label(place: Site, feature: int, inner: int, *, is_named: bool) -> str:
    if place.basis is not None:
        return str(replace(place, feature=feature) if inner > 1 or is_named else place)
    return str(place) if inner == 1 else f"{place} {place.kind.dims[-1]} {feature}"
