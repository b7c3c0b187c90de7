"""Mixtures of experts by hand: routes, neurons and outputs rebuilt from the weights, one token at a time."""

from __future__ import annotations

import torch
from hand_tables import RESIDUAL_SCALE

LAYER = 1


def _renormalised(values):
    return values / values.sum(-1, keepdim=True)


def _in_the_best_group(logits):
    """DeepSeek-V2: two groups of two experts, the one with the best expert is taken; the other's scores are 0."""
    probabilities = logits.softmax(-1)
    best = probabilities.unflatten(-1, (2, 2)).max(-1).values.argmax(-1, keepdim=True)
    return probabilities.masked_fill(torch.arange(4) // 2 != best, 0.0)


_SOFTMAX = (lambda logits: logits.softmax(-1), lambda values: values)
_LOGITS = (lambda logits: logits, lambda values: values.softmax(-1))
_ROUTERS = {
    "mixtral": (_SOFTMAX[0], _renormalised),
    "qwen2_moe": _SOFTMAX,
    "qwen3_moe": _SOFTMAX,
    "olmoe": _SOFTMAX,
    "gpt_oss": _LOGITS,
    "granitemoe": _LOGITS,
    "deepseek_v2": (_in_the_best_group, lambda values: values * 1.5),
    "deepseek_v3": (lambda logits: logits.sigmoid(), lambda values: _renormalised(values) * 1.5),
    "llama4_text": (lambda logits: logits, lambda values: values.sigmoid()),
}
"""How each router scores the experts, and how it weights the scores of those that were chosen."""


def weights_by_hand(moe, logits, index):
    """The weights that a router gives to these experts."""
    score, weight = _ROUTERS[moe.family.model_type]
    return weight(score(logits).gather(-1, index))


def route(moe, logits):
    """Which experts, with what weights, in the order of the weights."""
    score, _ = _ROUTERS[moe.family.model_type]
    index = score(logits).topk(moe.anatomy.top_k, -1).indices
    return weights_by_hand(moe, logits, index), index


def in_order(weights, index):
    """Some routers give their experts in no order."""
    weights, places = weights.sort(-1, descending=True)
    return weights, index.gather(-1, places)


def mlp_of(moe):
    return moe.module.model.layers[LAYER].get_submodule(moe.family.mlp)


def scale_of(moe):
    return RESIDUAL_SCALE.get(moe.family.model_type, 1.0)


def shared_by_hand(moe, x):
    """What the expert that every token goes through adds; 0 where there is none."""
    mlp = mlp_of(moe)
    with torch.no_grad():
        if hasattr(mlp, "shared_experts"):
            return mlp.shared_experts(x) * scale_of(moe)
        if hasattr(mlp, "shared_expert_gate"):
            return mlp.shared_expert_gate(x).sigmoid() * mlp.shared_expert(x) * scale_of(moe)
        if hasattr(mlp, "shared_expert"):
            return mlp.shared_expert(x) * scale_of(moe)
    return torch.zeros_like(x)


def whole(moe, outputs, x):
    """What the MLP adds: all the experts' outputs, on the scale of the stream."""
    return outputs.sum(-2) + shared_by_hand(moe, x)


def neurons_by_hand(moe, x, index, weights):
    """The neurons of each token's experts; Llama 4's read the token times its weight."""
    experts, kind = mlp_of(moe).experts, moe.family.model_type
    out = x.new_empty(*index.shape, moe.anatomy.d_expert)
    for row, position, slot in torch.cartesian_prod(*(torch.arange(n) for n in index.shape)).tolist():
        expert, token = int(index[row, position, slot]), x[row, position]
        if kind == "gpt_oss":
            both = token @ experts.gate_up_proj[expert] + experts.gate_up_proj_bias[expert]
            gate, up = both[::2].clamp(max=7.0), both[1::2].clamp(-7.0, 7.0)
            out[row, position, slot] = (up + 1) * gate * torch.sigmoid(gate * 1.702)
            continue
        if kind == "llama4_text":
            gate, up = ((token * weights[row, position, slot]) @ experts.gate_up_proj[expert]).chunk(2)
        else:
            gate, up = (experts.gate_up_proj[expert] @ token).chunk(2)
        out[row, position, slot] = torch.nn.functional.silu(gate) * up
    return out.detach()


def outputs_by_hand(moe, neurons, index, weights):
    """What each token's experts add."""
    experts, kind = mlp_of(moe).experts, moe.family.model_type
    if kind in ("gpt_oss", "llama4_text"):
        out = torch.einsum("bpsn,bpsnd->bpsd", neurons, experts.down_proj[index])
    else:
        out = torch.einsum("bpsn,bpsdn->bpsd", neurons, experts.down_proj[index])
    if kind == "gpt_oss":
        out = out + experts.down_proj_bias[index]
    return (out if kind == "llama4_text" else out * weights[..., None]).detach() * scale_of(moe)


def mixed_by_hand(moe, x, index, weights):
    """The MLP's contribution when tokens go to these experts with these weights."""
    neurons = neurons_by_hand(moe, x, index, weights)
    return whole(moe, outputs_by_hand(moe, neurons, index, weights), x)


def by_expert(moe, values, index):
    """What is laid out by slot, laid out by expert, 0 where an expert did not run."""
    out = values.new_zeros(*values.shape[:2], moe.anatomy.n_experts, values.shape[-1])
    for row, position, slot in torch.cartesian_prod(*(torch.arange(n) for n in index.shape)).tolist():
        out[row, position, int(index[row, position, slot])] = values[row, position, slot]
    return out
