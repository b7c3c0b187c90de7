"""Wrong answers that other tools have given without a word, each a test here. Versions are those it was seen in."""

from __future__ import annotations

import pytest
import torch
from hand_hooks import blocks
from hand_tables import POST_NORMS, RESIDUAL_SCALE
from opened_models import at, fresh, model_of, plain, prompt, random_like, spread

from innerworks.errors import BackendError, NotFiredError
from innerworks.model import edits as edit
from innerworks.model import metrics

SEQUENTIAL = ("gpt2", "llama", "opt", "gemma2", "olmo2", "granite", "gpt_neox_sequential")


def near(a, b, factor=1e-5):
    return (a - b).abs().max() <= factor * max(spread(a), spread(b))


@pytest.mark.parametrize("family", SEQUENTIAL)
def test_writing_the_mid_stream_reaches_the_skip_path(family):
    """TransformerLens 4.3: writing hook_resid_mid changed what the MLP reads and left the skip path as it was."""
    model = model_of(family)
    value = random_like(model.run(prompt(), capture=[at.resid_mid[2]])[at.resid_mid[2]])
    run = model.run(prompt(), edits=[edit.set(at.resid_mid[2], value)], capture=[at.mlp_out[2], at.resid_post[2]])
    assert near(run[at.resid_post[2]], value + run[at.mlp_out[2]])


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["opt", "gptj", "bloom", "gpt_neo", "xglm"])
def test_scores_are_not_the_pattern(family):
    """TransformerLens 4.3: on OPT, GPT-J and GPT-Neo hook_attn_scores was the pattern, bit for bit."""
    run = model_of(family).run(prompt(), capture=[at.scores[1], at.pattern[1]])
    assert not near(run[at.scores[1]].clamp(min=-1e4), run[at.pattern[1]], 0.1)
    assert near(run[at.scores[1]].softmax(-1), run[at.pattern[1]])


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["opt", "gptj", "bloom", "gpt_neo", "xglm"])
def test_edits_of_scores_and_pattern_act(family):
    """TransformerLens 4.3: on OPT, GPT-J, GPT-Neo and XGLM edits of scores and pattern hooks changed nothing."""
    model = model_of(family)
    expected = model.run(prompt(), edits=[edit.zero(at.z[1, 2] @ -1)]).logits
    assert near(model.run(prompt(), edits=[edit.zero(at.pattern[1, 2] @ (-1, None))]).logits, expected)
    sharper = model.run(prompt(), edits=[edit.scale(at.scores[1, 2], 3.0)]).logits
    assert not near(sharper, plain(model, prompt()), 1e-3)


def test_looking_at_weights_leaves_gpt_oss_as_it_is():
    """TransformerLens 4.3: enable_compatibility_mode() folded gpt-oss so that log-probabilities moved by up to 3."""
    model = fresh("gpt_oss")
    before = {name: p.clone() for name, p in model.module.named_parameters()}
    expected = plain(model, prompt())
    assert model.weights is not None
    assert torch.equal(model.run(prompt()).logits, expected)
    assert all(torch.equal(before[name], p) for name, p in model.module.named_parameters())


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["gpt2", "opt", "bloom", "llama", "gpt_neo", "xglm", "gpt_bigcode", "biogpt"])
def test_left_padding_leaves_a_prompt_what_it_is_alone(family):
    """TransformerLens 4.3: left-padded gpt2 was off by up to 4.6 logits, position ids being left to the model."""
    model = model_of(family)
    rows = [[5, 17, 33, 60, 8, 21, 9], [12, 3, 66]]
    together = model.run(rows, padding="left", logits="last")
    for row, ids in enumerate(rows):
        assert near(together.logits[row], model.run(ids, logits="last").logits[0], 2e-5)


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["bloom", "mpt", *POST_NORMS, *RESIDUAL_SCALE, "gpt_neox_sequential", "gpt_neox"])
def test_contributions_are_what_the_stream_receives(family):
    """TransformerLens 4.3: BLOOM's included the residual, OLMo2's and Granite's lacked post-norm and multiplier."""
    run = model_of(family).run(prompt(), capture=[at.resid_pre[1], at.attn_out[1], at.mlp_out[1], at.resid_post[1]])
    change = run[at.resid_post[1]] - run[at.resid_pre[1]]
    assert near(run[at.attn_out[1]] + run[at.mlp_out[1]], change)


