"""The tokens that a technique on weights is shown for, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from innerworks.errors import EditError, PromptError

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["chosen_tokens", "listed", "check_weights", "texts"]


def check_weights(model: Model, layers: Iterable[int] | None = None) -> None:
    """Raise where weights cannot be read: NaN in those of these layers (all) or outside, edits that would not show."""
    if model.edits:
        raise EditError(
            f"this reads weights, which {model.edits[0]} and other standing edits do not change: ask the model without "
            "edits."
        )
    model.weights.check_finite(layers)


def chosen_tokens(model: Model, given: Any, what: str = "tokens") -> list[int]:
    """The ids of words or ids, each of which is one token."""
    listed_ = [given] if isinstance(given, str) or hasattr(given, "__index__") else given
    if not isinstance(listed_, Iterable) or not (ids := [model.token(one) for one in listed_]):
        raise PromptError(f"{what}={given!r}: give words that are one token each, as in [' cat', ' dog'], or ids.")
    if len(set(ids)) < len(ids):
        raise PromptError(f"{what} names a token twice: name each once.")
    return ids


def texts(model: Model, ids: Sequence[int]) -> list[str]:
    """Tokens as users read them; their ids where there is no tokenizer."""
    if model.tokenizer is None:
        return [str(one) for one in ids]
    return [repr(model.tokenizer.decode([one])) for one in ids]


def listed(model: Model, scores: Tensor, count: int, largest: bool = True) -> list[str]:
    """For every row of scores [row, vocabulary], its first tokens in one text."""
    best = scores.topk(min(count, scores.shape[-1]), -1, largest=largest).indices.tolist()
    return [" ".join(texts(model, row)) for row in best]
