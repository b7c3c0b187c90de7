"""Backward lens: what a step of gradient descent would write into the MLPs, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch

from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.backward.mlp import MATRICES, terms_of
from innerworks.decode.vocabulary.backward.routed import Routed
from innerworks.decode.vocabulary.backward.terms import Terms
from innerworks.decode.vocabulary.backward.views import with_views
from innerworks.decode.vocabulary.words.found import ENDS, Words, words_of
from innerworks.decode.vocabulary.words.options import at_least_one
from innerworks.decode.vocabulary.words.sides import Logits
from innerworks.errors import MetricError
from innerworks.model.model import Model
from innerworks.model.sites import at, each_once
from innerworks.model.tokens.target_text import TargetText
from innerworks.model.weights.factored import at_least_float32
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, Table, labelled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["backward_lens"]

_WHERE = ("example", "layer", "position")
_NEURONS = ("neuron_pre", "routed_neurons")
"""Of dense layers, and of mixtures."""


@technique(
    title="Backward lens",
    section="4.3.2",
    question="What would a step of gradient descent write into the weights?",
    references=("Katz 2024", "Primer 4.3.2"),
    cost=Cost(forwards=1, backwards=1),
    finish=with_views,
)
def backward_lens(
    model: Model,
    prompts: Prompts,
    *,
    target: Annotated[Any, TargetText, "the token that is to be learned, said after the prompt"] = None,
    layers: Annotated[tuple[int, ...] | None, "whose MLPs; by default all"] = None,
    top: Annotated[int, "how many tokens to list"] = 5,
) -> Result:
    """What a gradient step towards a target would imprint on each MLP's first matrix, and shift its second one to.

    The gradient of -log p(target) with respect to a matrix is a sum over tokens, Σ x_iᵀ δ_i: what came in, times the
    gradient with respect to what came out. A step adds -η times it. In the first matrix ("in", and "gate") the step
    adds each x_i to what neurons read, or takes it off: `…_imprint` are the words of x_i, the stream as the MLP's norm
    gives it, its weight undone. In the second ("out") it shifts what neurons write by -δ_i: `…_shift` are the tokens
    that this raises. `norm` is ‖x_i‖ ‖δ_i‖, the size of each token's term; `gradient` the norm of their sum, whose rank
    is at most the number of tokens; NaN where a layer has no such matrix. `target_shift` is where the target stands
    among the tokens that are raised, in standard deviations. In a mixture `expert` are the experts that a token was
    given to, slot by slot: each has terms of its own, of size `expert_norm`, and `expert_gradient` is the norm of the
    gradient of each expert's matrix; `norm` and `gradient` are those of all experts' matrices together. A token's
    experts share the words of x_i, and those of -δ_i, which the router's weights scale. The matrices of an expert that
    all tokens share are "shared_in", "shared_gate" and "shared_out". A term of 0 has no words: its tokens are -1. Katz
    et al. 2024.

    What misleads: this is the first step of plain gradient descent on one prompt; optimisers that rescale take others.
    The words of a sum are not the sum of words: the largest terms decide, so look at `norm` first. δ of early layers
    speaks to later blocks and not to logits. A target that is predicted already has a gradient near 0, whose words are
    as clear as any.
    """
    at_least_one(top=top)
    if target is None:
        raise MetricError("say what is to be learned: target=' Paris', one token.")
    chosen = _layers(model, layers)
    each = list(target) if isinstance(target, (list, tuple)) else [target] * len(prompts)
    ids = [model.token(one) for one in each]
    terms = terms_of(model, prompts, target, chosen)
    kinds = [name for name in MATRICES if any((layer, name) in terms for layer in chosen)]
    sizes = {name: _each_layer(terms, chosen, name, "norms") for name in kinds}
    whole = torch.stack([_each_layer(terms, chosen, name, "norm") for name in kinds], 1)
    imprint = _words(model, torch.stack([_entering(model, layer, terms[layer, "in"]) for layer in chosen], 1), top)
    shift_vectors = torch.stack([_leaving(model, layer, terms[layer, "out"]) for layer in chosen], 1)
    shift = _words(model, shift_vectors, top)
    shape = shift_vectors.shape[:3]
    coords: dict[str, Any] = {"layer": chosen}
    data = {
        "norm": labelled(
            torch.stack(list(sizes.values()), 1), ("example", "matrix", *_WHERE[1:]), coords={**coords, "matrix": kinds}
        ),
        "gradient": labelled(whole, ("example", "matrix", "layer"), coords={**coords, "matrix": kinds}),
        "target_shift": labelled(_standing(model, shift_vectors, shift, ids), _WHERE, coords=coords),
    }
    for name, words in (("imprint", imprint), ("shift", shift)):
        ends = {**coords, "end": list(ENDS)}
        tokens, scores = (one.reshape(*shape, 2, -1) for one in (words.tokens, words.scores))
        data[f"token_{name}"] = labelled(tokens, (*_WHERE, "end", "rank"), coords=ends)
        data[f"score_{name}"] = labelled(scores, (*_WHERE, "end", "rank"), coords=ends)
        data[f"standing_{name}"] = labelled(words.standing[:, 0].reshape(shape), _WHERE, coords=coords)
    data |= _of_experts(terms, chosen)
    table = _table(model, prompts, chosen, sizes["out"], imprint, shift, terms)
    return Result(data=data, tables={"layers": table}, checks=_checks(whole))


def _layers(model: Model, given: Any) -> list[int]:
    """Layers whose neurons are known: their own, or their experts'."""
    having = [one for one in range(model.n_layers) if any(one in model.layers_with(kind) for kind in _NEURONS)]
    if not having:
        model.anatomy.check(at.routed_neurons[0] if model.anatomy.mixture_layers else at.neuron_pre[0])
    if given is None:
        return having
    chosen = each_once(given, model.n_layers, "layer")
    for layer in chosen:
        model.anatomy.check_layer(_NEURONS[layer in model.anatomy.mixture_layers], layer)
    return chosen


