"""Maximally activating inputs: the tokens of the user's own text on which units are highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

from innerworks.data.corpus import Contexts, Corpus
from innerworks.data.corpus.passes import PassStopped
from innerworks.decode.vocabulary.units.found import result_of
from innerworks.decode.vocabulary.units.places import units_of
from innerworks.decode.vocabulary.units.scan import Plan, kept_in, scanned
from innerworks.decode.vocabulary.units.views import with_views
from innerworks.errors import OptionError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.model.sites import Site
from innerworks.registry import Cost, technique
from innerworks.results import Result

__all__ = ["maximally_activating"]

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 0.99)


@technique(
    title="Maximally activating inputs",
    section="4.3.4",
    question="What is this neuron, head or direction active on?",
    references=("Zeiler 2014", "arXiv:1311.2901", "Bolukbasi 2021", "arXiv:2104.07143", "Primer 4.3.4"),
    cost=Cost(forwards="1 per run of at_once tokens, up to the deepest unit's layer"),
    finish=with_views,
)
def maximally_activating(
    model: Model,
    corpus: Corpus,
    units: Annotated[Site | Sequence[Site], "neurons, heads, or places read through a direction or a dictionary"],
    *,
    top: Annotated[int, "how many of the highest tokens to keep of each unit"] = 20,
    lowest: Annotated[int, "how many of the lowest to keep besides"] = 0,
    quantiles: Annotated[Sequence[float], "where in a unit's range to show tokens"] = QUANTILES,
    draws: Annotated[int, "how many tokens to show at each quantile"] = 2,
    window: Annotated[int, "how many tokens to keep on each side of a token"] = 10,
    skip: Annotated[int, "how many tokens at the start of each context are not looked at"] = 1,
    active_above: Annotated[float, "above which activation a unit counts as active"] = 0.0,
    sample: Annotated[int, "of about how many tokens quantiles are taken"] = 8192,
    at_once: Annotated[int, "how many tokens to run at once"] = 2048,
    seed: Annotated[int, "of which contexts are drawn for the quantiles"] = 0,
    out: Annotated[Path | None, "a folder to keep what was done in, and to go on from"] = None,
    save_every: Annotated[float, "how many seconds lie between savings"] = 30.0,
    progress: Progress = None,
) -> Result:
    """The tokens of a text on which each unit is most active, and tokens of its whole range, with what is around them.

    A unit is a number that every token has: a neuron, what a site read through a direction or a dictionary gives; of
    heads and streams, which are vectors, the length. `highest` are the highest activations, at most one of each context
    (its highest), and of tokens that are equal together with the `window` before them only the first highest.
    `sample` are tokens nearest in rank to each quantile of the activations in contexts drawn at random. Over all
    tokens: `mean`, `deviation`, `min`, `max`, the share on which the unit is `active`, and a histogram. Each has its
    `_context` (its number in the corpus), `_position`, the activations around it (`_window`) and the tokens (`_ids`,
    with their texts in the table `tokens`). One pass, whose memory does not depend on the length of the text; with
    `out` it goes on where it was stopped. Zeiler 2014; quantiles after Bolukbasi 2021.

    What misleads: the highest tokens say what a unit is highest on in this text, not what it stands for. Other texts
    give other stories (Bolukbasi 2021), and what it is on most of the time is in the quantiles. A unit with two signs,
    as neurons of gated MLPs have, has as much to tell at its lowest. The length of a head's write says nothing of its
    direction. Activation is not effect: patch or ablate to see that. The first tokens of a context have little to
    look back on, and the very first, on which many models rest, is left out by `skip`.
    """
    contexts = corpus.contexts(model)
    plan = Plan(top, lowest, window, sample, skip, active_above, seed, at_once)
    _check(plan, contexts, quantiles, draws)
    chosen = units_of(model, units, contexts.tensor([0])[:, :2])
    folder = None if out is None else kept_in(Path(out), model, contexts, chosen, plan)
    total = len(contexts)
    with closing(scanned(model, contexts, chosen, plan, folder, save_every)) as steps:
        seen = next(steps)
        try:
            with watched(progress, "maximally_activating", total) as tell:
                for seen in steps:
                    tell(seen.done)
        except KeyboardInterrupt:
            if not seen.done:
                raise
            partial = result_of(seen, contexts, chosen.labels, plan, quantiles, draws)
            raise PassStopped(partial, seen.done, total, out) from None
    return result_of(seen, contexts, chosen.labels, plan, quantiles, draws)


def _check(plan: Plan, contexts: Contexts, quantiles: Sequence[float], draws: int) -> None:
    least = {"top": 1, "lowest": 0, "window": 0, "sample": 1, "skip": 0, "at_once": 1, "seed": 0, "draws": 1}
    for name, smallest in least.items():
        number = draws if name == "draws" else getattr(plan, name)
        if isinstance(number, bool) or not hasattr(number, "__index__") or number < smallest:
            raise OptionError(f"{name}={number!r}: give a whole number, {smallest} or more.")
    if not math.isfinite(plan.active_above):
        raise OptionError(f"active_above={plan.active_above}: give the number above which a unit counts as active.")
    if plan.skip >= contexts.width:
        raise OptionError(f"skip={plan.skip}: nothing is left of contexts of {contexts.width} tokens.")
    if not isinstance(quantiles, (list, tuple)):
        raise OptionError(f"quantiles={quantiles!r}: give several in a row, such as (0.5, 0.99).")
    if not quantiles or not all(math.isfinite(one) and 0 <= one <= 1 for one in quantiles):
        raise OptionError(f"quantiles={list(quantiles)}: give shares from 0 (lowest) to 1 (highest), such as 0.5.")
    if len(set(quantiles)) < len(quantiles):
        raise OptionError(f"quantiles={list(quantiles)}: name each once.")
