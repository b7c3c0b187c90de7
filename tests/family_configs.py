"""Tiny configurations, one per architecture, that between them have every difficulty."""

from __future__ import annotations

from typing import Any

_LLAMA = dict(
    vocab_size=83,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=None,
)

_MIXED_LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]

CONFIGS: dict[str, dict[str, Any]] = {
    "gpt2": dict(vocab_size=83, n_embd=32, n_layer=3, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=None),
    "gpt_neox": dict(
        vocab_size=83,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        rotary_pct=0.5,
        use_parallel_residual=True,
        bos_token_id=1,
        eos_token_id=None,
    ),
    "llama": _LLAMA,
    "qwen3": {**_LLAMA, "head_dim": 12},
    "gemma2": {
        **_LLAMA,
        "head_dim": 12,
        "query_pre_attn_scalar": 12,
        "sliding_window": 5,
        "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0,
    },
    "olmo2": _LLAMA,
    "bloom": dict(
        vocab_size=83, hidden_size=32, n_layer=3, n_head=4, bos_token_id=1, eos_token_id=None, pad_token_id=0
    ),
    "gptj": dict(
        vocab_size=83, n_embd=32, n_layer=3, n_head=4, n_positions=64, rotary_dim=4, bos_token_id=1, eos_token_id=None
    ),
    "opt": dict(
        vocab_size=83,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        word_embed_proj_dim=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=None,
    ),
    "mixtral": {**_LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt_oss": {
        **_LLAMA,
        "head_dim": 8,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 5,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    },
    "granite": {
        **_LLAMA,
        "residual_multiplier": 0.22,
        "embedding_multiplier": 12.0,
        "logits_scaling": 8.0,
        "attention_multiplier": 0.25,
    },
    "mistral": {**_LLAMA, "head_dim": 12, "sliding_window": 5},
    "ministral": {**_LLAMA, "head_dim": 12, "sliding_window": 5, "layer_types": _MIXED_LAYERS},
    "qwen2": _LLAMA,
    "gemma": {**_LLAMA, "head_dim": 12},
    "gemma3_text": {
        **_LLAMA,
        "head_dim": 12,
        "query_pre_attn_scalar": 12,
        "sliding_window": 5,
        "layer_types": _MIXED_LAYERS,
    },
    "olmo3": {**_LLAMA, "sliding_window": 5, "layer_types": _MIXED_LAYERS},
    "exaone4": {**_LLAMA, "sliding_window": 5, "layer_types": _MIXED_LAYERS},
    "smollm3": {**_LLAMA, "no_rope_layers": [1, 0, 1]},
    "seed_oss": {**_LLAMA, "head_dim": 12},
    "arcee": _LLAMA,
    "helium": {**_LLAMA, "head_dim": 8},
    "ernie4_5": {**_LLAMA, "head_dim": 8},
    "hunyuan_v1_dense": {**_LLAMA, "head_dim": 12},
    "glm4": {**_LLAMA, "head_dim": 12},
    "phi3": {**_LLAMA, "sliding_window": 5},
    "phi": _LLAMA,
    "stablelm": _LLAMA,
    "starcoder2": {**_LLAMA, "sliding_window": 5},
    "cohere": {**_LLAMA, "use_qk_norm": False},
    "cohere2": {**_LLAMA, "head_dim": 8, "sliding_window": 5, "layer_types": _MIXED_LAYERS},
    "nemotron": {**_LLAMA, "head_dim": 8},
    "olmo": {**_LLAMA, "clip_qkv": 1.5},
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt_neox_sequential": ("gpt_neox", {"use_parallel_residual": False}),
    "stablelm_parallel": ("stablelm", {"use_parallel_residual": True, "qk_layernorm": True}),
    "cohere_qk_norm": ("cohere", {"use_qk_norm": True}),
}
