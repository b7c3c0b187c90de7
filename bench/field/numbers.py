"""The largest difference to the plain Hugging Face model, place by place, of what a tool reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.field.families import FAMILIES, build, ids
from bench.field.places import STREAM, Reader
from bench.field.tool import TOKEN, NotOffered, Tool
from bench.field.words import words

QUANTITIES = ("logits", *STREAM, "pattern", "z", "head sweep", "residual sweep", "gradient to z")
SWEPT_LAYER = 1


def said(error: BaseException) -> str:
    """What a tool's refusal or failure looks like in a table."""
    text = " ".join(str(error).split()).replace("|", "/")
    if isinstance(error, NotOffered):
        return f"not offered: {text}"
    return f"error: {type(error).__name__}: {text[:100]}"


def largest(found: Any, true: Any) -> float | str:
    """The largest absolute difference of two tensors, or of two lists of them."""
    import torch

    if isinstance(true, list):
        if len(found) != len(true):
            return f"{len(found)} layers of {len(true)}"
        each = [largest(a, b) for a, b in zip(found, true, strict=True)]
        return next((one for one in each if isinstance(one, str)), None) or max(one for one in each)  # type: ignore[type-var]
    if tuple(found.shape) != tuple(true.shape):
        return f"shape {tuple(found.shape)} of {tuple(true.shape)}"
    difference = (found.detach().double() - true.detach().double()).abs().max()
    return float("nan") if torch.isnan(difference) else float(difference)


class Truth:
    """The plain model's own numbers, by hooks written by hand."""

    def __init__(self, module: Any) -> None:
        self.reader = Reader(module)
        self.clean, self.corrupt = ids(seed=3), ids(seed=4)
        self.read = self.reader.read(self.corrupt)

    def heads(self) -> Any:
        """Each head of one layer replaced, one at a time."""
        import torch

        z = self.reader.read(self.clean)["z"][SWEPT_LAYER]
        heads = range(self.reader.n_heads)
        rows = [self.reader.with_head(self.corrupt, SWEPT_LAYER, head, z)[0, TOKEN] for head in heads]
        return torch.stack(rows)[None]

    def stream(self) -> Any:
        """The stream replaced at each layer and position, one at a time."""
        import torch

        clean = self.reader.read(self.clean)["resid_post"]
        return torch.stack(
            [
                torch.stack(
                    [
                        self.reader.with_stream(self.corrupt, layer, position, kept)[0, TOKEN]
                        for position in range(self.corrupt.shape[1])
                    ]
                )
                for layer, kept in enumerate(clean)
            ]
        )

    def gradients(self) -> list[Any]:
        """To each z, by autograd through the plain model."""
        import torch

        kept: list[Any] = []
        handles = [
            self.reader.part(layer, "heads").register_forward_pre_hook(lambda _, args: kept.append(args[0]))
            for layer in range(len(self.reader.blocks))
        ]
        logits = self.reader.module(input_ids=self.corrupt, use_cache=False).logits
        for handle in handles:
            handle.remove()
        return list(torch.autograd.grad(logits[0, -1, TOKEN], kept))


def _compared(tool: Tool, truth: Truth) -> Iterator[tuple[str, Callable[[], float | str]]]:
    layers = list(range(len(truth.reader.blocks)))
    clean, corrupt = truth.clean, truth.corrupt

    def flat(gradients: list[Any]) -> list[Any]:
        return [gradient.flatten(2) for gradient in gradients]

    yield "logits", lambda: largest(tool.forward(corrupt)(), truth.read["logits"])
    for kind in STREAM:
        yield kind, lambda kind=kind: largest(list(tool.cache_stream(corrupt)()[kind]), truth.read[kind])
    for kind in ("pattern", "z"):

        def attention(kind: str = kind) -> float | str:
            found = tool.attention(corrupt)()
            if kind not in found:
                raise NotOffered(f"no {kind}")
            return largest(list(found[kind]), truth.read[kind])

        yield kind, attention
    yield "head sweep", lambda: largest(tool.head_sweep(clean, corrupt, [SWEPT_LAYER])(), truth.heads())
    yield "residual sweep", lambda: largest(tool.residual_sweep(clean, corrupt, layers)(), truth.stream())
    yield "gradient to z", lambda: largest(flat(tool.gradient_to_heads(corrupt)()), truth.gradients())


def differences(make: type[Tool]) -> Iterator[tuple[str, dict[str, float | str]]]:
    """For each family, for each quantity, a difference or what stood in its way."""
    for family in FAMILIES:
        truth, row = Truth(build(family)), {}
        try:
            tool = make(build(family), words())
        except Exception as error:  # noqa: BLE001 - whatever another tool raises is what the table shows
            yield family, dict.fromkeys(QUANTITIES, said(error))
            continue
        for quantity, compare in _compared(tool, truth):
            try:
                row[quantity] = compare()
            except Exception as error:  # noqa: BLE001 - the same
                row[quantity] = said(error)
        yield family, row
