"""How the tensors inside a mixture of experts become sites' tensors, and back.

A token is given to a few experts, its *slots*. `routed_neurons` and `routed_out` are laid out by slot, as the model
computes them; `expert_neurons` and `expert_out` by expert, zero where an expert was not given the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from innerworks.errors import EditError
from innerworks.model.stored import stored
from innerworks.model.taps.codecs import Codec

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.taps.session import Session

__all__ = ["ByExpert", "GatedShare", "RoutedNeurons", "RoutedWrites", "WritesByExpert"]


class RoutedNeurons(Codec):
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


class ByExpert(Codec):
    """The neurons of some experts, (rows, positions, experts, n); those of tokens they were not given cannot be set."""

    def __init__(self, routed: RoutedNeurons, experts: Sequence[int]) -> None:
        self.routed = routed
        self.shown = tuple(experts)

    def narrowed(self, experts: Sequence[int]) -> ByExpert:
        """The same for fewer experts."""
        return ByExpert(self.routed, experts)

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """Each slot's neurons at its expert."""
        by_slot = self.routed.read(raw, session)
        places = self._places(by_slot, session)
        shape = (*by_slot.shape[:2], len(self.shown) + 1, by_slot.shape[-1])
        return by_slot.new_zeros(shape).scatter(2, places, by_slot)[:, :, :-1]

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """Each expert's neurons at its slot."""
        by_slot = self.routed.read(raw, session)
        places = self._places(by_slot, session)
        padded = _cat([new.to(by_slot.dtype), by_slot.new_zeros(*new.shape[:2], 1, new.shape[-1])], 2)
        changed = padded.gather(2, places).where(places < len(self.shown), by_slot)
        return self.routed.write(raw, by_slot, changed, session)

    def _places(self, by_slot: Tensor, session: Session) -> Tensor:
        """Where each slot's expert is among those shown; past the last where it is not."""
        chosen = session.scratch[id(self.routed.experts)][0].reshape(by_slot.shape[:3])
        return _places_among(chosen, self.shown).unsqueeze(-1).expand_as(by_slot)


class _Edited:
    """What experts write after edits in this pass: by slot, and by expert where that was edited."""

    def __init__(self) -> None:
        self.by_slot: Tensor | None = None
        self.by_expert: dict[int, Tensor] = {}
        self.changed: dict[int, Tensor] = {}
        """At which tokens an edit by expert changed something."""


class RoutedWrites(Codec):
    """The experts' summed output, seen as what each chosen expert adds: weight · (neurons·W_down + bias), on the
    scale of the stream."""

    def __init__(self, experts: Any, slots: int, scale: float) -> None:
        self.experts = experts
        self.slots = slots
        self.scale = scale

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """(rows, positions, slots, d)."""
        edited = self._edited(session)
        out = self._made(raw, session) if edited.by_slot is None else edited.by_slot
        for expert, values in edited.by_expert.items():
            mine = (self._chosen(session) == expert) & edited.changed[expert].unsqueeze(-1)
            self._refuse_twins(mine)
            out = values.unsqueeze(2).where(mine.unsqueeze(-1), out)
        return out

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """Add up what changed."""
        edited = self._edited(session)
        edited.by_slot = new
        for expert, values in edited.by_expert.items():
            mine = (self._chosen(session) == expert).unsqueeze(-1)
            edited.by_expert[expert] = new.where(mine, 0.0).sum(2).where(mine.any(2), values)
        return self._added(raw, old, new)

    def pull(self, gradient: Tensor, raw: Tensor, session: Session) -> Tensor:
        """Every expert's write reaches the sum the same way."""
        shaped = gradient.reshape(session.entries, -1, 1, gradient.shape[-1])
        shaped = shaped if self.scale == 1.0 else shaped / self.scale
        return shaped.expand(*shaped.shape[:2], self.units, shaped.shape[-1])

    @property
    def units(self) -> int:
        """How many writes are seen side by side."""
        return self.slots

    def _edited(self, session: Session) -> _Edited:
        found: _Edited = session.scratch.setdefault(("writes", id(self.experts)), _Edited())
        return found

    def _chosen(self, session: Session) -> Tensor:
        chosen: Tensor = session.scratch[id(self.experts)][0]
        return chosen.reshape(session.entries, -1, self.slots)

    def _made(self, raw: Tensor, session: Session) -> Tensor:
        """What the model makes of the neurons, by slot."""
        ids, down = self._chosen(session).reshape(-1), self._down()
        out: Tensor = raw.new_empty(ids.shape[0], raw.shape[-1])
        for expert in () if ids.is_meta else sorted(set(ids.tolist())):
            mine = ids == expert
            out[mine] = self._written(expert, mine, down, raw, session)
        return out.reshape(session.entries, -1, self.slots, raw.shape[-1])

    def _down(self) -> tuple[Tensor, Tensor | None]:
        """The experts' down projections and their biases."""
        matrices = stored(self.experts, "down_proj")
        assert matrices is not None
        return matrices, stored(self.experts, "down_proj_bias")

    def _written(
        self, expert: int, mine: Tensor, down: tuple[Tensor, Tensor | None], raw: Tensor, session: Session
    ) -> Tensor:
        """What one expert writes for the slots that are its own."""
        _, weights, neurons = session.scratch[id(self.experts)]
        order = session.expert_orders[id(self.experts)]
        rows = neurons[mine] if order is None else neurons[order.argsort()[mine]]
        matrix = down[0][expert].to(rows.dtype)
        out: Tensor = rows @ (matrix if self.experts.is_transposed else matrix.T)
        if down[1] is not None:
            out = out + down[1][expert]
        if getattr(self.experts, "has_post_expert_norm", False):
            out = self.experts.post_expert_norm(out)
        out = out.to(raw.dtype) * weights.reshape(-1, 1)[mine].to(raw.dtype)
        return out if self.scale == 1.0 else out * self.scale

    def _added(self, raw: Tensor, old: Tensor, new: Tensor) -> Tensor:
        change = (new - old).sum(-2)
        return raw + (change if self.scale == 1.0 else change / self.scale).reshape(raw.shape)

    @staticmethod
    def _refuse_twins(mine: Tensor) -> None:
        if _any(mine.sum(-1) > 1):
            raise EditError(
                "an expert stands in two slots of one token, so its output by number (expert_out) and by slot "
                "(routed_out) are not the same thing: name them one way."
            )


