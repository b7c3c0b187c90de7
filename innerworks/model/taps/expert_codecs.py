"""How the tensors inside a mixture of experts become sites' tensors, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.model.stored import stored
from innerworks.model.taps.codecs import Codec

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.taps.session import Session

__all__ = ["ExpertRows", "ExpertWrites"]


class ExpertRows(Codec):
    """(rows·positions·slots, n) in some order of experts, seen as (rows, positions, slots, n)."""

    def __init__(self, experts: Any, slots: int) -> None:
        self.experts = experts
        self.slots = slots

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """In token order."""
        order = session.expert_orders[id(self.experts)]
        shaped = raw if order is None else raw[order.argsort()]
        return shaped.reshape(session.entries, -1, self.slots, raw.shape[-1])

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """In the experts' order."""
        order = session.expert_orders[id(self.experts)]
        flat = new.reshape(raw.shape)
        return flat if order is None else flat[order]


class ExpertWrites(Codec):
    """The experts' summed output, seen as what each chosen expert adds: weight · (neurons·W_down + bias), on the
    scale of the stream."""

    derived = True

    def __init__(self, experts: Any, slots: int, scale: float) -> None:
        self.experts = experts
        self.slots = slots
        self.scale = scale

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """(rows, positions, slots, d)."""
        chosen, weights, neurons = session.scratch[id(self.experts)]
        order = session.expert_orders[id(self.experts)]
        in_order = neurons if order is None else neurons[order.argsort()]
        ids = chosen.reshape(-1)
        every, biases = stored(self.experts, "down_proj"), stored(self.experts, "down_proj_bias")
        assert every is not None
        out: Tensor = raw.new_empty(ids.shape[0], raw.shape[-1])
        for expert in () if ids.is_meta else ids.unique().tolist():
            mine = ids == expert
            down = every[expert].to(neurons.dtype)
            written = in_order[mine] @ (down if self.experts.is_transposed else down.T)
            if biases is not None:
                written = written + biases[expert]
            out[mine] = written.to(out.dtype)
        out = out * weights.reshape(-1, 1).to(out.dtype)
        out = out if self.scale == 1.0 else out * self.scale
        return out.reshape(session.entries, -1, self.slots, raw.shape[-1])

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """Add up what changed."""
        change = (new - old).sum(-2)
        return raw + (change if self.scale == 1.0 else change / self.scale).reshape(raw.shape)

    def pull(self, gradient: Tensor, raw: Tensor, session: Session) -> Tensor:
        """Every chosen expert's write reaches the sum the same way."""
        shaped = gradient.reshape(session.entries, -1, 1, gradient.shape[-1])
        shaped = shaped if self.scale == 1.0 else shaped / self.scale
        return shaped.expand(*shaped.shape[:2], self.slots, shaped.shape[-1])
