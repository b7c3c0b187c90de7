"""What a path starts from: the senders, where in the stream they write, and by how much their writes differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.sites import ALL, Role, Site, at, pick
from innerworks.model.weights.factored import at_least_float32

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.data.lifting import Pairs
    from innerworks.model.anatomy import Anatomy
    from innerworks.model.engine.run import Run
    from innerworks.model.model import Model
    from innerworks.model.weights.norm import Norm

__all__ = ["Changes", "Sender", "chosen_senders", "reads_after", "refuse_unmoved_positions", "writes_after"]

_GROUPS = {
    "z": "head",
    "head_out": "head",
    "attn_out": "attn",
    "mixer_out": "mixer",
    "mlp_out": "mlp",
    "expert_out": "expert",
    "shared_out": "shared",
    "embed": "embed",
}
"""The sites that write to the stream, and what their senders are called together."""
_HEADS = ("z", "head_out")
_UNITS = {"z": "head", "head_out": "head", "expert_out": "expert"}
"""Those that are several senders in each layer, and what one of them is called."""
_IN_THE_MLP = ("mlp", "expert", "shared")


@dataclass(frozen=True)
class Sender:
    """One head, MLP, expert, attention or mixer of one layer, or the embeddings; `site` has its positions."""

    site: Site
    unit: int | None = None
    """Which head or expert it is."""

    @property
    def group(self) -> str:
        """Which of the senders' arrays it is in."""
        return _GROUPS[self.site.name]

    @property
    def layer(self) -> int:
        """Its layer; that of the embeddings is 0."""
        return self.site.layer if isinstance(self.site.layer, int) else 0

    @property
    def in_the_mlp(self) -> bool:
        """Whether what it writes is part of what the MLP of its layer writes."""
        return self.group in _IN_THE_MLP

    @property
    def place(self) -> tuple[int, ...]:
        """Its coordinates in its array: layer and head (or expert), layer, or nothing."""
        if self.site.layer is None:
            return ()
        return (self.layer,) if self.unit is None else (self.layer, self.unit)


def chosen_senders(model: Model, given: Any) -> list[Sender]:
    """Every sender that the sites name; all heads where none is given."""
    if given is None:
        given = at.z[model.layers_with("z")]
    listed = [given] if isinstance(given, (Site, str)) else given
    if not isinstance(listed, Iterable) or not (listed := list(listed)):
        raise SiteError(
            f"senders={given!r}: give a site such as at.z[:], at.mlp_out[:] or at.embed, or a list of them."
        )
    found: dict[tuple[str, tuple[int, ...]], Sender] = {}
    for one in listed:
        for sender in _senders_at(model, at(one)):
            if found.setdefault((sender.group, sender.place), sender) is not sender:
                raise SiteError(f"{sender.site} is named twice among the senders: name each once.")
    return list(found.values())


def _senders_at(model: Model, site: Site) -> list[Sender]:
    if site.name not in _GROUPS:
        raise SiteError(f"{site} is no sender: a path starts where something is written, at {', '.join(_GROUPS)}.")
    if site.basis is not None:
        raise SiteError(f"{site}: a path starts from all that a part writes; leave out .via(...).")
    concrete = model.anatomy.concrete(site)
    if site.name not in _UNITS:
        return [Sender(one) for one in concrete]
    if site.name in _HEADS:
        for one in concrete:
            model.anatomy.check_layer("attn_out", int(str(one.layer)))  # what heads mix may go elsewhere
    count = model.n_heads if site.name in _HEADS else model.anatomy.n_experts
    units = pick(ALL if site.unit is None else site.unit, count, _UNITS[site.name])
    return [Sender(replace(one, unit=unit), unit) for one in concrete for unit in units]


# -- the order of things --------------------------------------------------------------------------------------------


def writes_after(anatomy: Anatomy, sender: Sender) -> int:
    """How many reads of the stream come before a sender's write: two in a block, one where its halves are parallel."""
    if sender.group == "embed":
        return 0
    late = sender.in_the_mlp and not anatomy.parallel
    return 2 * sender.layer + (2 if late or anatomy.parallel else 1)


def reads_after(anatomy: Anatomy, receiver: Site) -> int:
    """The same of a receiver: it is reached by senders whose number is not larger."""
    if receiver.name == "resid_post":
        return 2 * anatomy.n_layers
    late = receiver.name == "mlp_in" and not anatomy.parallel
    return 2 * int(str(receiver.layer)) + (1 if late else 0)


def refuse_unmoved_positions(pairs: Pairs, site: Site) -> None:
    """Raise where a number of a position would mean different tokens in the two prompts."""
    if pairs.by_position or site.pos is None or isinstance(site.pos, Role) or site.pos == -1:
        return
    raise SiteError(
        f"{site}: the pairs are aligned by role, so position {site.pos} is another token in each prompt: name a role, "
        "as in @ 'subject', or -1."
    )


# -- by how much writes differ --------------------------------------------------------------------------------------


class Changes:
    """What each sender writes in one run, less what it writes in another, where tokens correspond."""

    def __init__(self, model: Model, base: Run, donor: Run, places: Sequence[tuple[int, int]]) -> None:
        """`places` are the corresponding tokens, as (position in the base run, position in the donor run)."""
        self.model = model
        self.base = base
        self.donor = donor
        self.places = list(places)

    @staticmethod
    def sites(model: Model, senders: Iterable[Sender]) -> list[Site]:
        """What both runs must capture."""
        return list(dict.fromkeys(sender.site.whole for sender in senders))

    def of(self, sender: Sender) -> Tensor:
        """The change of one sender's write to the stream, 0 outside its positions: [row, position, d]."""
        site = sender.site
        if site.name == "z":
            change = self._through_output(sender)
        elif sender.unit is None:
            change = self._difference(site.whole, ...)
        else:
            change = self._difference(site.whole, sender.unit)
        if site.pos is None:
            return change
        kept = change.new_zeros(change.shape[:2])
        for row in range(len(kept)):
            kept[row, self.base.layout.positions(site.pos, row)] = 1  # type: ignore[arg-type]
        return change * kept[..., None]

    def _difference(self, whole: Site, unit: Any) -> Tensor:
        """The donor's values less the base's; 0 at tokens that correspond to none. A unit is the third dimension."""
        base, donor = (at_least_float32(run[whole]) for run in (self.base, self.donor))
        if unit is not ...:
            base, donor = base[:, :, unit], donor[:, :, unit]
        here, there = (list(side) for side in zip(*self.places, strict=True))
        change = base.new_zeros(base.shape)
        change[:, here] = donor[:, there] - base[:, here]
        return change

    def _through_output(self, sender: Sender) -> Tensor:
        """A head's mixed values through its output matrix, and through the norm behind it as all heads make it."""
        layer, weights = sender.layer, self.model.weights
        outputs = at_least_float32(weights.outputs(layer))
        change = self._difference(sender.site.whole, sender.unit)
        written = change @ outputs[sender.unit].to(change)
        scale, post = self.model.anatomy.scale_of(layer, "attn"), weights.attn_post(layer)
        if post is None:
            return written * scale
        mixed = at_least_float32(self.base[sender.site.whole])
        raw = mixed.flatten(2) @ outputs.flatten(0, 1).to(mixed) + weights.o_bias(layer).to(mixed)
        return (_normed(post, raw + written) - _normed(post, raw)) * scale


def _normed(norm: Norm, x: Tensor) -> Tensor:
    """A norm without its bias, which two of them have in common."""
    linear = norm.into_writer(x)
    return linear / norm.scale(x)[..., None].to(linear)
