"""Any fitted lens, as what reads states through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from innerworks.decode.vocabulary.translators.affine import STATE_MAP, Translators
from innerworks.decode.vocabulary.translators.vocabulary_maps import VOCABULARY_LENS, VocabularyMaps
from innerworks.errors import InnerworksError
from innerworks.results import Artifact

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["FittedLens", "fitted_lens"]

FittedLens = Translators | VocabularyMaps
_KINDS: dict[str, Callable[[Artifact, Model], FittedLens]] = {
    "tuned-lens": Translators.of,
    "attention-lens": Translators.of,
    STATE_MAP: Translators.of,
    VOCABULARY_LENS: VocabularyMaps.of,
}


def fitted_lens(artifact: Artifact, model: Model) -> FittedLens:
    """What an artifact reads, which must be a lens of this model; an error that says what is wrong with another."""
    kind = getattr(artifact, "kind", None)
    if not isinstance(artifact, Artifact) or kind not in _KINDS:
        *most, last = _KINDS
        given = f"a {kind}" if isinstance(artifact, Artifact) else repr(artifact)
        raise InnerworksError(f"lens= takes a fitted {', '.join(most)} or {last}, and this is {given}.")
    return _KINDS[artifact.kind](artifact, model)
