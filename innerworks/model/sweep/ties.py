"""On a mixture of experts: routing decisions so close that another batch shape may take them otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerworks.model.sites import at

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.taps import Session

__all__ = ["Ties"]

_MARGIN = 1e-5


class Ties:
    """Counts, over every shared forward of a sweep, the decisions within a hair of a tie."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.close = 0
        self.total = 0

    def watch(self, session: Session, first: int, mask: Tensor) -> None:
        """Read the routers from block `first` on; `mask` has the real tokens of all that will be present."""
        for layer in self.anatomy.mixture_layers if self.anatomy.routes else ():
            if layer >= first:
                session.read(at.router[layer], lambda logits: self._count(logits, mask), select=False)

    def _count(self, logits: Tensor, mask: Tensor) -> None:
        k = self.anatomy.top_k
        ranked = logits.float().topk(k + 1, dim=-1).values
        real = mask[: logits.shape[0], : logits.shape[1]].bool().to(logits.device)
        self.close += int((((ranked[..., k - 1] - ranked[..., k]) < _MARGIN) & real).sum())
        self.total += int(real.sum())

    @property
    def note(self) -> list[str]:
        """What to say, if there is anything."""
        if not self.close:
            return []
        return [
            f"{self.close} of {self.total} routing decisions were within {_MARGIN:g} of a tie: one variant at a time "
            "may route those otherwise (plan='single')."
        ]
