"""The silent failures that are transformers' own, met by anyone who writes hooks by hand."""

from __future__ import annotations

from typing import Any

from bench.field.families import build, ids
from bench.field.numbers import largest
from bench.field.places import Reader
from bench.field.traps import Finding, against_alone, by_hand, judged, over, padded, with_mid_stream

LLAMA = "Llama, grouped heads"


def resid_mid() -> Finding:
    import torch

    value = torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(0))
    reader = Reader(build(LLAMA))
    norm = reader.blocks[1].post_attention_layernorm
    with reader.changed(lambda _, args: (value,), norm, before=True):
        found = reader.forward(ids())
    return judged(float(largest(found, with_mid_stream(value))), what="a new input of the second norm: off by")


def left_padding() -> Finding:
    def one(family: str) -> Finding:
        tokens, mask, rows = padded()
        return against_alone(family, Reader(build(family)).forward(tokens, attention_mask=mask)[:, -1], rows)

    return over(("GPT-2", "GPT-Neo", "XGLM"), one)


def never_ran() -> Finding:
    reader, heard = Reader(build(LLAMA)), []
    with reader.changed(lambda *_: heard.append(1), reader.module.model.layers):
        reader.forward(ids())
    return "right" if heard else "wrong", "nothing is said"


def causality() -> Finding:
    """An attention function of one's own, registered as transformers' documents show for the function alone."""
    import transformers
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def looking(module: Any, *args: Any, **kwargs: Any) -> Any:
        module.is_causal = False
        return sdpa_attention_forward(module, *args, **kwargs)

    transformers.AttentionInterface.register("looking", looking)
    reader, later = Reader(build(LLAMA, "looking")), ids()
    later[:, -1] = 7
    moved = float(largest(reader.forward(ids())[:, :-1], reader.forward(later)[:, :-1]))
    return judged(moved, what="own attention function, no mask function: a later token moves earlier by")


def last_stream() -> Finding:
    import torch

    def one(family: str) -> Finding:
        module = build(family)
        with torch.no_grad():
            found = module(ids(), use_cache=False, output_hidden_states=True).hidden_states[-1]
        return judged(
            float(largest(found, Reader(build(family)).read(ids())["resid_post"][-1])), what="hidden_states[-1]: off by"
        )

    return over(("GPT-2", LLAMA), one)


def steered_writing() -> Finding:
    import torch

    module, vector, heard = build(LLAMA), torch.full((32,), 3.0), []

    def steer(_: Any, __: Any, stream: Any) -> Any:
        stream[:, 9:] += vector
        heard.append(stream.clone())
        return stream

    reader = Reader(module)
    with torch.no_grad(), reader.changed(steer, reader.blocks[1]):
        written = module.generate(ids(), max_new_tokens=4, do_sample=False, eos_token_id=None)
    unsteered = Reader(build(LLAMA)).read(written[:, :-1])["resid_post"][1]
    return judged(float(largest(heard[1][:, -1], unsteered[:, 9] + vector)), what="hooks see one new token; off by")


TRAPS = {
    "resid_mid": lambda: by_hand(resid_mid()),
    "left_padding": lambda: by_hand(left_padding()),
    "never_ran": lambda: by_hand(never_ran()),
    "causality": lambda: by_hand(causality()),
    "last_stream": lambda: by_hand(last_stream()),
    "steered_writing": lambda: by_hand(steered_writing()),
}