def test_what_never_ran_is_an_error():
    """TransformerLens 4.3: a hook on a place that the model never runs through stayed silent."""
    model = model_of("llama")
    stream = model.run(prompt(), capture=[at.resid_pre[2]])[at.resid_pre[2]]
    with pytest.raises(NotFiredError, match=r"z.0"):
        model.run(prompt(), capture=[at.z[0]], start=(2, stream))


def test_an_option_that_does_not_exist_is_an_error():
    """TransformerLens 4.3: incl_bwd went into **kwargs and was ignored."""
    with pytest.raises(TypeError, match=r"incl_bwd"):
        model_of("llama").run(prompt(), incl_bwd=True)


@pytest.mark.parametrize("backend", ["eager", "sdpa"])
@pytest.mark.parametrize("family", ["llama", "qwen3", "mixtral"])
def test_keys_and_values_of_grouped_heads_can_be_patched(family, backend):
    """TransformerLens 2.x to 4.3: with n_kv ≠ n_heads, split q/k/v changed results and patching k or v crashed."""
    model = model_of(family, backend)
    other = model.run(prompt(2, 9, seed=8), capture=[at.k[1], at.v[1]])
    assert other[at.k[1]].shape[2] == 2
    run = model.run(prompt(), capture=[at.q[1], at.k[1], at.v[1]])
    assert torch.equal(run.logits, plain(model, prompt()))
    edits = [edit.set(at.v[1, 1] @ 4, other[at.v[1, 1] @ 4]), edit.set(at.k[1, 1] @ 4, other[at.k[1, 1] @ 4])]
    patched = model.run(prompt(), edits=edits, capture=[at.z[1]])
    before = model.run(prompt(), capture=[at.z[1]])[at.z[1]]
    assert torch.allclose(patched[at.z[1]][:, :, :2], before[:, :, :2], atol=1e-6)
    for head in (2, 3):
        assert not near(patched[at.z[1]][:, 4:, head], before[:, 4:, head], 1e-3)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "granite"])
def test_looking_into_sdpa_attention_keeps_it_causal(family):
    """transformers 5: an attention function registered without a mask function got none, and saw the future."""
    model = model_of(family, "sdpa")
    later = prompt()
    later[:, -1] = 7
    edits = [edit.scale(at.scores[:], 1.1), edit.scale(at.pattern[0, 1] @ (3, 1), 0.5)]
    for put in ([], edits):
        a, b = (model.run(ids, edits=put, capture=[at.pattern[:]]) for ids in (prompt(), later))
        assert torch.equal(a.logits[:, :-1], b.logits[:, :-1])
        assert (a[at.pattern[:]].triu(1) == 0).all()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_last_stream_is_before_the_last_norm(family):
    """repeng 0.4 on transformers 5: hidden_states[-1] is already normed, so the last layer was fit in another space."""
    model = fresh(family)
    batch = model.batch(prompt())
    run = model.run(batch, capture=[at.resid_post[-1], at.final_norm])
    with torch.no_grad():
        reported = model.module(batch.ids, attention_mask=batch.mask, output_hidden_states=True).hidden_states[-1]
        assert torch.equal(model.anatomy.final_norm(run[at.resid_post[2]]), run[at.final_norm])
    assert near(reported, run[at.final_norm])
    assert not near(reported, run[at.resid_post[2]], 0.1)


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gpt2"])
def test_steering_from_a_position_on_goes_on_while_writing_with_a_cache(family):
    """steering-vectors 0.12: min_token_index with a cached generate gave unsteered text."""
    model = model_of(family)
    vector = random_like(torch.zeros(model.d_model), scale=20.0)
    ids = prompt(1)
    edits = [edit.add(at.resid_post[1] @ slice(9, None), vector)]
    found = model.generate(ids, max_new_tokens=4, edits=edits, capture=[at.resid_post[1]])
    free = model.generate(ids, max_new_tokens=4)
    assert found.new_ids[0][0] == free.new_ids[0][0]
    assert found.new_ids != free.new_ids
    sequence = [[*ids[0].tolist(), *found.new_ids[0]][:-1]]
    unsteered = model.run(sequence, capture=[at.resid_post[1]])[at.resid_post[1]]
    assert near(found[at.resid_post[1]][:, 9] - unsteered[:, 9], vector.expand(1, -1), 1e-4)


