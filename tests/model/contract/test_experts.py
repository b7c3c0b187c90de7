"""Mixtures of experts: routes, neurons and outputs of chosen experts, rebuilt by hand from the weights."""

from __future__ import annotations

import pytest
import torch
from families import MOE
from hand_tables import RESIDUAL_SCALE
from opened_models import model_of, prompt, random_like, spread

from innerworks.model import edits as edit
from innerworks.model.sites import at

SITES = [
    at.mlp_in[1],
    at.router[1],
    at.router_weights[1],
    at.router_index[1],
    at.expert_neurons[1],
    at.expert_out[1],
    at.mlp_out[1],
]


@pytest.fixture(params=[("mixtral", "sdpa"), *((family, "eager") for family in sorted(MOE))], ids="-".join)
def moe(request):
    return model_of(*request.param)


def softmax_then_choose(logits):
    return logits.softmax(-1).topk(2, -1)


def softmax_of_the_chosen(logits):
    values, index = logits.topk(2, -1)
    return values.softmax(-1), index


def softmax_renormalised(logits):
    values, index = softmax_then_choose(logits)
    return values / values.sum(-1, keepdim=True), index


def of_the_best_group(logits):
    """DeepSeek-V2: two groups of two experts, the one with the best expert is taken; weights times 1.5."""
    probabilities = logits.softmax(-1)
    best = probabilities.unflatten(-1, (2, 2)).max(-1).values.argmax(-1, keepdim=True)
    inside = torch.arange(4) // 2 == best
    values, index = probabilities.masked_fill(~inside, 0.0).topk(2, -1)
    return values * 1.5, index


def sigmoids_renormalised(logits):
    """DeepSeek-V3 with both groups taken; weights times 1.5."""
    values, index = logits.sigmoid().topk(2, -1)
    return values / values.sum(-1, keepdim=True) * 1.5, index


ROUTES = {
    "mixtral": softmax_renormalised,
    "qwen2_moe": softmax_then_choose,
    "qwen3_moe": softmax_then_choose,
    "olmoe": softmax_then_choose,
    "gpt_oss": softmax_of_the_chosen,
    "granitemoe": softmax_of_the_chosen,
    "deepseek_v2": of_the_best_group,
    "deepseek_v3": sigmoids_renormalised,
}


def route(moe, logits):
    """Which experts, with what weights, in the order of the weights."""
    return ROUTES[moe.family.model_type](logits)


def in_order(weights, index):
    """Some routers give their experts in no order."""
    weights, places = weights.sort(-1, descending=True)
    return weights, index.gather(-1, places)


def shared(moe, x):
    """What the experts that every token goes through add."""
    mlp = moe.module.model.layers[1].get_submodule(moe.family.mlp)
    with torch.no_grad():
        if hasattr(mlp, "shared_experts"):
            return mlp.shared_experts(x)
        if hasattr(mlp, "shared_expert"):
            return mlp.shared_expert_gate(x).sigmoid() * mlp.shared_expert(x)
    return torch.zeros_like(x)


def whole(moe, outputs, x):
    """What the MLP adds: all the experts' outputs, on the scale of the stream."""
    return outputs.sum(-2) + shared(moe, x) * RESIDUAL_SCALE.get(moe.family.model_type, 1.0)


def experts_of(moe):
    return moe.module.model.layers[1].get_submodule(moe.family.mlp).experts


def neurons_by_hand(moe, x, index):
    experts = experts_of(moe)
    out = x.new_empty(*index.shape, moe.anatomy.d_mlp)
    for place in torch.cartesian_prod(*(torch.arange(n) for n in index.shape)).tolist():
        row, position, slot = place
        expert = int(index[row, position, slot])
        token = x[row, position]
        if moe.family.model_type != "gpt_oss":
            gate, up = (experts.gate_up_proj[expert] @ token).chunk(2)
            out[row, position, slot] = torch.nn.functional.silu(gate) * up
        else:
            both = token @ experts.gate_up_proj[expert] + experts.gate_up_proj_bias[expert]
            gate, up = both[::2].clamp(max=7.0), both[1::2].clamp(-7.0, 7.0)
            out[row, position, slot] = (up + 1) * gate * torch.sigmoid(gate * 1.702)
    return out.detach()


