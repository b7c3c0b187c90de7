"""A `Session`: what to read and edit during one forward pass (or one generation), installed as hooks and removed.

Every hook ends in `process`, which takes a raw tensor and the actions due at that point: first the edits, in
their order, then what is read. A session counts what has happened, so that it can stop the model when nothing is
left to do, and say which site never ran.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from innerworks.errors import BackendError, NotFiredError
from innerworks.model.edits.values import Context, Edit
from innerworks.model.sites import Edge, Site
from innerworks.model.taps.attention import AttentionTap, function_watch
from innerworks.model.taps.codecs import Codec
from innerworks.model.taps.layout import Columns, Layout, Window, index_of
from innerworks.model.taps.patched import Patches
from innerworks.model.taps.points import Place, Point, point_of

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy

__all__ = ["Action", "Session", "Stop"]


class Stop(Exception):
    """Raised inside the model when everything asked for has been seen."""


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
    fired: bool = False
    origin: int = 0


@dataclass
class _Shown:
    """A site's tensor between its codec's read and write: as it was, as it is by now, and whether we may write into it."""

    codec: Codec
    before: Tensor
    values: Tensor
    ours: bool = False


class Session:
    """The actions of one call on one model, and where its rows stand."""

    def __init__(self, anatomy: Anatomy, layout: Layout, width: int) -> None:
        self.anatomy = anatomy
        self.layout = layout
        self.entries = layout.rows if layout.packed is None else 1
        self.window = Window(0, width)
        self.actions: list[Action] = []
        self.scratch: dict[int, Any] = {}
        self.expert_orders: dict[int, Tensor | None] = {}
        self.kept: dict[int, Tensor] = {}
        self.may_stop = False
        self.first_row = 0
        self._waiting = 0
        self._edited: dict[int, set[int] | None] = {}

    # -- what to do ---------------------------------------------------------------------------------------------

    def read(self, site: Site, reader: Callable[[Tensor], None], *, select: bool = True) -> None:
        """Hand a site's values (or, without `select`, its whole tensor) to `reader`."""
        self._add(Action(site, point_of(site, self.anatomy), reader=reader), select)

    def keep(self, site: Site) -> Action:
        """Keep a site's raw tensor in the autograd graph."""
        return self._add(Action(site, point_of(site, self.anatomy), keep_graph=True), False)

    def edit(self, edit: Edit, rows: range | None = None, origin: int = 0) -> None:
        """Edit a concrete site, in all rows or some."""
        point = point_of(edit.site, self.anatomy)
        self._add(Action(edit.site, point, edit=edit, rows=rows, origin=origin), True)

    def _add(self, action: Action, select: bool) -> Action:
        if select:
            action.columns = self._columns(action.site)
        self.actions.append(action)
        return action

    def _columns(self, site: Site) -> dict[str, Columns]:
        if site.pos is None:
            return {}
        if isinstance(site.pos, Edge):
            ends = {"query": site.pos.query, "key": site.pos.key}
        elif "query" in site.kind.dims:
            ends = {"query": site.pos}
        else:
            ends = {"pos": site.pos}
        found = {dim: self.layout.columns(selector) for dim, selector in ends.items()}
        return {dim: columns for dim, columns in found.items() if columns is not None}

    # -- while the model runs -----------------------------------------------------------------------------------

    def begin(self, offset: int, width: int) -> None:
        """A forward pass over columns offset to offset + width is about to start."""
        self.window = Window(offset, width)
        self.scratch.clear()
        self.expert_orders.clear()
        self._edited.clear()

    def process(self, actions: Sequence[Action], raw: Tensor) -> Tensor:
        """Do what is due at one point and give back the tensor that should flow on."""
        shown: _Shown | None = None
        for action in actions:
            if action.keep_graph:
                raw = self._keep(action, self._flush(shown, raw))
                shown = None
                continue
            if shown is None or shown.codec is not action.point.codec:
                raw = self._flush(shown, raw)
                old = action.point.codec.read(raw, self)
                shown = _Shown(action.point.codec, old, old)
            if action.edit is not None:
                self._edit(action, action.edit, shown)
            else:
                self._read(action, shown.values)
        raw = self._flush(shown, raw)
        self._done(actions)
        return raw

    def _flush(self, shown: _Shown | None, raw: Tensor) -> Tensor:
        if shown is None or shown.values is shown.before:
            return raw
        return shown.codec.write(raw, shown.before, shown.values, self).to(raw.dtype)

    def _keep(self, action: Action, raw: Tensor) -> Tensor:
        if action.point.place != "in_place":
            raw = raw.view_as(raw) if raw.requires_grad else raw.detach()
        if not raw.requires_grad and raw.is_floating_point():
            raw.requires_grad_()
        self.kept[id(action)] = raw
        return raw

    def _read(self, action: Action, values: Tensor) -> None:
        assert action.reader is not None
        index = self._index(action, values, range(self.layout.rows))
        if index is None:
            return
        chosen = values[index] if index else values
        action.reader(action.site.coordinates(chosen))
        action.fired = True

    def _edit(self, action: Action, edit: Edit, shown: _Shown) -> None:
        import torch

        current = shown.values
        rows = action.rows if action.rows is not None else range(self.layout.rows)
        index = self._index(action, current, rows)
        if index is None:
            return
        action.fired = True
        self._note_edited(action, rows)
        context = Context(
            action.site.layer if isinstance(action.site.layer, int) else None,
            tuple(r - rows.start + self.first_row for r in rows),
            lambda: self._positions(action, rows, current),
        )
        if not index:
            shown.values, shown.ours = self._through_basis(action.site, edit, current, context), False
            return
        new = current if shown.ours else current.clone()
        chosen = new[index].clone() if torch.is_grad_enabled() else new[index]
        new[index] = self._through_basis(action.site, edit, chosen, context).to(new.dtype)
        shown.values, shown.ours = new, True

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

    def _positions(self, action: Action, rows: range, current: Tensor) -> list[list[int]]:
        dim = next((d for d in ("pos", "query") if d in action.point.dims), None)
        if dim is None:
            return [[0] for _ in rows]
        if dim in action.columns:
            found = self._windows(action, current)[dim].inside(action.columns[dim], rows)
        else:
            size = current.shape[action.point.dims.index(dim)]
            found = [list(range(size)) for _ in rows]
        offset = self._windows(action, current)[dim].offset
        return [[self._position_at(row, c + offset) for c in columns] for row, columns in zip(rows, found, strict=True)]

    def _position_at(self, row: int, column: int) -> int:
        if self.layout.packed is not None:
            return list(self.layout.packed[row]).index(column)
        return column - self.layout.starts[row]

    def _windows(self, action: Action, values: Tensor) -> dict[str, Window]:
        dims, window = action.point.dims, self.window
        end = window.offset + window.width
        windows = {"pos": window, "query": window}
        keys = dims.index("key") if "key" in dims else 1 if action.point.place == "k_rot" else None
        if keys is not None:
            size = values.shape[keys]
            span = Window(max(0, end - size), size)
            windows["pos" if action.point.place == "k_rot" else "key"] = span
        return windows

    def _index(self, action: Action, values: Tensor, rows: range) -> tuple[Any, ...] | None:
        everyone = len(rows) == self.layout.rows and self.entries in (len(rows), 1)
        if not action.columns and action.site.unit is None and everyone:
            return ()
        dims = action.point.dims
        if not dims:
            dims = ("batch", "pos", "d")[: values.dim()]
        windows = self._windows(action, values)
        return index_of(action.site, dims, values.shape, self.layout, rows, action.columns, windows, values.device)

    def _done(self, actions: Sequence[Action]) -> None:
        if self.may_stop:
            self._waiting -= len(actions)
            if self._waiting <= 0:
                raise Stop

    def check_fired(self) -> None:
        """Raise if something that was asked for never came to pass."""
        for action in self.actions:
            if not action.fired and not action.keep_graph:
                doing = "edited" if action.edit is not None else "read"
                raise NotFiredError(
                    f"{action.site} was to be {doing}, but the model never ran through it "
                    "(another start layer, a skipped expert, or positions outside what was run)."
                )

    # -- hooks --------------------------------------------------------------------------------------------------

    def install(self, patches: Patches) -> None:
        """Put the hooks on the model; `patches` takes them off."""
        groups: dict[tuple[int, Place, int], list[Action]] = {}
        for action in self.actions:
            groups.setdefault(action.point.key, []).append(action)
        self._waiting = len(self.actions)
        attention: dict[int, dict[str, list[Action]]] = {}
        for actions in groups.values():
            point = actions[0].point
            codecs: dict[str, Any] = {}
            for action in actions:
                shared = codecs.setdefault(action.site.name, action.point.codec)
                action.point = replace(action.point, codec=shared)
            actions.sort(key=lambda a: 0 if a.edit is not None else 1 if a.keep_graph else 2)
            if point.place in ("q_rot", "k_rot", "scores", "pattern"):
                attention.setdefault(id(point.module), {})[point.place] = actions
            else:
                _HOOKS[point.place](self, patches, point, actions)
        for by_place in attention.values():
            self._install_attention(patches, by_place)
        self._install_inputs(patches)

    def _install_inputs(self, patches: Patches) -> None:
        seen: set[int] = set()
        for action in self.actions:
            for module in action.point.inputs:
                if id(module) in seen:
                    continue
                seen.add(id(module))
                if hasattr(module, "_apply_gate"):
                    _remember_expert_inputs(self, patches, module)
                else:
                    patches.pre_hook(module, _remember_input(self, module))

    def _install_attention(self, patches: Patches, by_place: dict[str, list[Action]]) -> None:
        module = next(iter(by_place.values()))[0].point.module

        def process(place: str, raw: Tensor) -> Tensor:
            actions = by_place.get(place)
            return raw if actions is None else self.process(actions, raw)

        tap = AttentionTap(
            module,
            set(by_place),
            self.anatomy.family.inner_attention,
            process,
            lambda: self.edited_entries(module),
        )
        inside = [a for place in ("scores", "pattern") for a in by_place.get(place, [])]
        tap.needs_gradient = any(a.keep_graph for a in inside)
        tap.install(patches)


