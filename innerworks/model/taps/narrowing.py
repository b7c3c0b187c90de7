"""Showing only the experts that are asked for: a mixture may have hundreds, and all of them would not fit in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from innerworks.model.sites import pick
from innerworks.model.taps.expert_codecs import ByExpert, WritesByExpert

if TYPE_CHECKING:
    from innerworks.model.anatomy import Anatomy
    from innerworks.model.taps.action import Action

__all__ = ["narrow"]


def narrow(actions: Sequence[Action], anatomy: Anatomy) -> None:
    """Let each action's point show the experts it is about, and those alone."""
    narrowed: dict[tuple[int, tuple[int, ...]], ByExpert | WritesByExpert] = {}
    for action in actions:
        codec, unit = action.point.codec, action.site.unit
        if unit is None or action.keep_graph or not action.selects:
            continue
        if not isinstance(codec, (ByExpert, WritesByExpert)):
            continue
        experts = tuple(pick(unit, anatomy.n_experts, "expert"))
        fewer = narrowed.setdefault((id(codec), experts), codec.narrowed(experts))
        action.point = replace(action.point, codec=fewer)
        action.here = replace(action.site, unit=0 if isinstance(unit, int) else tuple(range(len(experts))))
