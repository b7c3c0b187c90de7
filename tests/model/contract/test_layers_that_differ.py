"""Models whose layers are not all alike: what a layer does not have is refused by name, the rest keeps the contract."""

from __future__ import annotations

import pytest
import torch
from found_again import appearance, differences
from opened_models import INTEGER_SITES, at, fresh, names, plain, prompt, random_like, spread

from innerworks.errors import SiteError
from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.sites import Site

pytestmark = pytest.mark.each_family
DENSE_FIRST = [
    ("qwen2_moe", {"mlp_only_layers": [0]}),
    ("qwen3_moe", {"mlp_only_layers": [0]}),
    ("deepseek_v2", {"first_k_dense_replace": 1, "q_lora_rank": None}),
    ("deepseek_v3", {"first_k_dense_replace": 1, "rope_interleave": False}),
    ("llama4_text", {"moe_layers": [1, 2], "use_qk_norm": False}),
]
IN_EXPERTS = (
    "router",
    "router_weights",
    "router_index",
    "expert_neurons",
    "expert_out",
    "routed_neurons",
    "routed_out",
)
IN_EXPERTS += ("shared_neurons", "shared_out")
IN_DENSE = ("neuron_pre", "gate", "neurons")


def sites_of(model):
    """Every concrete site, asked for in each layer that has it."""
    found = []
    for name in names(model):
        site = Site(name)
        if not site.kind.layered:
            found.append(site)
            continue
        lacking = {0} if name in IN_EXPERTS else {1, 2} if name in IN_DENSE else set()
        found += [site[layer] for layer in range(3) if layer not in lacking]
    return found


@pytest.fixture(params=[(*case, backend) for case in DENSE_FIRST for backend in ("eager", "sdpa")], ids=str)
def mixed(request):
    family, changes, backend = request.param
    model = fresh(family, backend, **changes)
    before = appearance(model.module)
    yield model
    assert differences(before, appearance(model.module)) == []


def test_what_a_layer_does_not_have_is_refused_by_name(mixed):
    with pytest.raises(SiteError, match=r"layer 0 of \w+ has no router: its MLP is dense; layers 1, 2 are mixtures"):
        mixed.run(prompt(), capture=[at.router[0]])
    for site in (at.router[:], at.router[-3]):
        with pytest.raises(SiteError, match="layer 0"):
            mixed.run(prompt(), capture=[site])
    for name in IN_DENSE:
        with pytest.raises(SiteError, match=f"layer 2 of .* has no {name}: its neurons are in experts; layer 0 is"):
            mixed.run(prompt(), edits=[edit.zero(Site(name)[2])])


def test_every_site_can_be_read_and_written_back_to_the_bit(mixed):
    sites, expected = sites_of(mixed), plain(mixed, prompt())
    run = mixed.run(prompt(), capture=sites)
    assert torch.equal(run.logits, expected)
    wrong = []
    for site in sites:
        logits = mixed.run(prompt(), edits=[edit.set(site, run[site])]).logits
        allowed = 2e-5 * spread(expected) if site.name in ("scores", "pattern") else 0.0
        if (logits - expected).abs().max() > allowed:
            wrong.append(str(site))
        if site.name in INTEGER_SITES:
            continue
        changed = mixed.run(prompt(), edits=[edit.set(site, run[site] + random_like(run[site]))]).logits
        if (changed - expected).abs().max() <= 1e-3 * spread(expected):
            wrong.append(f"{site} has no effect")
    assert wrong == []
    total = run[at.embed] + run[at.attn_out[:]].sum(0) + run[at.mlp_out[:]].sum(0)
    assert (total - run[at.resid_post[-1]]).abs().max() <= 5e-6 * spread(total)


def test_gradients_reach_every_site_without_moving_a_logit(mixed):
    sites = [site for site in sites_of(mixed) if site.name not in INTEGER_SITES]
    metric = metrics.custom(lambda logits: logits.square().sum((1, 2)), every=True)
    found = mixed.gradients(prompt(), metric, sites)
    assert torch.equal(found.run.logits, plain(mixed, prompt()))
    assert [str(s) for s in sites if not (found[s].isfinite().all() and found[s].any())] == []


def test_writing_on_is_what_a_full_forward_pass_says(mixed):
    sites = [site for site in sites_of(mixed) if site.name != "logits"]
    found = mixed.generate(prompt(), max_new_tokens=4, capture=sites)
    sequences = [[*row, *new][:-1] for row, new in zip(prompt().tolist(), found.new_ids, strict=True)]
    full = mixed.run(sequences, capture=sites)
    for site in sites:
        a, b = found[site], full[site]
        if site.name == "scores":
            a, b = a.where(b > -1e30, 0.0), b.where(b > -1e30, 0.0)
        assert (a - b).abs().max() <= 3e-5 * max(1.0, spread(b.float())), site


def test_sweeps_and_weights_know_which_layers_are_mixtures(mixed):
    run = mixed.run(prompt(1), capture=[at.z[:]])
    variants = {site: [edit.zero(site)] for site in at.z[:].each_head(run)}
    swept = mixed.sweep(prompt(1), variants, metrics.logit(5))
    single = mixed.sweep(prompt(1), variants, metrics.logit(5), plan="single")
    assert (swept.stacked() - single.stacked()).abs().max() <= 1e-4 * max(1.0, float(single.stacked().abs().max()))
    weights = mixed.weights
    assert weights.neuron_out(0).shape == (mixed.anatomy.d_mlp, 32)
    assert weights.neuron_out(1, expert=3).shape == (mixed.anatomy.d_expert, 32)
    assert weights.router(1).shape == (32, 4)
    with pytest.raises(SiteError, match="no router in layer 0"):
        weights.router(0)
