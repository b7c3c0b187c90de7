"""Weights that hold NaN or infinity are named, and reach no decomposition: LAPACK may end the process on them."""

import math

import families
import pytest
import torch

import innerworks as iw
from innerworks.errors import NonFiniteError
from innerworks.model.weights.factored import Factored

IDS = families.ids(1, 7)[0].tolist()
O_PROJ = "model.layers.1.self_attn.o_proj.weight"
ANYWHERE = ("lm_head.weight", "model.embed_tokens.weight", "model.norm.weight")


def damaged(name, value=math.nan):
    """A model in which one row of a parameter is no number."""
    module = families.build("llama")
    with torch.no_grad():
        module.get_parameter(name)[3] = value
    return iw.load(module)


CALLS = {
    "copying_scores": iw.copying_scores,
    "neuron_words": lambda model: iw.neuron_words(model, layer=1),
    "vector_words": lambda model: iw.vector_words(model, vectors=5),
    "qk_words": lambda model: iw.qk_words(model, layer=1, head=0, queries=[5]),
    "singular_words": lambda model: iw.singular_words(model, matrix="unembed"),
    "singular_ov": lambda model: iw.singular_words(model, matrix="ov", layer=1, head=0),
    "effective_embedding": lambda model: iw.effective_embedding(model, tokens=[5]),
    "logit_spectroscopy": lambda model: iw.logit_spectroscopy(model, IDS, bands=4),
    "low_rank_truncation": lambda model: iw.low_rank_truncation(model, IDS, matrices=("o",)),
    "full_ov_circuit": lambda model: iw.full_ov_circuit(model, layer=1, head=0, tokens=[5]),
    "composition": iw.composition,
    "virtual_heads": lambda model: iw.virtual_heads(model, first=(0, 0), second=(1, 0)),
    "direct_path": lambda model: iw.direct_path(model, tokens=[5]),
}


@pytest.mark.parametrize("name", ANYWHERE)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_damaged_weight_outside_the_blocks_is_named(call, name):
    with pytest.raises(NonFiniteError, match=rf"{name} holds \d+ NaN or infinite values: the checkpoint is damaged"):
        call(damaged(name))


@pytest.mark.parametrize(
    "call",
    [
        "copying_scores",
        "neuron_words",
        "qk_words",
        "singular_ov",
        "low_rank_truncation",
        "full_ov_circuit",
        "composition",
        "virtual_heads",
    ],
)
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_damaged_weight_of_the_layer_is_named(call, value):
    with pytest.raises(NonFiniteError, match=f"{O_PROJ} holds"):
        CALLS[call](damaged(O_PROJ, value))


def test_what_a_call_does_not_read_is_not_looked_at():
    model = damaged(O_PROJ)
    assert iw.neuron_words(model, layer=0).tables["neurons"]
    assert iw.vector_words(model, vectors=5).tables["vectors"]
    model.weights.check_finite([0, 2])
    with pytest.raises(NonFiniteError, match=O_PROJ):
        model.weights.check_finite()


@pytest.mark.parametrize(
    "call",
    [
        lambda weights: weights.copying_score(1, 0),
        lambda weights: weights.copying_scores(),
        lambda weights: weights.composition("V"),
        lambda weights: weights.svd(1, "ov", 0),
        lambda weights: weights.svd(1, "o", 0),
        lambda weights: weights.ov(1, 0).norm(),
        lambda weights: weights.ov(1, 0).eigenvalues(),
        lambda weights: weights.low_rank(1, "o", rank=2),
    ],
)
def test_nothing_without_numbers_is_taken_apart(call):
    with pytest.raises(NonFiniteError, match="holds NaN or infinity and cannot be taken apart"):
        call(damaged(O_PROJ).weights)


def test_products_that_overflow_are_told_too():
    large = torch.full((4, 2), 1e30)
    with pytest.raises(NonFiniteError, match="too large for torch.float32"):
        Factored(large, large.T).eigenvalues()
