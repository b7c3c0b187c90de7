"""Whether a model can take a prompt: ids it has, and no more of them than it was built for."""

from __future__ import annotations

from innerworks.errors import PromptError
from innerworks.model.tokens.pieces import visible
from innerworks.model.tokens.prompt import Prompt

__all__ = ["check"]


def check(prompt: Prompt, vocab_size: int, context_length: int | None = None) -> None:
    """Raise PromptError for an id past `vocab_size` or a prompt past `context_length` tokens."""
    if not prompt.ids:
        raise PromptError("The prompt is empty: it has no tokens.")
    for position, token_id in enumerate(prompt.ids):
        if not 0 <= token_id < vocab_size:
            raise PromptError(
                f"The id {token_id} at position {position} ({visible(prompt.tokens[position])!r}) is "
                f"not in the model's vocabulary of {vocab_size}. Was the prompt made with this "
                "model's tokenizer?"
            )
    if context_length is not None and len(prompt) > context_length:
        raise PromptError(
            f"The prompt has {len(prompt)} tokens and the model's context is {context_length}. Shorten it by "
            f"{len(prompt) - context_length}, or use a model with a longer context."
        )
