"""Where each family's tensors are, written by hand a second time, for torch hooks that share no code with the library.

A value is (module path inside a block, "in" or "out"[, what to make of the tensor]).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from families import VARIANTS

Reading = tuple[str, str] | tuple[str, str, Callable[[torch.Tensor], torch.Tensor]]


def _heads(n: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (n, -1))


def _third(i: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (3, 4, -1))[:, :, i]


def _within_head(i: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (4, 3, -1))[:, :, :, i]


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
IN_A_BLOCK: dict[str, dict[str, Reading]] = {
    "gpt2": {
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
    },
    "gpt_neox": _NEOX,
    "gpt_neox_sequential": {**_NEOX, "resid_mid": ("post_attention_layernorm", "in")},
    "llama": _LLAMA,
    "qwen3": _LLAMA,
    "gemma2": {
        **_LLAMA,
        "attn_out": ("post_attention_layernorm", "out"),
        "resid_mid": ("pre_feedforward_layernorm", "in"),
        "mlp_out": ("post_feedforward_layernorm", "out"),
    },
    "olmo2": {
        **_LLAMA,
        "attn_out": ("post_attention_layernorm", "out"),
        "resid_mid": ("mlp", "in"),
        "mlp_out": ("post_feedforward_layernorm", "out"),
    },
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
    "gptj": {
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
    },
    "opt": {
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
    },
    "mixtral": _MOE,
    "gpt_oss": _MOE,
    "granite": {
        **_LLAMA,
        "attn_out": ("self_attn", "out", lambda x: x * 0.22),
        "mlp_out": ("mlp", "out", lambda x: x * 0.22),
    },
}
_BLOCKS = {
    "gpt2": "transformer.h",
    "gptj": "transformer.h",
    "bloom": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
    "opt": "model.decoder.layers",
}
OUTPUT_PROJECTION = {name: readings["z"][0] for name, readings in IN_A_BLOCK.items()}


def blocks(family: str, module: Any) -> Any:
    """The model's blocks."""
    return module.get_submodule(_BLOCKS.get(VARIANTS.get(family, (family,))[0], "model.layers"))


def first(value: Any) -> torch.Tensor:
    """A tensor, or the first of a tuple."""
    return value[0] if isinstance(value, tuple) else value


def read_by_hand(family: str, module: Any, layer: int, call: Callable[[], Any]) -> dict[str, torch.Tensor]:
    """Everything the table names in one block, and the stream around it, while `call` runs the model."""
    found: dict[str, torch.Tensor] = {}
    handles = []
    block = blocks(family, module)[layer]
    table = {**IN_A_BLOCK[family], "resid_pre": ("", "in"), "resid_post": ("", "out")}
    for name, (path, end, *make) in table.items():
        change = make[0] if make else lambda x: x

        def before(_, args, kwargs, name=name, change=change):
            found[name] = change(args[0] if args else kwargs["hidden_states"]).clone()

        def after(_, args, output, name=name, change=change):
            found[name] = change(first(output)).clone()

        part = block.get_submodule(path)
        if end == "in":
            handles.append(part.register_forward_pre_hook(before, with_kwargs=True))
        else:
            handles.append(part.register_forward_hook(after))
    try:
        call()
    finally:
        for handle in handles:
            handle.remove()
    return found
