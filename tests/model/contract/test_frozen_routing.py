"""Routing while something else is edited: decided anew, or held as it was in another run."""

from __future__ import annotations

import pytest
import torch
from families import MIXTURES
from hand_experts import mixed_by_hand, weights_by_hand
from opened_models import model_of, prompt, random_like, spread

import innerworks as iw
from innerworks.errors import EditError, SiteError
from innerworks.model import edits as edit
from innerworks.model.sites import at

ROUTES = [at.router_index[:], at.router_weights[:]]
SEEN = [at.mlp_in[1], at.router[1], *ROUTES, at.mlp_out[1]]
METRIC = iw.metrics.custom(lambda logits: logits.square().sum((1, 2)), every=True)


@pytest.fixture(params=sorted(MIXTURES))
def moe(request):
    return model_of(request.param)


def near(a, b, factor=5e-6):
    return (a - b).abs().max() <= factor * max(1.0, spread(b))


def disturbance(moe):
    """An edit of the stream that sends tokens elsewhere."""
    stream = moe.run(prompt(), capture=[at.resid_pre[0]])[at.resid_pre[0]]
    return edit.add(at.resid_pre[0], random_like(stream, scale=2.0 * float(stream.std())))


def test_live_routing_follows_the_edit(moe):
    before = moe.run(prompt(), capture=SEEN)
    after = moe.run(prompt(), edits=disturbance(moe), capture=SEEN)
    assert not torch.equal(after[at.router_index[1]], before[at.router_index[1]])


def test_frozen_routing_stays(moe):
    before = moe.run(prompt(), capture=SEEN)
    edits = [disturbance(moe), *edit.freeze_routing(before)]
    after = moe.run(prompt(), edits=edits, capture=SEEN)
    assert torch.equal(after[at.router_index[:]], before[at.router_index[:]])
    assert torch.equal(after[at.router_weights[:]], before[at.router_weights[:]])
    assert not near(after[at.mlp_in[1]], before[at.mlp_in[1]], 1e-2)
    index, weights = before[at.router_index[1]], before[at.router_weights[1]]
    assert near(after[at.mlp_out[1]], mixed_by_hand(moe, after[at.mlp_in[1]], index, weights))


def test_frozen_experts_may_have_live_weights(moe):
    before = moe.run(prompt(), capture=SEEN)
    edits = [disturbance(moe), *edit.freeze_routing(before, weights="live")]
    after = moe.run(prompt(), edits=edits, capture=SEEN)
    index = before[at.router_index[1]]
    assert torch.equal(after[at.router_index[:]], before[at.router_index[:]])
    weights = weights_by_hand(moe, after[at.router[1]], index)
    assert near(after[at.router_weights[1]], weights)
    assert not near(weights, before[at.router_weights[1]], 1e-3) or moe.anatomy.top_k == 1
    assert near(after[at.mlp_out[1]], mixed_by_hand(moe, after[at.mlp_in[1]], index, weights))


def test_gradients_do_not_pass_through_frozen_weights(moe):
    """Under frozen routing the router's weights are constants, under frozen experts only they are as in the model."""
    run = moe.run(prompt(), capture=ROUTES)
    wrt = [at.resid_pre[1], at.z[0]]
    plain = moe.gradients(prompt(), METRIC, wrt)
    live = moe.gradients(prompt(), METRIC, wrt, edits=edit.freeze_routing(run, weights="live"))
    frozen = moe.gradients(prompt(), METRIC, wrt, edits=edit.freeze_routing(run))
    element = 0 if moe.family.experts.everywhere else 1
    routers = [moe.anatomy.part(layer, moe.family.experts.router) for layer in moe.anatomy.mixture_layers]

    def detached(module, args, output):
        return tuple(x.detach() if i == element else x for i, x in enumerate(output))

    handles = [router.register_forward_hook(detached) for router in routers]
    try:
        by_hand = moe.gradients(prompt(), METRIC, wrt)
    finally:
        for handle in handles:
            handle.remove()
    for site in wrt:
        assert near(live[site], plain[site], 1e-5)
        assert near(frozen[site], by_hand[site], 1e-5)
        assert not near(frozen[site], plain[site], 1e-3)


def test_a_sweep_under_frozen_routing_is_each_variant_alone(moe):
    run = moe.run(prompt(1), capture=[*ROUTES, at.resid_post[:]])
    view = moe.with_edits(*edit.freeze_routing(run))
    other = moe.run(prompt(1, seed=8), capture=[at.resid_post[:]])
    variants = {s: [edit.set(s, other)] for s in at.resid_post[:].each_position(run)}
    swept = view.sweep(prompt(1), variants, METRIC)
    for name, edits in variants.items():
        assert near(swept[name], view.with_edits(*edits).measure(prompt(1), METRIC), 2e-5), name


def test_an_expert_is_forbidden_by_its_logit(moe):
    """The other experts take its tokens, which silencing its output does not do."""
    edits = [edit.set(at.router[1, 2], -1e9)]
    run = moe.run(prompt(), edits=edits, capture=SEEN)
    index, weights = run[at.router_index[1]], run[at.router_weights[1]]
    assert not weights[index == 2].any()  # a group may be too small to leave it out (DeepSeek-V2)
    assert near(run[at.mlp_out[1]], mixed_by_hand(moe, run[at.mlp_in[1]], index, weights))


def test_what_cannot_be_frozen_is_said():
    with pytest.raises(EditError, match="llama has no routing to freeze: it is not a mixture of experts"):
        edit.freeze_routing(model_of("llama").run(prompt()))
    run = model_of("mixtral").run(prompt(), capture=[at.router_index[:]])
    assert len(edit.freeze_routing(run, weights="live")) == 3
    with pytest.raises(SiteError, match="router_weights"):
        edit.freeze_routing(run)
    with pytest.raises(EditError, match="use 'frozen' or 'live'"):
        edit.freeze_routing(run, weights="alive")
