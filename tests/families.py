"""Tiny random models, one per family, that between them have every difficulty."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import transformers

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
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt_neox_sequential": ("gpt_neox", {"use_parallel_residual": False}),
}
FAMILIES = (*CONFIGS, *VARIANTS)
NO_SDPA = {"gptj", "bloom", "gemma2", "gpt_oss"}
MOE = {"mixtral", "gpt_oss"}


def backends(family: str) -> tuple[str, ...]:
    """The attention backends a family has on any machine."""
    return ("eager",) if family in NO_SDPA else ("eager", "sdpa")


def build(
    family: str, backend: str = "eager", dtype: torch.dtype = torch.float32, seed: int = 0, **changes: Any
) -> Any:
    """A new random model with weights large enough to leave the linear regime."""
    model_type, extra = VARIANTS.get(family, (family, {}))
    config = transformers.AutoConfig.for_model(model_type, **{**CONFIGS[model_type], **extra, **changes})
    config._attn_implementation = backend
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=backend)
        for name, parameter in module.named_parameters():
            with torch.no_grad():
                if parameter.dim() == 1 and "bias" not in name and "sinks" not in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                else:
                    scale = 0.35 if parameter.dim() > 1 else 0.2
                    parameter.normal_(std=scale)
    if dtype == torch.float64 and family in MOE:
        config._experts_implementation = "batched_mm"
    return module.eval().to(dtype)


@lru_cache(maxsize=64)
def module_of(family: str, backend: str = "eager", dtype: torch.dtype = torch.float32) -> Any:
    """A shared model; tests must leave it as they found it (which is part of what they test)."""
    return build(family, backend, dtype)


def ids(rows: int = 1, length: int = 9, seed: int = 3, vocab: int = 83) -> torch.Tensor:
    """Random token ids, 2 and up."""
    return torch.randint(2, vocab, (rows, length), generator=torch.Generator().manual_seed(seed))
