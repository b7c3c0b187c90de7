"""`Norm`: a normalisation layer as numbers, and what folding it into a neighbouring matrix means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerworks.model.anatomy.record import NormKind
from innerworks.model.stored import kept
from innerworks.model.weights.factored import at_least_float32

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Norm"]


@dataclass(frozen=True)
class Norm:
    """`x ↦ (x - mean) / scale * gamma + beta`; only LayerNorms take off the mean and have a beta.

    Everything but the division by `scale` is linear and can be folded into the matrix that reads the output.
    """

    module: Any
    kind: NormKind
    stated_eps: float | None = None

    @property
    def eps(self) -> float:
        """What is added to the variance."""
        eps: Any = getattr(self.module, "eps", None) if self.stated_eps is None else self.stated_eps
        return float(getattr(self.module, "variance_epsilon", 0.0) if eps is None else eps)

    @property
    def centred(self) -> bool:
        """Whether the mean is taken off."""
        return self.kind in ("layer", "layer_plus_one")

    @property
    def gamma(self) -> Tensor | None:
        """The factor per coordinate, [d], the 1 of a 1 + weight included; None where there is none."""
        weight = kept(self.module, "weight")
        if weight is None:
            return None
        return 1.0 + at_least_float32(weight) if self.kind.endswith("plus_one") else weight

    @property
    def beta(self) -> Tensor | None:
        """The term per coordinate, [d]; None where there is none."""
        return kept(self.module, "bias")

    def scale(self, x: Tensor) -> Tensor:
        """What `x` [..., d] is divided by: sqrt(mean(x²) + ε), of the centred x for LayerNorm."""
        x = at_least_float32(x)
        centred = x - x.mean(-1, keepdim=True) if self.centred else x
        return (centred.pow(2).mean(-1) + self.eps).sqrt()

    def into_reader(self, weight: Tensor) -> Tensor:
        """(I - 11ᵀ/d) diag(γ) W for a matrix W [d, n] that reads this norm's output."""
        weight = at_least_float32(weight)
        if self.gamma is not None:
            weight = weight * self.gamma.to(weight)[:, None]
        return weight - weight.mean(0) if self.centred else weight

    def into_reader_bias(self, weight: Tensor, bias: Tensor) -> Tensor:
        """b + βW for a matrix W [d, n] that reads this norm's output."""
        bias = at_least_float32(bias)
        return bias if self.beta is None else bias + self.beta.to(bias) @ at_least_float32(weight)

    def into_writer(self, weight: Tensor) -> Tensor:
        """W (I - 11ᵀ/d) diag(γ) for a matrix (or bias) W [..., d] that this norm reads."""
        weight = at_least_float32(weight)
        if self.centred:
            weight = weight - weight.mean(-1, keepdim=True)
        return weight if self.gamma is None else weight * self.gamma.to(weight)
