"""Bands: the stream's directions by the singular values of the unembedding (or the embedding), loudest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from innerworks.decode.vocabulary.weights.taken_apart import gram_of_embedding, gram_of_readout
from innerworks.errors import SiteError
from innerworks.model.edits import Edit, make
from innerworks.model.sites import Site, at
from innerworks.model.weights.factored import only_numbers

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model

__all__ = ["TREATMENTS", "Bands", "Table", "bands_of", "places_of"]

Table = Literal["unembed", "embed"]
TREATMENTS = ("suppress", "keep")
_STREAM = ("embed", "resid_pre", "resid_mid", "resid_post")


@dataclass(frozen=True)
class Bands:
    """Singular vectors on the stream's side, [direction, d], with their values, cut into bands of nearly equal size."""

    values: Tensor
    vectors: Tensor
    edges: tuple[int, ...]
    """Where each band begins, and the end of the last."""

    def __len__(self) -> int:
        return len(self.edges) - 1

    def rows(self, band: int) -> Tensor:
        """The directions of a band."""
        return self.vectors[self.edges[band] : self.edges[band + 1]]

    def rest(self, band: int) -> Tensor:
        """The directions of all other bands."""
        return torch.cat([self.vectors[: self.edges[band]], self.vectors[self.edges[band + 1] :]])

    def energy(self, stream: Tensor) -> Tensor:
        """The share of each band in the squared length of vectors [..., d], [..., band]."""
        squares = (stream @ self.vectors.to(stream).T).square()
        parts = [squares[..., a:b].sum(-1) for a, b in zip(self.edges, self.edges[1:], strict=False)]
        return torch.stack(parts, -1) / squares.sum(-1, keepdim=True)

    def edits(self, places: Sequence[Site], treatment: str, band: int) -> list[Edit]:
        """A band taken out of the stream at some places ("suppress"), or nothing else left there ("keep")."""
        gone = (self.rows if treatment == "suppress" else self.rest)(band)
        return [make.project_out(place, gone) for place in places]

    def loudness(self, quietest: int) -> float:
        """The share of the quietest directions in the squared singular values."""
        squares = self.values.double().square()
        return float(squares[-quietest:].sum() / squares.sum())

    def off(self) -> float:
        """By how much the bands' projectors miss the identity, added up."""
        total = sum(
            (self.rows(band).T @ self.rows(band) for band in range(len(self))), torch.zeros(()).to(self.vectors)
        )
        return float((total - torch.eye(len(self.vectors)).to(total)).abs().max())


def bands_of(model: Model, table: str, bands: int) -> Bands:
    """The bands of the unembedding, with the final norm folded in, or of the embedding."""
    if not 1 < bands <= model.d_model:
        raise SiteError(f"bands={bands}: the stream's {model.d_model} directions make 2 to {model.d_model} bands.")
    model.weights.check_finite(())
    gram = gram_of_readout(model) if table == "unembed" else gram_of_embedding(model)
    squares, vectors = torch.linalg.eigh(only_numbers(gram, table))
    edges = tuple(round(band * model.d_model / bands) for band in range(bands + 1))
    dtype = torch.promote_types(model.weights.unembed.dtype, torch.float32)
    return Bands(squares.flip(0).clamp(min=0).sqrt().to(dtype), vectors.flip(1).T.contiguous().to(dtype), edges)


def places_of(model: Model, site: Any, width: int, spare: int) -> list[Site]:
    """The single places of the stream that are edited."""
    place = at(site)
    if place.name not in _STREAM or place.basis is not None:
        raise SiteError(f"site={place}: bands are of the stream: name {', '.join(f'at.{one}' for one in _STREAM)}.")
    if spare < 0 or spare >= width:
        raise SiteError(f"spare={spare}: the prompt has {width} tokens, of which some must be left to edit.")
    if spare and place.pos is not None:
        raise SiteError(f"site={place} names positions itself: leave out spare={spare}.")
    model.anatomy.check(place)
    found = model.anatomy.concrete(place) if place.kind.layered else [place]
    return [one @ tuple(range(spare, width)) if spare else one for one in found]
