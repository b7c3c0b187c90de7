"""A conversation as the model sees it, and whose words each part of it is.

The template's own text (markers, headers, a system prompt it inserts) belongs to nobody. Where a message's
words lie is proven, never guessed: the conversation is rendered again with a mark in their place, and what
surrounds the mark must be what surrounds the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from innerworks.errors import PromptError

__all__ = ["Rendered", "Words", "rendered"]

Message = Mapping[str, Any]

# Private-use characters: no template or user writes them, and no template's trim removes them.
_MARK = "\ue0a1\ue0b2\ue0c3"


@dataclass(frozen=True)
class Words:
    """Characters start to end of a rendered conversation, written by `role`."""

    role: str
    start: int
    end: int


@dataclass(frozen=True)
class Rendered:
    """A conversation as text, with the places of the words in it."""

    text: str
    words: tuple[Words, ...]
    generation_start: int | None
    """Where the header that asks for the next reply starts, if there is one."""
    notes: tuple[str, ...]


def rendered(tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool) -> Rendered:
    """Apply the tokenizer's chat template."""
    checked = _checked(messages)
    if not getattr(tokenizer, "chat_template", None):
        raise PromptError(
            "This tokenizer has no chat template. Write the conversation as text with Prompt.of, "
            "or set tokenizer.chat_template."
        )
    text = _apply(tokenizer, checked, add_generation_prompt)
    words: list[Words] = []
    notes: list[str] = []
    for index, message in enumerate(checked):
        if not message.get("content"):
            continue
        place = _place(tokenizer, checked, index, text, add_generation_prompt)
        if place is None:
            notes.append(f"the template rewrites message {index}, so its tokens carry no role")
        else:
            words.append(Words(str(message["role"]), *place))
    without = _apply(tokenizer, checked, False) if add_generation_prompt else text
    has_header = len(without) < len(text) and text.startswith(without)
    return Rendered(text, tuple(words), len(without) if has_header else None, tuple(notes))


def _place(
    tokenizer: Any, messages: Sequence[Message], index: int, text: str, add_generation_prompt: bool
) -> tuple[int, int] | None:
    marked = list(messages)
    marked[index] = {**messages[index], "content": _MARK}
    around = _apply(tokenizer, marked, add_generation_prompt).split(_MARK)
    if len(around) != 2:
        return None
    before, after = around
    content = messages[index]["content"]
    for words in (content, content.strip(), content.rstrip(), content.lstrip()):
        if text == before + words + after:
            return len(before), len(before) + len(words)
    return None


def _apply(tokenizer: Any, messages: Sequence[Message], add_generation_prompt: bool) -> str:
    from jinja2 import TemplateError

    try:
        text = tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
        )
    except (TemplateError, TypeError) as error:
        raise PromptError(f"The chat template refuses this conversation: {error}") from error
    return str(text)


def _checked(messages: Sequence[Message]) -> tuple[Message, ...]:
    if isinstance(messages, (str, Mapping)) or not messages:
        raise PromptError(
            "A conversation is a non-empty list of messages such as {'role': 'user', 'content': 'Hello'}, "
            f"not {messages!r}."
        )
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise PromptError(f"Message {index} is {message!r}: it needs a 'role' and a 'content'.")
        if not isinstance(message.get("content"), (str, type(None))):
            raise PromptError(
                f"The content of message {index} is a {type(message['content']).__name__}. Only text is "
                "supported: give it as a string."
            )
    return tuple(messages)
