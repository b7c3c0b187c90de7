"""Matrices of a block at a lower rank: taken apart once, and cut by edits, so that the weights stay as they are.

With W = U S Vᵀ acting on rows, W cut to some directions K is W V_K V_Kᵀ = U_K U_Kᵀ W. So x W_K + b is the map's own
output without what lies along the other rows of Vᵀ (about b), and also what the map gives for x without what lies along
the other columns of U.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from innerworks.errors import EditError, SiteError
from innerworks.model.edits.low_rank import LowRank
from innerworks.model.sites import Site, at
from innerworks.model.stored import device_of, is_quantised
from innerworks.model.weights.factored import SVD, at_least_float32, only_numbers
from innerworks.model.weights.heads import Heads
from innerworks.model.weights.neurons import Neurons
from innerworks.model.weights.projections import bias_of, matrix_of, qkv_projection

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Ends", "LinearMap", "LowRanks", "TakenApart", "rank_of"]

LinearMap = Literal["q", "k", "v", "o", "neuron_in", "gate", "neuron_out"]
"""The matrices of a block: of all heads together, and of its MLP (or of each expert)."""
Ends = Literal["largest", "smallest"]
_PLACES = {
    "q": "q",
    "k": "k",
    "v": "v",
    "o": "z",
    "neuron_in": "neuron_pre",
    "gate": "gate",
    "neuron_out": "neurons",
}


@dataclass(frozen=True)
class TakenApart:
    """A matrix of a model by its singular values, and the place at which it can be cut."""

    site: Site
    svd: SVD
    bias: Tensor | None
    """What the map adds; None where the place is that of what it is given."""
    off: float
    """By how much the factors miss the matrix, as a share of its norm."""

    @property
    def full(self) -> int:
        """How many singular values there are."""
        return len(self.svd.S)

    def kept(self, rank: int, keep: Ends = "largest") -> float:
        """The share of the squared norm that a cut leaves; 1 of a matrix of zeros."""
        squares = self.svd.S.double().square()
        whole = float(squares.sum())
        left = squares[:rank] if keep == "largest" else squares[self.full - rank :]
        return float(left.sum()) / whole if whole else 1.0

    def cut(self, rank: int, keep: Ends = "largest") -> list[LowRank]:
        """The edit that leaves `rank` directions; none where these are all."""
        if keep not in get_args(Ends):
            raise EditError(f"keep={keep!r}: leave the 'largest' singular directions, or the 'smallest'.")
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= self.full:
            raise EditError(f"rank={rank!r}: the matrix at {self.site} can be cut to 1 to {self.full} directions.")
        if rank == self.full:
            return []
        left_out = slice(rank, None) if keep == "largest" else slice(0, self.full - rank)
        directions = self.svd.U[:, left_out].mT if self.bias is None else self.svd.Vh[left_out]
        moved = self.bias is not None and bool(self.bias.any())
        return [LowRank(self.site, directions=directions, about=self.bias if moved else None)]


def rank_of(share: Any, full: int) -> int:
    """How many of `full` directions a share is, rounded up."""
    number = isinstance(share, (int, float)) and not isinstance(share, bool)
    if not number or not 0 < share <= 1:
        raise EditError(f"share={share!r}: the share of directions that is left is above 0 and at most 1, such as 0.1.")
    return max(1, math.ceil(float(share) * full - 1e-9))


class LowRanks(Heads, Neurons):
    """A block's matrices at a lower rank."""

    def low_rank(
        self,
        layers: int | Sequence[int],
        kind: LinearMap,
        *,
        share: float | None = None,
        rank: int | None = None,
        keep: Ends = "largest",
    ) -> list[LowRank]:
        """Edits with which the model runs as if a matrix of some layers were its best low-rank approximation (LASER).

        `kind` is "q", "k", "v" or "o" (of all heads together), "neuron_in", "gate" or "neuron_out" (in a mixture, of
        each expert). `rank` is how many singular directions are left, or `share` which share of them, rounded up; with
        `keep="smallest"` the weakest are left.
        """
        if (share is None) == (rank is None):
            raise EditError("say to what the matrix is cut: share=0.1 of its directions, or rank=10 of them.")
        found: list[LowRank] = []
        for layer in layers if isinstance(layers, Sequence) else [layers]:
            for part in self.taken_apart(layer, kind):
                found += part.cut(rank_of(share, part.full) if rank is None else rank, keep)
        return found

    def can_be_cut(self, layer: int, kind: LinearMap) -> bool:
        """Whether a layer has a matrix of this kind, with a place at which it can be cut."""
        _known(kind)
        mixture = layer in self.anatomy.mixture_layers and kind in ("neuron_in", "gate", "neuron_out")
        if mixture:
            return kind == "neuron_out" and layer in self.anatomy.layers_with("expert_neurons")
        latent = self.anatomy.family.latent is not None
        if kind in ("q", "k", "v") and (latent or self.anatomy.qkv_clip(layer) is not None):
            return False
        return layer in self.anatomy.layers_with(_PLACES[kind])

    def taken_apart(self, layer: int, kind: LinearMap) -> list[TakenApart]:
        """A matrix of a layer by its singular values, as `low_rank` cuts it; in a mixture that of every expert."""
        _known(kind)
        layer = self._layer(layer)
        if layer in self.anatomy.mixture_layers and kind in ("neuron_in", "gate", "neuron_out"):
            return self._of_experts(layer, kind)
        site = self._placed(_PLACES[kind], layer)
        self._refuse_others(layer, kind)
        name = f"{kind} of layer {layer}"
        if kind in ("q", "k", "v"):
            return [_apart(*self._of_heads(layer, kind), site, name)]
        if kind == "o":
            return [_apart(self.outputs(layer).flatten(0, 1), None, site, name)]
        bias = None if kind == "neuron_out" else getattr(self, f"{kind}_bias")(layer)
        return [_apart(getattr(self, kind)(layer), bias, site, name)]

    def _placed(self, kind: str, layer: int) -> Site:
        found: Site = getattr(at, kind)[layer]
        self.anatomy.check(found)
        return found

    def _of_heads(self, layer: int, kind: str) -> tuple[Tensor, Tensor]:
        """The queries', keys' or values' matrix [d, heads · d_head] and bias, as the site lays them out."""
        import torch

        if self.anatomy.qkv_clip(layer) is not None:
            raise SiteError(
                f"{self.anatomy.family.model_type} cuts queries, keys and values to a range before they can be edited: "
                f"{kind!r} cannot be cut to a lower rank exactly."
            )
        every = self.anatomy.n_heads
        own = every if kind == "q" else self.anatomy.n_kv_heads
        heads = [group * every // own for group in range(own)]
        parts = [(getattr(self, kind)(layer, head), getattr(self, f"{kind}_bias")(layer, head)) for head in heads]
        return torch.cat([matrix for matrix, _ in parts], 1), torch.cat([bias for _, bias in parts])

    def _of_experts(self, layer: int, kind: str) -> list[TakenApart]:
        """The second matrix of every routed expert: their first ones have no place of their own."""
        if kind != "neuron_out":
            raise SiteError(
                f"layer {layer} of {self.anatomy.family.model_type} is a mixture of experts, where what {kind!r} gives "
                "has no place to edit: cut 'neuron_out', the second matrix of every expert."
            )
        self._placed("expert_neurons", layer)
        return [
            _apart(
                self.neuron_out(layer, expert=expert),
                None,
                at.expert_neurons[layer, expert],
                f"{kind} of expert {expert} in layer {layer}",
            )
            for expert in range(self.anatomy.n_experts)
        ]

    def _refuse_others(self, layer: int, kind: str) -> None:
        """A cut says what the model would give only where the module multiplies with the matrix as it is."""
        module = self._module(layer, kind)
        if is_quantised(module):
            how = f"{type(module.weight).__name__} of {module.weight.dtype}"
            raise EditError(
                f"the weights of {kind} in layer {layer} are quantised ({type(module).__name__}, {how}), and their cut "
                "would not be: load the model without quantisation to cut them."
            )
        if _does_more(module):
            raise EditError(
                f"{kind} of layer {layer} is a {type(module).__name__} that gives something else than its input times "
                "its weights: merge adapters before its weights are cut."
            )

    def _module(self, layer: int, kind: str) -> Any:
        """The module that holds a matrix."""
        if kind in ("q", "k", "v"):
            return qkv_projection(self.anatomy, layer, kind)
        family = self.anatomy.in_layer(layer)
        found = {"o": family.out, "neuron_in": family.up, "gate": family.gate, "neuron_out": family.down}[kind]
        return self.anatomy.part(layer, str(getattr(found, "path", found)))


def _does_more(module: Any) -> bool:
    """Whether a module gives something else than x W + b, tried on random numbers."""
    import torch

    matrix, bias = matrix_of(module), bias_of(module)
    probe = torch.randn(2, matrix.shape[0], generator=torch.Generator().manual_seed(0))
    probe = probe.to(device_of(module), matrix.dtype)
    with torch.no_grad():
        given = at_least_float32(module.forward(probe))
    expected = at_least_float32(probe) @ at_least_float32(matrix).to(probe.device) + bias.to(given)
    return float((given - expected).norm()) > 16 * torch.finfo(matrix.dtype).eps * float(expected.norm())


def _known(kind: Any) -> None:
    if kind not in _PLACES:
        raise SiteError(f"there is no matrix {kind!r} to cut: name one of {', '.join(get_args(LinearMap))}.")


def _apart(matrix: Tensor, bias: Tensor | None, site: Site, name: str) -> TakenApart:
    import torch

    matrix = only_numbers(at_least_float32(matrix), name)
    svd = SVD(*torch.linalg.svd(matrix, full_matrices=False))
    size = float(svd.S.norm())
    missed = float(((svd.U * svd.S) @ svd.Vh - matrix).norm())
    return TakenApart(site, svd, bias, missed / size if size else 0.0)
