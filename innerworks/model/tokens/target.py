"""The one token that a metric reads the logit of."""

from __future__ import annotations

from typing import Any

from innerworks.errors import MetricError, PromptError
from innerworks.model.tokens.pieces import Vocabulary, shown

__all__ = ["single_token"]


def single_token(tokenizer: Any, text_or_id: str | int) -> int:
    """The id of the token that spells exactly this text, leading space included; an id is checked and given
    back.

    MetricError lists the pieces when the text is several tokens, and says if another spacing makes it one.
    """
    if not isinstance(text_or_id, str):
        return _checked_id(tokenizer, text_or_id)
    if tokenizer is None:
        raise PromptError(
            f"This model has no tokenizer, so {text_or_id!r} cannot be looked up. Pass one to load as "
            "tokenizer=, or give the token's id."
        )
    vocabulary = Vocabulary(tokenizer)
    token_id = _spelling(tokenizer, vocabulary, text_or_id)
    if token_id is None:
        raise MetricError(_explained(tokenizer, vocabulary, text_or_id))
    return token_id


def _checked_id(tokenizer: Any, token_id: Any) -> int:
    if isinstance(token_id, bool) or not hasattr(token_id, "__index__"):
        raise MetricError(f"A target is a token's text or its id, not {token_id!r}.")
    number = int(token_id)
    size = None if tokenizer is None else len(tokenizer)
    if number < 0 or (size is not None and number >= size):
        held = "ids start at 0" if size is None else f"the tokenizer has ids 0 to {size - 1}"
        raise MetricError(f"There is no token with id {number}: {held}.")
    return number


def _spelling(tokenizer: Any, vocabulary: Vocabulary, text: str) -> int | None:
    """The token that spells `text`, or None."""
    if not text:
        return None
    ids = _ids(tokenizer, text)
    # sentencepiece makes "Mary" the token " Mary", as at the start of a text; that is not what was asked for.
    if len(ids) == 1 and not _unknown(tokenizer, ids[0], text) and vocabulary.piece(ids[0]) != f" {text}".encode():
        return ids[0]
    listed = tokenizer.convert_tokens_to_ids(text.replace(" ", "▁"))
    if isinstance(listed, int) and not _unknown(tokenizer, listed, text):
        return listed if vocabulary.piece(listed) == text.encode() else None
    return None


def _ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _unknown(tokenizer: Any, token_id: int, text: str) -> bool:
    return bool(token_id == tokenizer.unk_token_id and text != tokenizer.unk_token)


def _explained(tokenizer: Any, vocabulary: Vocabulary, text: str) -> str:
    if not text:
        return "A target is one token, and the text given is empty."
    pieces = [shown(piece) for piece in vocabulary.pieces(_ids(tokenizer, text))]
    said = f"{text!r} is {len(pieces)} tokens: {', '.join(map(repr, pieces))}. A target is one token."
    if len(pieces) == 1:
        said = f"{text!r} is no token of this vocabulary: the nearest is {pieces[0]!r}."
    other = text[1:] if text.startswith(" ") else f" {text}"
    if _spelling(tokenizer, vocabulary, other) is not None:
        spacing = "without" if text.startswith(" ") else "with"
        return f"{said} {other!r} {spacing} a leading space is one: use that."
    return f"{said} Use a word that is one token, or the first piece, {pieces[0]!r}."
