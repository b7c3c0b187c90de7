"""What to put in the place of a component's values: zero, a mean, another prompt's values, or noise on its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from innerworks.data.lifting.everyone import kinds
from innerworks.data.lifting.segments import segments
from innerworks.data.lifting.taken import taken_prompts
from innerworks.errors import EditError, SiteError
from innerworks.localize.components.interventions.draws import drawn_from, prompt_number
from innerworks.localize.components.interventions.reference_values import (
    Over,
    Reference,
    Sums,
    chosen_of,
    moments,
    places,
    positions_of,
    summed,
)
from innerworks.model.edits import make
from innerworks.model.edits.values import Edit, Mean, Set
from innerworks.model.sites import Site, at

if TYPE_CHECKING:
    from innerworks.data.lifting import Prompts
    from innerworks.model.engine.run import Run
    from innerworks.model.model import Model
    from innerworks.model.tokens import Prompt

__all__ = ["Over", "Replacement", "concrete", "replacements"]

Replacement = Literal["zero", "mean", "resample", "noise"]
_DRAWN = ("resample", "noise")


def concrete(model: Model, sites: Site | str | Iterable[Site | str]) -> list[Site]:
    """Every single component that sites name: one layer and, where the kind has units, one unit; positions stay."""
    given = [sites] if isinstance(sites, (Site, str)) else list(sites)
    found: dict[Site, None] = {}
    for one in given:
        site = at(one)
        dims = (["layer"] if site.kind.layered else []) + ([site.kind.unit] if site.kind.unit else [])
        found.update(dict.fromkeys(site.each(model, *dims)))
    if not found:
        raise SiteError("no components were named: give sites such as at.z[:] for all heads, or at.mlp_out[:].")
    return list(found)


def replacements(
    model: Model,
    rows: Prompts,
    sites: Sequence[Site],
    how: Replacement,
    *,
    over: Over = "task",
    reference: Any = None,
    seeds: int | Sequence[int] = 1,
    factor: float = 1.0,
) -> dict[Site, list[Edit]]:
    """For each site (as `concrete` gives them) the edit that replaces its values in the rows; one for each seed.

    "zero" puts zeros. "mean" puts a mean over the reference: `over="task"` over all its prompts and the positions that
    the site names, "position" for each position (or, where lengths differ, each stretch between roles), "group" over
    prompts of the row's own kind. "resample" puts the values of a prompt of the reference, drawn by the seed, the same
    one for every site, never the row itself. "noise" adds Gaussian noise of `factor` times the site's standard
    deviation over the reference. The reference is the rows of the whole call unless other prompts are given.
    """
    numbers = _seeds(how, seeds)
    _check(how, over, factor, sites)
    if how == "zero":
        return {site: [make.zero(site)] for site in sites}
    used = _reference(model, rows, reference, how)
    work = _Replacing(model, rows, tuple(sites), used)
    if how == "mean":
        return {site: [edit] for site, edit in work.means(over).items()}
    if how == "noise":
        spread = work.deviations()
        return {site: [work.noised(site, spread[site] * factor, seed) for seed in numbers] for site in sites}
    drawn = [work.resampled(seed) for seed in numbers]
    return {site: [one[site] for one in drawn] for site in sites}


# -- what was asked for ---------------------------------------------------------------------------------------------


def _seeds(how: str, seeds: int | Sequence[int]) -> list[int]:
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not numbers:
        raise EditError(f"seeds={seeds!r}: give how many draws to make, at least 1, or a list of seeds.")
    if how not in _DRAWN and len(numbers) > 1:
        raise EditError(f"seeds={seeds!r} with replace={how!r}: nothing is drawn. Take 'resample' or 'noise'.")
    return numbers


def _check(how: str, over: str, factor: float, sites: Sequence[Site]) -> None:
    if not factor > 0:
        raise EditError(f"factor={factor!r}: noise takes a multiple of the site's deviation above 0.")
    for site in sites:
        if site.name in ("scores", "router_index", "logits"):
            raise SiteError(f"{site} is no component with values of its own: replace pattern, z, router or expert_out.")
        if how == "zero":
            continue
        if not site.kind.dims:
            raise SiteError(f"{site}: what dimensions a module's values have is not known. Take replace='zero'.")
        if "query" not in site.kind.dims:
            continue
        if how == "noise" or (how == "mean" and over != "position"):
            raise SiteError(
                f"{how} at {site}, over={over!r}, would let tokens attend to later ones: take replace='mean' with "
                "over='position', 'resample' or 'zero'."
            )
        if site.pos is not None:
            raise SiteError(f"{how} at {site}: whole patterns only. Name heads without positions, or use 'zero'.")


def _reference(model: Model, rows: Prompts, given: Any, how: str) -> Reference:
    if given is None:
        everyone = rows.everyone
        if len(everyone.rows) == 1 and how != "noise":
            what = {"mean": "other prompts to take a mean over", "resample": "other prompts to take values from"}[how]
            raise EditError(f"replace={how!r} of a single prompt needs {what}: give reference= (prompts, or a task).")
        return Reference(everyone.rows, everyone.groups, everyone.own)
    taken = taken_prompts(model, given)
    return Reference(taken.rows, kinds(taken))


# -- the edits ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Replacing:
    """Edits of some rows with the values of a reference."""

    model: Model
    rows: Prompts
    sites: tuple[Site, ...]
    reference: Reference

    @property
    def _places(self) -> tuple[Site, ...]:
        return tuple(dict.fromkeys(places(site) for site in self.sites))

    def means(self, over: Over) -> dict[Site, Edit]:
        """A mean for each site."""
        everyone = self.rows.everyone
        groups = [everyone.groups[number] for number in everyone.own]
        if over == "group" and not (all(groups) and all(self.reference.groups)):
            raise EditError(
                "over='group' takes prompts whose groups are known: give a task (iw.tasks.ioi(), …) or its examples, "
                "for the reference too, or take over='task'."
            )
        patterns = [site for site in self._places if "query" in site.kind.dims]
        if patterns and len({len(one) for one in (*self.reference.prompts, *self.rows)}) > 1:
            raise EditError(
                f"a mean of {patterns[0]} takes prompts of one length. Take a reference of the prompts' own "
                "length, or replace z."
            )
        sums = self._once(("sums", over), lambda: summed(self.model, self.reference, self._places, over))
        return {site: Mean(site, value=self._mean(site, sums[places(site)], groups, over)) for site in self.sites}

    def _once(self, key: Hashable, compute: Callable[[], dict[Site, Sums]]) -> dict[Site, Sums]:
        """Work out sums over the reference once, however many groups of rows of the same call need them."""
        known = (key, self._places, self.reference.prompts, self.model.edits)
        return self.rows.everyone.once(known, compute)

    def _mean(self, site: Site, sums: Sums, groups: Sequence[str], over: Over) -> Tensor:
        """The mean in the shape of what the site selects: [row, position, …], 1 where it is the same for all."""
        if "query" in site.kind.dims:
            return _selected(sums.total / sums.count, site)
        rows = []
        positions = positions_of(self.model, self.rows.rows, site)
        for prompt, group, here in zip(self.rows, groups, positions, strict=True):
            rows.append(self.reference.keys(prompt, group, here, site, over))
        if over != "position":
            rows = [keys[:1] for keys in rows]
        if all(keys == rows[0] for keys in rows):
            rows = rows[:1]
        values = torch.stack([sums.mean(keys, site) for keys in rows])
        return _selected(values[:, 0] if isinstance(site.pos, int) else values, site)

    def deviations(self) -> dict[Site, float]:
        """The standard deviation of all values at each site."""
        found = self._once("moments", lambda: moments(self.model, self.reference, self._places))
        spread = {}
        for site in self.sites:
            sums = found[places(site)]
            means = (sums.total / sums.count)[:, None]  # of all tokens together, so there is one key
            mean, square = (chosen_of(means[..., which], site).mean() for which in (0, 1))
            spread[site] = float((square - mean * mean).clamp(min=0).sqrt())
        return spread

    def noised(self, site: Site, deviation: float, seed: int) -> Edit:
        """Noise that follows from the seed and each row's own tokens."""
        return replace(make.noise(site, deviation, seed), numbers=tuple(map(prompt_number, self.rows)))

    def resampled(self, seed: int) -> dict[Site, Edit]:
        """The values of other prompts, the same prompt's at every site."""
        drawn = [self._drawn(row, seed) for row in range(len(self.rows))]
        runs = {number: self._run(self.reference.prompts[number]) for number in dict.fromkeys(drawn)}
        found = {}
        for place in self._places:
            values = [self._aligned(runs[number][place], place, row, number) for row, number in enumerate(drawn)]
            found[place] = torch.cat(values)
        return {site: Set(site, value=_selected(found[places(site)], site)) for site in self.sites}

    def _run(self, prompt: Prompt) -> Run:
        return self.model.run([prompt], capture=list(self._places), logits=None)

    def _drawn(self, row: int, seed: int) -> int:
        """The number of the reference's prompt that a row is given the values of."""
        prompt = self.rows[row]
        others = [number for number, one in enumerate(self.reference.prompts) if one.ids != prompt.ids]
        if not others:
            raise EditError(
                f"replace='resample': the reference has no other prompt than {str(prompt)!r} itself. Give reference= "
                "more prompts, or a task."
            )
        if any(place.pos is None for place in self._places):
            others = self._fitting(prompt, others)
        return drawn_from(self.reference.prompts, others, prompt, seed)

    def _fitting(self, prompt: Prompt, others: list[int]) -> list[int]:
        """Those with a value for every position of a prompt: of its length, or else those with all of its roles."""
        prompts = self.reference.prompts
        equal = [number for number in others if len(prompts[number]) == len(prompt)]
        if equal or any("query" in place.kind.dims for place in self._places):
            fitting = equal
        else:
            here = set(segments(prompt)) if prompt.named else set()
            fitting = [number for number in others if here and here <= set(segments(prompts[number]))]
        if not fitting:
            raise EditError(
                f"replace='resample': no other prompt of the reference has {len(prompt)} tokens as {str(prompt)!r} "
                "has, nor the same roles. Give reference= prompts of that length, or name positions such as @ -1."
            )
        return fitting

    def _aligned(self, values: Tensor, place: Site, row: int, number: int) -> Tensor:
        """Values of a prompt of the reference at the positions of a row."""
        prompt, other = self.rows[row], self.reference.prompts[number]
        if place.pos is not None:
            have, need = (len(positions_of(self.model, [one], place)[0]) for one in (other, prompt))
            if have != need:
                raise EditError(
                    f"replace='resample' at {place}: {str(other)!r} has {have} such positions and {str(prompt)!r} has "
                    f"{need}. Take a reference whose roles have as many tokens, or name one position."
                )
            return values
        if len(other) == len(prompt):
            return values
        return values[:, _by_segment(prompt, other)]


def _by_segment(prompt: Prompt, other: Prompt) -> list[int]:
    """For each token the other prompt's in the same stretch, counted from the stretch's end."""
    here, there = segments(prompt), segments(other)
    found = []
    for position, name in enumerate(here):
        behind = here[position + 1 :].count(name)
        stretch = [place for place, one in enumerate(there) if one == name]
        found.append(stretch[max(0, len(stretch) - 1 - behind)])
    return found


def _selected(values: Tensor, site: Site) -> Tensor:
    """Of a place's values in all units, those that a site selects."""
    if "query" in site.kind.dims:
        return values[:, site.unit] if isinstance(site.unit, int) else values
    chosen = chosen_of(values[:, None] if isinstance(site.pos, int) else values, site)
    return chosen[:, 0] if isinstance(site.pos, int) else chosen
