"""Tiny random models of the families whose numbers are compared; every environment makes the same ones from a seed."""

from __future__ import annotations

from typing import Any

VOCABULARY = 83
HEADS = 4

_LLAMA = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=HEADS,
    num_key_value_heads=2,
    max_position_embeddings=64,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)
_GPT2 = dict(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=HEADS, n_positions=64, bos_token_id=1, eos_token_id=2)
_NEOX = {
    **{key: value for key, value in _LLAMA.items() if key != "num_key_value_heads"},
    "rotary_pct": 0.5,
    "use_parallel_residual": True,
}
_MIXTURE = {**_LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT-2": ("gpt2", _GPT2),
    "Llama, grouped heads": ("llama", _LLAMA),
    "OPT": (
        "opt",
        {
            **{key: value for key, value in _LLAMA.items() if key not in ("num_key_value_heads", "intermediate_size")},
            "ffn_dim": 48,
            "word_embed_proj_dim": 32,
        },
    ),
    "GPT-J": ("gptj", {**_GPT2, "rotary_dim": 4}),
    "GPT-NeoX": ("gpt_neox", _NEOX),
    "GPT-NeoX, sequential": ("gpt_neox", {**_NEOX, "use_parallel_residual": False}),
    "BLOOM": (
        "bloom",
        dict(
            vocab_size=VOCABULARY,
            hidden_size=32,
            n_layer=3,
            n_head=HEADS,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        ),
    ),
    "Gemma 2": (
        "gemma2",
        {
            **_LLAMA,
            "head_dim": 12,
            "query_pre_attn_scalar": 12,
            "sliding_window": 5,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 30.0,
        },
    ),
    "OLMo 2": ("olmo2", _LLAMA),
    "Granite": (
        "granite",
        {
            **_LLAMA,
            "residual_multiplier": 0.22,
            "embedding_multiplier": 12.0,
            "logits_scaling": 8.0,
            "attention_multiplier": 0.25,
        },
    ),
    "Mixtral": ("mixtral", _MIXTURE),
    "gpt-oss": (
        "gpt_oss",
        {
            **_MIXTURE,
            "head_dim": 8,
            "sliding_window": 5,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        },
    ),
}
"""What the tables call a family, its `model_type`, and its configuration."""

ONLY_FOR_TRAPS: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT-Neo": (
        "gpt_neo",
        dict(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=48,
            num_layers=3,
            num_heads=HEADS,
            attention_types=[[["local"], 1], [["global", "local"], 1]],
            window_size=5,
            max_position_embeddings=64,
            bos_token_id=1,
            eos_token_id=2,
        ),
    ),
    "XGLM": (
        "xglm",
        dict(
            vocab_size=VOCABULARY,
            d_model=32,
            ffn_dim=48,
            num_layers=3,
            attention_heads=HEADS,
            max_position_embeddings=64,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        ),
    ),
}


def build(family: str, attention: str = "eager", seed: int = 0) -> Any:
    """A random model with weights large enough to leave the linear regime, the same in every environment."""
    import torch
    import transformers

    model_type, options = {**FAMILIES, **ONLY_FOR_TRAPS}[family]
    config = transformers.AutoConfig.for_model(model_type, **options)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)
        with torch.no_grad():
            for name, parameter in sorted(module.named_parameters()):
                if parameter.dim() == 1 and "bias" not in name and "sinks" not in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                else:
                    parameter.normal_(std=0.35 if parameter.dim() > 1 else 0.2)
    module.config.architectures = [type(module).__name__]
    return module.eval()


def ids(rows: int = 1, length: int = 9, seed: int = 3) -> Any:
    """Random token ids that no family takes for a special token."""
    import torch

    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))
