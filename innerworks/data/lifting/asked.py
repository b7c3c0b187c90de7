"""What a call asked, down to the numbers in its tensors: interrupted work is only gone on with by the same call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from innerworks.model.tokens import Pair, Prompt
from innerworks.registry.annotations import rendered

if TYPE_CHECKING:
    from innerworks.data.lifting.taken import Taken
    from innerworks.registry import Technique

__all__ = ["asked", "content"]


def asked(technique: Technique, model: Any, taken: Taken[Any], options: Mapping[str, Any]) -> str:
    """The same for calls of one technique with equal models, edits, prompts, answers and options.

    What only steers a call, such as its progress, makes no difference.
    """
    steering = {one.name for one in technique.options if not one.is_written}
    key = taken.key and [(taken.key.measure, row.targets, row.foils) for row in taken.key]
    given = {name: content(value) for name, value in sorted(options.items()) if name not in steering}
    said = (technique.name, model.fingerprint, content(model.edits), [_row(row) for row in taken.rows], key, given)
    return sha256(repr(said).encode()).hexdigest()


def _row(row: Prompt | Pair) -> Any:
    if isinstance(row, Pair):
        return _row(row.clean), _row(row.corrupt), row.map
    return row.ids, row.named


def content(value: Any) -> Any:
    """A value in words, with the numbers of tensors and of what holds some."""
    if hasattr(value, "shape"):
        numbers = value.detach().cpu().double().numpy() if hasattr(value, "detach") else value
        return tuple(numbers.shape), sha256(numbers.tobytes()).hexdigest()
    if isinstance(value, Mapping):
        return {str(name): content(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [content(one) for one in value]
    held = getattr(value, "tensors", None)
    if held is not None:
        return rendered(value), content(held() if callable(held) else held)
    return rendered(value)
