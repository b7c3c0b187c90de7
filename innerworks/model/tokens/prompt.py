"""A prompt: the tokens a model is given, with all that is known about each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from innerworks.errors import PromptError
from innerworks.model.tokens.chat import Message, Rendered, rendered
from innerworks.model.tokens.encoding import Bos, Encoded, decoded, encoded, goes_on
from innerworks.model.tokens.offsets import Offsets, overlapping
from innerworks.model.tokens.several import Whole
from innerworks.model.tokens.spans import Place, found, merged, positions_of
from innerworks.model.tokens.table import prompt_table
from innerworks.model.tokens.target import all_tokens

__all__ = ["Prompt"]


@dataclass(frozen=True)
class Prompt:
    """Tokens as a value: immutable, comparable, hashable. Make one with `of`, `chat` or `from_ids`."""

    ids: tuple[int, ...]
    text: str | None
    """None where there are ids only."""
    tokens: tuple[str, ...]
    """The text of each token, leading space included; `visible` makes its spaces and line ends seen."""
    offsets: Offsets | None
    """Where each token lies in `text`, in characters; empty for what the tokenizer added."""
    word_ids: tuple[int | None, ...] | None
    special: tuple[bool, ...]
    roles: tuple[str | None, ...]
    """In a conversation, whose words each token is; None for the template's own text."""
    bos: Bos
    """Whether the tokenizer "added" a beginning-of-sequence token, it is "in text", or it is "absent"."""
    named: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """The named spans as pairs, in the order in which they were given; `spans` has them as a dict."""
    notes: tuple[str, ...] = ()
    """What was done or left out that the caller may not expect."""
    forced: int = 0
    """How many tokens at the end are the beginning of a target, put there by `continued`."""
    tokenizer: Any = field(default=None, compare=False, repr=False)
    """What the tokens were made with."""

    @classmethod
    def of(
        cls,
        tokenizer: Any,
        text: str,
        *,
        spans: Mapping[str, str | Place] | None = None,
        add_special_tokens: bool = True,
    ) -> Prompt:
        """Tokenise `text`, with `spans` named in it by their text or their positions."""
        _need(tokenizer)
        if not isinstance(text, str):
            raise PromptError(f"A prompt is text, not {type(text).__name__}; for ids use Prompt.from_ids.")
        if not text:
            raise PromptError("The prompt is empty. For a BOS token alone use Prompt.from_ids.")
        prompt = cls._made(encoded(tokenizer, text, add_special_tokens=add_special_tokens), tokenizer)
        for name, place in (spans or {}).items():
            prompt = prompt.with_span(name, place)
        return prompt

    @classmethod
    def chat(cls, tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Prompt:
        """A conversation through the tokenizer's chat template.

        The template writes BOS itself where the model wants it, so the tokenizer adds none. The header that
        asks for the reply is the span "generation_prompt".
        """
        _need(tokenizer)
        conversation = rendered(tokenizer, messages, add_generation_prompt=add_generation_prompt)
        found_tokens = encoded(tokenizer, conversation.text, add_special_tokens=False)
        prompt = cls._made(found_tokens, tokenizer, _roles(found_tokens, conversation), conversation.notes)
        if conversation.generation_start is None or prompt.offsets is None:
            return prompt
        header = overlapping(prompt.offsets, conversation.generation_start, len(conversation.text))
        return prompt.with_span("generation_prompt", header)

    @classmethod
    def from_ids(cls, ids: Any, tokenizer: Any = None) -> Prompt:
        """A prompt from token ids: a sequence or a tensor of one row; nothing is added to them."""
        return cls._made(decoded(tokenizer, _whole_numbers(ids)), tokenizer)

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Prompt:
        """The prompt that a text is to a model."""
        if model is None:
            raise PromptError(f"{text!r} is tokens only to a model: give one, as in Prompt.parse(text, model).")
        made: Prompt = model.prompt(text)
        return made

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of a prompt's text."""
        return {"type": "string", "format": "prompt", "description": "a prompt", "examples": ["The Eiffel Tower is in"]}

    @classmethod
    def _made(
        cls,
        source: Encoded,
        tokenizer: Any,
        roles: tuple[str | None, ...] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Prompt:
        return cls(
            ids=source.ids,
            text=source.text,
            tokens=source.tokens,
            offsets=source.offsets,
            word_ids=source.word_ids,
            special=source.special,
            roles=roles or (None,) * len(source.ids),
            bos=source.bos,
            notes=source.notes + notes,
            tokenizer=tokenizer,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __str__(self) -> str:
        return "".join(self.tokens) if self.text is None else self.text

    @property
    def spans(self) -> dict[str, tuple[int, ...]]:
        """The named spans: name to token positions."""
        return dict(self.named)

    def find(self, text: str, occurrence: int | None = None) -> tuple[int, ...]:
        """Positions of the tokens that cover `text`; when it is there more than once, say which, from 0."""
        if self.text is None or self.offsets is None:
            why = "; ".join(self.notes) or "it was made from ids without a tokenizer"
            raise PromptError(f"{text!r} cannot be looked for in this prompt: {why}. Give positions instead.")
        return found(text, self.text, self.offsets, occurrence)

    def with_span(self, name: str, place: str | Place) -> Prompt:
        """This prompt with one more named span, given by its text or its positions."""
        positions = self.find(place) if isinstance(place, str) else positions_of(place, len(self))
        return replace(self, named=tuple(merged(self.spans, name, positions).items()))

    def continued(self, target: str | Sequence[int] | Whole) -> Prompt:
        """This prompt with all of a target's tokens but the last behind it, for `iw.whole(target)` to be read there.

        Spans and roles stay where they are; position -1 is then where the target's last token is predicted.
        """
        content = target.content if isinstance(target, Whole) else target
        ids = all_tokens(self.tokenizer, content)
        if len(ids) == 1:
            return self
        longer = self._followed_by(decoded(self.tokenizer, ids[:-1]))
        if isinstance(content, str) and not goes_on(self.tokenizer, self.text, content, ids):
            note = f"after this text the tokenizer writes {content!r} with other tokens: mind the space in front"
            longer = replace(longer, notes=(*longer.notes, note))
        return longer

    def _followed_by(self, more: Encoded) -> Prompt:
        offsets, count = None, len(more.ids)
        if self.text is not None and self.offsets is not None and more.offsets is not None:
            start = len(self.text)
            offsets = self.offsets + tuple((start + left, start + right) for left, right in more.offsets)
        return replace(
            self,
            ids=self.ids + more.ids,
            text=None if self.text is None or more.text is None else self.text + more.text,
            tokens=self.tokens + more.tokens,
            offsets=offsets,
            word_ids=None if self.word_ids is None else self.word_ids + (None,) * count,
            special=self.special + more.special,
            roles=self.roles + (None,) * count,
            notes=self.notes + more.notes,
            forced=self.forced + count,
        )

    def positions(self, place: str | Place) -> tuple[int, ...]:
        """The token positions of a span's name, a role, a position, a slice, or several positions."""
        if not isinstance(place, str):
            return positions_of(place, len(self))
        if place in self.spans:
            return self.spans[place]
        spoken = tuple(index for index, role in enumerate(self.roles) if role == place)
        if spoken:
            return spoken
        names = [*self.spans, *dict.fromkeys(role for role in self.roles if role)]
        known = f"It has {', '.join(map(repr, names))}." if names else "It has none."
        raise PromptError(
            f"The prompt has no span or role {place!r}. {known} Name one: prompt.with_span({place!r}, its text)."
        )

    def table(self) -> str:
        """The prompt as plain text, a line per token, with what was done about BOS."""
        return prompt_table(self)


def _need(tokenizer: Any) -> None:
    if tokenizer is None:
        raise PromptError(
            "This model has no tokenizer, so text cannot be used. Pass one to load as tokenizer=, or "
            "give ids: Prompt.from_ids([…])."
        )


def _whole_numbers(ids: Any) -> tuple[int, ...]:
    listed = ids.tolist() if hasattr(ids, "tolist") else ids
    if isinstance(listed, (str, bytes)) or not isinstance(listed, Sequence):
        raise PromptError(f"Token ids are a list of whole numbers, not {type(ids).__name__}.")
    if len(listed) == 1 and isinstance(listed[0], Sequence):
        listed = listed[0]
    if not listed:
        raise PromptError("The prompt is empty: it has no ids.")
    for position, value in enumerate(listed):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise PromptError(f"The id at position {position} is {value!r}, not a whole number.")
        if value < 0:
            raise PromptError(f"The id at position {position} is {value}; ids start at 0.")
    return tuple(int(value) for value in listed)


def _roles(tokens: Encoded, conversation: Rendered) -> tuple[str | None, ...]:
    roles: list[str | None] = [None] * len(tokens.ids)
    for words in conversation.words:
        for position in overlapping(tokens.offsets or (), words.start, words.end):
            roles[position] = words.role
    return tuple(roles)
