"""What experts are said to write is what they write to the stream; the shared one has a site, or is said to lack it."""

from __future__ import annotations

import pytest
import torch
from tiny import MODEL_TYPES, built

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import SiteError

KNOWN = ("glm4_moe", "dots1", "ernie4_5_moe", "hy_v3", "exaone_moe", "granitemoeshared", "flint")
WITH_SHARED = [name for name in KNOWN if name in MODEL_TYPES]  # an older transformers lacks some
CHANGED_AFTER = ("axk1", "minimax_m3_vl_text")
"""Mixtures that scale or norm what their experts give inside the MLP."""
PROMPT = torch.randint(2, 83, (2, 9), generator=torch.Generator().manual_seed(3))


def opened(model_type):
    model = iw.load(built(model_type))
    assert model.family.guessed and model.anatomy.mixture_layers
    return model


@pytest.mark.parametrize("model_type", WITH_SHARED)
def test_the_shared_expert_is_found_and_makes_up_the_rest(model_type):
    model = opened(model_type)
    kinds, layers = (at.expert_out, at.shared_out, at.mlp_out, at.routed_out), model.anatomy.mixture_layers
    run = model.run(PROMPT, capture=[kind[layer] for kind in kinds for layer in layers])
    for layer in layers:
        whole, shared = run[at.mlp_out[layer]], run[at.shared_out[layer]]
        assert shared.abs().max() > 1e-2 * whole.abs().max()
        for kind in (at.expert_out, at.routed_out):
            assert torch.allclose(run[kind[layer]].sum(2) + shared, whole, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize("model_type", WITH_SHARED)
def test_what_is_added_to_an_expert_arrives_in_the_stream(model_type):
    model = opened(model_type)
    layer = model.anatomy.mixture_layers[-1]
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(1))
    sites = [at.mlp_out[layer], at.resid_post[layer]]
    plain = model.run(PROMPT, capture=sites)
    for site in (at.expert_out[layer, 1], at.routed_out[layer, 0], at.shared_out[layer]):
        run = model.run(PROMPT, capture=sites, edits=[edit.add(site, vector)])
        for seen in sites:
            size = float(plain[seen].abs().max())
            assert torch.allclose(run[seen] - plain[seen], vector.expand_as(run[seen]), atol=1e-5 * size), (site, seen)


@pytest.mark.parametrize("model_type", CHANGED_AFTER)
def test_experts_whose_output_is_changed_on_the_way_have_no_writes(model_type):
    model = opened(model_type)
    layer = model.anatomy.mixture_layers[0]
    for name in ("expert_out", "routed_out"):
        with pytest.raises(SiteError, match=f"has no {name}: .*does not reach mlp_out"):
            model.run(PROMPT, capture=[getattr(at, name)[layer]])
    with pytest.raises(SiteError, match="has no shared_out: .*could not be confirmed"):
        model.run(PROMPT, capture=[at.shared_out[layer]])
    run = model.run(PROMPT, capture=[at.router[layer], at.router_index[layer], at.expert_neurons[layer]])
    assert run[at.router[layer]].shape[-1] == model.anatomy.n_experts


def test_what_else_an_mlp_adds_is_said_to_be_in_no_site():
    if "flint" not in MODEL_TYPES:
        pytest.skip("this transformers has no flint")
    module = built("flint")
    mixtures = [block.mlp for block in module.model.layers if hasattr(block.mlp, "experts")]
    for mlp in mixtures:
        mlp.register_forward_hook(lambda _, args, output: output + args[0] * 0.1)
    model = iw.load(module)
    layer = model.anatomy.mixture_layers[0]
    with pytest.raises(SiteError, match="has no shared_out: .*the rest of the MLP is in no site"):
        model.run(PROMPT, capture=[at.shared_out[layer]])
    assert "expert_out" not in model.anatomy.missing
