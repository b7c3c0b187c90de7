"""Low-rank truncation (LASER): what predictions lose, or gain, where a weight matrix keeps few of its directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, get_args

import torch

from innerworks.data.lifting import Prompts
from innerworks.errors import EditError, SiteError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.metrics import Metric
from innerworks.model.metrics.made import nll
from innerworks.model.model import Model
from innerworks.model.sites import pick
from innerworks.model.weights.low_rank import Ends, LinearMap, TakenApart, rank_of
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["low_rank_truncation"]

_SHARES = (0.01, 0.1, 0.4)
_LISTED = 10


def with_views(result: Result) -> Result:
    """The result with the cuts that move the metric most either way, and pictures."""
    effect = result.data.get("effect_mean", result.data["effect"])
    layers, matrices, shares = (effect[name].values.tolist() for name in ("layer", "matrix", "share"))
    places = [
        (layer, matrix, share)
        for layer in layers
        for matrix in matrices
        for share in shares
        if not bool(effect.sel(layer=layer, matrix=matrix, share=share).isnull())
    ]
    found = {place: float(effect.sel(layer=place[0], matrix=place[1], share=place[2])) for place in places}
    order = sorted(places, key=lambda place: -found[place])
    ends = order if len(order) <= 2 * _LISTED else order[:_LISTED] + order[-_LISTED:]
    clean = result.data.get("clean_mean", result.data["clean"])
    table = Table(
        {
            "layer": [layer for layer, _, _ in ends],
            "matrix": [matrix for _, matrix, _ in ends],
            "share": [share for _, _, share in ends],
            "effect": [found[place] for place in ends],
            "metric": [found[place] + float(clean) for place in ends],
        }
    )
    views = {"cuts": View.table(table, title="Where the metric rises most, and where it falls most")}
    for share in shares:
        grid = effect.sel(share=share).transpose("layer", "matrix")
        views[f"effect_{share:g}"] = View.heatmap(
            grid.values, layers, matrices, row_title="layer", column_title="matrix", label="effect",
            title=f"Change of the metric with {share:.3g} of the directions",
        )  # fmt: skip
    return replace(result, tables={**result.tables, "cuts": table}, views=views)


@technique(
    title="Low-rank truncation",
    section="4.3.2",
    question="Does the model need all directions of a weight matrix, or is it better without most of them?",
    references=("Sharma 2023", "arXiv:2312.13558", "Primer 4.3.2"),
    cost=Cost(forwards="1 for each layer and 1 for each cut, begun at its layer"),
    finish=with_views,
)
def low_rank_truncation(
    model: Model,
    prompts: Prompts,
    *,
    matrices: Annotated[tuple[LinearMap, ...] | None, "which matrices; by default all that the layers have"] = None,
    layers: Annotated[tuple[int, ...] | None, "of which layers; by default all"] = None,
    shares: Annotated[Sequence[float], "which shares of its singular directions a matrix keeps"] = _SHARES,
    keep: Annotated[Ends, "which directions it keeps: the largest singular values, or the smallest"] = "largest",
    metric: Annotated[Metric | None, "what is measured: the prompt's own loss, a task's metric, or another"] = None,
    progress: Progress = None,
) -> Result:
    """What a prediction becomes when one weight matrix is cut to a low rank (LASER), for each layer, matrix and share.

    W = U S Vᵀ is replaced by its best approximation of rank ⌈ρ min(d_in, d_out)⌉, ρ one of `shares`; biases stay. "q",
    "k", "v" and "o" are those of all heads together, and "neuron_out" of a mixture that of every expert, each cut to
    the same share (shared experts stay as they are). `metric` [layer, matrix, share] is what is measured with one
    matrix cut and all others whole, `effect` that less its value in the model as it is (`clean`), NaN where a layer
    has no such matrix; `rank` and `kept`, the share of the squared norm that is left, say what the cut is. The weights
    are not touched: x W_ρ is what the matrix gives without what lies along the other singular vectors, which is an
    edit. `model.with_edits(*model.weights.low_rank(layer, matrix, share=…))` is the cut model, to generate with and to
    cut on. With `keep="smallest"` the strongest directions are left out instead. Sharma et al. 2023 (LASER:
    layer-selective rank reduction), who find late MLPs whose weakest directions stand in the way of answers.

    What misleads: of very many cuts the best looks good by chance, so choose on some prompts and measure on others. A
    prompt's gain is often another's loss. Small singular values are not noise because they are small: with inputs that
    lie along them they do the most. In half precision what is left out is worked out in float32.
    """
    chosen, names, shares = _asked(model, layers, matrices, shares)
    model.weights.check_finite(chosen)
    found: list[list[list[Tensor]]] = []
    cuts: dict[tuple[int, LinearMap], dict[str, Any]] = {}
    clean, spread = None, 0.0
    with watched(progress, "layers", len(chosen)) as tell:
        for done, layer in enumerate(chosen):
            apart = _apart(model, layer, names)
            variants = {
                (name, share): [edit for part in parts for edit in part.cut(rank_of(share, part.full), keep)]
                for name, parts in apart.items()
                for share in shares
            }
            swept = model.sweep(list(prompts), variants, nll() if metric is None else metric, progress=False)
            clean = swept.baseline if clean is None else clean
            gone = torch.full_like(clean, torch.nan)
            found.append([[swept[name, share] if name in apart else gone for share in shares] for name in names])
            cuts |= {(layer, name): _said(parts, shares, keep) for name, parts in apart.items()}
            spread = max(spread, swept.spread)
            tell(done + 1)
    assert clean is not None
    values = torch.stack([torch.stack([torch.stack(row, -1) for row in one], 1) for one in found], 1)
    return _result(values, clean, chosen, names, shares, cuts, spread)


def _asked(model: Model, layers: Any, matrices: Any, shares: Any) -> tuple[list[int], list[LinearMap], list[float]]:
    """Which layers, matrices and shares, each once and each there."""
    given = range(model.n_layers) if layers is None else [layers] if hasattr(layers, "__index__") else layers
    chosen = [pick(one, model.n_layers, "layer")[0] for one in given]
    if matrices is None:
        names = [name for name in get_args(LinearMap) if any(model.weights.can_be_cut(one, name) for one in chosen)]
        if chosen and not names:
            raise SiteError(f"{model.family.model_type} has no matrix in layers {chosen} that can be cut.")
    else:
        names = [matrices] if isinstance(matrices, str) else list(matrices)
    shares = [shares] if isinstance(shares, float) else list(shares)
    for what, asked in (("layers", chosen), ("matrices", names), ("shares", shares)):
        if not asked:
            raise SiteError(f"{what} is empty: name at least one, or leave it out.")
        if len(set(asked)) < len(asked):
            raise EditError(f"{what}={asked}: name each once.")
    for share in shares:
        rank_of(share, 1)
    for name in names:
        if not any(model.weights.can_be_cut(layer, name) for layer in chosen):
            model.weights.taken_apart(chosen[0], name)
    return chosen, names, shares


def _apart(model: Model, layer: int, names: Sequence[LinearMap]) -> dict[LinearMap, list[TakenApart]]:
    """Those of the matrices that a layer has, each taken apart once for all shares."""
    return {name: model.weights.taken_apart(layer, name) for name in names if model.weights.can_be_cut(layer, name)}


def _said(parts: Sequence[TakenApart], shares: Sequence[float], keep: Ends) -> dict[str, Any]:
    """Ranks, shares of the squared norm that are left (of several matrices together), and how exact the factors are."""
    ranks = [rank_of(share, parts[0].full) for share in shares]
    sizes = [float(part.svd.S.double().square().sum()) for part in parts]
    left = [sum(part.kept(rank, keep) * size for part, size in zip(parts, sizes, strict=True)) for rank in ranks]
    whole = sum(sizes)
    return {
        "rank": ranks,
        "kept": [one / whole if whole else 1.0 for one in left],
        "off": max(part.off for part in parts),
    }


def _result(
    values: Tensor,
    clean: Tensor,
    layers: list[int],
    names: list[LinearMap],
    shares: list[float],
    cuts: dict[tuple[int, LinearMap], dict[str, Any]],
    spread: float,
) -> Result:
    where = ("layer", "matrix", "share")
    coords: dict[str, Any] = {"layer": layers, "matrix": names, "share": shares}
    nothing = {"rank": [float("nan")] * len(shares), "kept": [float("nan")] * len(shares)}
    said = {
        part: torch.tensor([[cuts.get((layer, name), nothing)[part] for name in names] for layer in layers])
        for part in nothing
    }
    data = {
        "metric": labelled(values, ("example", *where), coords=coords),
        "effect": labelled(values - clean[:, None, None, None], ("example", *where), coords=coords),
        "clean": labelled(clean, ("example",)),
        **{part: labelled(numbers.double(), where, coords=coords) for part, numbers in said.items()},
    }
    off = max(one["off"] for one in cuts.values())
    checks = [
        Check("matrices less the product of their factors", off, 1e-5, "within", note="of their norms, at the most"),
        Check("spread of the sweep", spread),
    ]
    return Result(data=data, checks=checks)
