"""Writing tensors into one block with plain torch hooks: what edits are compared with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from families import SHORT_WINDOW
from hand_hooks import blocks, first
from hand_tables import IN_A_BLOCK, RESIDUAL_SCALE, Reading

_ATTENTION_AND_MLP = {
    "gpt2": ("attn", "mlp"),
    "gptj": ("attn", "mlp"),
    "gpt_neox": ("attention", "mlp"),
    "gpt_neox_sequential": ("attention", "mlp"),
    "bloom": ("self_attention", "mlp"),
    "opt": ("self_attn", "fc1"),
    "xglm": ("self_attn", "fc1"),
    "granitemoe": ("self_attn", "block_sparse_moe"),
    "llama4_text": ("self_attn", "feed_forward"),
    "biogpt": ("self_attn", "fc1"),
    "gpt_bigcode": ("attn", "mlp"),
    "gpt_bigcode_multi_head": ("attn", "mlp"),
    "gpt_neo": ("attn.attention", "mlp"),
    "codegen": ("attn", "mlp"),
    "mpt": ("attn", "ffn"),
    "dbrx": ("norm_attn_norm.attn", "ffn"),
    "falcon": ("self_attention", "mlp"),
    "falcon_grouped": ("self_attention", "mlp"),
    "falcon_sequential": ("self_attention", "mlp"),
}
NOT_BY_HAND = ("resid_mid",)
"""The skip path reads the same tensor, so no hook's return value can write it."""


def parts(family: str) -> tuple[str, str]:
    """The attention module and the MLP of a block."""
    return _ATTENTION_AND_MLP.get(family, ("self_attn", "mlp"))


def _writable(family: str) -> dict[str, Reading]:
    attention, mlp = parts(family)
    kept = {name: reading for name, reading in IN_A_BLOCK[family].items() if name not in NOT_BY_HAND}
    streams: dict[str, Reading] = {"resid_pre": ("", "in"), "resid_post": ("", "out")}
    return {**kept, **streams, "attn_in": (attention, "in"), "mlp_in": (mlp, "in")}


def writable(family: str) -> list[str]:
    """Which kinds of site a hook of a block can write."""
    return list(_writable(family))


@contextmanager
def written(family: str, module: Any, layer: int, name: str, change: Any) -> Iterator[None]:
    """Replace one tensor by `change(tensor)`, in the shape of the site, while the block lasts."""
    path, end, *view = _writable(family)[name]
    part = blocks(family, module)[layer].get_submodule(path)
    scale = RESIDUAL_SCALE.get(family) if name in ("attn_out", "mlp_out") else None

    def replaced(raw: torch.Tensor) -> torch.Tensor:
        if scale is not None:
            return change(raw * scale) / scale
        if not view:
            return change(raw)
        places = view[0](torch.arange(raw.numel()).reshape(raw.shape)).reshape(-1)
        new = change(view[0](raw.clone()))
        return raw.reshape(-1).index_put((places,), new.reshape(-1)).reshape(raw.shape)

    def before(_: Any, args: Any, kwargs: Any) -> Any:
        if args:
            return (replaced(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": replaced(kwargs["hidden_states"])}

    def after(_: Any, args: Any, output: Any) -> Any:
        new = replaced(first(output))
        return (new, *output[1:]) if isinstance(output, tuple) else new

    if end == "in":
        handle = part.register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = part.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def eager_in_one_layer(family: str, module: Any, layer: int) -> Iterator[None]:
    """An SDPA model in which one layer runs eager attention under a causal mask made here."""
    attention = blocks(family, module)[layer].get_submodule(parts(family)[0])
    own = attention.config
    switched = copy.copy(own)
    switched._attn_implementation_internal = "eager"

    def with_mask(_: Any, args: Any, kwargs: Any) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        width = hidden.shape[1]
        seen = torch.ones(width, width, dtype=torch.bool).tril()
        if layer in SHORT_WINDOW.get(family, ()):
            seen = seen.triu(-4)
        mask = torch.zeros(width, width, dtype=hidden.dtype).masked_fill(~seen, torch.finfo(hidden.dtype).min)
        return args, {**kwargs, "attention_mask": mask[None, None]}

    attention.config = switched
    handle = attention.register_forward_pre_hook(with_mask, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
        attention.config = own
