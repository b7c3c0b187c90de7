"""The answers that a patched prompt is held against: known ones, or what the source prompt itself predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.errors import MetricError
from innerworks.model.tokens import Whole

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["Answers", "answers", "same_words"]


@dataclass(frozen=True)
class Answers:
    """For each example the ids [example, place, alternative] of which any counts (-1: none), and their texts."""

    ids: Tensor
    texts: tuple[tuple[str, ...], ...] | None
    """None where an answer is only looked for as the next token, or there is no tokenizer."""

    def said_in(self, text: str, example: int) -> bool:
        """Whether a text has one of an example's answers in it, in capitals or not."""
        assert self.texts is not None
        return any(one.casefold() in text.casefold() for one in self.texts[example])


def answers(source: Model, into: Model, target: Any, predicted: Tensor, follow: bool) -> Answers | None:
    """What is looked for: `target`, or where there is none and `follow`, what the source model predicts there."""
    examples, places = predicted.shape
    if target is None:
        return Answers(predicted[..., None].to(into.device), None) if follow and same_words(source, into) else None
    each = target if isinstance(target, (list, tuple)) else [target] * examples
    if len(each) != examples:
        raise MetricError(f"{len(each)} targets for {examples} prompts: give one for all, or one for each prompt.")
    found = [_ids(source, into, one) for one in each]
    widest = max(map(len, found))
    rows = torch.tensor([ids + [-1] * (widest - len(ids)) for ids in found], device=into.device)
    return Answers(rows[:, None].expand(-1, places, -1), _texts(into, found))


def same_words(source: Model, into: Model) -> bool:
    """Whether an id means the same to both models, as far as their tokenizers tell."""
    if source is into or source.tokenizer is into.tokenizer:
        return source.n_vocab == into.n_vocab
    if source.tokenizer is None or into.tokenizer is None:
        return False
    same: bool = source.tokenizer.get_vocab() == into.tokenizer.get_vocab()
    return same


def _ids(source: Model, into: Model, target: Any) -> list[int]:
    if isinstance(target, (Whole, dict)):
        raise MetricError(
            f"target={target!r}: a patchscope looks for a token, or any of a set. Of a longer answer take "
            "iw.first_token(…), and read the texts."
        )
    tokens = list(target) if isinstance(target, (set, frozenset)) else [target]
    if not tokens:
        raise MetricError("target=set(): name at least one token in it.")
    number = next((one for one in tokens if hasattr(one, "__index__")), None)
    if number is not None and not same_words(source, into):
        raise MetricError(
            f"target={number}: ids may be other words to the target model, whose vocabulary is another: give a text."
        )
    return sorted({into.token(one) for one in tokens})


def _texts(model: Model, found: Sequence[Sequence[int]]) -> tuple[tuple[str, ...], ...] | None:
    if model.tokenizer is None:
        return None
    texts = [tuple(model.tokenizer.decode([one]).strip() for one in ids) for ids in found]
    return tuple(texts) if all(one for own in texts for one in own) else None
