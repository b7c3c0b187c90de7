"""Where each family's places are, written by hand from the families' own code, and plain torch hooks that read them.

This is what the comparison calls true. It shares nothing with innerworks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Places:
    """Module paths: of the blocks from the model's root, of everything else from a block."""

    blocks: str
    attention: str
    heads: str
    """The linear map whose input is every head's mixed values."""
    attn_out: str
    mlp_out: str
    """The modules whose outputs the stream receives, times `multiplier`."""
    multiplier: str = ""


_LLAMA = Places("model.layers", "self_attn", "self_attn.o_proj", "self_attn", "mlp")
_POST_NORMED = Places(
    "model.layers", "self_attn", "self_attn.o_proj", "post_attention_layernorm", "post_feedforward_layernorm"
)
PLACES = {
    "gpt2": Places("transformer.h", "attn", "attn.c_proj", "attn", "mlp"),
    "gptj": Places("transformer.h", "attn", "attn.out_proj", "attn", "mlp"),
    "gpt_neo": Places("transformer.h", "attn.attention", "attn.attention.out_proj", "attn", "mlp"),
    "gpt_neox": Places("gpt_neox.layers", "attention", "attention.dense", "attention", "mlp"),
    "bloom": Places(
        "transformer.h", "self_attention", "self_attention.dense", "self_attention.dense", "mlp.dense_4h_to_h"
    ),
    "opt": Places("model.decoder.layers", "self_attn", "self_attn.out_proj", "self_attn", "fc2"),
    "xglm": Places("model.layers", "self_attn", "self_attn.out_proj", "self_attn", "fc2"),
    "llama": _LLAMA,
    "mixtral": _LLAMA,
    "gpt_oss": _LLAMA,
    "granite": Places("model.layers", "self_attn", "self_attn.o_proj", "self_attn", "mlp", "residual_multiplier"),
    "gemma2": _POST_NORMED,
    "olmo2": _POST_NORMED,
}


def first(value: Any) -> Any:
    """A module's output, without what comes beside it."""
    return value[0] if isinstance(value, tuple) else value


class Reader:
    """A plain model, and hooks on its places."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.places = PLACES[module.config.model_type]
        self.blocks = list(module.get_submodule(self.places.blocks))
        self.scale = getattr(module.config, self.places.multiplier) if self.places.multiplier else 1.0

    def part(self, layer: int, kind: str) -> Any:
        """The module of a place in a block."""
        path = getattr(self.places, kind)
        return self.blocks[layer].get_submodule(path)

    @property
    def n_heads(self) -> int:
        """Query heads."""
        return int(self.module.config.num_attention_heads)

    def forward(self, ids: Any, **extra: Any) -> Any:
        """The plain model's logits."""
        import torch

        with torch.no_grad():
            return self.module(input_ids=ids, use_cache=False, **extra).logits

    def read(self, ids: Any) -> dict[str, Any]:
        """Logits, and for each kind one tensor per layer."""
        import torch

        layers = range(len(self.blocks))
        kept: dict[str, Any] = {kind: [None] * len(self.blocks) for kind in (*STREAM, "pattern", "z")}
        handles = []

        def keep(kind: str, layer: int, value: Any) -> None:
            kept[kind][layer] = value.detach().clone()

        for layer in layers:
            out = [("resid_post", self.blocks[layer], 1.0)]
            out += [(kind, self.part(layer, kind), self.scale) for kind in ("attn_out", "mlp_out")]
            for kind, part, scale in out:

                def of_output(_: Any, __: Any, value: Any, kind: str = kind, layer: int = layer, s: float = scale):
                    keep(kind, layer, first(value).reshape(*ids.shape, -1) * s)

                handles.append(part.register_forward_hook(of_output))

            def of_heads(_: Any, args: Any, layer: int = layer) -> None:
                keep("z", layer, args[0].reshape(*ids.shape, self.n_heads, -1))

            handles.append(self.part(layer, "heads").register_forward_pre_hook(of_heads))
        try:
            with torch.no_grad():
                answer = self.module(input_ids=ids, use_cache=False, output_attentions=True)
        finally:
            for handle in handles:
                handle.remove()
        return {**kept, "pattern": list(answer.attentions), "logits": answer.logits}

    def read_heads(self, ids: Any) -> list[Any]:
        """Every layer's z alone, as the projection reads it: (batch, position, head, d_head)."""
        kept: list[Any] = []
        with ExitStack() as stack:
            for layer in range(len(self.blocks)):
                part = self.part(layer, "heads")
                stack.enter_context(self.changed(lambda _, args: kept.append(args[0].clone()), part, before=True))
            self.forward(ids)
        return [z.reshape(*ids.shape, self.n_heads, -1) for z in kept]

    @contextmanager
    def changed(self, hook: Callable[..., Any], part: Any, before: bool = False) -> Iterator[None]:
        """One hook, for a while."""
        handle = part.register_forward_pre_hook(hook) if before else part.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def with_head(self, ids: Any, layer: int, head: int, z: Any) -> Any:
        """Last logits with one head's values replaced."""

        def hook(_: Any, args: Any) -> Any:
            values = args[0].clone().reshape(*ids.shape, self.n_heads, -1)
            values[:, :, head] = z[:, :, head]
            return (values.reshape(args[0].shape),)

        with self.changed(hook, self.part(layer, "heads"), before=True):
            return self.forward(ids)[:, -1]

    def with_stream(self, ids: Any, layer: int, position: int, stream: Any) -> Any:
        """Last logits with the stream replaced at one layer and position."""

        def hook(_: Any, __: Any, value: Any) -> Any:
            changed = first(value).clone()
            changed[:, position] = stream[:, position]
            return (changed, *value[1:]) if isinstance(value, tuple) else changed

        with self.changed(hook, self.blocks[layer]):
            return self.forward(ids)[:, -1]


STREAM = ("resid_post", "attn_out", "mlp_out")
