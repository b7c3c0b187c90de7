"""Attention knockout: what the answer loses when one place can no longer read another, window by window of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import Tensor

from innerworks.data.lifting import Prompts
from innerworks.errors import EditError
from innerworks.localize.components.interventions.answer_metric import OfTheAnswer, answer_metric
from innerworks.localize.components.interventions.windows import windows
from innerworks.localize.components.tracing.cuts import QUERY, cuts_of, is_each, marked
from innerworks.localize.components.tracing.knockout_views import with_views
from innerworks.model import edits as edit
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.metrics import Metric
from innerworks.model.model import Model
from innerworks.model.sites import Site
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, labelled

__all__ = ["attention_knockout"]

Place = int | Sequence[int] | str
"""A position, several, or a role or text of the prompt."""


@technique(
    title="Attention knockout",
    section="3.2.2",
    question="At which layers does the answer's place read the subject?",
    references=("Geva 2023", "arXiv:2304.14767", "Primer 3.2.2"),
    cost=Cost(forwards="layers × cuts, each from its window's first layer"),
    finish=with_views,
)
def attention_knockout(
    model: Model,
    prompts: Prompts,
    *,
    query: Annotated[
        Place | None,
        "what must not look: positions, a role, or a text of the prompt; by default where the answer is read",
    ] = None,
    key: Annotated[Place | Sequence[Place], 'what it must not look at: likewise, several, or "each" position'] = "each",
    window: Annotated[int, "how many layers at once"] = 9,
    heads: Annotated[int | Sequence[int] | None, "which heads are cut; all of them by default"] = None,
    metric: Annotated[OfTheAnswer | Metric | None, "one of the target's, or any; None: a task's own"] = "prob",
    target: Annotated[Any, TargetText, "the answer: a task brings its own, else it is the most likely token"] = None,
    progress: Progress = None,
) -> Result:
    """How much the answer changes when, in each window of layers, some tokens cannot attend to some others.

    In the layers l - window // 2 … around each l the scores of the edges query → key are set to the lowest number there
    is, in all heads or those named, so that the rest of each row takes their share. `change` = m(cut) - m and `ratio` =
    change / m, for each layer l at the centre; `metric` is m(cut), `clean` is m. Each entry of a list of keys is cut by
    itself: ["subject", 0] gives two lines. Geva 2023.

    What misleads: cutting an edge does not cut the path. What the query could have read from the key it may still
    read from later tokens that have read it, so no change does not mean that nothing flowed. A cut hands the attention
    to the other keys, which can do harm by itself: the first token takes up much attention in most models, and cutting
    it breaks more than a flow of information. A window of nine layers smears what one layer does. The tokens of
    a target of several are each predicted at another position, and all of those are the query unless one is named.
    """
    around = windows(model.layers_with("pattern"), window)
    if not around:
        model.anatomy.check(Site("pattern"))
    each = is_each(key)
    cuts = cuts_of(prompts, key)
    measure = answer_metric(model, prompts, metric, target)
    queries = _where_read(model, prompts, measure) if query is None else [query] * len(prompts)
    rows = marked(prompts, queries, cuts, each=each)
    variants = {
        (layer, cut.label): edit.knockout(_heads(model, layers, heads) @ (QUERY, cut.role))
        for layer, layers in around.items()
        for cut in cuts
    }
    with watched(progress, "attention_knockout", len(variants)) as tell:
        swept = model.sweep(rows, variants, measure, progress=lambda done, _: tell(done))
    grid = swept.stacked().reshape(len(around), len(cuts), len(rows)).permute(2, 0, 1)
    labels = None if each else [cut.label for cut in cuts]
    return Result(
        data=_data(swept.baseline, grid, tuple(around), labels),
        checks=[Check("rows without a cut differ between batches by", swept.spread, _tolerance(model, swept.baseline))],
        title=f"Attention cut from {_said(query)} to {', '.join(labels or ['each position'])}",
    )


def _where_read(model: Model, prompts: Prompts, metric: Any) -> list[Any]:
    """Where each prompt's answer is predicted; of a metric that reads all of the prompt, its end."""
    last = model.bind(metric, model.batch(list(prompts))).last
    return [tuple(range(last - prompt.forced, last + 1)) for prompt in prompts]


def _said(query: Any) -> str:
    return "where the answer is read" if query is None else str(query)


def _heads(model: Model, layers: tuple[int, ...], heads: int | Sequence[int] | None) -> Site:
    if heads is None:
        return Site("pattern", layers)
    unit = heads if isinstance(heads, int) else tuple(heads)
    if unit == ():
        raise EditError("heads=[]: name at least one head, or leave it out for all of them.")
    return model.anatomy.check(Site("pattern", layers, unit))


def _tolerance(model: Model, baseline: Tensor) -> float:
    """What a sweep may differ by between batches before it warns."""
    precision = torch.finfo(model.dtype)
    return (1e4 if precision.bits > 16 else 32) * precision.eps * max(1.0, float(baseline.abs().max()))


def _data(clean: Tensor, metric: Tensor, layers: Sequence[int], labels: list[str] | None) -> dict[str, Any]:
    change = metric - clean[:, None, None]
    ratio = change / clean.where(clean != 0, torch.nan)[:, None, None]
    dims = ("example", "layer", "position" if labels is None else "cut")
    coords = {"layer": layers} | ({} if labels is None else {"cut": labels})
    grids = {"metric": metric, "change": change, "ratio": ratio}
    data = {name: labelled(values, dims, coords=coords) for name, values in grids.items()}
    data["ratio"].attrs["weighted_by"] = "clean"  # the mean of ratios is the ratio of means
    return data | {"clean": labelled(clean, ("example",))}
