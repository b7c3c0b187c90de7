"""Settings of a family that change how its attention or its MLP is computed keep the contract."""

from __future__ import annotations

import pytest
import torch
from found_again import appearance, differences
from opened_models import at, comparable, everywhere, fresh, names, place, plain, prompt, spread
from support_table import differentiates, reads, writes

VARIANTS = [
    ("gpt2", "eager", {"reorder_and_upcast_attn": True}),
    ("gpt2", "sdpa", {"scale_attn_by_inverse_layer_idx": True, "scale_attn_weights": False}),
    ("gpt2", "eager", {"n_inner": 20, "activation_function": "relu", "tie_word_embeddings": False}),
    ("gpt_neox", "sdpa", {"rotary_pct": 1.0, "attention_bias": False}),
    ("llama", "sdpa", {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 1}),
    ("llama", "eager", {"head_dim": 6, "tie_word_embeddings": True}),
    ("qwen3", "sdpa", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    ("mixtral", "sdpa", {"sliding_window": 4, "num_experts_per_tok": 1}),
    ("mixtral", "eager", {"num_experts_per_tok": 4}),
    ("gemma2", "eager", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    ("bloom", "eager", {"n_head": 3, "hidden_size": 48}),
    ("opt", "sdpa", {"enable_bias": False}),
    ("olmo", "sdpa", {"clip_qkv": 1.5}),
    ("mpt", "eager", {"attn_config": {"clip_qkv": 1.5}}),
    ("stablelm", "sdpa", {"use_parallel_residual": True, "qk_layernorm": True}),
    ("persimmon", "sdpa", {"qk_layernorm": True}),
    ("phi", "sdpa", {"qk_layernorm": True}),
    ("cohere", "sdpa", {"use_qk_norm": True}),
    ("falcon", "eager", {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1}),
    ("granite", "sdpa", {"attention_bias": True, "num_hidden_layers": 2}),
]


@pytest.mark.parametrize(("family", "backend", "changes"), VARIANTS, ids=str)
def test_variants_keep_the_contract(family, backend, changes):
    model = fresh(family, backend, **changes)
    before = appearance(model.module)
    for name in names(model):
        assert reads(model, place(name)), name
        one_expert = name == "router_weights" and changes.get("num_experts_per_tok") == 1
        all_chosen = name == "router_index" and model.anatomy.top_k == model.anatomy.n_experts
        assert writes(model, place(name)) or all_chosen, name  # in another order they are the same experts
        assert differentiates(model, place(name)) or name == "router_index" or one_expert, name
    sites = everywhere(model)
    run = model.run(prompt(), capture=sites)
    assert torch.equal(run.logits, plain(model, prompt()))
    total = run[at.embed] + run[at.attn_out[:]].sum(0) + run[at.mlp_out[:]].sum(0)
    assert (total - run[at.resid_post[-1]]).abs().max() <= 5e-6 * spread(total)
    assert torch.equal(model.run([[7]], capture=sites).logits, plain(model, [[7]]))
    assert differences(before, appearance(model.module)) == []


@pytest.mark.parametrize(("family", "backend", "changes"), VARIANTS, ids=str)
def test_variants_write_on_as_a_full_forward_pass_would(family, backend, changes):
    model = fresh(family, backend, **changes)
    sites = [place(name, 0) for name in names(model) if name != "logits"]
    found = model.generate(prompt(), max_new_tokens=4, capture=sites)
    sequences = [[*row, *new][:-1] for row, new in zip(prompt().tolist(), found.new_ids, strict=True)]
    full = model.run(sequences, capture=sites)
    for site in sites:
        a, b = found[site], full[site]
        if site.name == "scores":
            a, b = comparable(model, a, b > -1e30), comparable(model, b, b > -1e30)
        assert (a - b).abs().max() <= 3e-5 * max(1.0, spread(b.float())), site
