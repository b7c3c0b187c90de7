"""Every recipe by the name of its kind, so that a saved task finds the function that made it."""

from __future__ import annotations

from collections.abc import Callable

from innerworks.data.generators.agreement import agreement
from innerworks.data.generators.arithmetic import arithmetic
from innerworks.data.generators.conflict import conflict
from innerworks.data.generators.docstring import docstring
from innerworks.data.generators.facts import facts
from innerworks.data.generators.greater_than import greater_than
from innerworks.data.generators.in_context import in_context
from innerworks.data.generators.indirect_object import ioi
from innerworks.data.generators.pronoun import pronoun
from innerworks.data.generators.repeated import repeated_tokens
from innerworks.data.generators.sequences import sequences
from innerworks.data.task import Task

__all__ = ["RECIPES"]

RECIPES: dict[str, Callable[..., Task]] = {
    made.__name__: made
    for made in (
        ioi,
        greater_than,
        docstring,
        agreement,
        pronoun,
        facts,
        conflict,
        repeated_tokens,
        in_context,
        arithmetic,
        sequences,
    )
}
