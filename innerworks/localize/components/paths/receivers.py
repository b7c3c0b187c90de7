"""What receivers read when one sender writes otherwise and nothing else does: the first pass of path patching."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from innerworks.errors import EditError, SiteError
from innerworks.localize.components.paths.senders import Changes, Sender, reads_after, writes_after
from innerworks.model.edits import Edit, make
from innerworks.model.model import Model
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.engine.run import Run
    from innerworks.model.tokens import Prompt

__all__ = ["FirstPass", "at_read", "chosen_receivers", "refuse_standing_edits", "said"]

_RECEIVERS = ("q", "k", "v", "attn_in", "mlp_in")
_TOKENS_AT_ONCE = 2048
_WRITES = ("head_out", "attn_out", "mixer_out", "mlp_out", "resid_mid", "resid_post")
_STARTS = ("embed", "resid_pre")


def chosen_receivers(model: Model, given: Any, where: int | Literal["all"]) -> list[Site]:
    """Every receiver in a single layer; the logits are the stream behind the last block, where they are read."""
    listed = [given] if isinstance(given, (Site, str)) else given
    if not isinstance(listed, Iterable) or not (listed := list(listed)):
        raise SiteError(f"receivers={given!r}: give 'logits', a site such as at.q[5, 3], or a list of them.")
    found: list[Site] = []
    for one in map(at, listed):
        if one.name == "logits":
            final = at.resid_post[model.n_layers - 1]
            found.append(final if where == "all" else final @ where)
            continue
        if one.name not in _RECEIVERS:
            reading = ", ".join((*_RECEIVERS, "logits"))
            raise SiteError(f"{one} is no receiver: a path ends where the stream is read, at {reading}.")
        if one.basis is not None:
            raise SiteError(f"{one}: a path ends in all that a part reads; leave out .via(...).")
        found += model.anatomy.concrete(one)
    if len(set(found)) < len(found):
        raise SiteError("a receiver is named twice: name each once.")
    return found


def said(model: Model, receivers: Sequence[Site]) -> str:
    """The receivers in words; with shared keys and values, which heads read them."""
    shared = model.n_heads // max(1, model.n_kv_heads)
    names = []
    for site in receivers:
        name = "the logits" if site.name == "resid_post" else str(site)
        if site.name in ("k", "v") and shared > 1 and isinstance(site.unit, int):
            name += f" (heads {site.unit * shared} to {site.unit * shared + shared - 1})"
        names.append(name)
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def refuse_standing_edits(model: Model) -> None:
    """Raise where a standing edit would come between what a sender writes and what a receiver reads of it."""
    for edit in model.edits:
        name = edit.site.name
        if name in _STARTS or (edit.op != "add" and name in _WRITES):
            raise EditError(
                f"{edit} stands between senders and receivers, so that the stream is not the sum of what is written "
                "to it: patch paths without it. Edits of norms, inside attention and MLPs, and edit.add, may stand."
            )


@dataclass(frozen=True)
class FirstPass:
    """The prompts that the second pass runs on, how the senders' writes change, and where they go."""

    model: Model
    prompts: Sequence[Prompt]
    base: Run
    changes: Changes
    receivers: Sequence[Site]
    live: bool
    """Whether MLPs between a sender and a receiver answer to what reaches them."""

    @staticmethod
    def sites(model: Model, receivers: Sequence[Site], live: bool) -> list[Site]:
        """What the base run must capture."""
        starts = range(model.n_layers) if live else [_layer(one) for one in receivers if one.name != "resid_post"]
        found = [at.resid_pre[layer] for layer in starts]
        found += [one for one in receivers if one.name == "resid_post"]
        if live:
            found += [Site(kind, layer) for kind in ("attn_out", "mixer_out") for layer in model.layers_with(kind)]
        return list(dict.fromkeys(found))

    def edits(self, senders: Sequence[Sender]) -> dict[Sender, list[Edit]]:
        """For every sender, the edits that let its receivers read what they would with the sender changed."""
        found: dict[Sender, list[Edit]] = {sender: [] for sender in senders}
        for group in self._alike():
            reached = [one for one in senders if self.reaches(one, group[0])]
            reached.sort(key=lambda sender: sender.layer)
            for chunk in self._chunks(reached):
                changes = [self.changes.of(sender) for sender in chunk]
                for sender, edits in zip(chunk, self._read(chunk, changes, group), strict=True):
                    found[sender] += edits
        return found

    def reaches(self, sender: Sender, receiver: Site) -> bool:
        """Whether the receiver reads the stream after the sender has written to it."""
        anatomy = self.model.anatomy
        return writes_after(anatomy, sender) <= reads_after(anatomy, receiver)

    def _alike(self) -> list[list[Site]]:
        """The receivers that one pass can serve: those that read at the same place."""
        groups: dict[int, list[Site]] = {}
        for site in self.receivers:
            groups.setdefault(reads_after(self.model.anatomy, site), []).append(site)
        return list(groups.values())

    def _chunks(self, senders: list[Sender]) -> list[list[Sender]]:
        size = max(1, _TOKENS_AT_ONCE // (len(self.prompts) * len(self.prompts[0])))
        return [senders[start : start + size] for start in range(0, len(senders), size)]

    # -- one pass over a few senders at once ----------------------------------------------------------------------

    def _read(self, senders: Sequence[Sender], changes: Sequence[Tensor], group: list[Site]) -> list[list[Edit]]:
        whole = group[0].name == "resid_post"
        if whole and not self.live:
            return [[make.add(group[0], at_read(change, group[0]))] for change in changes]
        run = self._live(senders, changes, group) if self.live else self._frozen(changes, group)
        found: list[list[Edit]] = [[] for _ in senders]
        for site in group:
            values = run[site].unflatten(0, (len(senders), len(self.prompts)))
            for number, change in enumerate(changes):
                where = change.any(0).any(-1).nonzero()[:, 0].tolist()
                if not where:
                    continue
                if whole:
                    found[number].append(make.add(site, values[number] - self.base[site]))
                elif site.pos is not None:
                    found[number].append(make.set(site, values[number]))
                else:
                    found[number].append(make.set(site @ where, values[number][:, where]))
        return found

    def _frozen(self, changes: Sequence[Tensor], group: list[Site]) -> Run:
        """Only the receivers' block reads, from the stream of the base run with one write changed in each row."""
        import torch

        layer = _layer(group[0])
        stream = self._repeated(self.base[at.resid_pre[layer]], len(changes))
        change = torch.cat(list(changes))
        if not _reads_first(self.model.anatomy, group[0]):
            edits: list[Edit] = [make.add(at.resid_mid[layer], change)]
            return self._from(layer, stream, group, edits)
        return self._from(layer, (stream + change).to(stream), group, [])

    def _live(self, senders: Sequence[Sender], changes: Sequence[Tensor], group: list[Site]) -> Run:
        """All blocks from the first sender's on, attention held at what it wrote in the base run."""
        first, end = senders[0].layer, reads_after(self.model.anatomy, group[0])
        stream = self._repeated(self.base[at.resid_pre[first]], len(senders))
        written: dict[Site, Tensor] = {}
        for kind in ("attn", "mixer"):
            for layer in self.model.layers_with(f"{kind}_out"):
                site = Site(f"{kind}_out", layer)
                if layer >= first and writes_after(self.model.anatomy, Sender(site)) <= end:
                    written[site] = self._repeated(self.base[site], len(senders))
        added: dict[Site, Tensor] = {}
        rows = len(self.prompts)
        for number, (sender, change) in enumerate(zip(senders, changes, strict=True)):
            own = slice(number * rows, (number + 1) * rows)
            if sender.group == "embed":
                stream[own] += change.to(stream)
                continue
            site = Site("mlp_out" if sender.in_the_mlp else "attn_out", sender.layer)
            site = replace(site, name="mixer_out") if sender.group == "mixer" else site
            if sender.in_the_mlp:
                added.setdefault(site, change.new_zeros(len(senders) * rows, *change.shape[1:]))[own] = change
            else:
                written[site][own] += change.to(written[site])
        edits: list[Edit] = [make.set(site, values) for site, values in written.items()]
        edits += [make.add(site, values) for site, values in added.items()]
        return self._from(first, stream, group, edits)

    def _from(self, layer: int, stream: Tensor, capture: list[Site], edits: list[Edit]) -> Run:
        """A run that begins at a block, under the standing edits from there on."""
        last = max(_layer(site) for site in capture)
        blocks = range(layer, last + 1)
        standing = [one for one in self.model.resolved(()) if self.model.anatomy.block_of(one.site) in blocks]
        model = Model(self.model.module, anatomy=self.model.anatomy, edits=tuple(standing))
        copies = stream.shape[0] // len(self.prompts)
        return model.run(list(self.prompts) * copies, capture=capture, edits=edits, logits=None, start=(layer, stream))

    @staticmethod
    def _repeated(values: Tensor, times: int) -> Tensor:
        return values.repeat(times, *[1] * (values.dim() - 1))


def at_read(change: Tensor, final: Site) -> Tensor:
    """A change of the stream at the one position where logits are read, or at all."""
    return change if final.pos is None else change[:, int(str(final.pos))]


def _layer(site: Site) -> int:
    return int(str(site.layer))


def _reads_first(anatomy: Anatomy, receiver: Site) -> bool:
    """Whether a receiver reads what enters its block."""
    return reads_after(anatomy, receiver) == 2 * _layer(receiver)
