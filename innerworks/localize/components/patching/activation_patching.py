"""Activation patching: what happens to the answer when one place holds what it held after the other prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np

from innerworks.data.lifting import Pairs
from innerworks.data.task import Task
from innerworks.errors import EditError, SiteError
from innerworks.localize.components.approximation.attribution_patching import attribution_patching
from innerworks.localize.components.interventions.baselines import measured
from innerworks.localize.components.interventions.grid_views import with_views
from innerworks.localize.components.interventions.replacements import Over
from innerworks.localize.components.interventions.variants import Grid, Listing, Sites, as_sites, grid
from innerworks.localize.components.patching.single_places import Patching
from innerworks.model.engine.progress import Progress
from innerworks.model.metrics import Metric
from innerworks.model.model import Model
from innerworks.model.sites import Site
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result
from innerworks.results.arrays import joined

__all__ = ["activation_patching"]

Direction = Literal["denoise", "noise", "both"]
Put = Literal["counterpart", "zero", "mean", "resample", "noise"]


@technique(
    title="Activation patching",
    section="3.2.2",
    question="Which places carry what makes the answer right?",
    references=("Vig 2020", "Meng 2022", "Zhang & Nanda 2024", "Heimersheim & Nanda 2024"),
    cost=Cost(forwards="2 + about 0.2 for each place"),
    finish=with_views,
)
def activation_patching(
    model: Model,
    pairs: Pairs,
    sites: Annotated[Sites, "the places to patch, such as resid_post.: or z.:"],
    *,
    direction: Annotated[Direction, "restore clean values (denoise), put others (noise), or both"] = "denoise",
    each: Annotated[tuple[str, ...] | None, "what to go through: layer, head, position; by default what suits"] = None,
    top: Annotated[int | None, "only so many units, those that attribution patching ranks first (for neurons)"] = None,
    put: Annotated[Put, "what noising puts: the other prompt's value, or one that carries nothing"] = "counterpart",
    factor: Annotated[float, "noise, in multiples of the place's own standard deviation"] = 1.0,
    over: Annotated[Over, "what a mean is over"] = "task",
    reference: Annotated[Any, Task, "prompts or a task to take values from; by default the clean prompts given"] = None,
    seeds: Annotated[int, "how many draws, for resample and noise"] = 1,
    metric: Annotated[Metric | None, "what is measured; a task brings its own"] = None,
    progress: Progress = None,
) -> Result:
    """How much of the answer each place carries: run one prompt, with the other prompt's values in that place.

    "denoise" runs the corrupt prompt and restores clean values, score (m - m_corrupt) / (m_clean - m_corrupt): 1 where
    the place is enough for the answer. "noise" runs the clean prompt and puts corrupt values, score
    (m_clean - m) / (m_clean - m_corrupt): 1 where it is needed. Instead of the corrupt prompt's, noising can `put`
    zeros, means, another prompt's values, or noise; `metric_spread` is over several draws. The stream is gone through
    by layer and position, heads by layer and head with all positions at once. The mean score over a task is the score
    of the mean metrics. Vig 2020; Meng 2022; Zhang & Nanda 2024; Heimersheim & Nanda 2024.

    What misleads: the two directions answer different questions, and a place can be enough without being needed where
    others do the same. Only what differs between the prompts is seen: what both need is invisible. A score outside 0
    to 1 is no error, and of a metric that barely differs between the prompts it is mostly noise. The `top` units are
    chosen by an approximation, which can miss some that matter.
    """
    ways = ("denoise", "noise") if direction == "both" else (direction,)
    if put != "counterpart" and ways != ("noise",):
        raise EditError(f"put={put!r} takes something out of the clean run, so it is direction='noise'.")
    chosen = [_places(model, pairs, site, each, top, metric, ways[0]) for site in as_sites(model, sites)]
    wholes = [one.site.whole for one in chosen]
    noised = wholes if "noise" in ways and put == "counterpart" else ()
    ends = measured(model, pairs, metric, clean=wholes if "denoise" in ways else (), corrupt=noised)
    options: dict[str, Any] = {"over": over, "reference": reference, "seeds": seeds, "factor": factor}
    data: dict[str, Any] = {}
    checks: list[Check] = []
    for one in chosen:
        suffix = "" if len(chosen) == 1 else f"_{one.site.name}"
        found = [Patching(model, pairs, ends, one, way, put, options).run(metric, progress, checks) for way in ways]
        for name in found[0]:
            arrays = [arrays[name] for arrays in found]
            data[name + suffix] = arrays[0] if len(ways) == 1 else _side_by_side(arrays, ways)
    return Result(data=ends.with_ends(data), checks=checks, title=f"Activation patching ({direction})")


def _places(
    model: Model, pairs: Pairs, site: Site, each: Sequence[str] | None, top: int | None, metric: Any, way: str
) -> Grid | Listing:
    """The places of a site, or its units that an approximation ranks first."""
    if top is None:
        return grid(model, site, each, len(pairs.clean[0]))
    unit = site.kind.unit
    if unit is None or not site.kind.layered or top < 1:
        raise SiteError(f"top={top} chooses units of all layers, as in at.neurons[:] or at.z[:], and {site} has none.")
    each = (each,) if isinstance(each, str) else each
    if each is not None and set(each) - {"layer", "position"} != {unit}:
        raise SiteError(
            f"each={tuple(each)!r} with top={top}: the {unit}s that are chosen are gone through one by one, so name "
            f"{unit!r}, and 'position' to go through the positions of each too."
        )
    units = pairs.everyone.once(("top", top, site), lambda: _ranked(model, pairs, site, top, metric, way))
    if "position" not in (each or ()):
        return Listing(site, units)
    if site.pos is not None:
        raise SiteError(f"{site} names positions already: leave out the @ or 'position'.")
    return Listing(site, units, tuple(range(len(pairs.clean[0]))))


def _ranked(model: Model, pairs: Pairs, site: Site, top: int, metric: Any, way: str) -> tuple[tuple[int, int], ...]:
    """The layers and units with the largest estimated effects, over all pairs of the call."""
    guessed: Any = attribution_patching
    servings = pairs.everyone.servings
    groups = [(pairs, metric)] if servings is None else ((rows, options["metric"]) for rows, options in servings())
    effects = []
    for rows, measure in groups:
        found = guessed.technique.function(model, rows, site, metric=measure, direction=way, exact=0).data
        effects.append((found["score"] * found["gap"]).sum("example"))
    weights = abs(sum(effects[1:], effects[0]))
    order = np.argsort(-weights.values, axis=None)[:top]
    layers, units = np.unravel_index(order, weights.shape)
    numbers = weights["layer"].values, weights[site.kind.unit].values
    return tuple((int(numbers[0][layer]), int(numbers[1][unit])) for layer, unit in zip(layers, units, strict=True))


def _side_by_side(arrays: Sequence[Any], ways: tuple[str, ...]) -> Any:
    together = joined(arrays, "direction").assign_coords(direction=list(ways))
    return together.transpose("example", "direction", ...)
