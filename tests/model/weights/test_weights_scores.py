"""The QK matrix at each distance, held against the scores the model's own attention computed."""

from __future__ import annotations

import dataclasses

import families
import pytest
import torch
import transformers
from opened import HEADS, LAYERS, captured, close, model_of, opened, run_of

from innerworks.errors import AnatomyError, SiteError
from innerworks.model.anatomy import FAMILIES, Anatomy
from innerworks.model.model import Model
from innerworks.model.sites import at
from innerworks.model.weights.rotation import rotation

# Rotary angles, and the norms in front, are float32 in every model.
TOLERANCE = 1e-5
WITH_A_MATRIX = [f for f in families.WITH_MATRICES if f not in families.SLOPES_UNKNOWN | families.NO_QK_MATRIX]


def norm_scales(weights, run, layer, query, key, head):
    """The denominators of the query's and the key's own norm, from the captured projections."""
    record = weights.anatomy.family
    if record.qk_norm is None:
        return None
    scales = []
    for which, position, path in (("q", query, record.qk_norm[0]), ("k", key, record.qk_norm[1])):
        module = weights.anatomy.part(layer, path)
        eps = getattr(module, "eps", None) or module.variance_epsilon
        rows = run[at(which)[layer]][0, position]
        if module.weight.shape[0] == rows.shape[-1]:
            rows = rows[head if which == "q" else head * rows.shape[0] // HEADS]
        scales.append((rows.square().mean() + eps).sqrt().item())
    return tuple(scales)


def predicted(weights, run, layer, head, query, key, folded):
    if folded:
        x, norm = run[at.resid_pre[layer]][0], weights.attn_norm(layer)
        x = x if norm is None else x / norm.scale(x)[..., None]
    else:
        x = run[at.attn_in[layer]][0]
    options = {"folded": folded, "norm_scales": norm_scales(weights, run, layer, query, key, head)}
    matrix = weights.qk(layer, head, query - key, **options)
    bias = weights.qk_bias(layer, head, query - key, **options)
    score = x[query] @ matrix @ x[key] + x[query] @ bias.query + x[key] @ bias.key + bias.constant
    if weights.anatomy.family.alibi:
        # The model adds slope * key, which for one query is the same as -slope * distance.
        slope = weights.alibi_slope(layer, head)
        score = score - slope * (query - key) + slope * query
    cap = weights.score_softcap
    return score if cap is None else cap * torch.tanh(score / cap)


def assert_scores(model, run, layers=range(LAYERS), folded=True):
    compared = 0
    for layer in layers:
        scores = run[at.scores[layer]][0]
        for head in range(HEADS):
            for query, key in [(0, 0), (4, 4), (5, 4), (7, 3), (8, 4), (8, 0)]:
                if scores[head, query, key] > -1e6:
                    found = predicted(model.weights, run, layer, head, query, key, folded)
                    size = scores[head][scores[head] > -1e6].abs().max().item()
                    assert found.item() == pytest.approx(scores[head, query, key].item(), abs=TOLERANCE * size)
                    compared += 1
    assert compared >= 5 * HEADS * len(layers)


@pytest.mark.each_family
@pytest.mark.parametrize("family", WITH_A_MATRIX)
@pytest.mark.parametrize("folded", [False, True])
def test_qk_gives_the_captured_scores(family, folded):
    assert_scores(model_of(family), run_of(family), folded=folded)


def test_distance_matters_in_rotary_models_and_only_there():
    for family in WITH_A_MATRIX:
        weights = model_of(family).weights
        scales = None if weights.anatomy.family.qk_norm is None else (1.0, 1.0)
        near, far = (weights.qk(0, 1, d, norm_scales=scales).dense() for d in (0, 3))
        assert torch.equal(near, far) != weights.anatomy.family.rotary


@pytest.mark.parametrize(
    ("family", "rope"),
    [
        ("llama", {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}),
        ("gpt_oss", {"rope_type": "yarn", "factor": 8.0, "rope_theta": 1e4, "original_max_position_embeddings": 8}),
        ("llama", {"rope_type": "yarn", "factor": 8.0, "rope_theta": 1e4, "original_max_position_embeddings": 8}),
    ],
)
def test_rotation_uses_the_frequencies_and_the_amplitude_the_model_uses(family, rope):
    model = opened(families.build(family, dtype=torch.float64, rope_parameters=rope))
    assert_scores(model, captured(model))
    plain = model_of(family).weights
    assert not torch.allclose(plain.qk(0, 0, 3).eigenvalues().abs(), model.weights.qk(0, 0, 3).eigenvalues().abs())


def test_layers_with_frequencies_of_their_own():
    sizes = {**families.CONFIGS["gemma2"], "attn_logit_softcapping": None, "final_logit_softcapping": None}
    config = transformers.Gemma3TextConfig(
        **sizes, layer_types=["sliding_attention", "full_attention", "sliding_attention"]
    )
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    module = transformers.Gemma3ForCausalLM(config).eval().double()
    record = dataclasses.replace(
        FAMILIES["gemma2"], model_type="gemma3_text", qk_norm=("self_attn.q_norm", "self_attn.k_norm")
    )
    model = Model(module, anatomy=Anatomy(module, record))
    assert_scores(model, captured(model))
    rotary = module.model.rotary_emb
    assert not torch.equal(rotary.sliding_attention_inv_freq, rotary.full_attention_inv_freq)


@pytest.mark.parametrize("divide", [True, False])
def test_score_scale_is_the_attention_modules_own(divide):
    module = families.build("gpt2", dtype=torch.float64, scale_attn_by_inverse_layer_idx=divide)
    model = opened(module)
    expected = [8**-0.5 / (layer + 1 if divide else 1) for layer in range(LAYERS)]
    assert [model.weights.score_scale(layer) for layer in range(LAYERS)] == pytest.approx(expected)
    assert_scores(model, captured(model))


def test_rotary_matrices_need_an_offset():
    with pytest.raises(SiteError, match="query position - key position"):
        model_of("llama").weights.qk(0, 0)
    assert model_of("gpt2").weights.qk(0, 0).shape == (32, 32)


def test_an_offset_beyond_a_models_table_is_refused():
    with pytest.raises(SiteError, match="64 positions"):
        model_of("gptj").weights.qk(0, 0, 64)


@pytest.mark.parametrize("family", ["gptj", "llama", "gpt_neox"])
def test_a_negative_offset_turns_back(family):
    anatomy = model_of(family).anatomy
    rows = torch.randn(7, anatomy.d_head, dtype=torch.float64)
    there = rotation(anatomy, 0, 5)(rows)
    assert not torch.allclose(there, rows)
    close(rotation(anatomy, 0, -5)(there), rows, 1e-6)


@pytest.mark.parametrize("family", ["qwen3", "olmo2"])
def test_normalised_queries_and_keys_are_refused_without_their_scales(family):
    with pytest.raises(SiteError, match=r"not bilinear.*norm_scales"):
        model_of(family).weights.qk(0, 0, 0)


@pytest.mark.each_family
@pytest.mark.parametrize("family", sorted(families.NO_QK_MATRIX))
def test_scores_that_are_no_function_of_the_distance_have_no_matrix(family):
    with pytest.raises(AnatomyError, match="both positions"):
        model_of(family).weights.qk(0, 0, 0, norm_scales=(1.0, 1.0))


@pytest.mark.each_family
@pytest.mark.parametrize("family", sorted(families.SLOPES_UNKNOWN))
def test_slopes_that_are_not_known_are_refused(family):
    with pytest.raises(AnatomyError, match="slopes is not known"):
        model_of(family).weights.alibi_slope(0, 0)


def test_alibi_slopes():
    assert [model_of("bloom").weights.alibi_slope(2, h) for h in range(HEADS)] == [2**-2, 2**-4, 2**-6, 2**-8]
    with pytest.raises(SiteError, match="no ALiBi"):
        model_of("llama").weights.alibi_slope(0, 0)
