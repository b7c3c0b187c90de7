"""One forward of an unknown model, watched: what each part of each block is given, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Block", "Trace", "blocks_of", "probe", "trace"]


@dataclass
class Block:
    """One block: its modules by path, their first inputs and outputs."""

    module: Any
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def reader_of(self, value: Tensor, among: list[str]) -> str | None:
        """The one of these modules that is given just this tensor."""
        return next((name for name in among if same(self.inputs.get(name), value)), None)

    def giver_of(self, value: Tensor, among: list[str]) -> str | None:
        """The one of these modules that gives just this tensor."""
        return next((name for name in among if same(self.outputs.get(name), value)), None)


@dataclass
class Trace:
    """All blocks, and the path of the list they are in."""

    path: str
    blocks: list[Block]
    tuples: bool


def same(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether two tensors hold the same numbers, whatever their shape."""
    import torch

    return a is not None and b is not None and a.numel() == b.numel() and torch.equal(a.reshape(-1), b.reshape(-1))


def probe(module: Any, length: int = 7, rows: int = 1) -> Tensor:
    """A few token ids that differ from one another."""
    import torch

    embedding = module.get_input_embeddings()
    count = embedding.weight.shape[0]
    ids = (torch.arange(2, 2 + rows * length) * 7 % max(3, count - 2) + 2).reshape(rows, length) % count
    found: Tensor = ids.to(embedding.weight.device)
    return found


def blocks_of(module: Any) -> tuple[str, Any] | str:
    """The path and list of a model's blocks, or why they are not to be told."""
    import torch

    config = module.config.get_text_config(decoder=True)
    count = getattr(config, "num_hidden_layers", None)
    if count is None:
        return "its config does not say how many layers it has."
    lists = [(n, m) for n, m in module.named_modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count]
    if len(lists) > 1:
        decoder = module.get_decoder() if hasattr(module, "get_decoder") else None
        own = [(n, m) for n, m in lists if any(m is child for child in getattr(decoder, "_modules", {}).values())]
        lists = own or lists
    if len(lists) != 1:
        return f"{len(lists)} lists of {count} blocks were found where one was expected."
    return lists[0]


def trace(module: Any, path: str, blocks: Any) -> Trace:
    """Run the model on a few tokens and keep what goes in and out of every part of every block."""
    import torch

    found = Trace(path, [Block(block) for block in blocks], False)
    with _watching(found), torch.no_grad():
        module(input_ids=probe(module), use_cache=False)
    return found


@contextmanager
def _watching(found: Trace) -> Iterator[None]:
    handles = []
    for block in found.blocks:
        for name, part in block.module.named_modules():
            if name.count(".") <= 2:
                handles.append(part.register_forward_pre_hook(_keep_input(block, name), with_kwargs=True))
                handles.append(part.register_forward_hook(_keep_output(found, block, name)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _keep_input(block: Block, name: str) -> Any:
    import torch

    def hook(_: Any, args: Any, kwargs: Any) -> None:
        given = args[0] if args else kwargs.get("hidden_states")
        if isinstance(given, torch.Tensor) and name not in block.inputs:
            block.inputs[name] = given.detach().clone()

    return hook


def _keep_output(found: Trace, block: Block, name: str) -> Any:
    import torch

    def hook(_: Any, args: Any, output: Any) -> None:
        found.tuples |= not name and isinstance(output, tuple)
        first = output[0] if isinstance(output, tuple) and output else output
        if isinstance(first, torch.Tensor) and name not in block.outputs:
            block.outputs[name] = first.detach().clone()

    return hook
