"""Subspace patching: how much of what patching a place does is done by a few directions of it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch

from innerworks.data.lifting import Pairs
from innerworks.localize.components.interventions.baselines import measured
from innerworks.localize.components.patching.subspace_places import Patched, PatchedPlaces, checked, features
from innerworks.localize.components.patching.subspace_spans import as_directions, read_part, reading_matrix
from innerworks.localize.components.patching.subspace_views import with_views
from innerworks.model import edits as edit
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.metrics import Metric
from innerworks.model.model import Model
from innerworks.model.sites import Site
from innerworks.registry import Cost, technique
from innerworks.results import Artifact, Check, Result, labelled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["subspace_patching"]

_PARTS = ("subspace", "complement", "whole")
_READ = "read"
_SHARE = "share of the effect that patching the read part alone has"
_HARDLY = 0.05
"""A score below which there is no effect to explain."""


@technique(
    title="Subspace patching",
    section="3.2.2",
    question="Do these directions carry what this place does?",
    references=("Geiger 2024", "Makelov 2024", "arXiv:2311.17030", "Primer 3.2.2"),
    cost=Cost(forwards="2 + 3 × layers × positions, each from its layer"),
    finish=with_views,
)
def subspace_patching(
    model: Model,
    pairs: Pairs,
    site: Annotated[Site | str, "the place: layers and positions that it does not name are tried one by one"],
    directions: Annotated[Any, Artifact, "what spans the subspace: one direction [d], several [k, d], an artifact"],
    *,
    direction: Annotated[Literal["denoise", "noise"], "clean values into the corrupt run, or the reverse"] = "denoise",
    metric: Annotated[Metric | None, "what is measured; a task brings its own"] = None,
    progress: Progress = None,
) -> Result:
    """How much of a place's effect is in the span of some directions, beside the rest of it and the whole.

    With P the projection on the span, h the values in the run and h' those in the other run, the `part`s put there
    h + P(h' - h) ("subspace"), h + (1 - P)(h' - h) ("complement") and h' ("whole"). `score` is 0 where nothing happens
    and 1 where the other run's metric comes back. For a reading that is linear in h, subspace and complement add up to
    the whole; a random subspace of k of d dimensions has k / d of it on average.

    On MLP neurons there is one matrix W_out that all is read through, so a direction is split into what W_out maps to
    zero and the rest. "read" patches the rest alone; `disconnected` is the share of the directions' squared length that
    is not read. A patch that works, and does not when only the read part is patched, is an illusion: the difference
    between the prompts lies where nobody reads it, and the patch carries it over to a part that is read but does not
    differ between the prompts (Makelov 2024). For other places there is no one such matrix, and nothing is split.

    What misleads: that a subspace has the effect does not mean that the model uses it, as above; a complement with the
    whole effect, too, says that it is not needed. Directions fitted on the same pairs fit them: take others.
    """
    place = checked(model, site)
    span = as_directions(directions, features(model, place), place)
    layers = _layers(model, place)
    everywhere = replace(place, pos=None)
    ends = measured(model, pairs, metric, clean=[everywhere], corrupt=[everywhere])
    denoise = direction == "denoise"
    where = PatchedPlaces(pairs, place, denoise=denoise)
    runs = (ends.corrupt_run, ends.clean_run) if denoise else (ends.clean_run, ends.corrupt_run)
    spans = _spans(model, place, layers, span)
    variants: dict[Hashable, list[Any]] = {}
    for one in where.each(layers, *runs):
        for part, edits in _parts(one, spans[one.layer]).items():
            variants[part, one.layer, one.position] = edits
    with watched(progress, "subspace_patching", len(variants)) as tell:
        swept = model.sweep(where.prompts, variants, metric, progress=lambda done, _: tell(done))
    positions = len(pairs[0].clean) if place.pos is None else None
    values = _grid(swept.found, layers, positions, list(spans[layers[0]]), len(pairs))
    score = (ends.restored if denoise else ends.destroyed)(values.movedim(0, -1)).movedim(-1, 0)
    data = ends.with_ends(_data(place, layers, list(spans[layers[0]]), values, score))
    if _READ in spans[layers[0]]:
        data["disconnected"] = _disconnected(place, layers, spans, len(pairs))
    off = swept.spread / float((ends.clean - ends.corrupt).abs().min())
    checks = [Check("batches differ by, in scores", off, 0.01), *_checks(data["score"], span, place)]
    return Result(data=data, checks=checks, title=f"{len(span)} of {span.shape[1]} dimensions of {place}")


def _layers(model: Model, site: Site) -> list[int | None]:
    """The layers of the site; None alone where it is in none."""
    if not site.kind.layered:
        return [None]
    return [one.layer for one in model.anatomy.concrete(site) if isinstance(one.layer, int)]


def _spans(model: Model, site: Site, layers: Sequence[int | None], span: Tensor) -> dict[int | None, dict[str, Tensor]]:
    """For each layer the directions of each part; the complement is that of the subspace."""
    found: dict[int | None, dict[str, Tensor]] = {}
    for layer in layers:
        found[layer] = dict.fromkeys(_PARTS, span)
        matrix = None if layer is None else reading_matrix(model, site, layer)
        if matrix is not None:
            found[layer][_READ] = read_part(span, matrix)
    return found


def _parts(place: Patched, spans: Mapping[str, Tensor]) -> dict[str, list[Any]]:
    """The edits that put each part of the other run's values there."""
    found: dict[str, list[Any]] = {}
    for part, directions in spans.items():
        rows = directions.to(place.own)
        if part == "whole":
            found[part] = [edit.set(place.site, place.other)]
        elif part == "complement":
            found[part] = [edit.set(place.site, place.other), edit.swap(place.site, rows, place.own)]
        else:
            found[part] = [edit.swap(place.site, rows, place.other)] if len(rows) else []
    return found


