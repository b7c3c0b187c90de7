"""The silent failures, tried on innerworks."""

from __future__ import annotations

from typing import Any

from bench.field.families import build, ids
from bench.field.numbers import largest
from bench.field.places import Reader
from bench.field.traps import Finding, against_alone, judged, over, padded, with_mid_stream

LLAMA = "Llama, grouped heads"


def _open(family: str, attention: str = "eager") -> Any:
    import innerworks as iw

    return iw.load(build(family, attention))


def resid_mid() -> Finding:
    import torch

    from innerworks import at, edit

    value = torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(0))
    found = _open(LLAMA).run(ids(), edits=[edit.set(at.resid_mid[1], value)]).logits
    return judged(float(largest(found, with_mid_stream(value))))


def scores() -> Finding:
    from innerworks import at

    def one(family: str) -> Finding:
        run = _open(family).run(ids(), capture=[at.scores[1], at.pattern[1]])
        return judged(float(largest(run[at.scores[1]].softmax(-1), run[at.pattern[1]])))

    return over(("OPT", "GPT-J", "GPT-Neo"), one)


def pattern_edits() -> Finding:
    import torch

    from innerworks import at, edit

    def one(family: str) -> Finding:
        found = _open(family).run(ids(), edits=[edit.zero(at.pattern[1, 2])]).logits[:, -1]
        true = Reader(build(family)).with_head(ids(), 1, 2, torch.zeros(1, 9, 4, 8))
        return judged(float(largest(found, true)))

    return over(("OPT", "GPT-J", "GPT-Neo", "XGLM"), one)


def weights() -> Finding:
    model = _open("gpt-oss")
    assert model.weights is not None
    found = model.run(ids()).logits.log_softmax(-1)
    return judged(float(largest(found, Reader(build("gpt-oss")).forward(ids()).log_softmax(-1))))


def left_padding() -> Finding:
    def one(family: str) -> Finding:
        rows = padded()[2]
        return against_alone(family, _open(family).run(rows, padding="left", logits="last").logits[:, -1], rows)

    return over(("GPT-2", "GPT-Neo", "XGLM"), one)


def never_ran() -> Finding:
    from innerworks import at
    from innerworks.errors import NotFiredError

    model = _open(LLAMA)
    stream = model.run(ids(), capture=[at.resid_pre[2]])[at.resid_pre[2]]
    try:
        model.run(ids(), capture=[at.z[0]], start=(2, stream))
    except NotFiredError:
        return "right", "NotFiredError"
    return "wrong", "nothing is said"


def no_such_option() -> Finding:
    try:
        _open(LLAMA).run(ids(), incl_bwd=True)
    except TypeError:
        return "right", "TypeError"
    return "wrong", "nothing is said"


def grouped_heads() -> Finding:
    import torch

    from innerworks import at, edit

    model = _open(LLAMA)
    edits = [edit.zero(at.v[1, 1])]
    before, after = (model.run(ids(), edits=put, capture=[at.z[1]])[at.z[1]] for put in ([], edits))
    reached = (after - before).abs().amax((0, 1, 3)) > 1e-3
    right = reached.tolist() == [False, False, True, True] and torch.equal(after[:, :, 2:], 0 * after[:, :, 2:])
    return "right" if right else "wrong", f"reached query heads {reached.nonzero().flatten().tolist()}"


def causality() -> Finding:
    from innerworks import at

    model, later = _open(LLAMA, "sdpa"), ids()
    later[:, -1] = 7
    a, b = (model.run(x, capture=[at.pattern[:]]) for x in (ids(), later))
    ahead = float(a[at.pattern[:]].triu(1).abs().max())
    return judged(max(ahead, float(largest(a.logits[:, :-1], b.logits[:, :-1]))), what="a later token moves earlier by")


def steered_writing() -> Finding:
    import torch

    from innerworks import at, edit

    model = _open(LLAMA)
    vector = torch.full((32,), 3.0)
    edits = [edit.add(at.resid_post[1] @ slice(9, None), vector)]
    found = model.generate(ids(), max_new_tokens=4, edits=edits, capture=[at.resid_post[1]])
    whole = torch.tensor([[*ids()[0].tolist(), *found.new_ids[0]][:-1]])
    unsteered = Reader(build(LLAMA)).read(whole)["resid_post"][1]
    return judged(float(largest(found[at.resid_post[1]][:, 9], unsteered[:, 9] + vector)))


TRAPS = {
    "resid_mid": resid_mid,
    "scores": scores,
    "pattern_edits": pattern_edits,
    "weights": weights,
    "left_padding": left_padding,
    "never_ran": never_ran,
    "no_such_option": no_such_option,
    "grouped_heads": grouped_heads,
    "causality": causality,
    "steered_writing": steered_writing,
}
