"""Text to test what was fitted on: what a fit has left out of its own, and no other that it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from innerworks.decode.vocabulary.translators.fitting import SEEN
from innerworks.errors import InnerworksError

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.results import Artifact

__all__ = ["left_out", "unseen"]


def left_out(contexts: Contexts, artifact: Artifact) -> Contexts | None:
    """What a fit on this very text has left out of it; None where it was fitted on other text, or nobody knows."""
    text = artifact.config.get("text") or {}
    if not text:
        return None
    fitted, tested = contexts.split(float(text["share"]))
    return tested if fitted.fingerprint == text["fitted"] else None


def unseen(contexts: Contexts, artifacts: Sequence[Artifact]) -> Contexts:
    """The rows that hold no stretch of tokens that one of the artifacts was fitted on."""
    seen = np.zeros(len(contexts), dtype=bool)
    for one in artifacts:
        if SEEN in one.tensors:
            seen |= contexts.holding(np.asarray(one[SEEN]), int(one.config["text"]["window"]))
    if seen.all():
        raise InnerworksError(
            f"each of these {len(contexts)} contexts holds text that was fitted on, so nothing is left to test on. "
            "Take other text, or the corpus of the fit with its context= and limit=: then what it left out is read."
        )
    return replace(contexts, ids=contexts.ids[~seen], left_over=0) if seen.any() else contexts
