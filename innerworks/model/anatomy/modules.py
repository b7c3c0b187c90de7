"""Modules by their paths: whether one is there, where a record's are, and what an error shows of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from innerworks.model.anatomy.record import Family

if TYPE_CHECKING:
    from torch import nn

__all__ = ["has_module", "module_tree", "relocated"]


def relocated(family: Family, module: Any) -> Family:
    """The record of a text decoder that lies deeper in this model, inside one that also takes images or sound."""
    stack, _, blocks = family.blocks.rpartition(".")
    decoder = module.get_decoder() if hasattr(module, "get_decoder") else None
    if not stack or has_module(module, family.blocks) or not has_module(decoder, blocks):
        return family
    deeper = next(name for name, part in module.named_modules() if part is decoder)
    paths = {name: getattr(family, name) for name in ("blocks", "pos_embed", "embed_norm", "final_norm")}
    return replace(family, **{n: deeper + p.removeprefix(stack) for n, p in paths.items() if p is not None})


def has_module(block: Any, path: str) -> bool:
    """Whether a block has a module at a path."""
    for name in path.split("."):
        block = getattr(block, "_modules", {}).get(name)
    return block is not None


def module_tree(module: nn.Module, depth: int = 3) -> str:
    """The modules inside `module`, indented, repeated children shown once."""
    lines: list[str] = []

    def walk(node: Any, name: str, level: int) -> None:
        children = list(node.named_children())
        lines.append("  " * level + f"{name}: {type(node).__name__}")
        if level >= depth:
            return
        numbered = [c for c in children if c[0].isdigit()]
        for child_name, child in children:
            if child_name.isdigit() and child_name != numbered[0][0]:
                continue
            label = f"0…{len(numbered) - 1}" if child_name.isdigit() and len(numbered) > 1 else child_name
            walk(child, label, level + 1)

    walk(module, "(model)", 0)
    return "\n".join(lines)
