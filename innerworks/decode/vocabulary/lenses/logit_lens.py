"""The logit lens: what the model would say next if it stopped at a place and read out what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.lenses.arrays import lens_arrays
from innerworks.decode.vocabulary.lenses.distributions import Wanted
from innerworks.decode.vocabulary.lenses.places import columns_of, read_sites, states_of
from innerworks.decode.vocabulary.lenses.reading import Place, read_places
from innerworks.decode.vocabulary.lenses.targets import FOLLOWED_EVERYWHERE, followed
from innerworks.decode.vocabulary.lenses.views import with_views
from innerworks.decode.vocabulary.translators.fitted import FittedLens, fitted_lens
from innerworks.errors import SiteError
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Artifact, Check, Result

if TYPE_CHECKING:
    from innerworks.model.engine.run import Run

__all__ = ["logit_lens"]

Sites = Site | Sequence[Site]


@technique(
    title="Logit lens",
    section="4.3.1",
    question="What would the model say if it stopped here, and from where on does it say what it says?",
    references=("nostalgebraist 2020", "Geva 2022, arXiv:2203.14680", "Primer 4.3.1"),
    cost=Cost(forwards="1, and an unembedding of every place that is read"),
    finish=with_views,
)
def logit_lens(
    model: Model,
    prompts: Prompts,
    sites: Annotated[Sites | None, "states to read; by default the stream before and after every block"] = None,
    *,
    target: Annotated[
        Any, TargetText, 'whose rank and probability to follow: a token, "prediction" (the default), or "next"'
    ] = None,
    lens: Annotated[
        Artifact | None, "a fitted lens to read the stream through, such as iw.fit_tuned_lens gives"
    ] = None,
    top: Annotated[int, "how many tokens to list at each place"] = 5,
    spread: Annotated[bool, "entropy, and divergences from what the model says in the end"] = True,
    norm: Annotated[
        Literal["own", "final"], "whose statistics a state is normed by: its own, or the last state's"
    ] = "own",
) -> Result:
    """What a state says when it is read as the last one: softmax(norm(x) · W_U), at every layer and position.

    x goes through the model's own final norm, with statistics of its own, its unembedding, logit scale and soft cap, so
    that the last layer reads as the model's own prediction. `rank` (0 is first; of equal ones the lower id), `log_prob`
    and `logit` are the target's; `entropy`, `kl` = KL(final ‖ here) and `kl_back` = KL(here ‖ final) in nats;
    `top_token` and `top_prob` what is said. `first` is the layer at which the target is first the most likely token,
    `decided` the one from which on it stays so: -1 is the embedding, NaN never. `norm="final"` divides by what the last
    state is divided by and leaves biases out, so that what parts write adds up, as direct effects do. nostalgebraist
    2020; Geva 2022.

    What misleads: nothing makes a middle layer write in the last one's language. Where the stream is rotated, shifted
    or scaled on the way, the lens shows nonsense although the answer is there; a fitted lens corrects for that. What it
    shows can be decoded, which does not mean that it is used. Of one part's write, normed by itself, only the direction
    counts: a write of no length has words too.
    """
    if top < 0:
        raise SiteError(f"top={top}: say how many tokens to list, 0 for none.")
    fitted = None if lens is None else fitted_lens(lens, model)
    end, ahead = (model.n_layers, 0) if fitted is None else (fitted.end, fitted.ahead)
    chosen = read_sites(model, sites, () if fitted is None else fitted.sites)
    columns = columns_of(chosen, prompts.width)
    read = tuple(range(prompts.width)) if columns is None else columns
    last = at.resid_post[end - 1]
    whole = dict.fromkeys(Site(one.name, one.layer) for one in chosen)
    capture = [site @ read for site in whole] + [last @ read if ahead == 0 else last]
    if norm == "final":
        capture.append(at.norm_scale["final"] @ read)
    ends = read[-1] == prompts.width - 1
    run = model.run(list(prompts), capture=capture, logits="last" if ends else None)
    final = run[last @ read] if ahead == 0 else _further(run[last], read, ahead)
    follows = followed(model, prompts, target, read, ahead)
    wanted = Wanted(top=max(top, 1), targets=True, spread=spread)
    places = _places(run, chosen, {last: final} if ahead == 0 else {}, read, fitted, own=norm == "own")
    found = read_places(model, places, final, wanted, follows)
    data = lens_arrays(model, places, found.statistics, columns, listed=top)
    if (isinstance(target, str) and target in FOLLOWED_EVERYWHERE) or target is None:
        for name in ("logit", "log_prob", "rank"):
            data[name].attrs["everywhere"] = True
    checks = _checks(model, run, final, found.ends) if ends and end == model.n_layers and ahead == 0 else []
    name = "Logit lens" if lens is None else lens.kind.replace("-", " ").capitalize()
    name += f", {ahead} further on" if ahead else ""
    return Result(data=data, checks=checks, title=f"{name}: {_said(target)}")


def _said(target: Any) -> str:
    if target is None or target == "prediction":
        return "what the model predicts in the end"
    if isinstance(target, (list, tuple)):
        return "each prompt's own target"
    return "the prompt's own next token" if target == "next" else repr(target)


def _further(states: Tensor, columns: Sequence[int], ahead: int) -> Tensor:
    """The states [row, position, d] so many positions behind the columns; NaN behind the end."""
    found = states.new_full((len(states), len(columns), states.shape[-1]), torch.nan)
    for number, column in enumerate(columns):
        if column + ahead < states.shape[1]:
            found[:, number] = states[:, column + ahead]
    return found


def _places(
    run: Run,
    sites: Sequence[Site],
    known: Mapping[Site, Tensor],
    columns: Sequence[int],
    fitted: FittedLens | None,
    *,
    own: bool,
) -> list[Place]:
    scale = None if own else run[at.norm_scale["final"] @ tuple(columns)]
    found = []
    for site in sites:
        place = replace(site, pos=None)
        states = known[place] if place in known else states_of(run, site, columns)
        found.append(Place(place, states, scale=scale) if fitted is None else fitted.place(place, states, scale))
    return found


def _checks(model: Model, run: Run, final: Tensor, read: Tensor | None) -> list[Check]:
    """The last state through the lens, against the logits that the model gave."""
    if read is None:
        with torch.no_grad():
            read = model.weights.logits(final[:, -1])
    own = run.logits[:, -1]
    off = float((read - own).abs().max())
    return [Check("the last layer reads as the model's own logits", off, 64 * model.rounding * float(own.abs().max()))]
