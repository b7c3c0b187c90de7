"""Copying scores: which heads raise, or lower, the tokens that they attend to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from innerworks.decode.vocabulary.words.embeddings import embedded
from innerworks.decode.vocabulary.words.options import at_least_one
from innerworks.decode.vocabulary.words.tokens import check_weights
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.model.sites import at
from innerworks.model.weights.copying import score_of
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["copying_scores"]


@technique(
    title="Copying scores",
    section="4.3.2",
    question="Which heads raise the tokens that they attend to?",
    references=("Elhage 2021", "Primer 4.3.2", "Primer 5.1.2"),
    cost=Cost(forwards=0),
)
def copying_scores(
    model: Model,
    *,
    effective: Annotated[bool, "let tokens go through the first MLP before heads read them"] = False,
    top: Annotated[int, "how many heads to list at either end"] = 10,
) -> Result:
    """How much every head raises the logits of the very tokens it attends to, from +1 (copies) to -1 (suppresses).

    `score` is Σ Re λ / Σ |λ| over the eigenvalues λ of the full OV circuit W_E W_OV W_U, which are those of the small
    matrix W_O W_U W_E W_V. `positive` is how many of them have a positive real part; `real` and `imaginary` are the
    eigenvalues, largest first. `centred` is the score without what all tokens share, their mean embedding and what
    raises all logits alike: these can be one large eigenvalue that has nothing to do with copying. A head whose circuit
    is 0 has NaN: it neither copies nor suppresses. Chance is each head's reads with the writes of a head of the next
    layer. Norms are folded in, up to their denominators. With `effective`, W_E + MLP0(norm(W_E)) takes the place of
    W_E; layer 0, which does not read it, is left out. Elhage 2021.

    What misleads: the score is about all tokens alike, and a head may copy only names. Later heads do not read
    embeddings: a head with a score near 0 may copy in prompts, and one near 1 may never attend to what it would copy.
    Whether it attends is the QK circuit's business: a head with an induction pattern can suppress. Where `score` and
    `centred` differ, believe `centred`.
    """
    check_weights(model)
    at_least_one(top=top)
    layers = [layer for layer in model.layers_with("z") if layer or not effective]
    if not model.layers_with("z"):
        model.anatomy.check(at.z[0])
    if not layers:
        raise SiteError("effective=True: only layer 0 has heads, and they read the embeddings themselves.")
    read = partial(embedded, model, effective=True) if effective else None
    core = model.weights.copying_core(layer=layers[0], embeddings=read)
    heads = model.n_heads
    own = core.eigenvalues(model.weights, layers, heads).cpu()
    centred = score_of(core.centred.eigenvalues(model.weights, layers, heads)).cpu()
    chance = [score_of(one.eigenvalues(model.weights, layers, heads, mixed=True)).cpu() for one in (core, core.centred)]
    order = own.abs().nan_to_num().argsort(dim=-1, descending=True, stable=True)
    own = own.gather(-1, order)
    score, coords = score_of(own), {"layer": layers}
    noise = torch.finfo(score.dtype).eps * own.abs().sum(-1, keepdim=True)
    positive = (own.real > noise).sum(-1).to(score).masked_fill(score.isnan(), torch.nan)
    numbers = {
        "score": (score, ()),
        "centred": (centred, ()),
        "positive": (positive, ()),
        "real": (own.real, ("rank",)),
    }
    numbers["imaginary"] = (own.imag, ("rank",))
    data = {name: labelled(values, ("layer", "head", *more), coords=coords) for name, (values, more) in numbers.items()}
    table = _ends(layers, score, centred, positive, top)
    titles = {"row_title": "layer", "column_title": "head", "label": "score"}
    views = {
        "scores": View.heatmap(score, layers, range(heads), title="Copying score", **titles),
        "centred": View.heatmap(centred, layers, range(heads), title="Centred copying score", **titles),
        "heads": View.table(table, title="Heads that copy, and heads that suppress"),
    }
    return Result(data=data, tables={"heads": table}, views=views, checks=_checks(score, chance))


def _ends(layers: list[int], score: Tensor, centred: Tensor, positive: Tensor, top: int) -> Table:
    """The heads with the largest scores, then those with the smallest, each once."""
    flat = score.flatten().double().numpy()
    order = [place for place in np.argsort(-flat, kind="stable") if not np.isnan(flat[place])]
    ends = order if len(order) <= 2 * top else order[:top] + order[-top:]
    heads = score.shape[1]
    columns: dict[str, Any] = {
        "head": [f"{layers[place // heads]}.{place % heads}" for place in ends],
        "score": [float(flat[place]) for place in ends],
        "centred": [float(centred.flatten()[int(place)]) for place in ends],
        "positive eigenvalues": [int(positive.flatten()[int(place)]) for place in ends],
    }
    return Table(columns)


def _checks(score: Tensor, chance: list[Tensor]) -> list[Check]:
    note = "standard deviation of heads that write as one in the next layer does"
    spreads = [
        float(there.std()) if len(there) > 1 else float("nan") for there in (one[~one.isnan()] for one in chance)
    ]
    silent = int(score.isnan().sum())
    return [
        Check("spread of scores by chance", spreads[0], note=note),
        Check("spread of centred scores by chance", spreads[1], note="the same"),
        Check("heads that write nothing to logits", silent, note="their scores are NaN"),
    ]
