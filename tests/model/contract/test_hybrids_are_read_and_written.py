"""Hybrids keep the contract: what each layer has is exact, and what it has not is refused by name."""

from __future__ import annotations

import pytest
import torch
from families import ids
from hybrid_tables import EXPERTS, PURE, TABLES, attention_layers, blocks, mixer_layers
from opened_hybrids import CASES, family_of, hybrid, places  # noqa: F401
from opened_hybrids import expected_layers as expected
from opened_models import INTEGER_SITES, at, fresh, model_of, plain, prompt, random_like, spread

from innerworks.errors import AnatomyError, SiteError
from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.engine.gradients import frozen
from innerworks.model.sites import Site

FAMILIES = sorted({family for family, _ in CASES})
HYBRID_ATTENTION = [case for case in CASES if case[0] not in PURE]
METRIC = metrics.custom(lambda logits: logits.square().sum((1, 2)), every=True)


def read_by_hand(family, module, call):
    """What plain torch hooks see at every place of the tables."""
    found, handles = {}, []
    for layer, block in enumerate(blocks(module, family)):
        for name, (path, end, *make) in TABLES[family][layer].items():
            change = make[0] if make else (lambda x: x)

            def before(_, args, kwargs, key=(name, layer), change=change):
                found[key] = change(args[0] if args else kwargs["hidden_states"]).clone()

            def after(_, args, output, key=(name, layer), change=change):
                found[key] = change(output[0] if isinstance(output, tuple) else output).clone()

            part = block.get_submodule(path)
            if end == "in":
                handles.append(part.register_forward_pre_hook(before, with_kwargs=True))
            else:
                handles.append(part.register_forward_hook(after))
    call()
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.each_family
def test_hand_written_hooks_see_the_same_tensors(hybrid):  # noqa: F811
    family = family_of(hybrid)
    by_hand = read_by_hand(family, hybrid.module, lambda: plain(hybrid, prompt()))
    run = hybrid.run(prompt(), capture=[Site(name)[layer] for name, layer in by_hand])
    assert torch.equal(run.logits, plain(hybrid, prompt()))
    wrong = [
        f"{name}.{n}" for (name, n), x in by_hand.items() if not torch.equal(run[Site(name)[n]].reshape(x.shape), x)
    ]
    assert wrong == []


@pytest.mark.each_family
@pytest.mark.parametrize("family", FAMILIES)
def test_each_layer_has_what_the_tables_say_and_refuses_the_rest_by_name(family):
    model = model_of(family)
    has = expected(family)
    for name, layers in has.items():
        assert model.layers_with(name) == layers, name
    for layer in set(range(model.n_layers)) - set(attention_layers(family)):
        for name in ("z", "pattern", "attn_out"):
            with pytest.raises(SiteError, match=f"has no {name}"):
                model.run(prompt(), capture=[Site(name)[layer]])
    if family not in PURE and len(attention_layers(family)) < model.n_layers:
        having = attention_layers(family)
        listed = f"layers {', '.join(map(str, having))} have" if len(having) > 1 else f"layer {having[0]} has"
        with pytest.raises(SiteError, match=f"layer 0 of {family} has no z: its token mixer is .*; {listed} attention"):
            model.run(prompt(), capture=[at.z[:]])
        with pytest.raises(SiteError, match="layer 0"):
            model.run(prompt(), edits=[edit.zero(at.pattern[0])])
        assert len(model.run(prompt(), capture=[at.z[model.layers_with("z")]])) == len(attention_layers(family))


def test_reading_any_place_alone_leaves_the_logits_bit_identical(hybrid):  # noqa: F811
    logits = plain(hybrid, prompt())
    together = hybrid.run(prompt(), capture=places(hybrid))
    assert torch.equal(together.logits, logits)
    for site in places(hybrid):
        run = hybrid.run(prompt(), capture=[site])
        assert torch.equal(run.logits, logits), site
        assert torch.equal(run[site], together[site]), site


