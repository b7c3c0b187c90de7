"""Measurements on the hand-built models with plain Hugging Face calls and hooks; no library code is used."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import torch


def layers_of(model):
    if hasattr(model, "transformer"):
        return model.transformer.h
    return model.gpt_neox.layers if hasattr(model, "gpt_neox") else model.model.layers


def output_projection(model, layer):
    block = layers_of(model)[layer]
    if hasattr(block, "attn"):
        return block.attn.c_proj
    return block.attention.dense if hasattr(block, "attention") else block.self_attn.o_proj


def head_count(model):
    return model.config.num_attention_heads


@contextmanager
def head_zeroed(model, layer, head):
    projection = output_projection(model, layer)

    def zero(_module, args):
        z = args[0].clone()
        width = z.shape[-1] // head_count(model)
        z[..., head * width : (head + 1) * width] = 0
        return (z,)

    handle = projection.register_forward_pre_hook(zero)
    try:
        yield
    finally:
        handle.remove()


def run(built, ids):
    with torch.no_grad():
        return built.model(ids, output_attentions=True, output_hidden_states=True)


def losses(built, ids):
    """Negative log-likelihood of each next token: [2L]."""
    log_probs = run(built, ids).logits.double().log_softmax(-1)[0, :-1]
    return -log_probs.gather(1, ids[0, 1:, None])[:, 0]


def target_logits(built, ids):
    """Logit of each next token in the second half, its first token left out: [L - 1]."""
    length = (ids.shape[1] - 1) // 2
    logits = run(built, ids).logits[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
    return logits[length + 1 :]


def pattern_scores(attention):
    """The five scores of one head's pattern [1 + 2L, 1 + 2L]."""
    size = attention.shape[0]
    length = (size - 1) // 2
    second = torch.arange(length + 1, size)
    behind = torch.arange(1, size)
    return {
        "previous": attention[behind, behind - 1].mean().item(),
        "duplicate": attention[second, second - length].mean().item(),
        "induction": attention[second, second - length + 1].mean().item(),
        "bos": attention[1:, 0].mean().item(),
        "itself": attention.diagonal().mean().item(),
    }


@dataclass
class Circuits:
    """One head's W_OV and W_QK (at distance 0), both [hidden, hidden], in the x @ W convention."""

    ov: torch.Tensor
    qk: torch.Tensor


def circuits(model, layer, head):
    query, key, value, output = (w.detach().double() for w in head_weights(model, layer, head))
    return Circuits(ov=value @ output, qk=query @ key.T)


def head_weights(model, layer, head):
    block, heads = layers_of(model)[layer], head_count(model)
    if hasattr(block, "attn"):
        hidden = model.config.n_embd
        width = hidden // heads
        columns = block.attn.c_attn.weight.split(hidden, dim=1)
        q, k, v = (c[:, head * width : (head + 1) * width] for c in columns)
        return q, k, v, block.attn.c_proj.weight[head * width : (head + 1) * width]
    if hasattr(block, "attention"):
        fused = block.attention.query_key_value.weight
        width = fused.shape[0] // heads // 3
        q, k, v = fused.view(heads, 3, width, -1)[head]
        return q.T, k.T, v.T, block.attention.dense.weight[:, head * width : (head + 1) * width].T
    attention, width = block.self_attn, model.config.head_dim
    group = head * model.config.num_key_value_heads // heads
    q = attention.q_proj.weight[head * width : (head + 1) * width]
    k = attention.k_proj.weight[group * width : (group + 1) * width]
    v = attention.v_proj.weight[group * width : (group + 1) * width]
    return q.T, k.T, v.T, attention.o_proj.weight[:, head * width : (head + 1) * width].T


def copying_score(model, layer, head):
    embed = model.get_input_embeddings().weight.detach().double()
    unembed = model.get_output_embeddings().weight.detach().double().T
    eigenvalues = torch.linalg.eigvals(embed @ circuits(model, layer, head).ov @ unembed)
    return (eigenvalues.real.sum() / eigenvalues.abs().sum()).item()


def compositions(model):
    """Every K, Q and V composition of an earlier head with a later one that is not a division by zero."""
    heads = [(layer, head) for layer in range(3) for head in range(head_count(model))]
    found = {}
    parts = {place: circuits(model, *place) for place in heads}
    for early in heads:
        for late in heads:
            if early[0] >= late[0]:
                continue
            ov = parts[early].ov
            readers = {"K": parts[late].qk.T, "Q": parts[late].qk, "V": parts[late].ov}
            for kind, reader in readers.items():
                scale = ov.norm() * reader.norm()
                if scale > 0:
                    found[kind, early, late] = ((ov @ reader).norm() / scale).item()
    return found
