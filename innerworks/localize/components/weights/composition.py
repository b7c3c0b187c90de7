"""Composition: which heads read what earlier heads write, from weights alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from innerworks.decode.vocabulary.words.tokens import check_weights
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

if TYPE_CHECKING:
    from innerworks.model.weights import Composition

__all__ = ["composition"]

Kind = Literal["K", "Q", "V"]
Against = Literal["analytic", "sampled"]
_DIMS = ("layer", "head", "later_layer", "later_head")
_READS = {"K": "keys", "Q": "queries", "V": "values"}


@technique(
    title="Composition of heads",
    section="2.2",
    question="Which heads read what earlier heads write?",
    references=("Elhage 2021", "Primer 2.2"),
    cost=Cost(forwards=0),
)
def composition(
    model: Model,
    *,
    kind: Annotated[Kind, "what the later head reads with: K, Q or V"] = "K",
    offset: Annotated[int, "query position less key position, where rotary positions make W_QK depend on it"] = 0,
    baseline: Annotated[
        Against, "random rotations of the same heads (analytic), or random matrices (sampled)"
    ] = "analytic",
    top: Annotated[int, "how many pairs to list"] = 20,
    seed: Annotated[int, "for the sampled baseline"] = 0,
) -> Result:
    """How strongly each head's keys, queries or values read of what each earlier head writes, from weights alone.

    ‖W_OV W_QKᵀ‖, ‖W_OV W_QK‖ or ‖W_OV W_OV'‖ over the product of the two norms (Elhage 2021), norms folded in. `z` says
    how far that is above chance: "analytic" turns one of the two heads at random, which keeps their singular values,
    and takes the squared score, whose deviation is then known exactly; "sampled" draws Gaussian matrices. Pairs are
    ranked by `z`. NaN where the second head is not in a later layer, and where either writes or reads nothing.

    What misleads: scores are small even for heads that compose perfectly (0.13 in a model built by hand), so that only
    ranks mean something. The matrices of a trained model share directions that all heads write to and read from, and
    nearly all its pairs are far above chance. What is written may be read and never matter: patch the path to see.
    """
    if top < 1:
        raise SiteError(f"top={top}: say how many pairs to list, 1 or more.")
    check_weights(model)
    found = model.weights.composition(kind, offset=offset)
    scores = found.scores.double().numpy()
    z, checks = _against_chance(found, baseline, seed)
    ranks = np.full(scores.shape, np.nan)
    order = np.argsort(-z, axis=None, kind="stable")[: int((~np.isnan(z)).sum())]
    ranks.ravel()[order] = np.arange(1, len(order) + 1)
    data = {name: labelled(values, _DIMS) for name, values in (("score", scores), ("z", z), ("rank", ranks))}
    pairs = _listed(data, order[:top])
    later = np.triu(np.ones((model.n_layers, model.n_layers), dtype=bool), 1)[:, None, :, None] & np.ones_like(z, bool)
    silent = int(np.isnan(scores[later]).sum())
    checks.append(Check("pairs in which a head writes or reads nothing", silent, note="their scores are NaN"))
    views = {"pairs": View.table(pairs, title="Strongest pairs"), **_grids(data["z"])}
    title = f"{kind}-composition: what {_READS[kind]} read of earlier heads"
    return Result(data=data, tables={"pairs": pairs}, views=views, checks=checks, title=title)


def _against_chance(found: Composition, baseline: Against, seed: int) -> tuple[Any, list[Check]]:
    """How far the scores are above chance, in standard deviations, and what chance is."""
    if baseline == "analytic":
        note = "root mean square, a head turned at random"
        return found.z.double().numpy(), [Check("score by chance", found.expected, note=note)]
    null = found.sampled(seed=seed)
    return null.z(found.scores).double().numpy(), [
        Check("score by chance", null.mean, note=f"mean of {null.scores.numel()} pairs of random matrices"),
        Check("largest score by chance", float(null.scores.max())),
    ]


def _listed(data: dict[str, Any], order: Any) -> Table:
    layer, head, later_layer, later_head = np.unravel_index(order, data["z"].shape)
    return Table(
        {
            "rank": list(range(1, len(order) + 1)),
            "writes": [f"{a}.{b}" for a, b in zip(layer, head, strict=True)],
            "reads": [f"{a}.{b}" for a, b in zip(later_layer, later_head, strict=True)],
            "score": data["score"].values.ravel()[order],
            "z": data["z"].values.ravel()[order],
        }
    )


def _grids(z: Any) -> dict[str, View]:
    """The strongest pair of every two layers, and all pairs of heads."""
    layers, heads = z.shape[:2]
    lowest = np.where(np.isnan(z.values), -np.inf, z.values).max((1, 3))
    strongest = np.where(np.isinf(lowest), np.nan, lowest)
    names = [f"{layer}.{head}" for layer in range(layers) for head in range(heads)]
    titles = {"row_title": "writes", "column_title": "reads", "label": "z"}
    every = z.values.reshape(layers * heads, layers * heads)
    return {
        "layers": View.heatmap(strongest, range(layers), range(layers), title="Strongest pair by layers", **titles),
        "heads": View.heatmap(every, names, names, title="Every pair of heads", **titles),
    }