def _remember_input(session: Session, module: Any) -> Callable[..., None]:
    def hook(_: Any, args: Any, kwargs: Any) -> None:
        session.scratch[id(module)] = args[0]

    return hook


def _remember_expert_inputs(session: Session, patches: Patches, experts: Any) -> None:
    """Keep which experts were chosen, with what weights, and their neurons."""
    _watch_order(session, patches, experts)

    def around(original: Callable[..., Any], gate_up: Tensor) -> Tensor:
        out: Tensor = original(gate_up)
        chosen, weights = session.scratch[id(experts)][:2]
        session.scratch[id(experts)] = (chosen, weights, out)
        return out

    patches.wrap(experts, "_apply_gate", around)


def _watch_order(session: Session, patches: Patches, experts: Any) -> None:
    """Know in which order the experts' rows will come: by expert when grouped, by token otherwise."""
    how = experts.config._experts_implementation
    if how not in ("grouped_mm", "batched_mm"):
        raise BackendError(
            f"experts run one by one under experts_implementation={how!r}, so their neurons cannot be put in token "
            "order: load the model with experts_implementation='grouped_mm'."
        )

    def hook(_: Any, args: Any, kwargs: Any) -> None:
        import torch

        given = dict(zip(("hidden_states", "top_k_index", "top_k_weights"), args, strict=False))
        chosen = given.get("top_k_index", kwargs.get("top_k_index", kwargs.get("router_indices")))
        weights = given.get("top_k_weights", kwargs.get("top_k_weights", kwargs.get("routing_weights")))
        session.scratch[id(experts)] = (chosen, weights)
        grouped = how == "grouped_mm"
        session.expert_orders[id(experts)] = torch.sort(chosen.reshape(-1))[1] if grouped else None

    patches.pre_hook(experts, hook)


