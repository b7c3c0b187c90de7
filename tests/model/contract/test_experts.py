"""Mixtures of experts: routes, neurons and outputs of chosen experts, rebuilt by hand from the weights."""

from __future__ import annotations

import pytest
import torch
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


@pytest.fixture(params=[("mixtral", "eager"), ("mixtral", "sdpa"), ("gpt_oss", "eager")], ids="-".join)
def moe(request):
    return model_of(*request.param)


def route(moe, logits):
    """Which experts, with what weights."""
    if moe.family.model_type == "mixtral":
        values, index = logits.softmax(-1).topk(2, -1)
        return values / values.sum(-1, keepdim=True), index
    values, index = logits.topk(2, -1)
    return values.softmax(-1), index


def experts_of(moe):
    block = moe.module.model.layers[1]
    return block.mlp.experts


def neurons_by_hand(moe, x, index):
    experts = experts_of(moe)
    out = x.new_empty(*index.shape, moe.anatomy.d_mlp)
    for place in torch.cartesian_prod(*(torch.arange(n) for n in index.shape)).tolist():
        row, position, slot = place
        expert = int(index[row, position, slot])
        token = x[row, position]
        if moe.family.model_type == "mixtral":
            gate, up = (experts.gate_up_proj[expert] @ token).chunk(2)
            out[row, position, slot] = torch.nn.functional.silu(gate) * up
        else:
            both = token @ experts.gate_up_proj[expert] + experts.gate_up_proj_bias[expert]
            gate, up = both[::2].clamp(max=7.0), both[1::2].clamp(-7.0, 7.0)
            out[row, position, slot] = (up + 1) * gate * torch.sigmoid(gate * 1.702)
    return out.detach()


def outputs_by_hand(moe, neurons, index, weights):
    experts = experts_of(moe)
    if moe.family.model_type == "mixtral":
        out = torch.einsum("bpsn,bpsdn->bpsd", neurons, experts.down_proj[index])
    else:
        out = torch.einsum("bpsn,bpsnd->bpsd", neurons, experts.down_proj[index]) + experts.down_proj_bias[index]
    return (out * weights[..., None]).detach()


def near(a, b, factor=2e-6):
    return (a - b).abs().max() <= factor * max(1.0, spread(b))


def test_experts_are_rebuilt_from_the_weights(moe):
    run = moe.run(prompt(), capture=SITES)
    weights, index = route(moe, run[at.router[1]])
    assert torch.equal(run[at.router_index[1]], index)
    assert near(run[at.router_weights[1]], weights)
    assert near(run[at.expert_neurons[1]], neurons_by_hand(moe, run[at.mlp_in[1]], index), 5e-6)
    outputs = outputs_by_hand(moe, run[at.expert_neurons[1]], index, weights)
    assert near(run[at.expert_out[1]], outputs, 5e-6)
    assert near(run[at.expert_out[1]].sum(-2), run[at.mlp_out[1]], 5e-6)


def test_editing_the_router_takes_other_experts(moe):
    before = moe.run(prompt(), capture=SITES)
    value = random_like(before[at.router[1]], scale=3.0)
    after = moe.run(prompt(), edits=[edit.set(at.router[1], value)], capture=SITES)
    weights, index = route(moe, value)
    assert not torch.equal(index, before[at.router_index[1]])
    assert torch.equal(after[at.router_index[1]], index)
    neurons = neurons_by_hand(moe, before[at.mlp_in[1]], index)
    outputs = outputs_by_hand(moe, neurons, index, weights)
    assert near(after[at.mlp_out[1]], outputs.sum(-2), 5e-6)


def test_setting_expert_numbers_takes_those_experts(moe):
    before = moe.run(prompt(), capture=SITES)
    index = (before[at.router_index[1]] + 1) % 4
    after = moe.run(prompt(), edits=[edit.set(at.router_index[1], index)], capture=SITES)
    neurons = neurons_by_hand(moe, before[at.mlp_in[1]], index)
    outputs = outputs_by_hand(moe, neurons, index, before[at.router_weights[1]])
    assert near(after[at.mlp_out[1]], outputs.sum(-2), 5e-6)


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
    assert near(after[at.mlp_out[1]], outputs.sum(-2), 5e-6)
