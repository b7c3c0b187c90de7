"""Codecs of mixtures whose experts all run on every token, on inputs that the router has scaled (with 0 if not chosen).

`Everywhere` shows what the model holds, by expert; `Chosen` picks out of it what was chosen, by slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.model.taps.codecs import Codec

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.taps.session import Session

__all__ = ["Chosen", "Everywhere", "Shares"]


class Everywhere(Codec):
    """(experts, rows·positions, n), or the first two as one, seen as (rows, positions, experts, n) times a scale."""

    def __init__(self, experts: int, scale: float = 1.0) -> None:
        self.experts = experts
        self.scale = scale

    def _by_token(self, raw: Tensor, session: Session) -> Tensor:
        return raw.reshape(self.experts, session.entries, -1, raw.shape[-1]).permute(1, 2, 0, 3)

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """Tokens first."""
        shaped = self._by_token(raw, session)
        return shaped if self.scale == 1.0 else shaped * self.scale

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """Experts first."""
        if self.scale != 1.0:
            new = (new / self.scale).where(new != old, self._by_token(raw, session))
        return new.permute(2, 0, 1, 3).reshape(raw.shape)

    def pull(self, gradient: Tensor, raw: Tensor, session: Session) -> Tensor:
        """Of what is scaled."""
        shaped = self._by_token(gradient, session)
        return shaped if self.scale == 1.0 else shaped / self.scale


class Shares(Codec):
    """The router's scores (rows·positions, experts), seen as (rows, positions, experts, 1)."""

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """A number for each expert."""
        return raw.reshape(session.entries, -1, raw.shape[-1], 1)

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """As the router gave them."""
        return new.reshape(raw.shape)


class Chosen(Codec):
    """What another codec shows by expert, for the experts that the router chose: (rows, positions, slots, …)."""

    def __init__(self, by_expert: Codec, router: Any, numbers: bool = False) -> None:
        self.by_expert = by_expert
        self.router = router
        self.numbers = numbers
        """Whether there is one number for each expert, and no last dimension to show."""

    def _slots(self, whole: Tensor, session: Session) -> Tensor:
        chosen: Tensor = session.scratch[id(self.router)]
        by_row = chosen.reshape(*whole.shape[:2], -1, 1)
        return by_row.expand(*by_row.shape[:3], whole.shape[-1])

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """By slot."""
        whole = self.by_expert.read(raw, session)
        found = whole.gather(2, self._slots(whole, session))
        return found.squeeze(-1) if self.numbers else found

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """Back at the experts, the others as they were."""
        whole = self.by_expert.read(raw, session)
        values = (new.unsqueeze(-1) if self.numbers else new).to(whole.dtype)
        changed = whole.scatter(2, self._slots(whole, session), values)
        return self.by_expert.write(raw, whole, changed, session)

    def pull(self, gradient: Tensor, raw: Tensor, session: Session) -> Tensor:
        """The chosen ones' part."""
        whole = self.by_expert.pull(gradient, raw, session)
        found = whole.gather(2, self._slots(whole, session))
        return found.squeeze(-1) if self.numbers else found
