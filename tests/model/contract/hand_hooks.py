"""Plain torch hooks on the places of the hand-written tables: what captures are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from families import VARIANTS
from hand_tables import BLOCKS, IN_A_BLOCK


def blocks(family: str, module: Any) -> Any:
    """The model's blocks."""
    return module.get_submodule(BLOCKS.get(VARIANTS.get(family, (family,))[0], "model.layers"))


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
