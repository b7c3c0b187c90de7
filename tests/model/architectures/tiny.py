"""A tiny random model of every architecture that transformers has a causal language model for."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from family_configs import CONFIGS, HYBRIDS
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

MODEL_TYPES = tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
LAYERS = 4
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers")
_SIZES: dict[int, tuple[str, ...]] = {
    83: ("vocab_size", "vocab_size_per_layer_input", "src_vocab_size", "tgt_vocab_size", "n_vocab"),
    32: ("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "emb_dim", "word_embed_proj_dim", "lru_width"),
    48: ("intermediate_size", "ffn_dim", "n_inner", "d_ff", "d_inner", "dim_ff", "dff", "decoder_ffn_dim"),
    24: ("moe_intermediate_size", "shared_intermediate_size", "expert_ffn_hidden_size", "ffn_hidden_size"),
    20: ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "q_lora_rank"),
    4: (
        "num_attention_heads",
        "n_head",
        "n_heads",
        "decoder_attention_heads",
        "encoder_attention_heads",
        "num_experts",
        "num_local_experts",
        "n_routed_experts",
        "moe_num_experts",
        "num_heads",
        "qk_rope_head_dim",
        "num_blocks",
        "index_topk",
    ),
    2: ("num_key_value_heads", "num_kv_heads", "num_experts_per_tok", "moe_topk", "moe_k", "top_k_experts"),
    1: ("n_shared_experts", "n_group", "topk_group", "num_shared_experts"),
    8: (
        "head_dim",
        "hidden_size_per_layer_input",
        "global_head_dim",
        "qk_nope_head_dim",
        "attention_head_dim",
        "index_head_dim",
    ),
    6: ("v_head_dim",),
    16: ("kv_lora_rank",),
    5: ("sliding_window", "attention_window", "local_attention"),
    64: ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length"),
}
SMALL = {name: size for size, names in _SIZES.items() for name in names} | dict.fromkeys(_LAYERS, LAYERS)
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": None}
PER_LAYER = ("layer_types", "mlp_layer_types", "layers_block_type", "attention_types", "layer_kinds")

EXCEPTIONS: dict[str, dict[str, Any]] = {
    "dots1": {"num_experts_per_tok": 2, "n_routed_experts": 4, "n_shared_experts": 1, "first_k_dense_replace": 1},
    "dots3_note": {"num_key_value_heads": 4, "head_dim": 12},
    "dots3_note_text": {"num_key_value_heads": 4, "head_dim": 12},
    "hunyuan_v1_moe": {"head_dim": 8, "num_experts": 4, "moe_topk": 2},
    "granitemoeshared": {"shared_intermediate_size": 24, "residual_multiplier": 0.5},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "reformer": {"axial_pos_embds_dim": [8, 24], "axial_pos_shape": [8, 8]},
    "xmod": {"default_language": "en_XX"},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0}},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": 10000.0} for kind in ("sliding_attention", "full_attention")
        },
    },
    "bailing_hybrid": {"num_expert_group": 1, "topk_group": 1, "num_experts_per_token": 2},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
        "hc_lowrank": 8,
    },
}
"""What the automatic shrinking gets wrong, by model type."""


NOT_TINY = {
    "dots3_note": "its config holds a second one for every layer, which do not shrink with it (see dots3_note_text)",
    "gemma3n": "its vision tower is of another package, timm (see gemma3n_text)",
    "gemma4_assistant": "it drafts for another model and takes that model's keys and values",
    "gemma4_unified_assistant": "it drafts for another model and takes that model's keys and values",
    "musicgen": "its causal class takes the config of its decoder, not the one that goes by this name",
    "musicgen_melody": "its causal class takes the config of its decoder, not the one that goes by this name",
    "qwen4_exp": "its text settings do not shrink from outside (see qwen4_exp_text)",
}
"""What cannot be built tiny here, and why."""


def shrunk(default: dict[str, Any]) -> dict[str, Any]:
    """The settings of a config, sizes small, lists with one entry for each layer cut to the layers there are."""
    layers = next((default[name] for name in _LAYERS if isinstance(default.get(name), int)), None)
    found: dict[str, Any] = {}
    for name, value in default.items():
        if isinstance(value, dict) and name.endswith("_config"):
            found[name] = {**shrunk(value), **({"model_type": value["model_type"]} if "model_type" in value else {})}
        elif name in SMALL and isinstance(value, int) and not isinstance(value, bool):
            found[name] = min(value, SMALL[name])
        elif name in TOKENS:
            found[name] = TOKENS[name]
        elif isinstance(value, list) and layers and len(value) == layers:
            found[name] = _few(value)
    if "kv_lora_rank" in default:  # every head has keys of its own, expanded from the latent vector
        found |= {"num_key_value_heads": 4} | ({"head_dim": 4} if "head_dim" in default else {})
    return found


def _few(values: list[Any]) -> list[Any]:
    """As many entries as there are layers now, every kind among them where that is possible."""
    kinds = [value for i, value in enumerate(values) if value not in values[:i]]
    return (kinds + values)[:LAYERS] if len(kinds) <= LAYERS else kinds[:LAYERS]


def config_of(model_type: str) -> Any:
    """A tiny config."""
    if model_type in EXCEPTIONS and "model_type" in EXCEPTIONS[model_type]:
        model_type = EXCEPTIONS[model_type]["model_type"]
    written = {**CONFIGS, **HYBRIDS}.get(model_type)
    if written is None:
        default = type(transformers.AutoConfig.for_model(model_type))().to_dict()
        written = {**shrunk(default), **EXCEPTIONS.get(model_type, {})}
        if default.get("is_decoder") is False:
            written["is_decoder"] = True
    return transformers.AutoConfig.for_model(model_type, **written)


def built(model_type: str, seed: int = 0) -> Any:
    """A random model with weights large enough to leave the linear regime."""
    config = config_of(model_type)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        for name, parameter in module.named_parameters():
            if not parameter.is_floating_point():
                continue
            with torch.no_grad():
                if parameter.dim() == 1 and "bias" not in name and "sinks" not in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                else:
                    parameter.normal_(std=0.35 if parameter.dim() > 1 else 0.2)
    return module.eval()
