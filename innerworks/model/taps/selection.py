"""Where in a tensor an action's selection lies, in the pass that is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.edits.origin import Stretch
from innerworks.model.taps.action import Action
from innerworks.model.taps.layout import Window, index_of

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.taps.session import Session

__all__ = ["dropped", "entries", "positions", "stretches"]


def entries(session: Session, action: Action, values: Tensor, rows: range) -> tuple[Any, ...] | None:
    """The index of what an action selects in some rows; None where that is in another pass."""
    everyone = len(rows) == session.layout.rows and session.entries in (len(rows), 1)
    if not action.columns and action.site.unit is None and everyone:
        return ()
    dims = action.point.dims
    if not dims:
        dims = ("batch", "pos", "d")[: values.dim()]
    windows = _windows(session, action, values)
    if not action.point.dims and action.columns and (values.dim() < 2 or values.shape[1] != session.window.width):
        raise SiteError(
            f"{action.site} selects positions, and this module gives {tuple(values.shape)} where the second "
            f"dimension would have to be the {session.window.width} positions: take it whole."
        )
    site = action.here or action.site
    return index_of(site, dims, values.shape, session.layout, rows, action.columns, windows, values.device)


def _windows(session: Session, action: Action, values: Tensor) -> dict[str, Window]:
    """Which columns a tensor holds, by dimension."""
    dims, window = action.point.dims, session.window
    end = window.offset + window.width
    windows = {"pos": window, "query": session.queries or window}
    if action.point.place == "model":  # while generating, the prompt's pass gives the last logits only
        windows["pos"] = Window(end - values.shape[1], values.shape[1])
    past = session.anatomy.sees_past(action.site.name)
    keys = dims.index("key") if "key" in dims else 1 if past else None
    if keys is not None:
        size = values.shape[keys]
        # A packed row's keys stand behind the prompt's; a cache may have room for more than there is.
        packed = past and session.layout.packed is not None
        span = Window(-session.layout.lengths[0] if packed else max(0, end - size), size)
        windows["pos" if past else "key"] = span
    return windows


def positions(session: Session, action: Action, values: Tensor, rows: range) -> list[list[int]]:
    """The positions of what an action selects, row by row."""
    dims = action.point.dims or ("batch", "pos", "d")
    dim = "query" if "query" in dims else "pos"
    if dim in action.columns:
        found = _windows(session, action, values)[dim].inside(action.columns[dim], rows)
    else:
        size = values.shape[dims.index(dim)]
        found = [list(range(size)) for _ in rows]
    offset = _windows(session, action, values)[dim].offset
    return [
        [session.layout.position_at(row, c + offset) for c in columns] for row, columns in zip(rows, found, strict=True)
    ]


def stretches(session: Session, action: Action, values: Tensor, rows: range) -> list[Stretch]:
    """The dimensions of positions that an action takes whole, and where they begin in each row."""
    layout = session.layout
    unknown = not action.point.dims and (values.dim() < 2 or values.shape[1] != session.window.width)
    if layout.packed is not None or unknown:
        return []
    windows, axes = _windows(session, action, values), action.axes
    dims = action.point.dims or ("batch", "pos", "d")
    lengths = tuple(layout.lengths[row] for row in rows)
    return [
        Stretch(
            dim,
            axes.index(dim),
            tuple(windows[dim].offset - layout.starts[row] for row in rows),
            lengths,
            max(layout.lengths),
            any(layout.room),
        )
        for dim in ("pos", "query", "key")
        if dim in dims and dim in axes and dim not in action.columns
    ]


def dropped(session: Session, action: Action, values: Tensor, rows: range) -> bool:
    """Whether an edit names keys that a sliding window's cache has dropped, which no query sees any more."""
    if "key" not in action.columns:
        return False
    first = _windows(session, action, values)["key"].offset
    return all(c < first for row in rows for c in action.columns["key"].per_row[row])
