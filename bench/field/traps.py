"""Which silent failures are tried, and what is common to all tools in trying them."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

from bench.field.families import build, ids
from bench.field.numbers import Truth, largest, said
from bench.field.places import Reader
from bench.field.tool import NotOffered, Tool
from bench.field.words import words

QUESTIONS = {
    "resid_mid": "Llama: the stream between attention and MLP is replaced. Does the skip path follow?",
    "scores": "OPT, GPT-J, GPT-Neo: is the softmax of the scores the pattern?",
    "pattern_edits": "OPT, GPT-J, GPT-Neo, XGLM: is zeroing a head's pattern zeroing the head?",
    "weights": "gpt-oss: are log-probabilities the same after its weights are prepared for looking?",
    "left_padding": "GPT-2, GPT-Neo, XGLM: is a prompt padded on the left what it is alone?",
    "contributions": "BLOOM, OLMo 2, Granite, Gemma 2, sequential NeoX: do attn_out and mlp_out add up to the block?",
    "never_ran": "Llama: is a place that never runs an error?",
    "gradients": "Llama: are the gradients that it is asked for those of the plain model?",
    "no_such_option": "Is an option that does not exist an error?",
    "grouped_heads": "Llama, grouped heads: can one key-value head be patched, reaching its own query heads only?",
    "causality": "SDPA: does looking at attention keep it causal?",
    "last_stream": "GPT-2, Llama: is the last stream that before the last norm?",
    "steered_writing": "Llama: does steering from a position on go on while writing with a cache?",
    "hooks_of_others": "Llama: does a hook that stood on the module before still stand, and fire, after a run?",
    "own_scale": "GPT-2, Llama: does the logit lens norm every layer by its own scale?",
}

Finding = tuple[str, str]
"""right, wrong, refused, not offered, or left to the user; and the figure behind it.

