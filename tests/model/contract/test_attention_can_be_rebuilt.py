"""From scores by hand to what attention adds, in float64; and edits along that way."""

from __future__ import annotations

import pytest
import torch
from families import DOUBLE
from hand_hooks import blocks
from hand_tables import IN_A_BLOCK, POST_NORMS, RESIDUAL_SCALE
from opened_models import model_of, plain, prompt, random_like, spread

from innerworks.model import edits as edit
from innerworks.model.sites import at

CHAIN = [at.scores[1], at.pattern[1], at.v[1], at.z[1], at.head_out[1], at.attn_out[1], at.resid_pre[1]]


def softmax_with_sinks(family, model, scores):
    if family != "gpt_oss":
        return scores.softmax(-1)
    sinks = blocks(family, model.module)[1].self_attn.sinks.detach().reshape(1, -1, 1, 1)
    return torch.cat([scores, sinks.expand(*scores.shape[:-1], 1)], -1).softmax(-1)[..., :-1]


def mixed(pattern, v):
    shared = pattern.shape[1] // v.shape[2]
    return torch.einsum("bhqk,bkhe->bqhe", pattern, v.repeat_interleave(shared, 2))


def post_norm(family, model, x):
    if family not in POST_NORMS:
        return x * RESIDUAL_SCALE.get(family, 1.0)
    path, offset = POST_NORMS[family]
    weight = blocks(family, model.module)[1].get_submodule(path).weight.detach() + offset
    eps = model.module.config.rms_norm_eps
    return x * (x.pow(2).mean(-1, keepdim=True) + eps).rsqrt() * weight


def out_projection(family, model):
    out = blocks(family, model.module)[1].get_submodule(IN_A_BLOCK[family]["z"][0])
    weight = out.weight.detach() if type(out).__name__ == "Conv1D" else out.weight.detach().T
    bias = getattr(out, "bias", None)
    return weight, 0.0 if bias is None else bias.detach()


@pytest.mark.each_family
@pytest.mark.parametrize("family", DOUBLE)
def test_scores_softmax_values_and_output_projection_rebuild_attention(family):
    """Some families run softmax or norms in float32 whatever their weights are: 2e-6 is that rounding."""
    model = model_of(family, dtype=torch.float64)
    if model.family.experts:
        model.module.config._experts_implementation = "batched_mm"  # grouped_mm has no float64
    run = model.run(prompt(), capture=CHAIN)
    pattern = softmax_with_sinks(family, model, run[at.scores[1]].double())
    assert (pattern - run[at.pattern[1]]).abs().max() <= 2e-6
    z = mixed(pattern, run[at.v[1]].double())
    assert (z - run[at.z[1]]).abs().max() <= 2e-6 * spread(z)
    weight, bias = out_projection(family, model)
    raw = z.flatten(-2) @ weight + bias
    attention = post_norm(family, model, raw)
    assert (attention - run[at.attn_out[1]]).abs().max() <= 3e-6 * spread(attention)
    by_head = torch.einsum("bqhe,hed->bqhd", z, weight.reshape(4, -1, weight.shape[-1]))
    if family in POST_NORMS:
        by_head = by_head * (attention / raw).unsqueeze(-2)
    else:
        by_head = by_head * RESIDUAL_SCALE.get(family, 1.0)
    assert (by_head - run[at.head_out[1]]).abs().max() <= 1e-5 * spread(by_head)


@pytest.mark.parametrize("name", ["scores", "pattern"])
def test_edited_scores_and_patterns_mix_the_values_that_they_say(model, name, request):
    family = request.node.callspec.params["model"][0]
    run = model.run(prompt(), capture=CHAIN)
    future = torch.ones(9, 9, dtype=torch.bool).triu(1)
    site = getattr(at, name)[1]
    value = random_like(run[site])
    if name == "scores":
        value = value.masked_fill(future, torch.finfo(value.dtype).min)
        pattern = softmax_with_sinks(family, model, value)
    else:
        value = pattern = value.abs().masked_fill(future, 0.0)
    expected = model.run(prompt(), edits=[edit.set(at.z[1], mixed(pattern, run[at.v[1]]))]).logits
    after = model.run(prompt(), edits=[edit.set(site, value)], capture=[at.pattern[1]])
    assert (after.logits - expected).abs().max() <= 1e-5 * spread(expected)
    assert (after[at.pattern[1]] - pattern).abs().max() <= 1e-6
    assert (after.logits - plain(model, prompt())).abs().max() > 1e-3 * spread(expected)


def test_knockout_cuts_the_edge_and_the_rest_takes_its_share(model):
    family = model.module.config.model_type
    scores = model.run(prompt(), capture=[at.scores[1]])[at.scores[1]].clone()
    cut = [
        edit.knockout(at.pattern[1, 2], query=-1, key=[3, 6]),
        edit.knockout(at.scores[1, 0], query=slice(2, 5), key=1),
    ]
    after = model.run(prompt(), edits=cut, capture=[at.pattern[1]])[at.pattern[1]]
    lowest = torch.finfo(scores.dtype).min
    scores[:, 2, -1, [3, 6]] = lowest
    scores[:, 0, 2:5, 1] = lowest
    expected = softmax_with_sinks(family, model, scores)
    assert (after[:, 2, -1, [3, 6]] == 0).all()
    assert (after[:, 0, 2:5, 1] == 0).all()
    assert (after - expected).abs().max() <= 2e-6


def test_scaled_queries_keys_and_scores_are_one_change(model):
    missing = model.anatomy.missing
    if "q_rot" in missing or model.family.score_softcap:
        assert "rotary" in missing.get("q_rot", "rotary")
        pytest.skip("no rotated queries to scale, or a soft cap between them and the scores")
    sites = [at.q_rot[1, 1], at.scores[1, 1]]
    if model.anatomy.n_kv_heads == model.n_heads:
        sites.append(at.k_rot[1, 1])
    if not model.family.qk_norm:
        sites.append(at.q[1, 1])
    logits = [model.run(prompt(), edits=[edit.scale(site, 1.5)]).logits for site in sites]
    for site, found in zip(sites, logits, strict=True):
        assert (found - logits[0]).abs().max() <= 1e-5 * spread(found), site
    assert (logits[0] - plain(model, prompt())).abs().max() > 1e-3 * spread(logits[0])


def test_a_key_moved_to_another_position_moves_its_scores(model):
    if "k_rot" in model.anatomy.missing:
        pytest.skip("no rotary embedding")
    before = model.run(prompt(), capture=[at.k_rot[1], at.scores[1]])
    value = before[at.k_rot[1] @ 2]
    after = model.run(prompt(), edits=[edit.set(at.k_rot[1] @ 3, value)], capture=[at.scores[1]])[at.scores[1]]
    visible = slice(3, 7)  # inside every sliding window
    error = (after[:, :, visible, 3] - before[at.scores[1]][:, :, visible, 2]).abs().max()
    assert error <= 2e-6 * max(1.0, float(after[:, :, visible, 3].abs().max()))
