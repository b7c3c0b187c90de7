"""Joint ablation: components taken away one after the other, each beside those that are gone already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replaced
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from innerworks.data.lifting import PromptGroups
from innerworks.data.task import Task
from innerworks.errors import SiteError
from innerworks.localize.components.ablation.sweeps import (
    Ablations,
    Swept,
    by_component,
    components_of,
    what_is_measured,
)
from innerworks.localize.components.ablation.views import grids
from innerworks.localize.components.interventions.grid_views import mean_of
from innerworks.localize.components.interventions.replacements import Over, Replacement
from innerworks.localize.components.interventions.variants import Sites
from innerworks.model.engine.progress import Progress
from innerworks.model.metrics import Metric
from innerworks.model.model import Model
from innerworks.model.sites import Site
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

__all__ = ["joint_ablation"]

Towards = Literal["away", "down", "up"]


def _with_views(result: Result) -> Result:
    """The curve beside what single effects would add up to, and the order."""
    lines = {name: mean_of(dict(result.data), name).values for name in ("metric", "single_sum")}
    titles = {"metric": "removed together", "single_sum": "sum of single effects"}
    removed = result.tables["order"]
    curve = View.series(
        {titles[name]: line for name, line in lines.items()},
        x_title="components removed",
        y_title="metric",
        title="The metric as components are removed",
    )
    single = grids(mean_of(dict(result.data), "single"), "effect", "Removed alone")
    return replaced(result, views={"curve": curve, "order": View.table(removed, title="Order"), **single})


@technique(
    title="Joint ablation",
    section="3.2.2",
    question="Which components does the prediction need together, where each alone can be spared?",
    references=("Wang 2023", "McGrath 2023", "Primer 3.2.2"),
    cost=Cost(forwards="about half a forward for each component, step and seed"),
    finish=_with_views,
)
def joint_ablation(
    model: Model,
    prompts: PromptGroups,
    sites: Annotated[Sites | None, "components, such as all heads, z.: ; by default heads, mixers and MLPs"] = None,
    *,
    size: Annotated[int, "how many components to remove"] = 5,
    greedy: Annotated[bool, "look again at every step; otherwise in the order of the single effects"] = True,
    towards: Annotated[Towards, "where the metric is to go: away from what it is, down, or up"] = "away",
    replace: Annotated[Replacement, "what is put in the place of a component's values"] = "mean",
    over: Annotated[Over, "what a mean is over"] = "task",
    reference: Annotated[Any, Task, "prompts or a task to take values from; by default those given"] = None,
    seeds: Annotated[int, "how many draws, for resample and noise"] = 1,
    factor: Annotated[float, "noise, in multiples of the component's own standard deviation"] = 1.0,
    metric: Annotated[Metric | None, "what is measured; a task brings its own"] = None,
    progress: Progress = None,
) -> Result:
    """The metric as components are removed one after the other, at each step the one that moves it farthest.

    Step k removes argmax_c |m(removed ∪ {c}) - m()|, m being the mean metric over examples ("down" and "up" take the
    lowest and the highest m), one sweep a step. `single_sum` is what would be left if each took away what it takes
    alone: m() plus the single effects so far. Where the metric falls far below it, the components stand in for each
    other, which single ablation cannot see.

    What misleads: greedy is not best. Two components that only matter together are never found if neither looks
    promising alone; the set of size k need not be the most harmful of its size. Removing many components takes the
    model far from what it was trained on, most of all with zeros.
    """
    components = components_of(model, sites)
    if not 1 <= size <= len(components):
        raise SiteError(f"size={size}: there are {len(components)} components, so remove 1 to {len(components)}.")
    work = Ablations(model, prompts, components, metric, replace, over, reference, seeds, factor)
    singles = work.sweep({site: [site] for site in components}, "step 1", progress)
    alone = singles.values.mean(-1)
    removed, curve, sweeps = _removed(work, alone, singles, size, greedy, towards, progress)
    effects = (alone - singles.baseline[:, None])[:, [components.index(site) for site in removed]]
    none = torch.zeros_like(effects[:, :1])
    summed = singles.baseline[:, None] + torch.cat([none, effects.cumsum(1)], 1)
    joint, sum_ = float((curve[:, -1] - curve[:, 0]).mean()), float(effects.sum(1).mean())
    numbers = {"removed": list(range(size + 1))}
    return Result(
        data={
            "metric": labelled(curve, ("example", "removed"), coords=numbers),
            "single_sum": labelled(summed, ("example", "removed"), coords=numbers),
            "single": by_component(alone - singles.baseline[:, None], components),
            "baseline": labelled(singles.baseline, ("example",)),
        },
        tables={"order": _order(removed, curve, effects)},
        checks=[
            *Swept(curve[..., None], singles.baseline, sweeps).checks(),
            Check("effect of removing all together", joint),
            Check("sum of their single effects", sum_, note="single ablation sees redundancy where this is smaller"),
        ],
        title=f"Removing {size} components together: {what_is_measured(model, metric)}",
    )


def _removed(
    work: Ablations, alone: Tensor, singles: Swept, size: int, greedy: bool, towards: Towards, progress: Progress
) -> tuple[list[Site], Tensor, list[Any]]:
    """What was removed, in order, and the metric after each step [row, step], the unchanged one first."""
    sites, baseline = list(work.sites), singles.baseline
    if not greedy:
        order = _farthest(alone, baseline, towards).argsort(descending=True, stable=True)[:size].tolist()
        chosen = [sites[number] for number in order]
        swept = work.sweep({step: chosen[:step] for step in range(2, size + 1)}, "joint ablation", progress)
        curve = [baseline[:, None], alone[:, order[:1]], swept.values.mean(-1)]
        return chosen, torch.cat(curve, 1), [*singles.sweeps, *swept.sweeps]
    removed: list[Site] = []
    points, sweeps, values = [baseline], list(singles.sweeps), alone
    left = sites
    for step in range(1, size + 1):
        if step > 1:
            swept = work.sweep({site: [*removed, site] for site in left}, f"step {step} of {size}", progress)
            values, sweeps = swept.values.mean(-1), [*sweeps, *swept.sweeps]
        best = int(_farthest(values, baseline, towards).argmax())
        removed.append(left[best])
        points.append(values[:, best])
        left = [site for site in left if site != removed[-1]]
    return removed, torch.stack(points, 1), sweeps


def _farthest(values: Tensor, baseline: Tensor, towards: Towards) -> Tensor:
    """How far each variant [row, variant] moved the mean metric where it should go, [variant]."""
    moved = values.mean(0) - baseline.mean()
    return moved.abs() if towards == "away" else moved if towards == "up" else -moved


def _order(removed: Sequence[Site], curve: Tensor, effects: Tensor) -> Table:
    mean = curve.mean(0)
    return Table(
        {
            "step": list(range(1, len(removed) + 1)),
            "component": [str(site) for site in removed],
            "metric": mean[1:].numpy(),
            "change": (mean[1:] - mean[:-1]).numpy(),
            "alone": effects.mean(0).numpy(),
        }
    )
