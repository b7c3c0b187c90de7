"""The silent failures, tried on pyvene."""

from __future__ import annotations

from bench.field.families import build, ids
from bench.field.numbers import largest
from bench.field.places import Reader
from bench.field.traps import Finding, against_alone, by_hand, judged, over, padded

LLAMA = "Llama, grouped heads"


def left_padding() -> Finding:
    import pyvene
    import torch

    def one(family: str) -> Finding:
        tokens, mask, rows = padded()
        wrapped = pyvene.IntervenableModel([], model=build(family))
        with torch.no_grad():
            found = wrapped({"input_ids": tokens, "attention_mask": mask})[0].logits[:, -1]
        return against_alone(family, found, rows)

    return over(("GPT-2", "GPT-Neo", "XGLM"), one)


def no_such_option() -> Finding:
    import pyvene

    try:
        pyvene.IntervenableModel({"layer": 1, "component": "block_output"}, model=build(LLAMA), incl_bwd=True)
    except (TypeError, ValueError) as error:
        return "right", type(error).__name__
    return "wrong", "nothing is said"


def grouped_heads() -> Finding:
    import pyvene
    import torch

    module = build(LLAMA)
    before = Reader(module).read_heads(ids())[1]
    zero = {"layer": 1, "component": "head_value_output", "unit": "h", "intervention": pyvene.ZeroIntervention()}
    look = {"layer": 1, "component": "attention_value_output", "intervention": pyvene.CollectIntervention()}
    wrapped = pyvene.IntervenableModel([zero, look], model=module)
    with torch.no_grad():
        answer = wrapped({"input_ids": ids()}, unit_locations={"base": [[[1]], [list(range(9))]]})
    after = answer[0][1][0].reshape(1, 9, 4, 8)
    reached = ((after - before).abs().amax((0, 1, 3)) > 1e-3).nonzero().flatten().tolist()
    return "right" if reached == [2, 3] else "wrong", f"reached query heads {reached}"


def steered_writing() -> Finding:
    import pyvene
    import torch

    module, vector, heard = build(LLAMA), torch.full((32,), 3.0), []
    addition = pyvene.AdditionIntervention(embed_dim=32, source_representation=vector)
    wrapped = pyvene.IntervenableModel(
        {"layer": 1, "component": "block_output", "intervention": addition}, model=module
    )
    reader = Reader(module)
    with torch.no_grad(), reader.changed(lambda _, args: heard.append(args[0].clone()), reader.blocks[2], before=True):
        written = wrapped.generate(
            {"input_ids": ids()},
            unit_locations={"base": [[[9]]]},
            intervene_on_prompt=False,
            max_new_tokens=4,
            do_sample=False,
            eos_token_id=None,
        )[1]
    unsteered = Reader(build(LLAMA)).read(written[:, :-1])["resid_post"][1]
    return judged(float(largest(heard[1][:, -1], unsteered[:, 9] + vector)))


TRAPS = {
    "left_padding": lambda: by_hand(left_padding()),
    "no_such_option": no_such_option,
    "grouped_heads": grouped_heads,
    "steered_writing": steered_writing,
}
