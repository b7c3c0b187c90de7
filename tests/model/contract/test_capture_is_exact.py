"""Reading changes nothing, bit for bit, and what is read is what the model computed."""

from __future__ import annotations

import pytest
import torch
from families import NO_POSITION_IDS, NO_SDPA
from hand_hooks import blocks, read_by_hand
from hand_tables import IN_A_BLOCK
from opened_models import ATTENTION_INSIDE, EAGER, everywhere, fresh, model_of, names, place, plain, prompt

from innerworks.model.sites import at


def test_reading_any_one_kind_of_site_leaves_the_logits_bit_identical(model):
    expected = plain(model, prompt())
    wrong = []
    for name in names(model):
        for layer in (0, 2) if at(f"{name}").kind.layered else (0,):
            run = model.run(prompt(), capture=[place(name, layer)])
            if not torch.equal(run.logits, expected):
                wrong.append(f"{name} in {layer}")
    assert wrong == []


@pytest.mark.each_family
def test_reading_everything_at_once_leaves_the_logits_bit_identical(model):
    sites = everywhere(model)
    run = model.run(prompt(), capture=sites)
    assert torch.equal(run.logits, plain(model, prompt()))
    assert set(run) == set(sites)


def test_what_is_read_does_not_depend_on_what_else_is_read(model):
    sites = everywhere(model)
    together = model.run(prompt(), capture=sites, logits=None)
    wrong = [str(s) for s in sites if not torch.equal(model.run(prompt(), capture=[s], logits=None)[s], together[s])]
    assert wrong == []


def test_shapes_are_those_of_the_table(model):
    rows, positions = prompt().shape
    run = model.run(prompt(), capture=everywhere(model))
    known = {"batch": rows, "pos": positions, "query": positions, "key": positions}
    for site in run:
        expected = tuple(known.get(dim) or model.anatomy.size(dim, site.name) for dim in site.kind.dims)
        assert tuple(run[site].shape) == expected, site


@pytest.mark.each_family
@pytest.mark.parametrize("layer", [0, 2])
def test_hand_written_hooks_see_the_same_tensors(model, layer, request):
    family = request.node.callspec.params["model"][0]
    by_hand = read_by_hand(family, model.module, layer, lambda: plain(model, prompt()))
    run = model.run(prompt(), capture=[place(name, layer) for name in by_hand])
    wrong = [name for name in by_hand if not torch.equal(run[place(name, layer)], by_hand[name])]
    assert wrong == []
    wanted = {"z", "q", "k", "v", "attn_out", "mlp_out", "resid_pre", "resid_post"}
    assert wanted - model.anatomy.missing.keys() <= by_hand.keys()


@pytest.mark.each_family
@pytest.mark.parametrize("family", [family for family, _ in EAGER])
def test_patterns_equal_what_the_model_itself_reports(family):
    model = fresh(family)
    batch = model.batch(prompt())
    run = model.run(batch, capture=[at.pattern[:]])
    arguments = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if family not in NO_POSITION_IDS:
        arguments["position_ids"] = batch.positions
    with torch.no_grad():
        reported = model.module(**arguments, output_attentions=True).attentions
    for layer in range(3):
        assert torch.equal(run[at.pattern[layer]], reported[layer]), layer


@pytest.mark.parametrize("family", [family for family in IN_A_BLOCK if family not in NO_SDPA])
def test_attention_read_under_sdpa_is_what_eager_attention_has(family):
    sites = [place(name, 1) for name in ATTENTION_INSIDE if name not in model_of(family).anatomy.missing]
    eager = model_of(family).run(prompt(), capture=sites)
    sdpa = model_of(family, "sdpa").run(prompt(), capture=sites)
    for site in sites:
        real = eager[site] > -1e30
        error = (eager[site] - sdpa[site]).where(real, 0.0).abs().max()
        assert error <= 1e-5 * max(1.0, float(eager[site].where(real, 0.0).abs().max())), site
        assert torch.equal(real, sdpa[site] > -1e30), site


def test_patterns_are_the_softmax_of_scores_and_see_no_future(eager):
    run = eager.run(prompt(), capture=[at.scores[:], at.pattern[:]])
    scores, pattern = run[at.scores[:]], run[at.pattern[:]]
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    assert (pattern[..., future] == 0).all()
    assert (scores[..., future] < -1e30).all()
    if eager.family.sinks:
        sinks = torch.stack([block.self_attn.sinks for block in blocks("gpt_oss", eager.module)])
        scores = torch.cat([scores, sinks[:, None, :, None, None].expand(*scores.shape[:-1], 1)], -1)
        assert (pattern.sum(-1) < 0.999).any()
    expected = scores.softmax(-1)[..., : pattern.shape[-1]]
    assert (expected - pattern).abs().max() <= 2e-6


@pytest.mark.each_family
def test_embeddings_and_contributions_add_up_to_the_last_stream(model):
    run = model.run(prompt(), capture=[at.embed, at.attn_out[:], at.mlp_out[:], at.resid_post[-1]])
    total = run[at.embed] + run[at.attn_out[:]].sum(0) + run[at.mlp_out[:]].sum(0)
    last = run[at.resid_post[2]]
    assert (total - last).abs().max() <= 3e-6 * last.abs().max()


@pytest.mark.each_family
def test_heads_add_up_to_what_attention_writes_less_its_bias(model, request):
    family = request.node.callspec.params["model"][0]
    run = model.run(prompt(), capture=[at.head_out[1], at.attn_out[1]])
    out = blocks(family, model.module)[1].get_submodule(IN_A_BLOCK[family]["z"][0])
    total = run[at.head_out[1]].sum(-2)
    if getattr(out, "bias", None) is not None:
        total = total + out.bias.detach()
    written = run[at.attn_out[1]]
    assert (total - written).abs().max() <= 2e-6 * written.abs().max().clamp(min=1)


def test_norm_scales_are_the_denominators_of_the_norms(model):
    centred = model.family.norm.startswith("layer")
    streams = {
        "norm_scale.attn": at.resid_pre[1],
        "norm_scale.mlp": at.resid_mid[1],
        "norm_scale.final": at.resid_post[2],
    }
    if model.anatomy.parallel:
        streams["norm_scale.mlp"] = at.resid_pre[1]
    sites = {place(name, 1): streams[name] for name in names(model) if name.startswith("norm_scale")}
    run = model.run(prompt(), capture=[*sites, *sites.values()])
    for site, stream in sites.items():
        x = run[stream].double()
        x = x - x.mean(-1, keepdim=True) if centred else x
        expected = (x.pow(2).mean(-1) + _epsilon(model)).sqrt()
        assert (run[site] - expected).abs().max() <= 1e-6 * expected.max(), site


def _epsilon(model):
    """As the config says; where it does not, the norms have torch's own."""
    config = model.module.config
    names = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon", "norm_eps")
    return next((getattr(config, name) for name in names if hasattr(config, name)), 1e-5)


def test_stopping_early_gives_the_same_values(model):
    for name in names(model):
        site = place(name, 0)
        stopped, whole = (model.run(prompt(), capture=[site], logits=logits) for logits in (None, "all"))
        assert torch.equal(stopped[site], whole[site]), name
        assert not stopped.has_logits


def test_captures_are_the_callers_own(model):
    sites = everywhere(model)
    first = model.run(prompt(), capture=sites)
    kept = {site: first[site].clone() for site in first}
    second = model.run(prompt(2, 9, seed=4), capture=sites)
    for site in sites:
        assert torch.equal(first[site], kept[site]), site
        second[site].zero_()
    assert torch.equal(plain(model, prompt()), first.logits)