@pytest.mark.each_family
def test_contributions_sum_to_the_stream_after_each_layer(hybrid):  # noqa: F811
    if hybrid.family.no_sum is not None:
        pytest.skip(hybrid.family.no_sum)
    run = hybrid.run(prompt(), capture=places(hybrid))
    total = run[at.embed]
    for layer in range(hybrid.n_layers):
        for name in ("attn_out", "mixer_out"):
            if layer in hybrid.layers_with(name):
                total = total + run[Site(name)[layer]]
        if layer in hybrid.layers_with("resid_mid"):
            assert (total - run[at.resid_mid[layer]]).abs().max() <= 3e-6 * spread(total), layer
        if layer in hybrid.layers_with("mlp_out"):
            total = total + run[at.mlp_out[layer]]
        assert (total - run[at.resid_post[layer]]).abs().max() <= 3e-6 * spread(total), layer


def test_a_stream_that_is_normed_before_each_half_says_that_nothing_sums_to_it():
    model = model_of("minimax")
    assert model.family.no_sum == "each half of a block norms the stream before it adds to it"
    run = model.run(prompt(), capture=places(model))
    for layer, block in enumerate(model.anatomy.blocks):
        full = layer in model.layers_with("attn_out")
        mixed = run[at.attn_out[layer]] if full else run[at.mixer_out[layer]]
        with torch.no_grad():
            middle = block.input_layernorm(run[at.resid_pre[layer]]) * (1.3 if full else 1.2) + mixed
            after = block.post_attention_layernorm(run[at.resid_mid[layer]]) * 1.1 + run[at.mlp_out[layer]]
        assert (middle - run[at.resid_mid[layer]]).abs().max() <= 3e-6 * spread(middle)
        assert (after - run[at.resid_post[layer]]).abs().max() <= 3e-6 * spread(after)
    with pytest.raises(AnatomyError, match="norms the stream before"):
        model.weights.ov(1, 0)
    assert "norms the stream before it adds to it" in model.explain(at.mlp_out[0])


@pytest.mark.each_family
def test_writing_back_changes_nothing_and_writing_something_else_does(hybrid):  # noqa: F811
    logits = plain(hybrid, prompt())
    run = hybrid.run(prompt(), capture=places(hybrid))
    wrong = []
    for site in places(hybrid):
        back = hybrid.run(prompt(), edits=[edit.set(site, run[site])]).logits
        if (back - logits).abs().max() > (2e-5 * spread(logits) if site.name in ("scores", "pattern") else 0.0):
            wrong.append(f"{site} written back: {(back - logits).abs().max()}")
        if site.name in INTEGER_SITES:
            continue
        changed = hybrid.run(prompt(), edits=[edit.set(site, run[site] + random_like(run[site]))]).logits
        if (changed - logits).abs().max() <= 1e-4 * spread(logits):
            wrong.append(f"{site} has no effect")
    assert wrong == []


@pytest.mark.each_family
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_mixer_adds_is_written_as_by_hand(family):
    """Changed at one position of one row, as a hook on the module's own output does it."""
    model = model_of(family)
    for layer in mixer_layers(family):
        path, _, *make = TABLES[family][layer]["mixer_out"]
        scale = float(make[0](torch.tensor(1.0))) if make else 1.0
        new = random_like(torch.zeros(model.d_model), seed=layer)

        def hook(_, args, output, new=new, scale=scale):
            first = (output[0] if isinstance(output, tuple) else output).clone()
            first[:, 4] = new / scale
            return (first, *output[1:]) if isinstance(output, tuple) else first

        handle = blocks(model.module, family)[layer].get_submodule(path).register_forward_hook(hook)
        by_hand = plain(model, prompt())
        handle.remove()
        ours = model.run(prompt(), edits=[edit.set(at.mixer_out[layer] @ 4, new)]).logits
        assert (ours - by_hand).abs().max() <= 1e-5 * spread(by_hand), layer


@pytest.mark.each_family
def test_gradients_reach_every_place_without_moving_a_logit(hybrid):  # noqa: F811
    sites = [site for site in places(hybrid) if site.name not in INTEGER_SITES]
    found = hybrid.gradients(prompt(), METRIC, sites)
    with frozen(hybrid.module):  # a Mamba's own logits differ in their last bits when its weights are frozen
        assert torch.equal(found.run.logits, plain(hybrid, prompt()))
    assert [str(s) for s in sites if not (found[s].isfinite().all() and found[s].any())] == []


