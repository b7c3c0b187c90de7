"""`edit`: the functions users call. Each returns a frozen value; nothing happens until a model runs with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from innerworks.errors import EditError
from innerworks.model.edits import values as v
from innerworks.model.edits.draws import Noise, Resample
from innerworks.model.edits.origin import Origin
from innerworks.model.edits.projections import ProjectOut, Swap
from innerworks.model.sites import Edge, Position, Role, Site, at

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "add",
    "call",
    "freeze",
    "freeze_routing",
    "knockout",
    "mean",
    "noise",
    "project_out",
    "resample",
    "scale",
    "set",
    "swap",
    "zero",
]


def _values(site: Site, source: Any) -> tuple[Tensor, bool, Origin | None]:
    """The tensor to use at a site, whether its first dimension is the layer, and whose positions it has.

    A Run gives its own values there.
    """
    import torch

    if hasattr(source, "captured"):
        layered = site.kind.layered and not isinstance(site.layer, int)
        return source[site], layered, _origin(site, source)
    return torch.as_tensor(source), False, None


def _origin(site: Site, run: Any) -> Origin | None:
    """Where a Run's rows stand, for a site that takes all positions along some dimension."""
    if site in run.reduced:
        return None
    ends: dict[str, Any] = {}
    if isinstance(site.pos, Edge):
        ends = {"query": site.pos.query, "key": site.pos.key}
    elif site.pos is not None:
        ends = {"query": site.pos, "pos": site.pos}
    whole = [d for d in site.kind.dims or ("batch", "pos", "d") if d in ("pos", "query", "key") and ends.get(d) is None]
    layout = run.layout
    lengths = tuple(n + more for n, more in zip(layout.lengths, layout.room, strict=True))
    return Origin(layout.starts, lengths, tuple(whole)) if whole else None


def _independent(directions: Any) -> Tensor:
    """Directions as k×d; an error where they are dependent, since their span would come out too large."""
    import torch

    rows = torch.as_tensor(directions)
    rows = rows[None] if rows.dim() == 1 else rows
    if rows.dim() != 2 or torch.linalg.matrix_rank(rows.detach().double()) < rows.shape[0]:
        raise EditError(
            f"directions of shape {tuple(rows.shape)} are not one direction (d) or several independent ones (k×d): "
            "drop those that are zero or follow from the others."
        )
    return rows


def zero(site: Site | str) -> v.Zero:
    """Zero ablation: `edit.zero(at.z[9, 6])`."""
    return v.Zero(at(site))


def set(site: Site | str, value: Any) -> v.Set:
    """Put `value` there: a tensor that broadcasts to what the site selects, or a Run to take its values from."""
    place = at(site)
    tensor, layered, origin = _values(place, value)
    return v.Set(place, value=tensor, layered=layered, origin=origin)


def freeze(site: Site | str, run: Any) -> v.Freeze:
    """Hold a place (all its layers, `at.z[:]`) at the values it had in `run`, whatever is edited before it."""
    place = at(site)
    tensor, layered, origin = _values(place, run)
    return v.Freeze(place, value=tensor, layered=layered, origin=origin)


def freeze_routing(run: Any, *, weights: Literal["frozen", "live"] = "frozen") -> list[v.Freeze]:
    """Send every token to the experts it went to in `run`, whatever else is edited; one edit for each place.

    With `weights="live"` the experts are frozen and their weights are what the router gives them now. Without this
    edit the router decides anew from the edited stream.
    """
    if weights not in ("frozen", "live"):
        raise EditError(f"weights={weights!r}: use 'frozen' or 'live'.")
    layers = tuple(run.anatomy.mixture_layers)
    if not layers:
        raise EditError(f"{run.anatomy.family.model_type} has no routing to freeze: it is not a mixture of experts.")
    places = [at.router_index] if weights == "live" else [at.router_index, at.router_weights]
    return [freeze(place[layer], run) for layer in layers for place in places]


def mean(site: Site | str, source: Any, over: tuple[str, ...] = ("batch",)) -> v.Mean:
    """Mean ablation: the mean of a Run's (or tensor's) values over its rows, or over ("batch", "pos")."""
    place = at(site)
    tensor, layered, origin = _values(place, source)
    dims = ["layer", *place.remaining_dims] if layered else list(place.remaining_dims)
    for dim in over:
        if dim not in dims:
            raise EditError(f"mean over {dim!r}: {place} has the dimensions {', '.join(dims)}.")
    axes = [dims.index(dim) for dim in over]
    origin = _origin_of_mean(origin, over)
    real = _real_tokens(place, source, tensor, dims, over)
    if real is None:
        return v.Mean(place, value=tensor.mean(axes, keepdim=True), layered=layered, origin=origin)
    total = tensor.where(real, 0.0).sum(axes, keepdim=True)
    return v.Mean(place, value=total / real.sum(axes, keepdim=True), layered=layered, origin=origin)


