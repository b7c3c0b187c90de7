"""A model whose inside is not what its names say is refused, or refused in part: never opened wrongly."""

from __future__ import annotations

import pytest
import torch
from families import ids, module_of
from planted import planted

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import SiteError
from innerworks.model.anatomy import Fused
from innerworks.model.guess import guess
from innerworks.model.model import Model

REFUSED = {
    "stream bent between": "do not add up to the stream",
    "stream bent at the end": "do not add up to the stream",
    "stream normed after": "do not add up to the stream",
    "sees one ahead": "a later token changes what the model says before it",
    "logits bent": "the logits are not a multiple of what the unembedding gives",
}
LEFT_OUT = {
    "keys and values swapped": {"q", "k", "v", "z", "head_out"},
    "queries squared": {"q", "k"},
    "heads in another order": {"q", "k", "v", "z", "head_out"},
    "heads gated": {"q", "k", "v", "z", "head_out"},
    "neurons cubed": {"neuron_pre", "gate", "neurons"},
    "written twice over": {"neuron_pre", "gate", "neurons"},
    "embeddings scaled in place": {"token_embed"},
}


def opened(module):
    anatomy, reason = guess(module)
    assert anatomy is not None, reason
    return Model(module, anatomy=anatomy)


def test_an_honest_model_is_opened_whole():
    model = opened(planted())
    assert model.family.absent == {} and model.family.no_circuits is None
    for name in (
        "q",
        "k",
        "v",
        "z",
        "head_out",
        "pattern",
        "neuron_pre",
        "gate",
        "neurons",
        "resid_mid",
        "token_embed",
    ):
        assert name not in model.anatomy.missing, name


@pytest.mark.parametrize("lie", REFUSED)
def test_what_no_record_could_say_is_refused_whole(lie):
    anatomy, reason = guess(planted(lie))
    assert anatomy is None
    assert REFUSED[lie] in reason


@pytest.mark.parametrize("lie", LEFT_OUT)
def test_what_the_numbers_do_not_confirm_is_left_out_by_name(lie):
    model = opened(planted(lie))
    assert set(model.family.absent) == LEFT_OUT[lie]
    for name in LEFT_OUT[lie]:
        assert name in model.anatomy.missing
    name = next(iter(LEFT_OUT[lie] & {"q", "neurons"}), None)
    if name is not None:
        with pytest.raises(SiteError, match=f"has no {name}: a guess could not confirm it"):
            model.run(ids(1), capture=[getattr(at, name)[0]])
    run = model.run(ids(1), capture=[at.embed, at.attn_out[:], at.mlp_out[:], at.resid_post[:]])
    total = run[at.embed] + run[at.attn_out[:]].sum(0) + run[at.mlp_out[:]].sum(0)
    assert torch.allclose(total, run[at.resid_post[2]], atol=1e-4)


def test_a_gate_and_a_branch_under_each_others_names_are_told_apart():
    model = opened(planted("gate and up swapped"))
    assert (model.family.gate, model.family.up) == ("mlp.up_proj", "mlp.gate_proj")


def test_a_norm_that_runs_twice_is_not_offered_where_writing_it_would_touch_both():
    model = opened(planted("last norm used twice"))
    assert "norm_scale.final" in model.family.absent
    with pytest.raises(iw.InnerworksError, match="a guess could not tell how the embeddings"):
        model.weights.ov(0, 0)


def test_embeddings_that_enter_otherwise_leave_no_circuits():
    model = opened(planted("embeddings bent"))
    with pytest.raises(iw.InnerworksError, match="could not tell how the embeddings enter the stream"):
        model.weights.ov(0, 0)
    assert model.run(ids(1), capture=[at.embed])[at.embed].shape == (1, 9, 32)


