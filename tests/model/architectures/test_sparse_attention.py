"""Looking into sparse attention leaves it sparse: what is shown is what the model attends with."""

from __future__ import annotations

import pytest
import torch
import transformers
from tiny import MODEL_TYPES, config_of

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import InnerworksError

SPARSE = [name for name in ("deepseek_v32", "glm_moe_dsa", "dots3_note_text") if name in MODEL_TYPES]
CHOSEN = 8
PROMPT = torch.randint(2, 83, (2, 30), generator=torch.Generator().manual_seed(5))


def opened(model_type, backend):
    """A random model whose layers choose 8 keys for each query, of 30."""
    config = config_of(model_type)
    config.index_topk = CHOSEN
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=backend).eval()
        for parameter in module.parameters():
            if parameter.is_floating_point() and parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.35)
    return iw.load(module)


@pytest.mark.parametrize("backend", ["eager", "sdpa"])
@pytest.mark.parametrize("model_type", SPARSE)
def test_capturing_inside_sparse_attention_moves_no_logit(model_type, backend):
    model = opened(model_type, backend)
    with torch.no_grad():
        plain = model.module(input_ids=PROMPT, use_cache=False).logits
    for kind in (at.pattern, at.scores, at.q_rot, at.k_rot):
        assert torch.equal(model.run(PROMPT, capture=[kind[:]]).logits, plain), kind


@pytest.mark.parametrize("backend", ["eager", "sdpa"])
@pytest.mark.parametrize("model_type", SPARSE)
def test_a_sparse_pattern_is_of_the_chosen_keys_alone(model_type, backend):
    model = opened(model_type, backend)
    mixed = "v" not in model.anatomy.missing
    run = model.run(PROMPT, capture=[at.pattern[:], *([at.v[:], at.z[:]] if mixed else [])])
    attentions = [block.self_attn for block in model.module.model.layers]
    sparse = [i for i, one in enumerate(attentions) if getattr(one, "indexer", None) is not None]
    assert sparse
    for layer in sparse:
        pattern = run[at.pattern[layer]]
        assert (pattern > 0).sum(-1).max() == CHOSEN
        if mixed:
            z = torch.einsum("bhqk,bkhd->bqhd", pattern, run[at.v[layer]])
            assert torch.allclose(z, run[at.z[layer]], atol=1e-5 * float(z.abs().max()))


@pytest.mark.parametrize("backend", ["eager", "sdpa"])
def test_what_is_written_into_a_sparse_pattern_replaces_it_alone(backend):
    model = opened("deepseek_v32", backend)
    plain = model.run(PROMPT, capture=[at.pattern[1]])
    back = model.run(PROMPT, edits=[edit.set(at.pattern[1], plain[at.pattern[1]])]).logits
    assert (back - plain.logits).abs().max() <= 2e-5 * plain.logits.abs().max()


def test_a_layer_is_found_again_as_it_was_after_an_exception():
    model = opened("deepseek_v32", "sdpa")
    attention = model.module.model.layers[1].self_attn
    config = attention.config
    with pytest.raises((InnerworksError, ZeroDivisionError)):
        model.run(PROMPT, edits=[edit.call(at.pattern[1], lambda pattern: pattern / (1 // 0))])
    assert attention.config is config
    assert type(config._attn_implementation) is str and config._attn_implementation == "sdpa"


def test_a_layer_that_would_attend_otherwise_while_it_is_looked_into_is_not_offered(monkeypatch):
    """As if the mask were built under a name that a tapped layer does not have."""
    monkeypatch.setattr("innerworks.model.taps.attention.TappedBackend", lambda backend: "innerworks")
    model = opened("deepseek_v32", "eager")
    for name in ("scores", "pattern", "q_rot", "k_rot"):
        assert "changes the logits" in model.anatomy.missing[name]


def test_a_layer_cannot_be_looked_into_while_it_is_looked_into():
    model = opened("deepseek_v32", "eager")

    def run_again(pattern):
        model.run(PROMPT, capture=[at.q_rot[1]])
        return pattern

    with pytest.raises(InnerworksError, match="looked into already"):
        model.run(PROMPT, edits=[edit.call(at.pattern[1], run_again)])
