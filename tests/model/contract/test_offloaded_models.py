"""A model whose weights accelerate keeps elsewhere gives what it gives with its weights in place, bit for bit."""

from __future__ import annotations

import copy

import pytest
import torch
from accelerate import cpu_offload, disk_offload
from families import backends, build
from opened_models import INTEGER_SITES, at, everywhere, names, opened, place, plain, prompt, random_like

import innerworks as iw
from innerworks.errors import InnerworksError
from innerworks.model import edits as edit
from innerworks.model import metrics

FAMILIES = ("llama", "gpt2", "gpt_neox", "gemma2", "olmo2", "mixtral", "gpt_oss", "bloom", "deepseek_v3")
CPU = torch.device("cpu")


def appearance(module):
    """What can be told apart of a model whose parameters are new objects after every forward."""
    seen = {}
    for name, part in module.named_modules():
        seen[name] = {key: id(value) for key, value in vars(part).items() if key not in ("training", "_parameters")}
        seen[f"{name} hooks"] = (len(part._forward_hooks), len(part._forward_pre_hooks), part.training)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        seen[f"{name} parameter"] = (parameter.device.type, parameter.requires_grad, tuple(parameter.shape))
    return seen


@pytest.fixture(scope="module", params=FAMILIES)
def both(request):
    """A model in memory, and a copy of it that is offloaded."""
    module = build(request.param, backends(request.param)[-1])
    away = cpu_offload(copy.deepcopy(module), execution_device=CPU)
    assert all(parameter.is_meta for parameter in away.parameters())
    return opened(module), opened(away)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def on_disk(request, tmp_path_factory):
    """A folder opened twice: in memory, and with all blocks but the first on disk."""
    folder = tmp_path_factory.mktemp("model")
    build(request.param, "sdpa").save_pretrained(folder)
    here = iw.load(folder)
    blocks = here.family.blocks
    parts = {name: "cpu" for name, _ in here.module.named_modules() if name and not name.startswith(blocks)}
    top = {name: where for name, where in parts.items() if not any(n.startswith(f"{name}.") for n in parts)}
    stack = blocks.rpartition(".")[0]
    top.pop(stack, None)
    where = {**top, **{f"{blocks}.{layer}": "disk" if layer else "cpu" for layer in range(here.n_layers)}}
    away = iw.load(folder, device_map=where, options={"offload_folder": str(folder / "offload")})
    devices = {parameter.device.type for parameter in away.module.parameters()}
    assert devices == {"cpu", "meta"}
    return here, away


def edited(model):
    return [edit.scale(place(name), 0.9) for name in names(model) if name not in INTEGER_SITES]


def test_every_site_reads_the_same(both):
    here, away = both
    expected = here.run(prompt(), capture=everywhere(here))
    found = away.run(prompt(), capture=everywhere(away))
    assert away.device == CPU and found.logits.device == CPU
    assert [str(site) for site in everywhere(here) if not torch.equal(expected[site], found[site])] == []
    assert torch.equal(found.logits, plain(here, prompt()))


def test_edits_gradients_late_starts_and_writing_agree(both):
    here, away = both
    before = appearance(away.module)
    for one in [*edited(here), edit.add(at.resid_post[0], random_like(torch.zeros(here.d_model)))]:
        expected = here.run(prompt(), edits=[one]).logits
        assert torch.equal(away.run(prompt(), edits=[one]).logits, expected), one
    sites = [site for site in everywhere(here) if site.name not in INTEGER_SITES]
    expected, found = (model.gradients(prompt(), metrics.log_prob(5), sites) for model in both)
    assert [str(site) for site in sites if not torch.equal(expected[site], found[site])] == []
    stream = here.run(prompt(), capture=[at.resid_pre[2]])[at.resid_pre[2]]
    late = [model.run(prompt(), start=(2, stream), capture=[at.head_out[2]]) for model in both]
    assert torch.equal(late[0].logits, late[1].logits) and torch.equal(late[0][at.head_out[2]], late[1][at.head_out[2]])
    assert appearance(away.module) == before


def test_writing_agrees(both):
    here, away = both
    before = appearance(away.module)
    wanted = [at.head_out[1], at.pattern[2]] + ([at.expert_neurons[1]] if "router" not in here.anatomy.missing else [])
    written = [
        model.generate(prompt(), max_new_tokens=4, edits=[edit.scale(at.z[1, 1], 3.0)], capture=wanted)
        for model in both
    ]
    assert written[0].new_ids == written[1].new_ids
    for site in wanted:
        expected, found = (run[site] for run in written)
        # transformers runs experts another way while it decodes, unless the model's parameters say that it is on a CPU.
        allowed = 0 if "router" in here.anatomy.missing else 5e-6 * float(expected.abs().max())
        assert (expected - found).abs().max() <= allowed, site
    assert appearance(away.module) == before