def _grid(
    found: Mapping[Any, Tensor], layers: Sequence[int | None], positions: int | None, parts: Sequence[str], rows: int
) -> Tensor:
    """The metric [row, part, layer, position], NaN at positions without a counterpart."""
    columns: list[int | None] = [None] if positions is None else list(range(positions))
    lost = next(iter(found.values())).new_full((rows,), math.nan)
    values = [found.get((part, layer, position), lost) for part in parts for layer in layers for position in columns]
    return torch.stack(values, 1).reshape(rows, len(parts), len(layers), len(columns))


def _data(
    site: Site, layers: Sequence[int | None], parts: Sequence[str], metric: Tensor, score: Tensor
) -> dict[str, Any]:
    """Arrays with the dimensions that the site leaves open."""
    single = {"layer": site.kind.layered is False or isinstance(site.layer, int), "position": site.pos is not None}
    found = {}
    for name, values in (("metric", metric), ("score", score)):
        array = labelled(values, ("example", "part", "layer", "position"), coords={"part": parts})
        gone = [dim for dim, is_single in single.items() if is_single]
        array = array.squeeze(gone)
        found[name] = array if single["layer"] else array.assign_coords(layer=list(layers))
    return found


def _disconnected(
    site: Site, layers: Sequence[int | None], spans: Mapping[int | None, Mapping[str, Tensor]], rows: int
) -> Any:
    shares = []
    for layer in layers:
        span, read = spans[layer]["subspace"], spans[layer][_READ]
        shares.append(1 - float((span @ read.to(span).T).square().sum()) / len(span))
    values = torch.tensor(shares)
    if isinstance(site.layer, int):
        return labelled(values.expand(rows), ("example",))
    return labelled(values.expand(rows, -1), ("example", "layer"), coords={"layer": list(layers)})


def _checks(score: Any, span: Tensor, site: Site) -> list[Check]:
    mean = score.mean("example")
    subspace, complement, whole = (mean.sel(part=part) for part in _PARTS)
    bend = float(abs(subspace + complement - whole).max())
    note = "what a linear reading would have at 0"
    found = [
        Check("a random subspace of this size would have, of a linear effect", len(span) / span.shape[1]),
        Check("subspace and complement miss the whole by", bend, note=note),
    ]
    if _READ not in score["part"]:
        return [
            *found,
            Check(_SHARE, math.nan, note=f"{site.name}: not one matrix reads it"),
        ]
    read = mean.sel(part=_READ)
    strongest = int(abs(subspace).fillna(0).values.argmax())
    effect = float(subspace.values.ravel()[strongest])
    if abs(effect) < _HARDLY:
        return [*found, Check(_SHARE, math.nan, note="the subspace has hardly any effect")]
    left = float(read.values.ravel()[strongest]) / effect
    note = "less is an illusion: the prompts differ where W_out reads nothing, and the patch carries that over"
    return [*found, Check(_SHARE, left, 0.5, "at least", note)]
