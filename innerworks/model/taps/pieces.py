"""Showing the scores and the pattern of a long prompt some queries at a time, so that they never exist whole.

A layer is shown in pieces where its whole pattern would be large and nobody needs it whole: every reading names
queries (then only those are worked out), or selects so that its pieces can be put together, or is a reducer that can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from innerworks.model.taps.layout import Columns, Window

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.taps.action import Action
    from innerworks.model.taps.session import Session

__all__ = ["LARGE", "PieceReader", "Pieces"]

LARGE = 64 << 20
"""Bytes of one layer's scores, in float32, from which on they are shown in pieces no larger than that."""


@runtime_checkable
class PieceReader(Protocol):
    """What reads a tensor that may come in pieces along one of its dimensions."""

    piecewise: bool

    def __call__(self, values: Tensor) -> None:
        """Take the whole tensor."""

    def piece(self, values: Tensor, dim: int) -> None:
        """Take the next piece."""

    def finish(self, dim: int) -> None:
        """There are no more pieces."""


@dataclass(frozen=True)
class _Chosen(Window):
    """Columns that are present in a tensor one behind the other, though they are not neighbours."""

    columns: tuple[int, ...] = ()

    def inside(self, columns: Columns, rows: range) -> list[list[int]]:
        """For each row, which entries of the tensor the columns are."""
        place = {column: index for index, column in enumerate(self.columns)}
        return [[place[c] for c in columns.per_row[row] if c in place] for row in rows]


@dataclass(frozen=True)
class Piece:
    """Some queries, numbered within the pass, and what is due at them."""

    queries: tuple[int, ...]
    actions: Mapping[str, Sequence[Action]]
    named: bool


class Pieces:
    """What is to be read of one layer's scores and pattern, piece by piece."""

    def __init__(self, session: Session, actions: Mapping[str, Sequence[Action]]) -> None:
        self.session = session
        self.actions = {place: due for place, due in actions.items() if place in ("scores", "pattern")}
        self.at_once: list[Action] = []

    def plan(self, rows: int, heads: int, queries: int, keys: int) -> list[Piece] | None:
        """The pieces to show; None where scores and pattern are to be shown whole."""
        import torch

        width = rows * heads * keys * 4
        step = max(1, LARGE // width)
        self.at_once = [action for due in self.actions.values() for action in due if _at_once(action, step)]
        pieced = [action for due in self.actions.values() for action in due if action not in self.at_once]
        if width * queries <= LARGE or torch.is_grad_enabled():
            return None
        if not all(a.reader is not None for a in self.at_once) or not all(map(_takes_pieces, pieced)):
            return None
        found = []
        named = self._named(self.at_once, queries)
        if named:
            found.append(Piece(named, self._places(self.at_once), True))
        rest = self._named(pieced, queries) if all("query" in a.columns for a in pieced) else tuple(range(queries))
        places = self._places(pieced)
        return found + [Piece(rest[i : i + step], places, False) for i in range(0, len(rest), step)]

    def _named(self, actions: Sequence[Action], queries: int) -> tuple[int, ...]:
        """The queries of this pass that actions name, in order."""
        offset = self.session.window.offset
        columns = {c - offset for action in actions for row in action.columns["query"].per_row for c in row}
        return tuple(sorted(c for c in columns if 0 <= c < queries))

    def _places(self, chosen: Sequence[Action]) -> dict[str, list[Action]]:
        return {place: [action for action in due if action in chosen] for place, due in self.actions.items()}

    def show(self, piece: Piece, place: str, raw: Tensor) -> Tensor:
        """Read what is due at one place of a piece; nothing is changed."""
        offset = self.session.window.offset
        columns = tuple(query + offset for query in piece.queries)
        window = _Chosen(columns[0], len(columns), columns)
        for action in piece.actions.get(place, ()):
            self.session.read_piece(action, raw, window, whole=piece.named)
        return raw

    def finish(self) -> None:
        """All pieces have been shown."""
        for due in self.actions.values():
            for action in due:
                if action not in self.at_once:
                    assert isinstance(action.reader, PieceReader)
                    action.reader.finish(self.session.query_dim(action))
            self.session.done(due)


def _at_once(action: Action, step: int) -> bool:
    """Whether an action names queries that are few, or not the same ones upwards in every row."""
    columns = action.columns.get("query")
    if columns is None:
        return False
    first = columns.per_row[0]
    alike = all(row == first for row in columns.per_row) and list(first) == sorted(set(first))
    return columns.scalar or not alike or len(first) <= step


def _takes_pieces(action: Action) -> bool:
    return isinstance(action.reader, PieceReader) and action.reader.piecewise
