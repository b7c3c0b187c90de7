"""A `Session`: what to read and edit during one forward pass (or one generation), installed as hooks and removed.

Every hook ends in `process`, which takes a raw tensor and the actions due at that point: first the edits, in
their order, then what is read. A session counts what has happened, so that it can stop the model when nothing is
left to do, and say which site never ran.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from innerworks.errors import NotFiredError
from innerworks.model.edits.values import Context, Edit
from innerworks.model.sites import Site
from innerworks.model.taps.action import Action, columns_of
from innerworks.model.taps.blind_queries import refuse_blind_queries
from innerworks.model.taps.codecs import Codec, Sinks
from innerworks.model.taps.installing import install
from innerworks.model.taps.layout import Layout, UnequalRows, Window
from innerworks.model.taps.patched import Patches
from innerworks.model.taps.pieces import PieceReader
from innerworks.model.taps.points import point_of
from innerworks.model.taps.selection import dropped, entries, positions, stretches
from innerworks.model.taps.written_keys import of_written_keys

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy

__all__ = ["Session", "Stop"]


class Stop(Exception):
    """Raised inside the model when everything asked for has been seen."""


@dataclass
class _Shown:
    """A site's tensor between its codec's read and write: as it was, as it is now, and whether we may write into it."""

    codec: Codec
    before: Tensor
    values: Tensor
    ours: bool = False


class Session:
    """The actions of one call on one model, and where its rows stand."""

    def __init__(self, anatomy: Anatomy, layout: Layout, width: int) -> None:
        anatomy.check_arithmetic()
        self.anatomy = anatomy
        self.layout = layout
        self.entries = layout.rows if layout.packed is None else 1
        self.window = Window(0, width)
        self.actions: list[Action] = []
        self.scratch: dict[Any, Any] = {}
        self.expert_orders: dict[int, Tensor | None] = {}
        self.kept: dict[int, Tensor] = {}
        self.may_stop = False
        self.spared = False
        """In a dry run: whether a pattern was shown whole that a real run would show in pieces."""
        self.first_row = 0
        self.fed = 0
        """How many columns went in so far, where the model itself cannot say."""
        self._waiting = 0
        self._edited: dict[int, set[int] | None] = {}
        self.queries: Window | None = None

    # -- what to do ---------------------------------------------------------------------------------------------

    def read(self, site: Site, reader: Callable[[Tensor], None], *, select: bool = True) -> None:
        """Hand a site's values (or, without `select`, its whole tensor) to `reader`."""
        self._add(Action(site, point_of(site, self.anatomy), reader=reader), select)

    def keep(self, site: Site) -> Action:
        """Keep a site's raw tensor in the autograd graph."""
        return self._add(Action(site, point_of(site, self.anatomy), keep_graph=True), False)

    def edit(self, edit: Edit, rows: range | None = None) -> None:
        """Edit a concrete site, in all rows or some."""
        point = point_of(edit.site, self.anatomy)
        self._add(Action(edit.site, point, edit=edit, rows=rows), True)

    def _add(self, action: Action, select: bool) -> Action:
        action.selects = select
        if select:
            action.columns = columns_of(action.site, self.layout)
        action.whole = not action.columns and action.site.unit is None and action.site.basis is None
        self.actions.append(action)
        return action

    # -- while the model runs -----------------------------------------------------------------------------------

    def begin(self, offset: int, width: int) -> None:
        """A forward pass over columns offset to offset + width is about to start."""
        self.window = Window(offset, width)
        self.scratch.clear()
        self.expert_orders.clear()
        self._edited.clear()

    def process(self, actions: Sequence[Action], raw: Tensor) -> Tensor:
        """Do what is due at one point and give back the tensor that should flow on."""
        dim = self._key_dim(actions[0], raw)
        if dim is None:
            return self._process(actions, raw)
        written = self.window.offset + self.window.width
        sinks = int(isinstance(actions[0].point.codec, Sinks))
        return of_written_keys(lambda shown: self._process(actions, shown), raw, dim, written, sinks)

    def _key_dim(self, action: Action, raw: Tensor) -> int | None:
        """The dimension of a raw tensor that has all keys, those of a cache included."""
        name = action.site.name
        if self.layout.packed is not None:
            return None
        if name in ("scores", "pattern"):
            return raw.dim() - 1
        return raw.dim() - 2 if self.anatomy.sees_past(name) else None

    def _process(self, actions: Sequence[Action], raw: Tensor) -> Tensor:
        first = actions[0]
        if first.whole and first.reader is not None and len(actions) == 1:
            first.reader(first.point.codec.read(raw, self))
            first.fired = True
            self.done(actions)
            return raw
        shown: _Shown | None = None
        edited: dict[int, Tensor] = {}
        for action in actions:
            codec = action.point.codec
            if action.keep_graph:
                raw = self._keep(action, self._flush(shown, raw, edited))
                shown = None
                continue
            if shown is None or shown.codec is not codec:
                raw = self._flush(shown, raw, edited)
                old = edited[id(codec)] if id(codec) in edited else codec.read(raw, self)
                shown = _Shown(codec, old, old)
            if action.edit is not None:
                self._edit(action, action.edit, shown)
            else:
                self._read(action, shown.values)
        raw = self._flush(shown, raw, edited)
        self.done(actions)
        return raw

    def _flush(self, shown: _Shown | None, raw: Tensor, edited: dict[int, Tensor]) -> Tensor:
        if shown is None or shown.values is shown.before:
            return raw
        if shown.codec.derived:
            edited[id(shown.codec)] = shown.values
        new = shown.codec.write(raw, shown.before, shown.values, self).to(raw.dtype)
        if new.stride() != raw.stride():  # the model may take views that only the layout it made allows
            import torch

            new = torch.empty_like(raw, requires_grad=False).copy_(new)
        return new

    def _keep(self, action: Action, raw: Tensor) -> Tensor:
        if action.point.place != "in_place":
            raw = raw.view_as(raw) if raw.requires_grad else raw.detach()
        if not raw.requires_grad and raw.is_floating_point():
            raw.requires_grad_()
        self.kept[id(action)] = raw
        return raw

    def read_piece(self, action: Action, raw: Tensor, queries: Window, *, whole: bool) -> None:
        """Read an action from a part of its tensor that holds some queries: all that it names (`whole`), or a piece."""
        self.queries = queries
        try:
            values = action.point.codec.read(raw, self)
            index = entries(self, action, values, range(self.layout.rows))
        finally:
            self.queries = None
        assert action.reader is not None
        if index is None:
            return
        chosen = action.site.coordinates(values[index] if index else values)
        if whole:
            action.reader(chosen)
        else:
            assert isinstance(action.reader, PieceReader)
            action.reader.piece(chosen, self.query_dim(action))
        action.fired = True

    def query_dim(self, action: Action) -> int:
        """Where queries lie in what an action selects."""
        return action.axes.index("query")

    def _read(self, action: Action, values: Tensor) -> None:
        assert action.reader is not None
        if action.whole:
            action.reader(values)
            action.fired = True
            return
        index = entries(self, action, values, range(self.layout.rows))
        if index is None:
            return
        chosen = values[index] if index else values
        action.reader(action.site.coordinates(chosen))
        action.fired = True

    def _edit(self, action: Action, edit: Edit, shown: _Shown) -> None:
        rows = action.rows if action.rows is not None else range(self.layout.rows)
        try:
            self._edit_rows(action, edit, shown, rows, rows.start)
        except UnequalRows:
            axes = action.axes
            alone = [edit.for_row(i, axes) for i in range(len(rows))]
            if None in alone:
                raise
            for row, one in zip(rows, alone, strict=True):
                self._edit_rows(action, one or edit, shown, range(row, row + 1), rows.start)

    def _edit_rows(self, action: Action, edit: Edit, shown: _Shown, rows: range, first: int) -> None:
        import torch

        current = shown.values
        index = entries(self, action, current, rows)
        if index is None:
            action.fired |= dropped(self, action, current, rows)
            return
        action.fired = True
        self._note_edited(action, rows)
        context = Context(
            action.site.layer if isinstance(action.site.layer, int) else None,
            crc32(f"{action.site.whole}.{action.site.unit}".encode()),
            tuple(r - first + self.first_row for r in rows),
            lambda: positions(self, action, current, rows),
            lambda: stretches(self, action, current, rows),
        )
        if not index:
            new = self._through_basis(action.site, edit, current, context)
            shown.values, shown.ours = (new.clone() if edit.replaces else new), edit.replaces
        else:
            new = current if shown.ours else current.clone()
            chosen = new[index].clone() if torch.is_grad_enabled() else new[index]
            new[index] = self._through_basis(action.site, edit, chosen, context).to(new.dtype)
            shown.values, shown.ours = new, True
        if edit.cuts_attention and not isinstance(shown.codec, Sinks):
            refuse_blind_queries(edit, shown.before, shown.values, self.layout, rows, self.window.offset)

    def _through_basis(self, site: Site, edit: Edit, x: Tensor, context: Context) -> Tensor:
        if site.basis is None:
            return edit.apply(x, context)
        before = site.basis.encode(x)
        where = site.chosen(before.shape[-1])
        if where is None:
            after = edit.apply(before, context)
        else:
            after = before.clone()
            after[..., where] = edit.apply(before[..., where], context)
        return x + (site.basis.decode(after) - site.basis.decode(before)).to(x.dtype)

    def _note_edited(self, action: Action, rows: range) -> None:
        if action.point.place in ("scores", "pattern"):
            key = id(action.point.module)
            entries = {self.layout.batch_entry(r) for r in rows}
            known = self._edited.setdefault(key, set())
            self._edited[key] = None if known is None or len(entries | known) >= self.entries else known | entries

    def edited_entries(self, module: Any) -> list[int] | None:
        """Which batch entries' scores or pattern were edited in this pass: None for all."""
        found = self._edited.get(id(module), set())
        return None if found is None else sorted(found)

    def done(self, actions: Sequence[Action]) -> None:
        """What was due at one point has been done; if that was all, the model may stop."""
        if self.may_stop:
            self._waiting -= len(actions)
            if self._waiting <= 0:
                raise Stop

    def check_fired(self) -> None:
        """Raise if something that was asked for never came to pass."""
        for action in self.actions:
            if not action.fired and not action.keep_graph and not self._still_to_come(action):
                doing = "edited" if action.edit is not None else "read"
                raise NotFiredError(
                    f"{action.site} was to be {doing}, but the model never ran through it "
                    "(another start layer, a skipped expert, or positions outside what was run)."
                )

    def _still_to_come(self, action: Action) -> bool:
        """Whether all that an action names was to be written, so that writing may have ended before."""
        columns = action.columns.get("pos", action.columns.get("query"))
        if not any(self.layout.room) or columns is None:
            return False
        ends = [s + n for s, n in zip(self.layout.starts, self.layout.lengths, strict=True)]
        return all(c >= end for row, end in zip(columns.per_row, ends, strict=True) for c in row)

    def install(self, patches: Patches) -> None:
        """Put the hooks on the model; `patches` takes them off."""
        self._waiting = len(self.actions)
        install(self, patches)
