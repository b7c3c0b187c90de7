"""What to read in a run: sites, resolved to layers, each kept whole, in part, or reduced on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.reduce import Piecewise
from innerworks.model.sites import Edge, Site, at

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.taps import Layout, Session

__all__ = ["Capture", "Reducer", "as_capture"]

Reducer = Callable[["Tensor"], Any]
Capture = Site | str | Iterable[Site | str] | Mapping[Site, Reducer | None]


def as_capture(capture: Any, anatomy: Anatomy) -> dict[Site, Reducer | None]:
    """The concrete sites a user asked for, each with its reducer."""
    if isinstance(capture, (Site, str)):
        capture = [capture]
    named = capture.items() if isinstance(capture, Mapping) else ((site, None) for site in capture)
    found: dict[Site, Reducer | None] = {}
    for site, reducer in named:
        if not isinstance(site, (Site, str)):
            raise SiteError(f"{site!r} is not a site: capture takes sites such as at.z[5] or 'z.5', or a dict of them.")
        if reducer is not None and not callable(reducer):
            raise SiteError(f"{reducer!r} is not a reducer: give a function of the tensor, such as reduce.norm.")
        for one in anatomy.concrete(at(site)):
            found[one] = reducer
    return found


def own(values: Tensor, graph: bool) -> Tensor:
    """A tensor that is the caller's: detached unless a graph was asked for, and not a sliver of a larger one."""
    if values.requires_grad and not graph:
        values = values.detach()
    if values.untyped_storage().nbytes() > values.numel() * values.element_size():
        return values.clone()
    return values


def reduced(reducer: Reducer, values: Tensor, layout: Layout) -> Any:
    """A reducer's answer; one that names positions is told where each row begins."""
    by_row = getattr(reducer, "by_row", None)
    found = reducer(values) if by_row is None else by_row(values, layout.starts, layout.lengths)
    if callable(found):
        raise SiteError(
            f"the reducer {getattr(reducer, '__name__', reducer)!r} gave a function, not an answer: call it first, "
            "as in reduce.mean(1) or reduce.top(5)."
        )
    return found


class Collected:
    """Where the readings of one pass go."""

    def __init__(self, graph: bool) -> None:
        self.graph = graph
        self.tensors: dict[Site, Tensor] = {}
        self.reduced: dict[Site, Any] = {}

    def ask(self, session: Session, wanted: Mapping[Site, Reducer | None]) -> None:
        """Put the readings on a session."""
        for site, reducer in wanted.items():
            reading = _Kept(self, site) if reducer is None else _Reduced(self, site, reducer, session.layout)
            session.read(site, reading)


class _Kept:
    """A site's values, stored; what is selected from a site may come in pieces."""

    def __init__(self, collected: Collected, site: Site) -> None:
        self.collected = collected
        self.site = site
        self.piecewise = site != site.whole
        self.pieces: list[Tensor] = []

    def __call__(self, values: Tensor) -> None:
        self.collected.tensors[self.site] = own(values, self.collected.graph)

    def piece(self, values: Tensor, dim: int) -> None:
        self.pieces.append(own(values, self.collected.graph))

    def finish(self, dim: int) -> None:
        import torch

        self.collected.tensors[self.site] = torch.cat(self.pieces, dim)
        self.pieces.clear()


class _Reduced:
    """A reducer's answer of a site's values, at once or from pieces."""

    def __init__(self, collected: Collected, site: Site, reducer: Reducer, layout: Layout) -> None:
        self.collected = collected
        self.site = site
        self.reducer = reducer
        self.layout = layout
        self.some_keys = isinstance(site.pos, Edge) and site.pos.key is not None
        self.piecewise = self.some_keys or isinstance(reducer, Piecewise)
        self.pieces: list[Any] = []

    def __call__(self, values: Tensor) -> None:
        self.collected.reduced[self.site] = reduced(self.reducer, self._held(values), self.layout)

    def piece(self, values: Tensor, dim: int) -> None:
        if self.some_keys:  # little enough to be put together before it is reduced
            self.pieces.append(own(values, self.collected.graph))
            return
        one = getattr(self.reducer, "piece", None)
        values = self._held(values)
        self.pieces.append(reduced(self.reducer, values, self.layout) if one is None else one(values, dim))

    def finish(self, dim: int) -> None:
        if self.some_keys:
            import torch

            self(torch.cat(self.pieces, dim))
        else:
            assert isinstance(self.reducer, Piecewise)
            self.collected.reduced[self.site] = self.reducer.joined(self.pieces, dim)
        self.pieces.clear()

    def _held(self, values: Tensor) -> Tensor:
        return values if self.collected.graph else values.detach()
