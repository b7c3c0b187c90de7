"""Every matrix, held against the activations that the model's own modules made with it."""

from __future__ import annotations

import families
import pytest
import torch
from opened import HEADS, LAYERS, POST_NORM, captured, close, model_of, opened, run_of

from innerworks.model.sites import at

# The families' own norms, and the experts' routing, compute in float32 also in a float64 model.
THROUGH_FLOAT32 = 3e-6

every_family = pytest.mark.parametrize("family", families.WITH_MATRICES)


def heads():
    return [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]


def stream(run, layer, place):
    """The stream that attention or the MLP of a layer reads through its norm."""
    kind = "resid_pre" if place == "attn" or run.anatomy.parallel else "resid_mid"
    return run[at(kind)[layer]]


def normalised(x, norm):
    return x if norm is None else x / norm.scale(x)[..., None]


@pytest.mark.each_family
@every_family
@pytest.mark.parametrize("which", "qkv")
def test_reading_matrices_give_the_captured_queries_keys_and_values(family, which):
    weights, run = model_of(family).weights, run_of(family)
    kv_heads = run.anatomy.n_kv_heads
    for layer, head in heads():
        own = head if which == "q" else head * kv_heads // HEADS
        expected = run[at(which)[layer]][:, :, own]
        matrix, bias = getattr(weights, which), getattr(weights, f"{which}_bias")
        close(run[at.attn_in[layer]] @ matrix(layer, head) + bias(layer, head), expected)
        x = normalised(stream(run, layer, "attn"), weights.attn_norm(layer))
        folded = x @ matrix(layer, head, folded=True) + bias(layer, head, folded=True)
        close(folded, expected, THROUGH_FLOAT32)


@every_family
def test_output_matrices_give_what_attention_writes(family):
    weights, run = model_of(family).weights, run_of(family)
    for layer in range(LAYERS):
        z, post = run[at.z[layer]], weights.attn_post(layer)
        stored = [z[:, :, h] @ weights.o(layer, h) for h in range(HEADS)]
        folded = [z[:, :, h] @ weights.o(layer, h, folded=True) for h in range(HEADS)]
        whole = sum(stored) + weights.o_bias(layer)
        scale = 1 if post is None else post.scale(whole)[..., None]
        tolerance = THROUGH_FLOAT32 if family in POST_NORM else 1e-10
        close((sum(folded) + weights.o_bias(layer, folded=True)) / scale, run[at.attn_out[layer]], tolerance)
        close(torch.stack(folded, 2) / torch.as_tensor(scale)[..., None], run[at.head_out[layer]], tolerance)
        if family not in families.SCALED_RESIDUAL and post is None:
            close(whole, run[at.attn_out[layer]])


@every_family
def test_ov_and_its_bias_are_what_a_head_writes_at_its_source(family):
    weights, run = model_of(family).weights, run_of(family)
    for layer, head in heads():
        x = normalised(stream(run, layer, "attn"), weights.attn_norm(layer))
        # The first position can only attend to itself (or to a sink), so its z is its own value.
        share = run[at.pattern[layer]][:, head, 0, 0].item()
        z = run[at.z[layer]][0, 0, head]
        written = share * (x[0, 0] @ weights.ov(layer, head) + weights.ov_bias(layer, head))
        close(written, z @ weights.o(layer, head, folded=True), THROUGH_FLOAT32)


@pytest.mark.parametrize("family", [f for f in families.WITH_MATRICES if f not in families.MIXTURES])
def test_mlp_matrices_give_the_captured_neurons(family):
    weights, run = model_of(family).weights, run_of(family)
    gated = run.anatomy.family.gate is not None
    for layer in range(LAYERS):
        x, norm = run[at.mlp_in[layer]], weights.mlp_norm(layer)
        read = normalised(stream(run, layer, "mlp"), norm)
        pairs = [("neuron_pre", weights.neuron_in, weights.neuron_in_bias)]
        if gated:
            pairs.append(("gate", weights.gate, weights.gate_bias))
        for site, matrix, bias in pairs:
            expected = run[at(site)[layer]]
            close(x @ matrix(layer) + bias(layer), expected)
            close(read @ matrix(layer, folded=True) + bias(layer, folded=True), expected, THROUGH_FLOAT32)
        neurons, post = run[at.neurons[layer]], weights.mlp_post(layer)
        stored = neurons @ weights.neuron_out(layer) + weights.neuron_out_bias(layer)
        folded = neurons @ weights.neuron_out(layer, folded=True)
        folded = folded + weights.neuron_out_bias(layer, folded=True)
        scale = 1 if post is None else post.scale(stored)[..., None]
        close(folded / scale, run[at.mlp_out[layer]], THROUGH_FLOAT32 if family in POST_NORM else 1e-10)