def test_sweeps_agree(both):
    here = both[0]
    other = here.run(prompt(1, 9, seed=6), capture=[at.resid_post[:], at.z[:]])
    sites = [*at.resid_post[:].each_position(other), *at.z[:].each_head(other)]
    variants = {site: [edit.set(site, other[site])] for site in sites}
    for plan in ("auto", "batched", "single"):
        found = [model.sweep(prompt(1), variants, metrics.logit_diff(5, 9), plan=plan) for model in both]
        assert torch.equal(found[0].stacked(), found[1].stacked()), plan


def test_weights_are_looked_at_where_they_are_kept(both):
    here, away = both
    for look in (
        lambda w: w.o(1, 2, folded=True),
        lambda w: w.embed,
        lambda w: w.unembed,
        lambda w: w.readout([3, 4]).weight,
        lambda w: w.final_norm.gamma,
        lambda w: w.ov(1, 2).dense(),
        lambda w: w.v_bias(1, 2, folded=True),
        lambda w: w.copying_scores(),
        lambda w: w.neuron_in(1, expert=1 if 1 in here.anatomy.mixture_layers else None),
        lambda w: w.neuron_out(1, expert=1 if 1 in here.anatomy.mixture_layers else None),
    ):
        assert _looked(look, here) == _looked(look, away)


def _looked(look, model):
    try:
        return look(model.weights).tolist()
    except InnerworksError as error:
        return str(error)


def test_estimates_agree(both):
    costs = [model.estimate(prompt(), capture=[at.head_out[1]]) for model in both]
    assert costs[0] == costs[1]


def test_the_fingerprint_is_the_weights_not_their_place(both, on_disk):
    from innerworks.model.load import fingerprint

    for here, away in (both, on_disk):
        assert fingerprint(here.module) == fingerprint(away.module)
    other = copy.deepcopy(both[0].module)
    with torch.no_grad():
        next(other.parameters()).flatten()[0] += 1
    assert fingerprint(cpu_offload(other, execution_device=CPU)) != fingerprint(both[1].module)


def test_stopping_early_and_exceptions_leave_no_weight_behind(both):
    away = both[1]
    before = appearance(away.module)

    def broken(values):
        raise ZeroDivisionError

    for name in names(away):
        away.run(prompt(), capture=[place(name)], logits=None)
        assert appearance(away.module) == before, name
        with pytest.raises(ZeroDivisionError):
            away.run(prompt(), capture={place(name): broken})
        assert appearance(away.module) == before, name
    with pytest.raises(ZeroDivisionError):
        away.generate(prompt(), max_new_tokens=2, edits=[edit.call(at.pattern[1], broken)])
    assert appearance(away.module) == before


def test_a_folder_opened_with_blocks_on_disk(on_disk):
    here, away = on_disk
    run = here.run(prompt(), capture=everywhere(here))
    found = away.run(prompt(), capture=everywhere(away), edits=[])
    assert all(torch.equal(run[site], found[site]) for site in everywhere(here))
    assert torch.equal(here.run(prompt(), edits=edited(here)).logits, away.run(prompt(), edits=edited(away)).logits)
    assert here.generate(prompt(), max_new_tokens=4).new_ids == away.generate(prompt(), max_new_tokens=4).new_ids
    assert torch.equal(here.weights.ov(2, 1).dense(), away.weights.ov(2, 1).dense())


def test_placement_left_to_accelerate(on_disk, tmp_path):
    here = on_disk[0]
    options = {"max_memory": {"cpu": 20_000}, "offload_folder": str(tmp_path)}
    away = iw.load(here.name, device_map="auto", options=options)
    assert all(parameter.is_meta for parameter in away.module.parameters()) and away.device == CPU
    assert torch.equal(here.run(prompt()).logits, away.run(prompt()).logits)
    assert here.fingerprint == away.fingerprint


def test_offloading_straight_to_disk(tmp_path):
    module = build("llama", "sdpa")
    here, away = opened(module), opened(disk_offload(copy.deepcopy(module), tmp_path, execution_device=CPU))
    expected = here.run(prompt(), capture=everywhere(here))
    found = away.run(prompt(), capture=everywhere(away))
    assert all(torch.equal(expected[site], found[site]) for site in everywhere(here))
    gradients = [model.gradients(prompt(), metrics.logit(5), [at.z[1]])[at.z[1]] for model in (here, away)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("tied", [True, False])
def test_tied_embeddings_offloaded(tied):
    module = build("llama", "sdpa", tie_word_embeddings=tied)
    assert (module.lm_head.weight is module.model.embed_tokens.weight) == tied
    here, away = opened(module), opened(cpu_offload(copy.deepcopy(module), execution_device=CPU))
    assert torch.equal(here.weights.embed, away.weights.embed)
    assert torch.equal(here.weights.unembed, away.weights.unembed)
    assert torch.equal(here.run(prompt()).logits, away.run(prompt()).logits)


def test_a_nan_is_found_in_weights_that_are_elsewhere():
    module = build("llama", "sdpa")
    with torch.no_grad():
        module.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    away = opened(cpu_offload(module, execution_device=CPU))
    with pytest.raises(InnerworksError, match=r"the weight model.layers.1.mlp.up_proj.weight holds 1 NaN"):
        away.measure(prompt(), metrics.logit(5))