def _origin_of_mean(origin: Origin | None, over: tuple[str, ...]) -> Origin | None:
    """What is left of the positions of values that are averaged."""
    if origin is None:
        return None
    one = origin.drawn([0]) if "batch" in over else origin
    left = tuple(dim for dim in one.dims if dim not in over)
    return Origin(one.starts, one.lengths, left) if left else None


def _real_tokens(place: Site, source: Any, tensor: Tensor, dims: list[str], over: tuple[str, ...]) -> Tensor | None:
    """Which values of a Run with padding are tokens', in the tensor's shape; None where all are."""
    if place.pos is not None or not hasattr(source, "captured") or not source.batch.padded:
        return None
    if "pos" not in over or source.mask.shape[1] != tensor.shape[dims.index("pos")]:
        raise EditError(
            f"the prompts behind {place} have {min(source.batch.lengths)} to {max(source.batch.lengths)} tokens, so "
            'their positions do not correspond: take over=("batch", "pos"), or name positions such as @ -1.'
        )
    shape = [n if dim in ("batch", "pos") else 1 for dim, n in zip(dims, tensor.shape, strict=True)]
    return source.mask.bool().to(tensor.device).reshape(shape).expand(tensor.shape)  # type: ignore[no-any-return]


def resample(site: Site | str, source: Any, seed: int = 0) -> Resample:
    """Resample ablation: each row gets what a row of a Run (or tensor, rows first), drawn by the seed, had there."""
    place = at(site)
    tensor, layered, origin = _values(place, source)
    if layered:
        raise EditError(f"resample takes one layer at a time: use a list of edits, one for each layer of {place}.")
    return Resample(place, bank=tensor, seed=seed, origin=origin)


def noise(site: Site | str, std: float, seed: int = 0) -> Noise:
    """Add Gaussian noise; causal tracing's corruption when put on a subject's embeddings."""
    if not std >= 0:
        raise EditError(f"noise takes a standard deviation of at least 0, got {std!r}.")
    place = at(site)
    if "query" in place.kind.dims:
        raise EditError(
            f"noise on {place} would depend on how prompts are padded: put it on queries or keys (q, k, q_rot, k_rot)."
        )
    return Noise(place, std=float(std), seed=seed)


def add(site: Site | str, value: Any, factor: float = 1.0) -> v.Add:
    """Steering: add `factor` times a vector (or anything that broadcasts)."""
    place = at(site)
    tensor, layered, origin = _values(place, value)
    return v.Add(place, value=tensor, factor=float(factor), layered=layered, origin=origin)


def scale(site: Site | str, factor: Any) -> v.Scale:
    """Multiply by a number, or by a tensor of factors."""
    return v.Scale(at(site), factor=float(factor) if isinstance(factor, (int, float)) else factor)


def project_out(site: Site | str, directions: Any) -> ProjectOut:
    """Remove the part along one direction (d) or several (k×d)."""
    return ProjectOut(at(site), directions=_independent(directions))


def swap(site: Site | str, directions: Any, value: Any) -> Swap:
    """Exchange the part inside a subspace for that of `value` (a tensor or a Run): interchange intervention."""
    place = at(site)
    tensor, layered, origin = _values(place, value)
    return Swap(place, value=tensor, layered=layered, origin=origin, directions=_independent(directions))


def knockout(
    heads: Site | str, query: Position | str | slice | None = None, key: Position | str | slice | None = None
) -> v.Knockout:
    """Cut attention from `query` positions to `key` positions in the heads of `at.pattern[l, h]` (or scores)."""
    place = at(heads)
    if place.name not in ("pattern", "scores"):
        raise EditError(f"knockout takes heads as at.pattern[layer, head], got {place}.")
    pos = place.pos if query is None and key is None else (Site("scores") @ (query, key)).pos
    if pos is None or (isinstance(pos, Edge) and pos.key is None):
        raise EditError("knockout of every key would leave a query nothing to attend to: name key positions.")
    assert not isinstance(pos, Role)
    return v.Knockout(Site("scores", place.layer, place.unit, pos))


def call(site: Site | str, function: Callable[..., Tensor]) -> v.Call:
    """Replace the values by `function(values)` or `function(values, context)`. Cannot be saved."""
    return v.Call(at(site), function=function)