class WritesByExpert(RoutedWrites):
    """What some experts add, (rows, positions, experts, d); what is put where one was not given the token counts."""

    def __init__(self, experts: Any, slots: int, scale: float, shown: Sequence[int]) -> None:
        super().__init__(experts, slots, scale)
        self.shown = tuple(shown)

    def narrowed(self, experts: Sequence[int]) -> WritesByExpert:
        """The same for fewer experts."""
        return WritesByExpert(self.experts, self.slots, self.scale, experts)

    @property
    def units(self) -> int:
        """How many experts are seen."""
        return len(self.shown)

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """Zero where an expert was not given the token."""
        chosen, edited, down = self._chosen(session), self._edited(session), self._down()
        out: Tensor = raw.new_zeros(*chosen.shape[:2], len(self.shown), raw.shape[-1])
        for place, expert in enumerate(self.shown):
            mine = chosen == expert
            if expert in edited.by_expert:
                out[:, :, place] = edited.by_expert[expert]
            elif edited.by_slot is not None:
                out[:, :, place] = edited.by_slot.where(mine.unsqueeze(-1), 0.0).sum(2)
            elif _any(mine):
                flat = mine.reshape(-1)
                token = flat.nonzero().reshape(-1) // self.slots
                one = raw.new_zeros(flat.shape[0] // self.slots, raw.shape[-1])
                one = one.index_add(0, token, self._written(expert, flat, down, raw, session))
                out[:, :, place] = one.reshape(out.shape[0], -1, out.shape[-1])
        return out

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """Add up what changed."""
        edited = self._edited(session)
        for place, expert in enumerate(self.shown):
            edited.by_expert[expert] = new[:, :, place]
            before = edited.changed.get(expert, False)
            edited.changed[expert] = (new[:, :, place] != old[:, :, place]).any(-1) | before
        return self._added(raw, old, new)


class GatedShare(Codec):
    """The MLP's output, seen as what its shared expert adds: gate · (neurons·W_down), on the scale of the stream."""

    derived = True

    def __init__(self, down: Any, gate: Any, scale: float) -> None:
        self.down = down
        self.gate = gate
        self.scale = scale

    def read(self, raw: Tensor, session: Session) -> Tensor:
        """(rows, positions, d)."""
        import torch

        def through(linear: Any) -> Tensor:
            x, weight, bias = session.scratch[id(linear)], stored(linear), stored(linear, "bias")
            assert weight is not None
            return torch.nn.functional.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))

        out = through(self.gate).sigmoid() * through(self.down)
        out = out.reshape(session.entries, -1, raw.shape[-1])
        return out if self.scale == 1.0 else out * self.scale

    def write(self, raw: Tensor, old: Tensor, new: Tensor, session: Session) -> Tensor:
        """Add what changed."""
        change = new - old
        return raw + (change if self.scale == 1.0 else change / self.scale).reshape(raw.shape)

    def pull(self, gradient: Tensor, raw: Tensor, session: Session) -> Tensor:
        """The shared expert's write reaches the stream as the sum does."""
        shaped = gradient.reshape(session.entries, -1, gradient.shape[-1])
        return shaped if self.scale == 1.0 else shaped / self.scale


def _any(flags: Tensor) -> bool:
    """Whether one is set; on the meta device nothing is."""
    return not flags.is_meta and bool(flags.any())


def _places_among(chosen: Tensor, shown: tuple[int, ...]) -> Tensor:
    """For each number in `chosen`, where it is in `shown`; the length of `shown` where it is not there."""
    import torch

    places = torch.full_like(chosen, len(shown))
    if shown == tuple(range(len(shown))):
        return chosen.where(chosen < len(shown), places)
    for place, expert in enumerate(shown):
        places = places.masked_fill(chosen == expert, place)
    return places


def _cat(parts: list[Tensor], dim: int) -> Tensor:
    import torch

    return torch.cat(parts, dim)
