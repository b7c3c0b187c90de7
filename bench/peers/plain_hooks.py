"""What anyone can write with torch's hooks who knows the model's code: `python -m bench.peers.plain_hooks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.field.child import main
from bench.field.places import Reader, first
from bench.field.tool import TOKEN, Call, NotOffered, Tool


@contextmanager
def _forward_of(block: Any, replacement: Callable[..., Any]) -> Iterator[None]:
    block.forward = replacement
    try:
        yield
    finally:
        del block.forward


class PlainHooks(Tool):
    """Hooks on the modules of a hand-written table; sweeps by layer, started at the patched one."""

    title = "plain torch hooks"
    distribution = "torch"
    module_name = "torch"
    notes = {"cache_all": "every module's output"}

    def __init__(self, module: Any, tokenizer: Any) -> None:
        super().__init__(module, tokenizer)
        self.reader = Reader(module)
        self.eager = module.config._attn_implementation == "eager"

    def forward(self, ids: Any) -> Call:
        return lambda: self.reader.forward(ids)

    def _hooked(self, ids: Any, hooks: Sequence[tuple[Any, Callable[..., Any], bool]], **extra: Any) -> Any:
        with ExitStack() as stack:
            for part, hook, before in hooks:
                stack.enter_context(self.reader.changed(hook, part, before))
            return self.reader.forward(ids, **extra)

    def cache_stream(self, ids: Any) -> Call:
        reader = self.reader

        def call() -> dict[str, list[Any]]:
            kept: dict[str, list[Any]] = {"resid_post": [], "attn_out": [], "mlp_out": []}

            def keep(kind: str, scale: float) -> Callable[..., None]:
                def hook(_: Any, __: Any, output: Any) -> None:
                    value = first(output).detach().reshape(*ids.shape, -1)
                    kept[kind].append(value if scale == 1.0 else value * scale)

                return hook

            hooks = []
            for layer, block in enumerate(reader.blocks):
                hooks.append((block, keep("resid_post", 1.0), False))
                hooks += [(reader.part(layer, k), keep(k, reader.scale), False) for k in ("attn_out", "mlp_out")]
            self._hooked(ids, hooks)
            return kept

        return call

    def cache_all(self, ids: Any) -> Call:
        def call() -> list[Any]:
            kept: list[Any] = []
            hooks = [(part, lambda _, __, output: kept.append(first(output)), False) for part in self.module.modules()]
            self._hooked(ids, hooks)
            return kept

        return call

    def attention(self, ids: Any) -> Call:
        if not self.eager:
            raise NotOffered("SDPA forms no pattern")

        def call() -> dict[str, list[Any]]:
            found = self.reader.read(ids)
            return {"pattern": found["pattern"], "z": found["z"]}

        return call

    def _streams(self, ids: Any, layers: Sequence[int]) -> list[Any]:
        """What enters each of the blocks."""
        kept: dict[int, Any] = {}

        def keep(layer: int) -> Callable[..., None]:
            return lambda _, __, output: kept.__setitem__(layer, first(output))

        self._hooked(ids, [(self.reader.blocks[layer], keep(layer), False) for layer in layers])
        return [kept[layer] for layer in layers]

    def _from(self, layer: int, stream: Any, ids: Any, hooks: Sequence[Any] = ()) -> Any:
        """TOKEN's last logit of a forward that begins at a block, whatever stands before it."""
        returns_tuple = self.module.config.model_type in ("bloom", "gptj", "gpt_neo")
        with ExitStack() as stack:
            for block in self.reader.blocks[:layer]:
                hand_on = (lambda x, *_, **__: (x, None)) if returns_tuple else (lambda x, *_, **__: x)
                stack.enter_context(_forward_of(block, hand_on))
            rows = ids.repeat(len(stream) // len(ids), 1)
            if layer < len(self.reader.blocks):
                begin = (self.reader.blocks[layer], lambda _, args: (stream, *args[1:]), True)
            else:
                answer = (stream, None) if returns_tuple else stream
                begin = (self.reader.blocks[-1], lambda _, __, ___: answer, False)
            return self._hooked(rows, [begin, *hooks], logits_to_keep=1)[:, -1, TOKEN]

    def head_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        import torch

        clean_z, heads = self.reader.read_heads(clean), self.reader.n_heads

        def patched(layer: int) -> Callable[..., Any]:
            def hook(_: Any, args: Any) -> Any:
                z = args[0].reshape(heads, *clean_z[layer].shape).clone()
                each = torch.arange(heads, device=z.device)
                z[each, :, :, each] = clean_z[layer].permute(2, 0, 1, 3)
                return (z.reshape(args[0].shape),)

            return hook

        def call() -> Any:
            entering = dict(zip(layers, self._streams(corrupt, [max(layer - 1, 0) for layer in layers]), strict=True))
            rows = []
            for layer in layers:
                hooks = [(self.reader.part(layer, "heads"), patched(layer), True)]
                if layer:
                    rows.append(self._from(layer, entering[layer].repeat(heads, 1, 1), corrupt, hooks))
                else:
                    rows.append(self._hooked(corrupt.repeat(heads, 1), hooks, logits_to_keep=1)[:, -1, TOKEN])
            return torch.stack(rows)

        return call

    def residual_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        import torch

        kept = dict(zip(layers, self._streams(clean, layers), strict=True))
        length = clean.shape[1]

        def call() -> Any:
            rows = []
            for layer, stream in zip(layers, self._streams(corrupt, layers), strict=True):
                changed = stream.repeat(length, 1, 1)
                each = torch.arange(length, device=changed.device)
                changed.unflatten(0, (length, -1))[each, :, each] = kept[layer].transpose(0, 1)
                rows.append(self._from(layer + 1, changed, corrupt))
            return torch.stack(rows)

        return call

    def gradient_to_heads(self, ids: Any) -> Call:
        import torch

        self.module.requires_grad_(False)

        def call() -> list[Any]:
            kept: list[Any] = []

            def hook(_: Any, args: Any) -> Any:
                kept.append(args[0] if args[0].requires_grad else args[0].detach().requires_grad_())
                return (kept[-1],)

            with ExitStack() as stack:
                for layer in range(len(self.reader.blocks)):
                    stack.enter_context(self.reader.changed(hook, self.reader.part(layer, "heads"), before=True))
                logits = self.module(input_ids=ids, use_cache=False, logits_to_keep=1).logits
            return list(torch.autograd.grad(logits[0, -1, TOKEN], kept))

        return call

    def attention_to_first(self, ids: Any) -> Call:
        if not self.eager:
            raise NotOffered("SDPA forms no pattern")

        def call() -> list[Any]:
            kept: list[Any] = []
            hooks = [
                (self.reader.part(layer, "attention"), lambda _, __, out: kept.append(out[1][..., 0].clone()), False)
                for layer in range(len(self.reader.blocks))
            ]
            self._hooked(ids, hooks, logits_to_keep=1)
            return kept

        return call


if __name__ == "__main__":
    main(PlainHooks)