def _hook_input(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    def hook(module: Any, args: Any, kwargs: Any) -> Any:
        raw = args[0] if args else kwargs["hidden_states"]
        new = session.process(actions, raw)
        if new is raw:
            return None
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

    patches.pre_hook(point.module, hook)


def _hook_in_place(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    def hook(module: Any, args: Any, kwargs: Any) -> None:
        raw = args[0] if args else kwargs["hidden_states"]
        new = session.process(actions, raw)
        if new is not raw:
            raw.copy_(new)

    patches.pre_hook(point.module, hook)


def _hook_output(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    element = point.element

    def hook(module: Any, args: Any, output: Any) -> Any:
        if not isinstance(output, tuple):
            new = session.process(actions, output)
            return None if new is output else new
        new = session.process(actions, output[element])
        return None if new is output[element] else (*output[:element], new, *output[element + 1 :])

    patches.post_hook(point.module, hook)


def _hook_model(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    def hook(module: Any, args: Any, output: Any) -> Any:
        new = session.process(actions, output.logits)
        if new is output.logits:
            return None
        output.logits = new
        return output

    patches.post_hook(point.module, hook)


def _hook_router(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    import torch

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def linear(function: Any, inner: Any, options: Any) -> Any:
            return session.process(actions, function(*inner, **options))

        with function_watch((torch.nn.functional.linear,), linear):
            return original(*args, **kwargs)

    patches.wrap(point.module, "forward", around)


def _hook_gate(session: Session, patches: Patches, point: Point, actions: list[Action]) -> None:
    _watch_order(session, patches, point.module)

    def around(original: Callable[..., Any], gate_up: Tensor) -> Tensor:
        return session.process(actions, original(gate_up))

    patches.wrap(point.module, "_apply_gate", around)


_HOOKS: dict[Place, Callable[[Session, Patches, Point, list[Action]], None]] = {
    "input": _hook_input,
    "in_place": _hook_in_place,
    "output": _hook_output,
    "model": _hook_model,
    "router": _hook_router,
    "gate": _hook_gate,
}