@pytest.mark.parametrize("family", [f for f in families.WITH_MATRICES if f not in families.MIXTURES])
@pytest.mark.parametrize("folded", [False, True])
def test_a_neuron_is_a_column_of_each_matrix(family, folded):
    weights = model_of(family).weights
    one = weights.neuron(1, 7, folded=folded)
    close(one.read, weights.neuron_in(1, folded=folded)[:, 7])
    close(one.write, weights.neuron_out(1, folded=folded)[7])
    close(one.read_bias, weights.neuron_in_bias(1, folded=folded)[7])
    assert (one.gate is None) == (weights.anatomy.family.gate is None)
    if one.gate is not None:
        close(one.gate, weights.gate(1, folded=folded)[:, 7])
        close(one.gate_bias, weights.gate_bias(1, folded=folded)[7])


def glu(module, gate, up):
    if hasattr(module, "act_fn"):
        return module.act_fn(gate) * up
    gate, up = gate.clamp(max=module.limit), up.clamp(-module.limit, module.limit)
    return (up + 1) * gate * torch.sigmoid(gate * module.alpha)


@pytest.mark.parametrize("family", sorted(families.MIXTURES))
@pytest.mark.parametrize("folded", [False, True])
def test_expert_matrices_give_the_captured_neurons_and_writes(family, folded):
    weights, run = model_of(family).weights, run_of(family)
    for layer in range(LAYERS):
        x = run[at.mlp_in[layer]]
        if folded:
            x = normalised(stream(run, layer, "mlp"), weights.mlp_norm(layer))
        close(
            x @ weights.router(layer, folded=folded) + weights.router_bias(layer, folded=folded),
            run[at.router[layer]],
            THROUGH_FLOAT32,
        )
        module = weights.anatomy.part(layer, weights.anatomy.family.experts.experts)
        chosen, share = run[at.router_index[layer]][0], run[at.router_weights[layer]][0]
        everywhere = weights.anatomy.family.experts.everywhere  # the router scales what goes in, and not what comes out
        for position, slot in [(0, 0), (3, -1), (8, 0), (5, -1)]:
            option = {"expert": chosen[position, slot].item(), "folded": folded}
            seen = x[0, position] * (share[position, slot] if everywhere else 1.0)
            up = seen @ weights.neuron_in(layer, **option) + weights.neuron_in_bias(layer, **option)
            gate = seen @ weights.gate(layer, **option) + weights.gate_bias(layer, **option)
            neurons = run[at.routed_neurons[layer]][0, position, slot]
            close(glu(module, gate, up), neurons, 1e-5)
            written = neurons @ weights.neuron_out(layer, **option) + weights.neuron_out_bias(layer, **option)
            written = written * (1.0 if everywhere else share[position, slot])
            written = written * (1.0 if folded else weights.residual_scale)
            close(written, run[at.routed_out[layer]][0, position, slot], THROUGH_FLOAT32)
            one = weights.neuron(layer, 3, **option)
            close(one.gate, weights.gate(layer, **option)[:, 3])
            close(one.read, weights.neuron_in(layer, **option)[:, 3])


@every_family
def test_embeddings_are_what_enters_the_stream(family):
    weights, run = model_of(family).weights, run_of(family)
    entering = weights.embed_rows(families.ids(1, 9))
    if run.anatomy.family.pos_embed is not None:
        positions = weights.pos_embed[:9]
        close(positions.expand_as(run[at.pos_embed]), run[at.pos_embed])
        entering = entering + positions
    close(entering, run[at.embed])
    close(weights.embed[families.ids(1, 9)], weights.embed_rows(families.ids(1, 9)))


@every_family
def test_folded_and_plain_unembedding_give_the_same_log_probs(family):
    weights, run = model_of(family).weights, run_of(family)
    x = run[at.resid_post[LAYERS - 1]]
    scale = weights.final_norm.scale(x)[..., None]
    plain = (run[at.final_norm] @ weights.unembed + weights.unembed_bias) * weights.logit_scale
    readout = weights.readout()
    logits, cap = x / scale @ readout.weight + readout.bias, weights.logit_softcap
    for found in (plain, logits):
        found = found if cap is None else cap * torch.tanh(found / cap)
        close(found.log_softmax(-1), run.logits.log_softmax(-1), THROUGH_FLOAT32)
    some = weights.readout([5, 2])
    close(some.weight, readout.weight[:, [5, 2]])
    close(some.bias, readout.bias[[5, 2]])
    close(weights.into_readout(x) @ weights.unembed, x @ readout.weight)


def test_the_logit_scale_applies_to_the_unembeddings_bias_too():
    module = families.build("granite", dtype=torch.float64)
    module.lm_head.bias = torch.nn.Parameter(torch.randn(83, dtype=torch.float64))
    model = opened(module)
    run, readout = captured(model), model.weights.readout()
    x = run[at.resid_post[LAYERS - 1]]
    logits = x / model.weights.final_norm.scale(x)[..., None] @ readout.weight + readout.bias
    close(logits, run.logits, THROUGH_FLOAT32)
