"""A vocabulary seen from a task: which words are one token, and how long a text is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from innerworks.data.dropped import Dropped
from innerworks.errors import MetricError, TaskError
from innerworks.model.tokens import Prompt, single_token

__all__ = ["AnyWords", "TokenWords", "Words"]

Item = TypeVar("Item")


class Words:
    """What a recipe may ask about the vocabulary that its words must fit."""

    def __init__(self) -> None:
        self.dropped = Dropped()

    def fits(self, text: str) -> bool:
        """Whether a text, spacing included, is one token."""
        raise NotImplementedError

    def length(self, text: str) -> int:
        """How many tokens a text is, the tokenizer's own additions left out."""
        raise NotImplementedError

    def follows(self, text: str, answer: str) -> bool:
        """Whether the tokenizer writes a text that goes on with an answer as the text's tokens and one more."""
        raise NotImplementedError

    def ordinary(self) -> Sequence[int]:
        """The ids of the tokens that are not special."""
        raise NotImplementedError

    def opening(self, bos: bool | None) -> tuple[int, ...]:
        """The ids before the first random token: with or without a BOS, or (None) as the tokenizer does with text."""
        raise NotImplementedError

    def single(self, candidates: Sequence[str], what: str, *, form: str = " {}") -> list[str]:
        """The words that are one token after a space (or in another form); the others are counted."""
        return self.keep([(word, (form.format(word),)) for word in candidates], what)

    def keep(self, candidates: Sequence[tuple[Item, Sequence[str]]], what: str) -> list[Item]:
        """The items all of whose texts are one token; the others are counted as `what`."""
        kept = []
        for item, texts in candidates:
            wrong = next((text for text in texts if not self.fits(text)), None)
            if wrong is None:
                kept.append(item)
            else:
                self.dropped.add(what, "not one token", repr(wrong))
        return kept


class AnyWords(Words):
    """Without a model: every word will do."""

    def fits(self, text: str) -> bool:
        """Yes."""
        return True

    def length(self, text: str) -> int:
        """One, since nothing is known."""
        return 1

    def follows(self, text: str, answer: str) -> bool:
        """Yes."""
        return True

    def ordinary(self) -> Sequence[int]:
        """There are none without a model."""
        raise TaskError("Random tokens are drawn from a model's vocabulary: use task.on(model).")

    def opening(self, bos: bool | None) -> tuple[int, ...]:
        """There are none without a model."""
        return ()


class TokenWords(Words):
    """The words of a tokenizer; without one, only token ids up to `n_vocab` can be used."""

    def __init__(self, tokenizer: Any, n_vocab: int | None = None) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.n_vocab = n_vocab
        self._known: dict[str, int | MetricError] = {}

    def token(self, text: str) -> int:
        """The id of a text that is one token; MetricError shows the pieces of one that is not."""
        if text not in self._known:
            try:
                self._known[text] = single_token(self.tokenizer, text)
            except MetricError as problem:
                self._known[text] = problem
        known = self._known[text]
        if isinstance(known, MetricError):
            raise MetricError(str(known))
        return known

    def fits(self, text: str) -> bool:
        """Whether the tokenizer has one token for it."""
        try:
            self.token(text)
        except MetricError:
            return False
        return True

    def ids(self, text: str) -> tuple[int, ...]:
        """What the tokenizer makes of a text, with what it adds."""
        return tuple(self.tokenizer(text, verbose=False)["input_ids"])

    def prompt(self, text: str) -> Prompt:
        """A text as the model is given it."""
        return Prompt.of(self.tokenizer, text)

    def length(self, text: str) -> int:
        """How many tokens the tokenizer makes of it."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def ordinary(self) -> Sequence[int]:
        """Every id of the vocabulary but the special tokens'."""
        if self.tokenizer is None:
            if self.n_vocab is None:
                raise TaskError("There is no tokenizer and no size of a vocabulary to draw tokens from.")
            return range(self.n_vocab)
        size = min(len(self.tokenizer), self.n_vocab or len(self.tokenizer))
        added = getattr(self.tokenizer, "added_tokens_decoder", None) or {}
        left_out = {int(one) for one in added} | set(self.tokenizer.all_special_ids)
        return [one for one in range(size) if one not in left_out]

    def follows(self, text: str, answer: str) -> bool:
        """Whether the answer is one token right after the text."""
        return self.fits(answer) and self.ids(text + answer) == (*self.ids(text), self.token(answer))

    def opening(self, bos: bool | None) -> tuple[int, ...]:
        """The BOS, or nothing."""
        if bos is False or (bos is None and self.tokenizer is None):
            return ()
        if bos is None:
            prompt = self.prompt("a")
            return prompt.ids[:1] if prompt.bos == "added" else ()
        known = None if self.tokenizer is None else self.tokenizer.bos_token_id
        if known is None:
            raise TaskError("bos=True: this tokenizer has no beginning-of-sequence token. Take bos=False.")
        return (int(known),)