def outputs_by_hand(moe, neurons, index, weights):
    experts = experts_of(moe)
    if moe.family.model_type != "gpt_oss":
        out = torch.einsum("bpsn,bpsdn->bpsd", neurons, experts.down_proj[index])
    else:
        out = torch.einsum("bpsn,bpsnd->bpsd", neurons, experts.down_proj[index]) + experts.down_proj_bias[index]
    return (out * weights[..., None] * RESIDUAL_SCALE.get(moe.family.model_type, 1.0)).detach()


def near(a, b, factor=2e-6):
    return (a - b).abs().max() <= factor * max(1.0, spread(b))


def test_experts_are_rebuilt_from_the_weights(moe):
    run = moe.run(prompt(), capture=SITES)
    weights, index = route(moe, run[at.router[1]])
    found = in_order(run[at.router_weights[1]], run[at.router_index[1]])
    assert torch.equal(found[1], index)
    assert near(found[0], weights)
    weights, index = run[at.router_weights[1]], run[at.router_index[1]]
    assert near(run[at.expert_neurons[1]], neurons_by_hand(moe, run[at.mlp_in[1]], index), 5e-6)
    outputs = outputs_by_hand(moe, run[at.expert_neurons[1]], index, weights)
    assert near(run[at.expert_out[1]], outputs, 5e-6)
    assert near(whole(moe, run[at.expert_out[1]], run[at.mlp_in[1]]), run[at.mlp_out[1]], 5e-6)


def test_editing_the_router_takes_other_experts(moe):
    before = moe.run(prompt(), capture=SITES)
    value = random_like(before[at.router[1]], scale=3.0)
    after = moe.run(prompt(), edits=[edit.set(at.router[1], value)], capture=SITES)
    weights, index = route(moe, value)
    assert not torch.equal(index, before[at.router_index[1]])
    weights, index = in_order(weights, index)
    assert torch.equal(in_order(after[at.router_weights[1]], after[at.router_index[1]])[1], index)
    neurons = neurons_by_hand(moe, before[at.mlp_in[1]], index)
    outputs = outputs_by_hand(moe, neurons, index, weights)
    assert near(after[at.mlp_out[1]], whole(moe, outputs, before[at.mlp_in[1]]), 5e-6)


def test_setting_expert_numbers_takes_those_experts(moe):
    before = moe.run(prompt(), capture=SITES)
    index = (before[at.router_index[1]] + 1) % 4
    after = moe.run(prompt(), edits=[edit.set(at.router_index[1], index)], capture=SITES)
    neurons = neurons_by_hand(moe, before[at.mlp_in[1]], index)
    outputs = outputs_by_hand(moe, neurons, index, before[at.router_weights[1]])
    assert near(after[at.mlp_out[1]], whole(moe, outputs, before[at.mlp_in[1]]), 5e-6)


def test_zeroing_an_experts_weight_is_zeroing_its_output(moe):
    chosen = at.router_weights[1, 0] @ [2, 5]
    by_weight = moe.run(prompt(), edits=[edit.zero(chosen)]).logits
    by_output = moe.run(prompt(), edits=[edit.zero(at.expert_out[1, 0] @ [2, 5])]).logits
    assert near(by_weight, by_output, 5e-6)
    assert not near(by_weight, moe.run(prompt()).logits, 1e-3)


def test_editing_one_experts_neurons_changes_its_output_alone(moe):
    before = moe.run(prompt(), capture=SITES)
    site = at.expert_neurons[1, 1] @ 4
    value = random_like(before[site])
    after = moe.run(prompt(), edits=[edit.set(site, value)], capture=SITES)
    neurons = before[at.expert_neurons[1]].clone()
    neurons[:, 4, 1] = value
    outputs = outputs_by_hand(moe, neurons, before[at.router_index[1]], before[at.router_weights[1]])
    assert near(after[at.expert_out[1]], outputs, 5e-6)
    assert near(after[at.mlp_out[1]], whole(moe, outputs, before[at.mlp_in[1]]), 5e-6)
