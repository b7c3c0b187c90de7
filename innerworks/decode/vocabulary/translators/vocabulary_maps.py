"""Fitted maps from states straight into the vocabulary, as artifacts: through r directions of the state at most d."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from innerworks.decode.vocabulary.lenses.reading import Place
from innerworks.decode.vocabulary.translators.affine import canonical, on_device, refuse_other_models
from innerworks.errors import InnerworksError, SiteError
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from innerworks.model.model import Model
    from innerworks.results import Artifact

__all__ = ["VOCABULARY_LENS", "VocabularyMaps"]

VOCABULARY_LENS = "vocabulary-lens"


@dataclass(frozen=True)
class VocabularyMaps:
    """logits = words (into h + offset) + bias, for each of its places."""

    places: dict[Site, int]
    into: Tensor
    """[place, r, d]"""
    offset: Tensor
    """[place, r]"""
    words: Tensor
    """[place, V, r]"""
    bias: Tensor
    """[place, V]"""
    end: int
    ahead: int

    @classmethod
    def of(cls, artifact: Artifact, model: Model) -> VocabularyMaps:
        """Those of an artifact, which must be of this model; an error that says what is wrong with another."""
        into, offset, words, bias = (on_device(artifact[name], model) for name in ("into", "offset", "words", "bias"))
        refuse_other_models(artifact, model, into.shape[2])
        named = artifact.config.get("places", [])
        if words.shape[1] != model.n_vocab or not len(named) == len(into) == len(words):
            raise InnerworksError(
                f"this {artifact.kind} has {len(words)} maps to {words.shape[1]} words for {len(named)} places, and "
                f"the model has {model.n_vocab} words: it was fitted on another model."
            )
        places = {canonical(model.anatomy.check(at(name))): number for number, name in enumerate(named)}
        return cls(places, into, offset, words, bias, model.n_layers, int(artifact.config.get("ahead", 0)))

    @property
    def sites(self) -> list[Site]:
        """The places that it reads."""
        return [*self.places]

    def place(self, site: Site, states: Tensor, scale: Tensor | None = None) -> Place:
        """States [row, position, d] of a place, and how they are read."""
        if scale is not None:
            raise SiteError("norm='final': a vocabulary-lens goes through no norm, so leave norm out.")
        return Place(site, states, words=self.at(site))

    def at(self, site: Site) -> Callable[[Tensor], Tensor]:
        """What turns the states of a place into logits."""
        number = self.places.get(canonical(site))
        if number is None:
            raise SiteError(f"{site}: this lens was not fitted for it; it reads {', '.join(map(str, self.places))}.")
        into, offset, words, bias = (tensor[number] for tensor in (self.into, self.offset, self.words, self.bias))

        def logits(states: Tensor) -> Tensor:
            return (states.to(into) @ into.T + offset) @ words.T + bias

        return logits