def test_effects_of_heads_on_neox_are_not_all_zero():
    """function_vectors: a hook keyed by a module name of another family never fired, so every effect was zero."""
    model = model_of("gpt_neox")
    metric = metrics.logit_diff(5, 9)
    base = model.measure(prompt(), metric)
    for head in range(model.n_heads):
        assert ((model.measure(prompt(), metric, edits=[edit.zero(at.z[1, head])]) - base).abs() > 1e-4).all()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_norm_scales_are_each_layers_own(family):
    """TransformerLens 4.3: the logit lens divided the stream of every layer by one cached scale."""
    model = model_of(family)
    run = model.run(prompt(), capture=[at.norm_scale["attn", slice(None)], at.resid_pre[:], at.attn_in[:]])
    for layer in range(3):
        x = run[at.resid_pre[layer]]
        x = x - x.mean(-1, keepdim=True) if model.family.norm == "layer" else x
        norm = blocks(family, model.module)[layer].get_submodule(model.family.attn_norm)
        bias = 0 if getattr(norm, "bias", None) is None else norm.bias
        by_hand = x / run[at.norm_scale["attn", layer]][..., None] * norm.weight + bias
        assert near(by_hand.detach(), run[at.attn_in[layer]])
    scales = run[at.norm_scale["attn", slice(None)]]
    assert not near(scales[0], scales[1], 0.05)


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["falcon", "falcon_grouped"])
def test_what_the_model_adds_to_in_place_is_read_before(family):
    """Plain hooks: Falcon adds attention's output to the tensor that its MLP gave, and what was kept of it changed."""
    model = fresh(family)
    run = model.run(prompt(), capture=[at.mlp_out[1], at.neurons[1], at.module("transformer.h.1.mlp").output])
    down = blocks(family, model.module)[1].mlp.dense_4h_to_h
    expected = run[at.neurons[1]] @ down.weight.detach().T
    assert near(run[at.mlp_out[1]], expected)
    assert torch.equal(run[at.module("transformer.h.1.mlp").output], run[at.mlp_out[1]])


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["falcon", "falcon_grouped", "falcon_sequential"])
def test_attention_that_cannot_be_switched_is_refused_under_sdpa(family):
    """Switched to another backend than its own, Falcon would run eager attention under the mask made for SDPA."""
    model = fresh(family, "sdpa")
    expected = plain(model, prompt())
    assert torch.equal(model.run(prompt(), capture=[at.z[1], at.attn_out[1]]).logits, expected)
    for site in (at.scores[1], at.pattern[1]):
        with pytest.raises(BackendError, match="attn_implementation='eager'"):
            model.run(prompt(), capture=[site])


@pytest.mark.each_family
def test_shared_experts_belong_to_what_the_mlp_adds():
    """Llama 4 adds the routed experts to its shared expert's output in place."""
    model = fresh("llama4_text")
    site = at.module("model.layers.1.feed_forward.shared_expert").output
    run = model.run(prompt(), capture=[site, at.mlp_out[1], at.mlp_in[1]])
    shared = model.module.model.layers[1].feed_forward.shared_expert
    with torch.no_grad():
        assert near(run[site].reshape(2, 9, 32), shared(run[at.mlp_in[1]]))
    assert not near(run[site].reshape(2, 9, 32), run[at.mlp_out[1]], 1e-2)