def _each_layer(terms: Mapping[tuple[int, str], Terms | Routed], layers: list[int], name: str, what: str) -> Tensor:
    """The norms of a matrix' terms (or of their sum), [row, layer, …]; NaN where a layer has no such matrix."""
    there = [getattr(terms[layer, name], what) if (layer, name) in terms else None for layer in layers]
    like = next(one for one in there if one is not None)
    return torch.stack([torch.full_like(like, torch.nan) if one is None else one for one in there], 1)


def _of_experts(terms: Mapping[tuple[int, str], Terms | Routed], layers: list[int]) -> dict[str, Any]:
    """Of mixtures: which experts each token was given to, and how large the terms are in each of their matrices."""
    routed = {key: one for key, one in terms.items() if isinstance(one, Routed)}
    if not routed:
        return {}
    mixtures = [layer for layer in layers if (layer, "out") in routed]
    kinds = [name for name in MATRICES if (mixtures[0], name) in routed]
    experts = torch.stack([routed[layer, "out"].experts for layer in mixtures], 1)
    sizes, grads = (
        torch.stack([torch.stack([getattr(routed[layer, name], what) for layer in mixtures], 1) for name in kinds], 1)
        for what in ("by_slot", "by_expert")
    )
    coords: dict[str, Any] = {"layer": mixtures}
    named = {**coords, "matrix": kinds}
    return {
        "expert": labelled(experts, (*_WHERE, "slot"), coords=coords),
        "expert_norm": labelled(sizes, ("example", "matrix", *_WHERE[1:], "slot"), coords=named),
        "expert_gradient": labelled(grads, ("example", "matrix", "layer", "expert"), coords=named),
    }


def _entering(model: Model, layer: int, terms: Terms | Routed) -> Tensor:
    """What the first matrix was given, without the weight and bias of the norm in front."""
    values, norm = at_least_float32(terms.given), model.weights.mlp_norm(layer)
    if norm is None:
        return values
    values = values if norm.beta is None else values - norm.beta.to(values)
    if norm.gamma is None:
        return values
    gamma = norm.gamma.to(values)
    return torch.where(gamma == 0, torch.zeros_like(values), values / torch.where(gamma == 0, 1, gamma))


def _leaving(model: Model, layer: int, terms: Terms | Routed) -> Tensor:
    """Where the second matrix's output is moved, as it comes into the stream."""
    moved, post = -at_least_float32(terms.moved), model.weights.mlp_post(layer)
    return (moved if post is None else post.into_writer(moved)) * model.weights.residual_scale


def _words(model: Model, vectors: Tensor, top: int) -> Words:
    return words_of(Logits(model), vectors.flatten(0, 2), top)


def _standing(model: Model, vectors: Tensor, words: Words, ids: Sequence[int]) -> Tensor:
    """Where each row's target stands among the tokens that vectors [row, layer, position, d] raise."""
    side, rows = Logits(model), []
    shape = vectors.shape[:3]
    mean, deviation = words.mean.reshape(shape), words.deviation.reshape(shape)
    for row, token in enumerate(ids):
        score = side.scores(vectors[row].flatten(0, 1), token, token + 1)[:, 0].reshape(shape[1:])
        rows.append((score - mean[row]) / deviation[row])
    return torch.stack(rows).masked_fill(deviation <= 0, torch.nan)


def _table(
    model: Model,
    prompts: Prompts,
    layers: list[int],
    sizes: Tensor,
    imprint: Words,
    shift: Words,
    terms: Mapping[tuple[int, str], Terms | Routed],
) -> Table:
    """Of every layer, the token whose term is largest in the second matrix."""
    width = prompts.width
    place = sizes.argmax(-1)
    flat = (torch.arange(place.numel()) * width + place.flatten().cpu()).tolist()
    share = sizes.amax(-1) / sizes.sum(-1)
    where = [(row, layer) for row in range(len(prompts)) for layer in range(len(layers))]
    at_place = [int(place[row, layer]) for row, layer in where]
    routed = [terms[layers[layer], "out"] for _, layer in where]
    experts = [
        " ".join(map(str, one.experts[row, place_].tolist())) if isinstance(one, Routed) else ""
        for one, (row, _), place_ in zip(routed, where, at_place, strict=True)
    ]
    return Table(
        {
            "example": [row for row, _ in where],
            "layer": [layers[layer] for _, layer in where],
            "position": at_place,
            "token": [repr(prompts[row].tokens[one]) for (row, _), one in zip(where, at_place, strict=True)],
            "share of norms": share.flatten().tolist(),
            **({"experts": experts} if any(experts) else {}),
            "imprints": imprint[flat].listed(model),
            "shifts to": shift[flat].listed(model),
        }
    )


def _checks(whole: Tensor) -> list[Check]:
    largest = float(whole.max())
    return [Check("largest norm of a matrix' gradient", largest, note="0 where the target is predicted already")]
