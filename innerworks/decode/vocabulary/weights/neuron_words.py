"""Neurons in words: the tokens that each promotes, and those that it fires for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch

from innerworks.decode.vocabulary.words.found import Words, by_chance, stacked, words_of
from innerworks.decode.vocabulary.words.options import at_least_one, checked_vectors
from innerworks.decode.vocabulary.words.sides import Embeddings, Logits
from innerworks.decode.vocabulary.words.tokens import check_weights
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.model.sites import each_once
from innerworks.model.tokens.target_text import TargetText
from innerworks.model.weights.factored import at_least_float32
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, View, labelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["neuron_words"]


@technique(
    title="Neurons in words",
    section="4.3.2",
    question="Which words does a neuron promote, and which does it fire for?",
    references=("Geva 2021", "Geva 2022a", "Geva 2022b", "Dar 2023", "Primer 4.3.2"),
    cost=Cost(forwards=0),
)
def neuron_words(
    model: Model,
    *,
    layer: Annotated[int, "the MLP's layer"],
    neurons: Annotated[tuple[int, ...] | None, "which neurons; by default those that stand out"] = None,
    direction: Annotated[Any, TargetText, "a token, or a vector of the stream: its strongest neurons are taken"] = None,
    expert: Annotated[int | None, "the expert, in a mixture"] = None,
    count: Annotated[int, "how many neurons to take where none are named"] = 10,
    top: Annotated[int, "how many tokens to list for each"] = 5,
    effective: Annotated[bool, "let tokens go through the first MLP before the neurons read them"] = False,
) -> Result:
    """Which tokens' logits a neuron raises and lowers when it fires, and which tokens' embeddings make it fire.

    `out` is w_out W_U: what a unit of activation adds to logits, up to the division by the final norm's denominator.
    `in` and `gate` are W_E w_in and W_E w_gate, each token divided by the denominator that the MLP's norm has for it
    alone: what the neuron reads of a token with nothing else in the stream, less its bias. `standing` is how far the
    first token is from the mean of all tokens, in standard deviations; the checks say where that of random vectors
    stands. Named neurons are shown in the order given. With `direction` those come first among whose tokens
    the given one stands out most, raised or lowered, or whose writes have the largest cosine with the given vector
    (`along`); with neither, those whose promoted tokens stand out most. `cosine` is between what a neuron reads and
    writes: near -1 it takes out what it finds. Geva et al. 2021, 2022; Dar et al. 2023.

    What misleads: a neuron adds to a stream that is long already, and its words need not come near the top of what is
    predicted. Where activations are negative (GELU's little, a gated MLP's often) it suppresses what is listed as
    promoted. In early layers later blocks read what it writes, and the words may mean nothing. Few neurons have a
    theme; readers find one in any five words, so look at `standing` first.
    """
    check_weights(model, (0, layer) if effective else (layer,))
    at_least_one(count=count, top=top)
    if effective and layer % model.n_layers == 0:
        raise SiteError("effective=True: the MLP of layer 0 reads the embeddings before it has changed them.")
    writes = model.weights.neuron_out(layer, expert=expert, folded=True)
    chosen, aligned = _chosen(model, writes, neurons, direction, count)
    reads = {"in": model.weights.neuron_in(layer, expert=expert)[:, chosen]}
    if _gated(model, layer, expert):
        reads["gate"] = model.weights.gate(layer, expert=expert)[:, chosen]
    norm = model.weights.mlp_norm(layer)
    folded = {
        name: (at_least_float32(one) if norm is None else norm.into_reader(one)).T.to(writes)
        for name, one in reads.items()
    }
    out = writes[chosen]
    found = {"out": words_of(Logits(model), out, top)}
    side = Embeddings(model, norm, effective=effective)
    found |= {name: words_of(side, vectors, top) for name, vectors in folded.items()}
    return _result(model, layer, chosen, found, {"out": out, **folded}, aligned)


def _chosen(model: Model, writes: Tensor, neurons: Any, direction: Any, count: int) -> tuple[list[int], Tensor | None]:
    """The neurons to show, and how much each writes along the direction, where one was given."""
    along = None if direction is None else _along(model, writes, direction)
    if neurons is None:
        strength = words_of(Logits(model), writes, 1).standing[:, 0] if along is None else along.abs()
        chosen = strength.nan_to_num().topk(min(count, len(strength))).indices.tolist()
    else:
        chosen = each_once(neurons, len(writes), "neuron")
    return chosen, None if along is None else along[chosen]


def _along(model: Model, writes: Tensor, given: Any) -> Tensor:
    """How far a token's logit stands out of those that each neuron moves, or its cosine with a vector."""
    if isinstance(given, (str, int)):
        side, token = Logits(model), model.token(given)
        every = words_of(side, writes, 1)
        return (side.scores(writes, token, token + 1)[:, 0] - every.mean) / every.deviation
    vectors = checked_vectors(model, given, "direction")
    if len(vectors) != 1:
        raise SiteError(f"direction has {len(vectors)} vectors: give one.")
    return torch.cosine_similarity(writes, vectors.to(writes), dim=1)


def _gated(model: Model, layer: int, expert: int | None) -> bool:
    return model.weights.neuron(layer, 0, expert=expert).gate is not None


def _result(
    model: Model,
    layer: int,
    chosen: Sequence[int],
    found: dict[str, Words],
    vectors: dict[str, Tensor],
    aligned: Tensor | None,
) -> Result:
    data = stacked(list(found.values()), ("vector", "neuron"), {"vector": list(found), "neuron": list(chosen)})
    cosine = torch.cosine_similarity(vectors["in"], vectors["out"], dim=1)
    lengths = torch.stack([one.norm(dim=1) for one in vectors.values()])
    data["norm"] = labelled(lengths, ("vector", "neuron"), coords={"vector": list(found), "neuron": list(chosen)})
    data["cosine"] = labelled(cosine, ("neuron",), coords={"neuron": list(chosen)})
    columns: dict[str, Any] = {"neuron": list(chosen)}
    if aligned is not None:
        data["along"] = labelled(aligned, ("neuron",), coords={"neuron": list(chosen)})
        columns["along"] = aligned.tolist()
    columns["promotes"] = found["out"].listed(model)
    columns["standing"] = found["out"].standing[:, 0].tolist()
    columns["suppresses"] = found["out"].listed(model, "least")
    columns |= {f"{name} reads": found[name].listed(model) for name in found if name != "out"}
    columns["cosine"] = cosine.tolist()
    table = Table(columns)
    silent = sum(int((one.deviation <= 0).sum()) for one in found.values())
    checks = [
        Check("largest standing of promoted tokens", float(found["out"].standing.abs().max()), note="deviations"),
        *by_chance(Logits(model), vectors["out"]),
        Check("vectors that tell no tokens apart", silent, note="they have no words"),
    ]
    title = f"Neurons of layer {layer % model.n_layers} in words"
    return Result(
        data=data,
        tables={"neurons": table},
        views={"neurons": View.table(table, title=title)},
        checks=checks,
        title=title,
    )
