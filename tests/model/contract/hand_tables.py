"""Where each family's tensors are, written by hand a second time, sharing no code with the library.

A value is (module path inside a block, "in" or "out"[, what to make of the tensor]).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Reading = tuple[str, str] | tuple[str, str, Callable[[torch.Tensor], torch.Tensor]]


def _heads(n: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (n, -1))


def _third(i: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (3, 4, -1))[:, :, i]


def _within_head(i: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (4, 3, -1))[:, :, :, i]


def _among(slots: int, first: int, end: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (slots, -1))[:, :, first:end]


def _flat(x: torch.Tensor) -> torch.Tensor:
    return x if x.dim() == 3 else x.reshape(2, -1, x.shape[-1])


_LLAMA: dict[str, Reading] = {
    "attn_in": ("self_attn", "in"),
    "attn_out": ("self_attn", "out"),
    "q": ("self_attn.q_proj", "out", _heads(4)),
    "k": ("self_attn.k_proj", "out", _heads(2)),
    "v": ("self_attn.v_proj", "out", _heads(2)),
    "z": ("self_attn.o_proj", "in", _heads(4)),
    "resid_mid": ("post_attention_layernorm", "in"),
    "mlp_in": ("mlp", "in"),
    "mlp_out": ("mlp", "out"),
    "neuron_pre": ("mlp.up_proj", "out"),
    "gate": ("mlp.gate_proj", "out"),
    "neurons": ("mlp.down_proj", "in"),
}
_MOE = {k: v for k, v in _LLAMA.items() if k not in ("neuron_pre", "gate", "neurons")}
_NEOX: dict[str, Reading] = {
    "attn_in": ("input_layernorm", "out"),
    "attn_out": ("attention", "out"),
    "q": ("attention.query_key_value", "out", _within_head(0)),
    "k": ("attention.query_key_value", "out", _within_head(1)),
    "v": ("attention.query_key_value", "out", _within_head(2)),
    "z": ("attention.dense", "in", _heads(4)),
    "mlp_in": ("post_attention_layernorm", "out"),
    "mlp_out": ("mlp", "out"),
    "neuron_pre": ("mlp.dense_h_to_4h", "out"),
    "neurons": ("mlp.dense_4h_to_h", "in"),
}
_LATENT: dict[str, Reading] = {
    **{name: reading for name, reading in _MOE.items() if name != "k"},
    "q": ("self_attn.q_b_proj", "out", _heads(4)),
    "v": ("self_attn.kv_b_proj", "out", lambda x: x.flatten(0, 1).unflatten(-1, (4, 14))[..., 8:]),
}
_POST_NORMED: dict[str, Reading] = {
    **_LLAMA,
    "attn_out": ("post_attention_layernorm", "out"),
    "resid_mid": ("pre_feedforward_layernorm", "in"),
    "mlp_out": ("post_feedforward_layernorm", "out"),
}
_ONLY_POST_NORMED: dict[str, Reading] = {**_POST_NORMED, "resid_mid": ("mlp", "in")}
_UNGATED = {k: v for k, v in _LLAMA.items() if k != "gate"}
_GATED_PARALLEL = {k: v for k, v in _LLAMA.items() if k != "resid_mid"}
_PARALLEL = {k: v for k, v in _UNGATED.items() if k != "resid_mid"}
_FUSED_MLP: dict[str, Reading] = {
    **_LLAMA,
    "gate": ("mlp.gate_up_proj", "out", lambda x: x[..., :48]),
    "neuron_pre": ("mlp.gate_up_proj", "out", lambda x: x[..., 48:]),
}
_DBRX: dict[str, Reading] = {
    "attn_in": ("norm_attn_norm.norm_1", "out"),
    "attn_out": ("norm_attn_norm.attn", "out"),
    "q": ("norm_attn_norm.attn.Wqkv", "out", _among(8, 0, 4)),
    "k": ("norm_attn_norm.attn.Wqkv", "out", _among(8, 4, 6)),
    "v": ("norm_attn_norm.attn.Wqkv", "out", _among(8, 6, 8)),
    "z": ("norm_attn_norm.attn.out_proj", "in", _heads(4)),
    "resid_mid": ("norm_attn_norm.norm_2", "in"),
    "mlp_in": ("ffn", "in"),
    "mlp_out": ("ffn", "out"),
}
_GPT2: dict[str, Reading] = {
    "attn_in": ("ln_1", "out"),
    "attn_out": ("attn", "out"),
    "q": ("attn.c_attn", "out", _third(0)),
    "k": ("attn.c_attn", "out", _third(1)),
    "v": ("attn.c_attn", "out", _third(2)),
    "z": ("attn.c_proj", "in", _heads(4)),
    "resid_mid": ("ln_2", "in"),
    "mlp_in": ("ln_2", "out"),
    "mlp_out": ("mlp", "out"),
    "neuron_pre": ("mlp.c_fc", "out"),
    "neurons": ("mlp.c_proj", "in"),
}
_GPTJ: dict[str, Reading] = {
    "attn_in": ("ln_1", "out"),
    "attn_out": ("attn", "out"),
    "q": ("attn.q_proj", "out", _heads(4)),
    "k": ("attn.k_proj", "out", _heads(4)),
    "v": ("attn.v_proj", "out", _heads(4)),
    "z": ("attn.out_proj", "in", _heads(4)),
    "mlp_in": ("ln_1", "out"),
    "mlp_out": ("mlp", "out"),
    "neuron_pre": ("mlp.fc_in", "out"),
    "neurons": ("mlp.fc_out", "in"),
}
_OPT: dict[str, Reading] = {
    "attn_in": ("self_attn_layer_norm", "out"),
    "attn_out": ("self_attn", "out"),
    "q": ("self_attn.q_proj", "out", _heads(4)),
    "k": ("self_attn.k_proj", "out", _heads(4)),
    "v": ("self_attn.v_proj", "out", _heads(4)),
    "z": ("self_attn.out_proj", "in", _heads(4)),
    "resid_mid": ("final_layer_norm", "in", _flat),
    "mlp_in": ("final_layer_norm", "out", _flat),
    "mlp_out": ("fc2", "out", _flat),
    "neuron_pre": ("fc1", "out", _flat),
    "neurons": ("fc2", "in", _flat),
}
_FALCON: dict[str, Reading] = {
    "attn_in": ("input_layernorm", "out"),
    "attn_out": ("self_attention", "out"),
    "z": ("self_attention.dense", "in", _heads(4)),
    "mlp_in": ("input_layernorm", "out"),
    "mlp_out": ("mlp", "out"),
    "neuron_pre": ("mlp.dense_h_to_4h", "out"),
    "neurons": ("mlp.dense_4h_to_h", "in"),
}
IN_A_BLOCK: dict[str, dict[str, Reading]] = {
    "dbrx": _DBRX,
    "gpt2": _GPT2,
    "gpt_neox": _NEOX,
    "gpt_neox_sequential": {**_NEOX, "resid_mid": ("post_attention_layernorm", "in")},
    "llama": _LLAMA,
    "qwen3": _LLAMA,
    "gemma2": _POST_NORMED,
    "olmo2": _ONLY_POST_NORMED,
    "bloom": {
        "attn_in": ("input_layernorm", "out"),
        "attn_out": ("self_attention.dense", "out"),
        "q": ("self_attention.query_key_value", "out", _within_head(0)),
        "k": ("self_attention.query_key_value", "out", _within_head(1)),
        "v": ("self_attention.query_key_value", "out", _within_head(2)),
        "z": ("self_attention.dense", "in", _heads(4)),
        "resid_mid": ("post_attention_layernorm", "in"),
        "mlp_in": ("post_attention_layernorm", "out"),
        "mlp_out": ("mlp.dense_4h_to_h", "out"),
        "neuron_pre": ("mlp.dense_h_to_4h", "out"),
        "neurons": ("mlp.dense_4h_to_h", "in"),
    },
    "gptj": _GPTJ,
    "opt": _OPT,
    "mixtral": _MOE,
    **dict.fromkeys(("qwen2_moe", "qwen3_moe", "olmoe"), _MOE),
    "granitemoe": {
        **_MOE,
        "mlp_in": ("block_sparse_moe", "in"),
        "attn_out": ("self_attn", "out", lambda x: x * 0.22),
        "mlp_out": ("block_sparse_moe", "out", lambda x: x * 0.22),
    },
    **dict.fromkeys(("deepseek_v2", "deepseek_v3"), _LATENT),
    "llama4_text": {
        **_MOE,
        "mlp_in": ("feed_forward", "in"),
        "mlp_out": ("feed_forward", "out", _flat),
    },
    "gpt_oss": _MOE,
    "granite": {
        **_LLAMA,
        "attn_out": ("self_attn", "out", lambda x: x * 0.22),
        "mlp_out": ("mlp", "out", lambda x: x * 0.22),
    },
    **dict.fromkeys(("mistral", "ministral", "qwen2", "gemma", "smollm3", "seed_oss", "helium", "ernie4_5"), _LLAMA),
    **dict.fromkeys(("hunyuan_v1_dense", "stablelm"), _LLAMA),
    "olmo": _LLAMA,
    "gpt_bigcode": {
        **_GPT2,
        "q": ("attn.c_attn", "out", _among(6, 0, 4)),
        "k": ("attn.c_attn", "out", _among(6, 4, 5)),
        "v": ("attn.c_attn", "out", _among(6, 5, 6)),
    },
    "gpt_bigcode_multi_head": {
        **_GPT2,
        "q": ("attn.c_attn", "out", _within_head(0)),
        "k": ("attn.c_attn", "out", _within_head(1)),
        "v": ("attn.c_attn", "out", _within_head(2)),
    },
    "gpt_neo": {
        **_GPT2,
        "q": ("attn.attention.q_proj", "out", _heads(4)),
        "k": ("attn.attention.k_proj", "out", _heads(4)),
        "v": ("attn.attention.v_proj", "out", _heads(4)),
        "z": ("attn.attention.out_proj", "in", _heads(4)),
    },
    "codegen": {
        **_GPTJ,
        "q": ("attn.qkv_proj", "out", _within_head(0)),
        "k": ("attn.qkv_proj", "out", _within_head(2)),
        "v": ("attn.qkv_proj", "out", _within_head(1)),
    },
    "xglm": _OPT,
    "biogpt": _OPT,
    "persimmon": {
        **_NEOX,
        "attn_out": ("self_attn", "out"),
        "q": ("self_attn.query_key_value", "out", _within_head(0)),
        "k": ("self_attn.query_key_value", "out", _within_head(1)),
        "v": ("self_attn.query_key_value", "out", _within_head(2)),
        "z": ("self_attn.dense", "in", _heads(4)),
        "resid_mid": ("post_attention_layernorm", "in"),
    },
    "mpt": {
        "attn_in": ("norm_1", "out"),
        "attn_out": ("attn", "out"),
        "q": ("attn.Wqkv", "out", _third(0)),
        "k": ("attn.Wqkv", "out", _third(1)),
        "v": ("attn.Wqkv", "out", _third(2)),
        "z": ("attn.out_proj", "in", _heads(4)),
        "resid_mid": ("norm_2", "in"),
        "mlp_in": ("norm_2", "out"),
        "mlp_out": ("ffn.down_proj", "out"),
        "neuron_pre": ("ffn.up_proj", "out"),
        "neurons": ("ffn.down_proj", "in"),
    },
    "falcon": {
        **_FALCON,
        "q": ("self_attention.query_key_value", "out", _among(6, 0, 4)),
        "k": ("self_attention.query_key_value", "out", _among(6, 4, 5)),
        "v": ("self_attention.query_key_value", "out", _among(6, 5, 6)),
    },
    "falcon_grouped": {
        **_FALCON,
        "attn_in": ("ln_attn", "out"),
        "mlp_in": ("ln_mlp", "out"),
        "q": ("self_attention.query_key_value", "out", lambda x: x.unflatten(-1, (2, 4, 8))[:, :, :, :2].flatten(2, 3)),
        "k": ("self_attention.query_key_value", "out", lambda x: x.unflatten(-1, (2, 4, 8))[:, :, :, 2]),
        "v": ("self_attention.query_key_value", "out", lambda x: x.unflatten(-1, (2, 4, 8))[:, :, :, 3]),
    },
    "falcon_sequential": {
        **_FALCON,
        "mlp_in": ("post_attention_layernorm", "out"),
        "resid_mid": ("post_attention_layernorm", "in"),
        "q": ("self_attention.query_key_value", "out", _within_head(0)),
        "k": ("self_attention.query_key_value", "out", _within_head(1)),
        "v": ("self_attention.query_key_value", "out", _within_head(2)),
    },
    "gemma3_text": _POST_NORMED,
    "olmo3": _ONLY_POST_NORMED,
    "exaone4": _ONLY_POST_NORMED,
    "arcee": _UNGATED,
    "nemotron": _UNGATED,
    "glm4": {
        **_FUSED_MLP,
        "attn_out": ("post_self_attn_layernorm", "out"),
        "mlp_out": ("post_mlp_layernorm", "out"),
    },
    "phi3": {
        **_FUSED_MLP,
        "q": ("self_attn.qkv_proj", "out", _among(8, 0, 4)),
        "k": ("self_attn.qkv_proj", "out", _among(8, 4, 6)),
        "v": ("self_attn.qkv_proj", "out", _among(8, 6, 8)),
    },
    "phi": {
        **_PARALLEL,
        "z": ("self_attn.dense", "in", _heads(4)),
        "neuron_pre": ("mlp.fc1", "out"),
        "neurons": ("mlp.fc2", "in"),
    },
    "starcoder2": {**_UNGATED, "neuron_pre": ("mlp.c_fc", "out"), "neurons": ("mlp.c_proj", "in")},
    "cohere": _GATED_PARALLEL,
    "cohere2": _GATED_PARALLEL,
    "stablelm_parallel": _GATED_PARALLEL,
}
BLOCKS = {
    "gpt2": "transformer.h",
    "gptj": "transformer.h",
    "bloom": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
    "opt": "model.decoder.layers",
    "gpt_bigcode": "transformer.h",
    "gpt_neo": "transformer.h",
    "codegen": "transformer.h",
    "falcon": "transformer.h",
    "mpt": "transformer.blocks",
    "dbrx": "transformer.blocks",
    "biogpt": "biogpt.layers",
}
RESIDUAL_SCALE = {"granite": 0.22, "granitemoe": 0.22}
"""What every contribution is multiplied with on its way into the stream."""
POST_NORMS = {
    "gemma2": ("post_attention_layernorm", 1.0),
    "gemma3_text": ("post_attention_layernorm", 1.0),
    "olmo2": ("post_attention_layernorm", 0.0),
    "olmo3": ("post_attention_layernorm", 0.0),
    "exaone4": ("post_attention_layernorm", 0.0),
    "glm4": ("post_self_attn_layernorm", 0.0),
}
"""The norm between attention and the stream, and what is added to its weights."""
OUTPUT_PROJECTION = {name: readings["z"][0] for name, readings in IN_A_BLOCK.items()}
