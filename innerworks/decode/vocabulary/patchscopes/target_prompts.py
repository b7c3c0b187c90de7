"""The prompts that states are put into, and where in them: the presets of the papers, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from innerworks.errors import OptionError, PromptError
from innerworks.model.tokens import Prompt

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["PATCHED", "PRESETS", "Preset", "PresetName", "asking", "placed", "targets_of"]

PATCHED = "where the state is put"
PresetName = Literal["next_token", "description", "same", "future", "attribute"]


@dataclass(frozen=True)
class Preset:
    """A target prompt (None: the source prompt itself), and how much is written after it."""

    prompt: str | None
    new_tokens: int = 0
    placeholder: str | int = "x"


PRESETS: dict[str, Preset] = {
    "next_token": Preset("cat->cat; 1135->1135; hello->hello; x"),
    "description": Preset(
        "Syria: Country in the Middle East, Leonardo DiCaprio: American actor, Samsung: South Korean multinational "
        "major appliance and consumer electronics corporation, x",
        new_tokens=12,
    ),
    "same": Preset(None),
    "attribute": Preset("{relation}", new_tokens=20),
    "future": Preset('Hello! Could you please tell me more about "', new_tokens=4, placeholder=-1),
}
"""Of Ghandeharioun et al. 2024, section 4, their question marks and x's all written x; "attribute" is a relation in
words, with x behind it. "future" is a prompt of Pal et al. 2023, whose last token is replaced."""


def asking(preset: str | None, relation: str | None) -> Any:
    """The prompt of a preset; that of "attribute" says a relation, and x behind it where it is not in it."""
    if (preset == "attribute") != (relation is not None):
        raise OptionError(
            f"relation={relation!r} with preset={preset!r}: a relation in words and preset='attribute' go together, as "
            "in preset='attribute', relation='The capital city of'."
        )
    if relation is None:
        return PRESETS[preset].prompt if preset else None
    if not isinstance(relation, str) or not relation.strip():
        raise OptionError(f"relation={relation!r}: say it in words, such as 'The capital city of'.")
    return relation.strip() if "x" in relation.split() else f"{relation.strip()} x"


def targets_of(model: Model, sources: Sequence[Prompt], given: Any, placeholder: Any) -> list[Prompt]:
    """For each source the prompt that is patched, with the places of its placeholder; `given` None is the source's."""
    if given is None and placeholder is None:
        raise OptionError(
            "a state that is put back into its own prompt needs a place: placeholder=, a position, a text of one "
            "token, or a role."
        )
    placeholder = "x" if placeholder is None else placeholder
    if given is None:
        return [placed(prompt, placeholder) for prompt in sources]
    return [placed(model.prompt(given), placeholder)] * len(sources)


def placed(prompt: Prompt, placeholder: Any) -> Prompt:
    """The prompt with its placeholder's tokens as a span; of a role it is the last token."""
    if not isinstance(placeholder, str):
        return prompt.with_span(PATCHED, prompt.positions(placeholder))
    if placeholder in prompt.spans or placeholder in prompt.roles:
        return prompt.with_span(PATCHED, prompt.positions(placeholder)[-1:])
    bare = placeholder.strip()
    if not bare:
        raise OptionError(f"placeholder={placeholder!r}: name a text of one token, such as 'x', or positions.")
    found = [position for position, token in enumerate(prompt.tokens) if token.strip() == bare]
    if found:
        return prompt.with_span(PATCHED, found)
    if prompt.text is None:
        raise PromptError(f"placeholder={placeholder!r}: this prompt is ids without text, so give positions.")
    if bare not in prompt.text:
        raise PromptError(f"placeholder={placeholder!r} is not in the target prompt {prompt.text!r}.")
    pieces = [prompt.tokens[position] for position in prompt.find(bare, 0)]
    raise PromptError(
        f"placeholder={placeholder!r} is not one token in the target prompt {prompt.text!r}: it lies in {pieces}. Take "
        "a text that is one, such as 'x', or give positions."
    )
