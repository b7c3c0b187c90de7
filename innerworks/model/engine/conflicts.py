"""Edits made concrete: one per layer, checked against the model and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from innerworks.errors import EditError
from innerworks.model.edits.values import Edit
from innerworks.model.sites import Edge, Position, Selector, Site, Span

if TYPE_CHECKING:
    from innerworks.model.anatomy import Anatomy

__all__ = ["resolved"]


def resolved(edits: Sequence[Edit], anatomy: Anatomy) -> list[Edit]:
    """The edits in single layers, in order; an error where one forgets what another put.

    What is frozen may be set in part afterwards: that is path patching.
    """
    out: list[Edit] = []
    for edit in edits:
        if not isinstance(edit, Edit):
            raise EditError(f"{edit!r} is not an edit: use edit.zero, edit.set, edit.add, …")
        if edit.site.name in ("router_index",) and edit.op not in ("set", "freeze", "call"):
            raise EditError(f"{edit}: expert numbers can only be set.")
        out += [edit.on(site, i) for i, site in enumerate(anatomy.concrete(edit.site))]
    replacing: dict[tuple[str, object, str], list[Edit]] = {}
    for edit in out:
        if edit.replaces and edit.site.basis is None:
            same = replacing.setdefault((edit.site.name, edit.site.layer, edit.site.path), [])
            for other in same:
                if other.op != "freeze" and _overlap(edit.site, other.site):
                    raise EditError(
                        f"{other} and {edit} both replace the values at {edit.site.whole}, so one would be "
                        "forgotten: drop one, or give them different heads or positions."
                    )
            same.append(edit)
    return out


def _overlap(a: Site, b: Site) -> bool:
    return _meet(a.unit, b.unit) and _meet(a.pos, b.pos)


def _meet(a: Selector | Position | None, b: Selector | Position | None) -> bool:
    """Whether two selectors surely have something in common; negative and open ends are not resolved here."""
    if a is None or b is None or a == b:
        return True
    if isinstance(a, Edge) and isinstance(b, Edge):
        return _meet(a.query, b.query) and _meet(a.key, b.key)
    first, second = _members(a), _members(b)
    return first is not None and second is not None and bool(first & second)


def _members(selector: Selector | Position) -> set[int] | None:
    if isinstance(selector, int):
        return {selector}
    if isinstance(selector, tuple):
        return set(selector)
    if isinstance(selector, Span) and selector.stop is not None and selector.stop >= 0:
        start = selector.start or 0
        return set(range(start, selector.stop, selector.step or 1)) if start >= 0 else None
    return None
