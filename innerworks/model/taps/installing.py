"""Putting a session's hooks on the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerworks.model.taps.action import Action
from innerworks.model.taps.attention import AttentionTap
from innerworks.model.taps.hooks import HOOKS, clip_in_the_projections, remember
from innerworks.model.taps.narrowing import narrow
from innerworks.model.taps.patched import Patches
from innerworks.model.taps.pieces import Pieces
from innerworks.model.taps.point import Place

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.taps.session import Session

__all__ = ["install"]


def install(session: Session, patches: Patches) -> None:
    """Put the hooks on the model; `patches` takes them off."""
    narrow(session.actions, session.anatomy)
    # What was chosen is known after every edit of it, so it is the first to be watched: the last to be told.
    needs = list(dict.fromkeys(need for action in session.actions for need in action.point.needs))
    remember(session, patches, [need for need in needs if need.what == "choice"])
    groups: dict[tuple[int, Place, int], list[Action]] = {}
    for action in session.actions:
        groups.setdefault(action.point.key, []).append(action)
    attention: dict[int, dict[str, list[Action]]] = {}
    for layer in {a.site.layer for a in session.actions if a.site.name in ("q", "k", "v")}:
        assert isinstance(layer, int)
        clip_in_the_projections(patches, session.anatomy, layer)
    written_in_place_first = sorted(groups.values(), key=lambda group: group[0].point.place != "in_place")
    for actions in written_in_place_first:
        point = actions[0].point
        actions.sort(key=lambda a: 0 if a.edit is not None else 1 if a.keep_graph else 2)
        if point.place in ("q_rot", "k_rot", "scores", "pattern"):
            attention.setdefault(id(point.module), {})[point.place] = actions
        else:
            HOOKS[point.place](session, patches, point, actions)
    for by_place in attention.values():
        _install_attention(session, patches, by_place)
    remember(session, patches, [need for need in needs if need.what != "choice"])


def _install_attention(session: Session, patches: Patches, by_place: dict[str, list[Action]]) -> None:
    module = next(iter(by_place.values()))[0].point.module

    def process(place: str, raw: Tensor) -> Tensor:
        actions = by_place.get(place)
        return raw if actions is None else session.process(actions, raw)

    tap = AttentionTap(
        module,
        set(by_place),
        session.anatomy.family.inner_attention,
        bool(session.anatomy.family.setting("other_eager", session.anatomy.config)),
        process,
        lambda: session.edited_entries(module),
        Pieces(session, by_place),
    )
    inside = [a for place in ("scores", "pattern") for a in by_place.get(place, [])]
    tap.needs_gradient = any(a.keep_graph for a in inside)
    tap.install(patches)
