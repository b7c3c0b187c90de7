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


def resolved(edits: Sequence[Edit], anatomy: Anatomy, lengths: Sequence[int] = ()) -> list[Edit]:
    """The edits in single layers, in order; an error where one forgets what another put.

    What is frozen may be set in part afterwards: that is path patching. With the prompts' `lengths`, negative
    positions are compared with others too, where all prompts are of one length.
    """
    length = lengths[0] if len(set(lengths)) == 1 else None
    out: list[Edit] = []
    for edit in edits:
        if not isinstance(edit, Edit):
            raise EditError(f"{edit!r} is not an edit: use edit.zero, edit.set, edit.add, …")
        if edit.site.name in ("router_index",) and edit.op not in ("set", "freeze", "call"):
            raise EditError(f"{edit}: expert numbers can only be set.")
        out += [edit.on(site, i) for i, site in enumerate(anatomy.concrete(edit.site))]
        if edit.site.name == "router_index":
            _check_experts(edit, anatomy)
    replacing: dict[tuple[object, ...], list[Edit]] = {}
    for edit in out:
        if edit.replaces:
            site = edit.site
            basis = None if site.basis is None else id(site.basis)
            same = replacing.setdefault((site.name, site.layer, site.path, basis), [])
            units = None if site.kind.unit is None else anatomy.size(site.kind.unit, site.name)
            for other in same:
                if other.op != "freeze" and _overlap(edit.site, other.site, units, length):
                    raise EditError(
                        f"{other} and {edit} both replace the values at {edit.site.whole}, so one would be "
                        "forgotten: drop one, or give them different heads or positions."
                    )
            same.append(edit)
    return out


def _check_experts(edit: Edit, anatomy: Anatomy) -> None:
    """Numbers that are no experts' would end deep inside the model, or be cut to whole ones."""
    numbers = edit.tensors().get("value")
    if numbers is None or numbers.is_meta:
        return
    if numbers.is_floating_point() or numbers.min() < 0 or numbers.max() >= anatomy.n_experts:
        raise EditError(f"{edit}: experts are whole numbers from 0 to {anatomy.n_experts - 1}.")


def _overlap(a: Site, b: Site, units: int | None, length: int | None) -> bool:
    return _meet(a.unit, b.unit, units) and _meet(a.pos, b.pos, length) and _meet(a.feature, b.feature, None)


def _meet(a: Selector | Position | None, b: Selector | Position | None, size: int | None) -> bool:
    """Whether two selectors surely have something in common; counted from the end only where the size is known."""
    if a is None or b is None or a == b:
        return True
    if isinstance(a, Edge) and isinstance(b, Edge):
        return _meet(a.query, b.query, size) and _meet(a.key, b.key, size)
    first, second = _members(a, size), _members(b, size)
    return first is not None and second is not None and bool(first & second)


def _members(selector: Selector | Position, size: int | None) -> set[int] | None:
    """The numbers a selector means, as far as they can be told."""
    if isinstance(selector, Span):
        if size is not None:
            return set(range(*slice(selector.start, selector.stop, selector.step).indices(size)))
        start, stop = selector.start or 0, selector.stop
        return set(range(start, stop, selector.step or 1)) if stop is not None and min(start, stop) >= 0 else None
    if not isinstance(selector, (int, tuple)):
        return None
    numbers = {selector} if isinstance(selector, int) else set(selector)
    return {n % size if size is not None else n for n in numbers}