@pytest.mark.each_family
@pytest.mark.parametrize(
    ("family", "layout"),
    [
        ("gpt2", "blocks"),
        ("phi3", "blocks"),
        ("gpt_bigcode", "blocks"),
        ("gpt_neox", "per_head"),
        ("persimmon", "per_head"),
        ("falcon_grouped", "per_group"),
        ("codegen", "shards_of_qvk"),
    ],
)
def test_how_a_fused_projection_lies_is_found_by_trying(family, layout):
    """Queries, keys and values that the guess reads are those that the record reads."""
    from opened_models_of_anatomy import recorded

    module = module_of(family)
    anatomy, reason = guess(module)
    if anatomy is None or "v" in anatomy.missing:
        pytest.skip(f"refused, not misread: {reason or anatomy.missing['v']}")
    assert isinstance(anatomy.family.qkv, Fused) and anatomy.family.qkv.layout == layout
    sites = [at.v[1], *(s for s in (at.q[1], at.k[1]) if s.name not in anatomy.missing)]
    guessed = Model(module, anatomy=anatomy).run(ids(), capture=sites)
    known = recorded(module).run(ids(), capture=sites)
    assert all(torch.equal(guessed[site], known[site]) for site in sites)


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe", "granitemoe", "deepseek_v3"])
def test_experts_are_found_and_are_those_of_the_record(family):
    from opened_models_of_anatomy import recorded

    module = module_of(family)
    model, known = opened(module), recorded(module)
    sites = [at.router[1], at.router_weights[1], at.router_index[1], at.expert_neurons[1], at.expert_out[1]]
    ours, theirs = model.run(ids(), capture=sites), known.run(ids(), capture=sites)
    assert all(torch.allclose(ours[site].float(), theirs[site].float(), atol=1e-6) for site in sites)
    with pytest.raises(iw.InnerworksError, match="guessed"):
        model.weights.neuron_in(1, expert=0)


def test_experts_weighted_otherwise_than_the_router_says_are_left_out():
    from families import build

    module = build("mixtral")

    def doubled(_, args, kwargs):
        return (args[0], args[1], args[2] * 2), kwargs

    for block in module.model.layers:
        block.mlp.experts.register_forward_pre_hook(doubled, with_kwargs=True)
    model = opened(module)
    assert {"router_weights", "expert_out"} <= set(model.family.absent)
    assert "not weighted as the router says" in model.family.absent["router_weights"]


@pytest.mark.each_family
@pytest.mark.parametrize("family", ["jamba", "lfm2", "qwen3_next", "recurrent_gemma", "mamba"])
def test_layers_without_attention_are_found(family):
    from opened_models_of_anatomy import recorded

    module = module_of(family)
    anatomy, reason = guess(module)
    if anatomy is None:
        pytest.fail(reason)
    known = recorded(module).anatomy
    assert anatomy.attention_layers == known.attention_layers
    assert anatomy.mixer_layers == known.mixer_layers
    model, site = Model(module, anatomy=anatomy), at.mixer_out[0]
    assert torch.equal(
        model.run(ids(), capture=[site])[site], Model(module, anatomy=known).run(ids(), capture=[site])[site]
    )
    if family == "recurrent_gemma":
        with pytest.raises(iw.InnerworksError, match="measured, they change what the model says"):
            model.generate([[3, 4, 5, 6, 7, 8, 9], [3, 4]])


@pytest.mark.each_family
@pytest.mark.parametrize(("family", "scale"), [("granite", 0.22), ("granitemoe", 0.22), ("llama", 1.0)])
def test_a_residual_multiplier_is_measured(family, scale):
    assert opened(module_of(family)).anatomy.residual_scale == pytest.approx(scale, rel=1e-4)


def test_a_guess_never_shares_a_prompts_keys_between_variants():
    model = opened(planted())
    todo = {p: [edit.zero(at.resid_pre[0] @ p)] for p in range(5, 9)}
    with pytest.raises(iw.InnerworksError, match="cannot share the prompt's keys"):
        model.sweep(ids(1), todo, iw.logit(5), plan="packed")