Left to the user: the tool has no name for it, and what a user would write by hand for it goes wrong as the figure says.
"""


def judged(error: float, scale: float = 1.0, what: str = "off by") -> Finding:
    """Right, if an error is what float32 rounds."""
    return ("right" if error < 1e-4 * max(scale, 1.0) else "wrong", f"{what} {error:.1e}")


def by_hand(finding: Finding) -> Finding:
    """A finding about what a user writes with the tool, and not about something that it offers."""
    verdict, text = finding
    return ("left to the user" if verdict == "wrong" else verdict), text


def _figure(text: str) -> float:
    return float(text.rpartition(" ")[2])


def worst(findings: dict[str, Finding]) -> Finding:
    """One finding for several families: what went wrong, or else one that stands for all."""
    wrong = {family: text for family, (verdict, text) in findings.items() if verdict != "right"}
    verdicts = [verdict for verdict, _ in findings.values()]
    verdict = next((v for v in ("wrong", "left to the user", "refused", "not offered") if v in verdicts), "right")
    if not wrong:
        return verdict, max((text for _, text in findings.values()), key=_figure)
    return verdict, "; ".join(f"{family}: {text}" for family, text in wrong.items())


def over(families: tuple[str, ...], one: Callable[[str], Finding]) -> Finding:
    """A finding for each of some families."""
    found: dict[str, Finding] = {}
    for family in families:
        found[family] = attempted(lambda family=family: one(family))
    return worst(found)


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def attempted(try_it: Callable[[], Finding]) -> Finding:
    """A finding, or the refusal or failure that came instead; and whether a wrong answer came with a warning."""
    heard, disabled = _Heard(), logging.root.manager.disable
    logging.disable(logging.NOTSET)
    logging.root.addHandler(heard)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            verdict, text = try_it()
        spoken = [*heard.texts, *(str(one.message) for one in warned if one.category is not ResourceWarning)]
        if verdict == "wrong" and spoken:
            text += f" (it warns: {' '.join(spoken[0].split())[:80]}…)"
        return verdict, text
    except NotOffered as error:
        return "not offered", str(error)
    except Exception as error:  # noqa: BLE001 - whatever another tool raises is what the table shows
        return "refused", said(error)
    finally:
        logging.root.removeHandler(heard)
        logging.disable(disabled)


def contributions(make: type[Tool]) -> Finding:
    """The change of a block against the sum of what is said to have been added."""

    def one(family: str) -> Finding:
        found = make(build(family), words()).cache_stream(ids())()
        stream = found["resid_post"]
        change = [stream[i] - stream[i - 1] for i in (1, 2)]
        added = [found["attn_out"][i] + found["mlp_out"][i] for i in (1, 2)]
        return judged(float(largest(added, change)))

    return over(("BLOOM", "OLMo 2", "Granite", "Gemma 2", "GPT-NeoX, sequential"), one)


def last_stream(make: type[Tool]) -> Finding:
    """What the tool calls the stream after the last block, against a hook on that block."""

    def one(family: str) -> Finding:
        found = make(build(family), words()).cache_stream(ids())()["resid_post"][-1]
        return judged(float(largest(found, Reader(build(family)).read(ids())["resid_post"][-1])))

    return over(("GPT-2", "Llama, grouped heads"), one)


def with_mid_stream(value: Any, family: str = "Llama, grouped heads", layer: int = 1) -> Any:
    """The true logits when the stream between attention and MLP of a Llama block is `value`."""
    reader = Reader(build(family))
    block = reader.blocks[layer]

    def hook(_: Any, __: Any, ___: Any) -> Any:
        return value + block.mlp(block.post_attention_layernorm(value))

    with reader.changed(hook, block):
        return reader.forward(ids())


def padded() -> tuple[Any, Any, list[list[int]]]:
    """Two prompts of unequal length, padded on the left: ids, mask, and the prompts alone."""
    import torch

    rows = [[5, 17, 33, 60, 8, 21, 9], [12, 3, 66]]
    width = max(map(len, rows))
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return torch.tensor([[0] * (width - len(row)) + row for row in rows]), mask, rows


def against_alone(family: str, last: Any, rows: list[list[int]]) -> Finding:
    """Last logits of padded prompts, against the plain model's for each prompt alone."""
    import torch

    reader = Reader(build(family))
    alone = torch.stack([reader.forward(torch.tensor([row]))[0, -1] for row in rows])
    return judged(float(largest(last, alone)), float(alone.abs().max()))


def hooks_of_others(make: type[Tool]) -> Finding:
    """A user's own hook, before, during and after the tool has run the model."""
    module, heard = build("Llama, grouped heads"), []
    module.model.layers[1].register_forward_hook(lambda *_: heard.append(1))
    tool = make(module, words())
    before = len(heard)
    tool.cache_stream(ids())()
    during = len(heard) - before
    tool.forward(ids())()
    after = len(heard) - before - during
    return "right" if during and after else "wrong", f"it fires {during} and {after} times in two runs"


def gradients(make: type[Tool]) -> Finding:
    """To every z, against autograd through the plain model."""
    family = "Llama, grouped heads"
    truth = Truth(build(family))
    found = make(build(family), words()).gradient_to_heads(truth.corrupt)()
    return judged(float(largest([one.flatten(2) for one in found], truth.gradients())))


COMMON = {
    "contributions": contributions,
    "last_stream": last_stream,
    "hooks_of_others": hooks_of_others,
    "gradients": gradients,
}


def tried(make: type[Tool]) -> dict[str, Finding]:
    """Every question, put to one tool."""
    spec = sys.modules[make.__module__].__spec__
    assert spec is not None
    own = importlib.import_module(f"bench.traps.{spec.name.rpartition('.')[2]}").TRAPS
    found: dict[str, Finding] = {}
    for name in QUESTIONS:
        if name in own:
            found[name] = attempted(own[name])
        elif name in COMMON:
            found[name] = attempted(lambda name=name: COMMON[name](make))
        else:
            found[name] = ("not offered", "")
    return found
