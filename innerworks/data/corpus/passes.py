"""One pass over a corpus: by what it is known when it goes on, and how it says that it was stopped."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerworks.data.lifting.asked import content
from innerworks.data.lifting.served import Interrupted

if TYPE_CHECKING:
    from innerworks.data.corpus.contexts import Contexts
    from innerworks.model.model import Model
    from innerworks.results import Result

__all__ = ["PassStopped", "asked_of"]


class PassStopped(Interrupted):
    """A pass over a corpus was stopped; `partial` is the result on the contexts that were seen."""

    def __init__(self, partial: Result, done: int, total: int, out: str | Path | None) -> None:
        kept = "give out= a folder to be able to go on" if out is None else f"the same call goes on from there ({out})"
        super().__init__(partial, [], "", total)
        self.args = (f"stopped after {done} of {total} contexts. e.partial is the result so far; {kept}.",)


def asked_of(model: Model, contexts: Contexts) -> dict[str, Any]:
    """What the outcome of any pass depends on: the model, its edits, and the text."""
    numbers = sha256(repr(content(model.edits)).encode()).hexdigest()[:16]
    return {
        "model": model.fingerprint,
        "edits": [*map(str, model.edits), numbers] if model.edits else [],
        "number type": str(model.dtype),
        "corpus": contexts.fingerprint,
    }
