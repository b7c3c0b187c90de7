"""The silent failures, tried on nnsight."""

from __future__ import annotations

from typing import Any

from bench.field.families import build, ids
from bench.field.numbers import largest
from bench.field.places import Reader
from bench.field.traps import Finding, against_alone, by_hand, judged, over, padded, with_mid_stream
from bench.field.words import words
from bench.peers.nnsight import Nnsight

LLAMA = "Llama, grouped heads"


def _open(family: str, attention: str = "eager") -> Nnsight:
    return Nnsight(build(family, attention), words())


def resid_mid() -> Finding:
    import torch

    model = _open(LLAMA).model
    value = torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), model.trace(ids(), use_cache=False):
        model.model.layers[1].post_attention_layernorm.input = value
        found = model.output.logits.save()
    return judged(float(largest(found, with_mid_stream(value))), what="a new input of the second norm: off by")


def pattern_edits() -> Finding:
    import torch

    def one(family: str) -> Finding:
        tool = _open(family)
        model, attention = tool.model, tool._parts("attention")[1]
        with torch.no_grad(), model.trace(ids(), use_cache=False):
            attention.output[-1][:, 2] = 0
            found = model.output.logits[:, -1].save()
        true = Reader(build(family)).with_head(ids(), 1, 2, torch.zeros(1, 9, 4, 8))
        return judged(float(largest(found, true)), what="the attention module's returned pattern: off by")

    return over(("OPT", "GPT-J", "GPT-Neo", "XGLM"), one)


def left_padding() -> Finding:
    import torch

    def one(family: str) -> Finding:
        tokens, mask, rows = padded()
        model = _open(family).model
        with torch.no_grad(), model.trace({"input_ids": tokens, "attention_mask": mask}, use_cache=False):
            found = model.output.logits[:, -1].save()
        return against_alone(family, found, rows)

    return over(("GPT-2", "GPT-Neo", "XGLM"), one)


def never_ran() -> Finding:
    import torch
    from nnsight.intervention.interleaver import OutOfOrderError

    model = _open(LLAMA).model
    try:
        with torch.no_grad(), model.trace(ids(), use_cache=False):
            model.model.layers[0].skip(model.model.layers[0].input)
            model.model.layers[0].self_attn.output[0].save()
    except OutOfOrderError:
        return "right", "OutOfOrderError"
    return "wrong", "nothing is said"


def no_such_option() -> Finding:
    import torch

    model = _open(LLAMA).model
    with torch.no_grad(), model.trace(ids(), use_cache=False, incl_bwd=True):
        model.output.logits.save()
    return "wrong", "nothing is said"


def grouped_heads() -> Finding:
    import torch

    model = _open(LLAMA).model
    layer = model.model.layers[1]

    def heads(change: bool) -> Any:
        with torch.no_grad(), model.trace(ids(), use_cache=False):
            if change:
                layer.self_attn.v_proj.output[..., 8:] = 0
            z = layer.self_attn.o_proj.input.save()
        return z.reshape(1, 9, 4, 8)

    reached = ((heads(True) - heads(False)).abs().amax((0, 1, 3)) > 1e-3).nonzero().flatten().tolist()
    return "right" if reached == [2, 3] else "wrong", f"by slicing v_proj: reached query heads {reached}"


def steered_writing() -> Finding:
    import torch

    model, vector = _open(LLAMA).model, torch.full((32,), 3.0)
    layer = model.model.layers[1]
    with model.generate(ids(), max_new_tokens=4, do_sample=False, eos_token_id=None) as tracer:
        heard: list[Any] = list().save()
        for _ in tracer.iter[:4]:
            layer.output[:, 9:] += vector
            heard.append(layer.output.clone())
        written = tracer.result.save()
    unsteered = Reader(build(LLAMA)).read(written[:, :-1])["resid_post"][1]
    return judged(
        float(largest(heard[1][:, -1], unsteered[:, 9] + vector)), what="each step sees one new token; off by"
    )


TRAPS = {
    "resid_mid": lambda: by_hand(resid_mid()),
    "pattern_edits": lambda: by_hand(pattern_edits()),
    "left_padding": left_padding,
    "never_ran": never_ran,
    "no_such_option": no_such_option,
    "grouped_heads": grouped_heads,
    "steered_writing": lambda: by_hand(steered_writing()),
}
