"""One example of a task for one tokenizer: a pair of prompts and the tokens of its answers."""

from __future__ import annotations

from dataclasses import dataclass

from innerworks.data.draft import Answer, Draft
from innerworks.errors import TaskError
from innerworks.model.tokens import Pair, Prompt

__all__ = ["Example"]


@dataclass(frozen=True)
class Example:
    """What a draft became: prompts with their roles as spans, and answers as token ids."""

    draft: Draft
    clean: Prompt
    pair: Pair | None
    """None where the task has no corrupt prompts."""
    targets: tuple[int, ...]
    foils: tuple[int, ...]
    corrupt_targets: tuple[int, ...]

    @property
    def aligned(self) -> Pair:
        """The pair; TaskError where there is no corrupt prompt."""
        if self.pair is None:
            raise TaskError(f"The example {str(self.clean)!r} has no corrupt prompt: its task comes without any.")
        return self.pair

    @property
    def corrupt(self) -> Prompt:
        """The corrupt prompt; TaskError where there is none."""
        return self.aligned.corrupt

    @property
    def group(self) -> str:
        """What kind of example it is, within its task."""
        return self.draft.group

    @property
    def target(self) -> Answer:
        """The text of the right answer, the first where there are several."""
        return self.draft.targets[0]

    @property
    def foil(self) -> Answer | None:
        """The text of a wrong answer, or None."""
        return self.draft.foils[0] if self.draft.foils else None

    def __str__(self) -> str:
        return f"{str(self.clean)!r} → {said(self.draft)}"


def said(draft: Draft) -> str:
    """The answers of a draft in words."""
    foils = f", not {_listed(draft.foils)}" if draft.foils else ""
    return _listed(draft.targets) + foils


def _listed(answers: tuple[Answer, ...]) -> str:
    shown = " or ".join(repr(answer) for answer in answers[:3])
    return shown if len(answers) <= 3 else f"{shown} or {len(answers) - 3} more"
