"""Where the tensors of hybrids are, layer by layer, written by hand and sharing no code with the library."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hand_tables import Reading

Layer = dict[str, Reading]


def _heads(n: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.unflatten(-1, (n, -1))


def _times(factor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x * factor


def _queries(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (4, 2, -1))[:, :, :, 0]


def _kimi_values(x: torch.Tensor) -> torch.Tensor:
    flat = x if x.dim() == 3 else x.squeeze(1)
    return flat.unflatten(-1, (4, 14))[..., 8:]


_STREAM: Layer = {"resid_pre": ("", "in"), "resid_post": ("", "out")}


def _mixer(path: str) -> Layer:
    return {**_STREAM, "mixer_out": (path, "out")}


def _attention(path: str = "self_attn", out: str = "o_proj", kv: int = 2) -> Layer:
    return {
        **_STREAM,
        "attn_in": (path, "in"),
        "attn_out": (path, "out"),
        "q": (f"{path}.q_proj", "out", _heads(4)),
        "k": (f"{path}.k_proj", "out", _heads(kv)),
        "v": (f"{path}.v_proj", "out", _heads(kv)),
        "z": (f"{path}.{out}", "in", _heads(4)),
    }


def _routed(path: str, norm: str) -> Layer:
    return {"resid_mid": (norm, "in"), "mlp_in": (path, "in"), "mlp_out": (path, "out")}


def _dense(path: str, norm: str, names: tuple[str, str, str] = ("up_proj", "gate_proj", "down_proj")) -> Layer:
    up, gate, down = (f"{path}.{name}" for name in names)
    return {**_routed(path, norm), "neuron_pre": (up, "out"), "gate": (gate, "out"), "neurons": (down, "in")}


_LINEAR = _mixer("linear_attn")
_MINIMAX_MLP: Layer = {**_routed("mlp", "post_attention_layernorm"), "mlp_out": ("mlp", "out", _times(0.9))}
_GATED: Layer = {**_attention(), "q": ("self_attn.q_proj", "out", _queries)}
_QWEN_DENSE, _QWEN_ROUTED = _dense("mlp", "post_attention_layernorm"), _routed("mlp", "post_attention_layernorm")
_FF_DENSE, _FF_ROUTED = _dense("feed_forward", "pre_ff_layernorm"), _routed("feed_forward", "pre_ff_layernorm")
_LFM_DENSE, _LFM_ROUTED = _dense("feed_forward", "ffn_norm", ("w3", "w1", "w2")), _routed("feed_forward", "ffn_norm")
_LFM_ATTENTION = _attention(out="out_proj")
_OLMO_ATTENTION: Layer = {
    **_attention(kv=4),
    **_dense("mlp", "mlp"),
    "attn_out": ("post_attention_layernorm", "out"),
    "mlp_out": ("post_feedforward_layernorm", "out"),
}
_GRANITE_MLP: Layer = {
    "resid_mid": ("post_attention_layernorm", "in"),
    "mlp_in": ("post_attention_layernorm", "out"),
}
_FALCON: Layer = {
    **_attention(),
    **_FF_DENSE,
    "attn_out": ("self_attn", "out", _times(0.7)),
    "mixer_out": ("mamba", "out", _times(0.6)),
}
_KIMI_ATTENTION: Layer = {
    **{name: reading for name, reading in _attention().items() if name != "k"},
    "q": ("self_attn.q_b_proj", "out", _heads(4)),
}


def _zamba(shared: str, mlp: Layer) -> Layer:
    attention = _attention(f"{shared}.self_attn", kv=4)
    kept = {name: attention[name] for name in ("q", "k", "v", "z")}
    return {**_mixer("mamba_decoder.mamba"), **kept, "mlp_in": (f"{shared}.feed_forward", "in"), **mlp}


TABLES: dict[str, tuple[Layer, ...]] = {
    **dict.fromkeys(("mamba", "falcon_mamba", "mamba2"), (_mixer("mixer"),) * 3),
    "jamba": ({**_mixer("mamba"), **_FF_DENSE}, {**_attention(), **_FF_ROUTED}) * 2,
    "bamba": ({**_mixer("mamba"), **_FF_DENSE}, {**_attention(), **_FF_DENSE}) * 2,
    "falcon_h1": (_FALCON,) * 4,
    "minimax": (
        {**_mixer("self_attn"), "mixer_out": ("self_attn", "out", _times(0.6)), **_MINIMAX_MLP},
        {**_attention(), "attn_out": ("self_attn", "out", _times(0.7)), **_MINIMAX_MLP},
    )
    * 2,
    "granitemoehybrid": (
        {**_STREAM, "mixer_out": ("mamba", "out", _times(0.22)), **_GRANITE_MLP},
        {**_attention(), **_GRANITE_MLP, "attn_out": ("self_attn", "out", _times(0.22))},
    )
    * 2,
    "nemotron_h": (
        _mixer("mixer"),
        _attention("mixer"),
        {
            **_STREAM,
            "mlp_in": ("mixer", "in"),
            "mlp_out": ("mixer", "out"),
            "neuron_pre": ("mixer.up_proj", "out"),
            "neurons": ("mixer.down_proj", "in"),
        },
        {**_STREAM, "mlp_in": ("mixer", "in"), "mlp_out": ("mixer", "out")},
        _mixer("mixer"),
    ),
    "lfm2": ({**_mixer("conv"), **_LFM_DENSE}, {**_LFM_ATTENTION, **_LFM_DENSE}) * 2,
    "lfm2_moe": (
        {**_mixer("conv"), **_LFM_DENSE},
        {**_LFM_ATTENTION, **_LFM_ROUTED},
        {**_mixer("conv"), **_LFM_ROUTED},
        {**_LFM_ATTENTION, **_LFM_ROUTED},
    ),
    "recurrent_gemma": (
        {**_mixer("temporal_block"), **_dense("mlp_block", "channel_pre_norm")},
        {**_attention("temporal_block"), **_dense("mlp_block", "channel_pre_norm")},
    )
    * 2,
    "qwen3_next": (
        {**_LINEAR, **_QWEN_ROUTED},
        {**_GATED, **_QWEN_DENSE},
        {**_LINEAR, **_QWEN_ROUTED},
        {**_GATED, **_QWEN_ROUTED},
    ),
    "qwen3_5_text": ({**_LINEAR, **_QWEN_DENSE}, {**_GATED, **_QWEN_DENSE}) * 2,
    "qwen3_5_moe_text": ({**_LINEAR, **_QWEN_ROUTED}, {**_GATED, **_QWEN_ROUTED}) * 2,
    "olmo_hybrid": ({**_LINEAR, **_dense("mlp", "post_attention_layernorm")}, _OLMO_ATTENTION) * 2,
    "kimi_linear": (
        {**_mixer("self_attn"), **_QWEN_DENSE},
        {**_KIMI_ATTENTION, "v": ("self_attn.kv_b_proj", "out", _kimi_values), **_QWEN_ROUTED},
        {**_mixer("self_attn"), **_QWEN_ROUTED},
        {**_KIMI_ATTENTION, "v": ("self_attn.kv_b_proj", "out", _kimi_values), **_QWEN_ROUTED},
    ),
    "zamba": (
        _mixer("mamba"),
        _zamba(
            "shared_transf",
            {
                "neuron_pre": ("shared_transf.feed_forward.up_proj", "out"),
                "gate": ("shared_transf.feed_forward.gate_proj", "out"),
                "neurons": ("shared_transf.feed_forward.down_proj", "in"),
            },
        ),
    )
    * 2,
    "zamba2": (
        _mixer("mamba"),
        _zamba("shared_transformer", {"neurons": ("shared_transformer.feed_forward.down_proj", "in")}),
    )
    * 2,
}
EXPERTS = {
    "jamba": (1, 3),
    "granitemoehybrid": (0, 1, 2, 3),
    "minimax": (0, 1, 2, 3),
    "nemotron_h": (3,),
    "lfm2_moe": (1, 2, 3),
    "qwen3_next": (0, 2, 3),
    "qwen3_5_moe_text": (0, 1, 2, 3),
    "kimi_linear": (1, 2, 3),
}
"""The layers that are mixtures of experts."""


PURE = ("mamba", "falcon_mamba", "mamba2")
"""No attention and no MLP anywhere."""


def attention_layers(family: str) -> list[int]:
    """The layers whose table has heads."""
    return [layer for layer, table in enumerate(TABLES[family]) if "z" in table]


def mixer_layers(family: str) -> list[int]:
    """The layers whose table has another token mixer."""
    return [layer for layer, table in enumerate(TABLES[family]) if "mixer_out" in table]


def blocks(module: torch.nn.Module, family: str) -> list[torch.nn.Module]:
    """The model's blocks."""
    return list(module.get_submodule("backbone.layers" if family in PURE else "model.layers"))
