"""Which states a lens reads, and where in the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.sites import Edge, Role, Site, at, pick

if TYPE_CHECKING:
    from innerworks.model.engine.run import Run
    from innerworks.model.model import Model

__all__ = ["STREAM", "columns_of", "read_sites", "states_of"]

STREAM = ("embed", "resid_pre", "resid_mid", "resid_post")
_WRITES = ("attn_out", "mixer_out", "mlp_out", "head_out", "expert_out", "shared_out", "token_embed", "pos_embed")
_INSTEAD = {
    "z": "what a head adds to the stream is at.head_out",
    "neurons": "what a neuron writes does not depend on the prompt",
    "logits": "these are words already",
    "final_norm": "these are normed already: take the stream, at.resid_post",
}


def read_sites(model: Model, given: Any, fitted: Sequence[Site] = ()) -> list[Site]:
    """The single sites that are read, in order; where none is named those of a fitted lens, else the stream."""
    if given is None:
        return list(fitted) or [at.embed, *model.anatomy.concrete(at.resid_post[:])]
    listed = [given] if isinstance(given, (Site, str)) else given
    if not isinstance(listed, Iterable) or not (listed := list(listed)):
        raise SiteError(f"sites={given!r}: name states of the stream, such as at.resid_post[:], or a list of them.")
    found: list[Site] = []
    for site in map(at, listed):
        known = dict.fromkeys((*STREAM, *_WRITES, *(one.name for one in fitted)))
        if site.name not in known or site.basis is not None:
            why = _INSTEAD.get(site.name, "its values are no vectors of the stream")
            raise SiteError(f"{site} cannot be read as words: {why}. A lens reads {', '.join(known)}.")
        if site.kind.layered and site.layer is None:
            raise SiteError(f"{site} is in every layer: write at.{site.name}[:] for all of them, or at.{site.name}[5].")
        model.anatomy.check(site)
        for one in model.anatomy.concrete(site):
            unit = site.kind.unit
            units: Sequence[Any] = [None] if unit is None else model.indices(site, unit)
            found += [one if number is None else replace(one, unit=number) for number in units]
    twice = next((site for site in found if found.count(site) > 1), None)
    if twice is not None:
        raise SiteError(f"{twice} is named twice: name each place once.")
    return found


def columns_of(sites: Sequence[Site], width: int) -> tuple[int, ...] | None:
    """The positions that all sites name; None where they name none and all are read."""
    named = {site.pos for site in sites}
    if len(named) > 1:
        raise SiteError(
            f"sites are read at the same positions: {', '.join(map(str, sites[:3]))} … name different ones."
        )
    [place] = named
    if place is None:
        return None
    if isinstance(place, (Role, Edge)):
        raise SiteError(
            f"{sites[0]}: a lens reads positions by number, such as @ -1 or @ (3, 5), or all of them: leave out the @, "
            "and choose the role's tokens in the result."
        )
    return tuple(pick(place, width, "position"))


def states_of(run: Run, site: Site, columns: Sequence[int]) -> Any:
    """The states at a place [row, column, d]."""
    values = run[replace(site, pos=None, unit=None) @ tuple(columns)]
    return values if site.unit is None else values[:, :, site.unit]
