"""What to read in a run: sites, resolved to layers, each kept whole, in part, or reduced on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.sites import Site, at

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
            session.read(site, self._reader(site, reducer, session))

    def _reader(self, site: Site, reducer: Reducer | None, session: Session) -> Callable[[Tensor], None]:
        if reducer is None:

            def keep(values: Tensor) -> None:
                self.tensors[site] = own(values, self.graph)

            return keep

        def reduce(values: Tensor) -> None:
            self.reduced[site] = reduced(reducer, values if self.graph else values.detach(), session.layout)

        return reduce
