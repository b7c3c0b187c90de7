"""The prompt in which a model is asked to put its own state into words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.errors import OptionError

if TYPE_CHECKING:
    from innerworks.model.model import Model
    from innerworks.model.tokens import Prompt

__all__ = ["PLACEHOLDER", "interpretation_prompt"]

PLACEHOLDER = "_"
_REPLY = "Sure, I will summarize the message:"


def interpretation_prompt(model: Model, given: Any, repeats: int) -> Prompt:
    """The user's own prompt, or a message of placeholders whose summary the model has begun to write.

    A model with a chat template is asked through it.
    """
    if given is not None:
        return model.prompt(given)
    if repeats < 1:
        raise OptionError(f"repeats={repeats}: the message has at least one placeholder.")
    message = " ".join([PLACEHOLDER] * repeats)
    if not getattr(model.tokenizer, "chat_template", None):
        return model.prompt(f"Message: {message}\nSummary of the message:")
    asked = model.chat([{"role": "user", "content": message}])
    return model.prompt(f"{asked}{_REPLY}", add_special_tokens=False)