@pytest.mark.each_family
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_at_a_mixer_is_that_of_a_hand_written_hook(family):
    model = model_of(family)
    batch = model.batch(prompt())
    arguments = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if family not in PURE:
        arguments["position_ids"] = batch.positions
    for layer in mixer_layers(family):
        path, _, *make = TABLES[family][layer]["mixer_out"]
        scale = float(make[0](torch.tensor(1.0))) if make else 1.0
        changes = []

        def shifted(_, args, output, changes=changes, scale=scale):
            first = output[0] if isinstance(output, tuple) else output
            changes.append(torch.zeros_like(first, requires_grad=True))
            return (
                (first + changes[0] / scale, *output[1:]) if isinstance(output, tuple) else first + changes[0] / scale
            )

        handle = blocks(model.module, family)[layer].get_submodule(path).register_forward_hook(shifted)
        value = model.module(**arguments).logits.square().sum()
        handle.remove()
        expected_gradient = torch.autograd.grad(value, changes[0])[0]
        found = model.gradients(prompt(), METRIC, [at.mixer_out[layer]])[at.mixer_out[layer]]
        assert (found - expected_gradient).abs().max() <= 2e-5 * spread(expected_gradient), layer


@pytest.mark.each_family
@pytest.mark.parametrize("case", HYBRID_ATTENTION, ids="-".join)
def test_patterns_are_those_the_model_reports_and_mix_the_values(case):
    model = model_of(*case)
    layers = attention_layers(case[0])
    run = model.run(prompt(), capture=[at.pattern[layers], at.scores[layers], at.z[layers]])
    pattern, scores = run[at.pattern[layers]], run[at.scores[layers]]
    assert (pattern.sum(-1) - 1).abs().max() <= 1e-5
    assert (scores.softmax(-1) - pattern).abs().max() <= 1e-5
    if case[1] == "eager":
        batch = model.batch(prompt())
        arguments = {"input_ids": batch.ids, "attention_mask": batch.mask, "position_ids": batch.positions}
        with torch.no_grad():
            reported = model.module(**arguments, use_cache=False, output_attentions=True).attentions
        kept = [weights for weights in reported or () if weights is not None]
        if len(kept) == model.n_layers > len(layers):  # other mixers report their own states beside them
            kept = [kept[layer] for layer in layers]
        if kept:
            assert len(kept) == len(layers)
            assert all(torch.equal(mine, theirs) for mine, theirs in zip(pattern, kept, strict=True))
    if "v" in model.anatomy.missing:
        return
    values = model.run(prompt(), capture=[at.v[layers], at.module(_gate_path(model, layers[0])).output])
    v = values[at.v[layers]].repeat_interleave(model.n_heads // model.n_kv_heads, 3)
    mixed = torch.einsum("lbhqk,lbkhd->lbqhd", pattern, v)
    if model.family.no_circuits and model.family.qkv.gated:
        raw = values[at.module(_gate_path(model, layers[0])).output]
        gate = raw.unflatten(-1, (4, 2, -1))[:, :, :, 1].sigmoid()
        assert (mixed[0] * gate - run[at.z[layers]][0]).abs().max() <= 1e-5 * max(1.0, spread(mixed))
    else:
        assert (mixed - run[at.z[layers]]).abs().max() <= 1e-5 * max(1.0, spread(mixed))


def _gate_path(model, layer):
    """The projection that gives queries, and beside them the gates of the families that have them."""
    return model.anatomy.path_of(model.anatomy.part(layer, model.anatomy.in_layer(layer).qkv.q))


@pytest.mark.parametrize("family", sorted(EXPERTS))
def test_experts_and_the_shared_one_write_what_the_mixture_does(family):
    model = model_of(family)
    if not model.anatomy.routes:
        pytest.skip("in this transformers its router gives logits alone")
    layer = expected(family)["router"][-1]
    has_shared = "shared_out" not in model.anatomy.missing
    assert has_shared == (family not in ("jamba", "lfm2_moe", "minimax"))
    shared = [at.shared_out[layer]] * has_shared
    run = model.run(prompt(), capture=[at.expert_out[layer], at.routed_out[layer], at.mlp_out[layer], *shared])
    mixture = blocks(model.module, family)[layer]
    experts = next(part for name, part in mixture.named_modules() if name.endswith("experts"))
    seen = []
    handle = experts.register_forward_hook(lambda _, args, output: seen.append(output.clone()))
    plain(model, prompt())
    handle.remove()
    scale = {"granitemoehybrid": 0.22, "minimax": 0.9}.get(family, 1.0)
    written = seen[0].reshape(2, 9, -1) * scale
    allowed = 2e-6 * max(1.0, spread(run[at.mlp_out[layer]]))
    for kind in (at.expert_out, at.routed_out):
        assert (run[kind[layer]].sum(2) - written).abs().max() <= allowed
    whole = written + run[shared[0]] if has_shared else written
    assert (whole - run[at.mlp_out[layer]]).abs().max() <= allowed


@pytest.mark.parametrize("how", ["grouped_mm", "batched_mm", "eager"])
def test_experts_without_a_gate_are_read_from_their_non_linearity(how):
    model = fresh("nemotron_h")
    model.module.config._experts_implementation = how
    sites = [at.expert_neurons[3], at.expert_out[3], at.mlp_in[3], at.router_index[3], at.router_weights[3]]
    run = model.run(prompt(), capture=sites)
    index, share = run[at.router_index[3]], run[at.router_weights[3]]
    for expert in range(4):
        ran = (index == expert).any(-1, keepdim=True)
        read, write = model.weights.neuron_in(3, expert=expert), model.weights.neuron_out(3, expert=expert)
        neurons = (run[at.mlp_in[3]] @ read).relu().square().where(ran, 0.0)
        assert torch.allclose(run[at.expert_neurons[3, expert]], neurons, atol=1e-5)
        weight = share.where(index == expert, 0.0).sum(-1, keepdim=True)
        assert torch.allclose(run[at.expert_out[3, expert]], neurons @ write * weight, atol=1e-5)
    with pytest.raises(SiteError, match="its experts are not gated"):
        model.weights.gate(3, expert=0)
    edits = [edit.set(site, run) for site in sites]
    assert torch.equal(model.run(prompt(), edits=edits).logits, run.logits)


def test_experts_behind_a_latent_vector_have_no_write_of_their_own():
    model = fresh("nemotron_h", moe_latent_size=12)
    with pytest.raises(SiteError, match="its experts write to a latent vector"):
        model.run(prompt(), capture=[at.expert_out[3]])
    assert model.run(prompt(), capture=[at.expert_neurons[3]])[at.expert_neurons[3]].any()


def test_folded_weights_are_refused_where_matrices_do_not_tell():
    for family, why in (("qwen3_next", "a gate that depends on the token"), ("falcon_h1", "multipliers stand between")):
        weights = model_of(family).weights
        assert weights.q(1, 0).shape[0] == 32
        with pytest.raises(Exception, match=why):
            weights.ov(1, 0)
    with pytest.raises(
        SiteError, match=r"layer 0 of jamba has no z: its token mixer is a Mamba mixer; layers 1, 3 have"
    ):
        model_of("jamba").weights.ov(0, 0)
    with pytest.raises(SiteError, match="reads the stream and the embeddings side by side"):
        model_of("zamba2").weights.ov(1, 0)
    with pytest.raises(SiteError, match="write nothing to the stream"):
        model_of("zamba2").weights.o(1, 0, folded=True)


def test_what_a_place_is_made_of_is_explained():
    assert "layers.0.block_sparse_moe is added" in model_of("granitemoehybrid").explain(at.mlp_out[0])
    assert "lies a gate" in model_of("qwen3_next").explain(at.q[1])
    assert "model.layers.0.mamba" in model_of("jamba").explain(at.mixer_out[0])


def test_the_tables_cover_every_hybrid():
    assert set(TABLES) == set(FAMILIES)
    assert ids(1).shape == (1, 9)
