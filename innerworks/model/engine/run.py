"""`Run`: what one pass through the model gave, keyed by site."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from innerworks.errors import NonFiniteError, SiteError
from innerworks.model.sites import Edge, Role, Site, Span, at, pick
from innerworks.model.taps.layout import Layout, Window, index_of

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.batch import Batch

__all__ = ["Run"]


class Run:
    """Captured tensors (or gradients) by site, the logits that were asked for, and the prompts with their mask.

    `run[at.z[5, 3] @ -1]` selects from whatever was captured that contains it; position -1 is each row's last real
    token. A site in several layers gives them stacked, layers first.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        batch: Batch,
        captured: dict[Site, Tensor],
        logits: Tensor | None,
        *,
        reduced: dict[Site, Any] | None = None,
        layout: Layout | None = None,
        locate_nonfinite: Any = None,
        output_ids: Tensor | None = None,
        kept: Any = "all",
    ) -> None:
        self.anatomy = anatomy
        self.batch = batch
        self.captured = captured
        self.reduced = reduced or {}
        self.layout = layout or batch.layout
        self.output_ids = output_ids
        self.kept = kept
        self._logits = logits
        self._locate_nonfinite = locate_nonfinite

    @property
    def mask(self) -> Tensor:
        """1 where a token is real, 0 where it is padding."""
        return self.batch.mask

    @property
    def logits(self) -> Tensor:
        """The logits asked for, (rows, positions, vocabulary); an error if they hold NaN or were not asked for."""
        if self._logits is None:
            raise SiteError("this run computed no logits: ask with logits='all', 'last', or positions.")
        if self._locate_nonfinite is not None and bool(self._logits.isnan().any()):
            raise NonFiniteError(self._locate_nonfinite())
        return self._logits

    @property
    def has_logits(self) -> bool:
        """Whether logits were asked for."""
        return self._logits is not None

    def __contains__(self, site: object) -> bool:
        if not isinstance(site, (Site, str)):
            return False
        try:
            self[at(site)]
        except SiteError:
            return False
        return True

    def __iter__(self) -> Iterator[Site]:
        yield from self.captured
        yield from self.reduced

    def __len__(self) -> int:
        return len(self.captured) + len(self.reduced)

    def __getitem__(self, site: Site | str) -> Any:
        place = at(site)
        many = place.kind.layered and not isinstance(place.layer, int)
        found = [self._checked(self._one(one)) for one in self.anatomy.concrete(place)]
        if not many:
            return found[0]
        import torch

        return torch.stack(found) if isinstance(found[0], torch.Tensor) else found

    def _checked(self, values: Any) -> Any:
        """The values, or an error that says where the model first went astray if they hold NaN."""
        numbers = getattr(values, "is_floating_point", lambda: False)()
        if self._locate_nonfinite is not None and numbers and bool(values.isnan().any()):
            raise NonFiniteError(self._locate_nonfinite())
        return values

    def _one(self, site: Site) -> Any:
        if site in self.reduced:
            return self.reduced[site]
        if site in self.captured:
            return self.captured[site]
        return self._within(site)

    def _within(self, site: Site) -> Tensor:
        """Select from a captured tensor that contains the site."""
        for held in (site.whole, dataclasses.replace(site, pos=None), dataclasses.replace(site, unit=None)):
            if held in self.captured and (held.basis is None or held.basis is site.basis):
                return self._select(_less(site, held), self.captured[held], _left(held))
        raise SiteError(f"{site} was not captured. This run holds: {_listed(self)}. Add it to capture=[...].")

    def _select(self, site: Site, values: Tensor, left: tuple[str, ...]) -> Tensor:
        """What a site still selects from a tensor that has the dimensions `left`."""
        dims = left or ("batch", "pos", "d")[: values.dim()]
        windows: dict[str, Window] = {
            d: Window(0, values.shape[dims.index(d)]) for d in ("pos", "query", "key") if d in dims
        }
        if isinstance(site.pos, Edge):
            ends: dict[str, Any] = {"query": site.pos.query, "key": site.pos.key}
        else:
            ends = {"query" if "query" in dims else "pos": site.pos}
        found = {dim: self.layout.columns(selector) for dim, selector in ends.items()}
        columns = {dim: chosen for dim, chosen in found.items() if chosen is not None}
        if columns or site.unit is not None:
            rows = range(self.layout.rows)
            index = index_of(site, dims, values.shape, self.layout, rows, columns, windows, values.device)
            assert index is not None
            values = values[index]
        return site.coordinates(values)

    def indices(self, site: Site, dim: str) -> list[int]:
        """The layers, heads or positions a site covers here (see `Site.each`)."""
        if dim == "layer":
            return [one.layer for one in self.anatomy.concrete(site) if isinstance(one.layer, int)]
        if dim == "pos":
            return self._positions(site)
        size = self.anatomy.size(dim, site.name)
        return pick(site.unit if site.unit is not None else Span(), size, dim)

    def _positions(self, site: Site) -> list[int]:
        lengths = set(self.batch.lengths)
        if len(lengths) > 1:
            raise SiteError(
                f"the prompts have {min(lengths)} to {max(lengths)} tokens: name positions, or take one prompt."
            )
        chosen = site.pos if site.pos is not None else Span()
        if isinstance(chosen, Edge):
            raise SiteError("each_position works on sites with one position dimension.")
        if isinstance(chosen, Role):
            return list(self.layout.positions(chosen, 0))
        return pick(chosen, lengths.pop(), "position")

    def __repr__(self) -> str:
        shapes = "".join(f"\n  {site}: {tuple(t.shape)}" for site, t in self.captured.items())
        reduced = "".join(f"\n  {site}: reduced" for site in self.reduced)
        logits = "" if self._logits is None else f"\n  logits: {tuple(self._logits.shape)}"
        return f"{type(self).__name__}({len(self.batch)} prompt(s), {self.batch.width} tokens){shapes}{reduced}{logits}"


def _left(held: Site) -> tuple[str, ...]:
    """The dimensions of what a held site selected: those picked by a single number are gone."""
    gone = {held.kind.unit} if isinstance(held.unit, int) else set()
    if isinstance(held.pos, int):
        gone.add("query" if "query" in held.kind.dims else "pos")
    if isinstance(held.pos, Edge):
        gone |= {d for d, end in (("query", held.pos.query), ("key", held.pos.key)) if isinstance(end, int)}
    return tuple(d for d in held.kind.dims if d not in gone)


def _listed(sites: Iterable[Site]) -> str:
    """Sites as text, the layers of one kind put together."""
    layers: dict[str, list[str]] = {}
    for site in sites:
        layers.setdefault(str(dataclasses.replace(site, layer=0 if site.kind.layered else None)), []).append(
            str(site.layer)
        )
    shown = []
    for text, numbers in layers.items():
        kind, _, rest = text.partition(".0") if numbers != ["None"] else (text, "", "")
        where = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 2 else ",".join(numbers)
        shown.append(kind if numbers == ["None"] else f"{kind}.{where}{rest}")
    return ", ".join(shown) or "nothing"


def _less(site: Site, held: Site) -> Site:
    """The site without what the held one has already selected."""
    if held.unit == site.unit:
        site = dataclasses.replace(site, unit=None)
    if held.pos == site.pos:
        site = dataclasses.replace(site, pos=None)
    if held.basis is not None:
        site = dataclasses.replace(site, basis=None)
    return site
