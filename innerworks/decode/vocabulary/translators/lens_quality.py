"""How well lenses read each layer, on text they were not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from innerworks.data.corpus import Contexts, Corpus
from innerworks.data.intervals import mean_intervals
from innerworks.decode.vocabulary.lenses.distributions import Wanted
from innerworks.decode.vocabulary.lenses.reading import Place, read_places
from innerworks.decode.vocabulary.lenses.views import along_places
from innerworks.decode.vocabulary.translators.fitted import FittedLens, fitted_lens
from innerworks.decode.vocabulary.translators.held_out import left_out, unseen
from innerworks.decode.vocabulary.translators.text_states import stream_sites, text_states
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.model.sites import Site
from innerworks.registry import Cost, technique
from innerworks.results import Artifact, Check, Result, Table, View, labelled
from innerworks.results.arrays import text_array

__all__ = ["lens_quality"]

_TOKENS_AT_ONCE = 1024


def _with_views(result: Result) -> Result:
    data = result.data
    places, x_title = along_places(data["kl"]["place"].values)
    views = {}
    for name, title in (("kl", "KL from what the model says in the end, nats"), ("loss", "Loss on the text, nats")):
        lines = {str(lens): data[name].sel(lens=lens).values for lens in data[name]["lens"].values}
        bounds = {
            edge: {str(lens): data[f"{name}_{edge}"].sel(lens=lens).values for lens in data[name]["lens"].values}
            for edge in ("low", "high")
        }
        views[name] = View.series(lines, places, **bounds, x_title=x_title, y_title="nats", title=title)
    views["table"] = View.table(result.tables["places"], title="By place")
    return replace(result, views=views)


@technique(
    title="How well lenses read",
    section="4.3.1",
    question="How much of what the model will say can be read at each layer?",
    references=("Belrose 2023, arXiv:2303.08112", "Primer 4.3.1"),
    cost=Cost(forwards="those of the text, with an unembedding of every layer for each lens"),
    finish=_with_views,
)
def lens_quality(
    model: Model,
    corpus: Corpus,
    *,
    lens: Annotated[Artifact | None, "a fitted lens to compare with the logit lens"] = None,
    tokens: Annotated[int, "how many tokens of the text to read at most"] = 8192,
    progress: Progress = None,
) -> Result:
    """How far what is read at each layer is from what the model says, on text: mean KL, loss, and agreement.

    `kl` is KL(final ‖ lens), `loss` the mean -log p of the text's own next token, `agreement` the share of tokens whose
    first guess is the model's, for the logit lens and for the fitted one, with bootstrap intervals over contexts.
    Belrose 2023.

    Of the text that the lens was fitted on only that part is read which the fit has left out; in other contexts those
    that hold none of it.

    What misleads: the part that was left out is of the same text, and other text may be read less well. What a lens
    gains is not all in the state: it also learns what usually follows in such text.
    """
    contexts = _chosen(corpus.contexts(model), lens, tokens)
    fitted = None if lens is None else fitted_lens(lens, model)
    sites = stream_sites(range(model.n_layers + 1)) if fitted is None else fitted.sites
    lenses: dict[str, FittedLens | None] = {} if any(site.name == "z" for site in sites) else {"logit lens": None}
    if lens is not None:
        lenses[lens.kind.replace("-", " ")] = fitted
    rows = _rows(model, contexts, lenses, sites, progress)
    names = text_array([str(site) for site in sites])
    coords = {"lens": text_array(list(lenses)), "place": names}
    data: dict[str, Any] = {}
    for name, values in rows.items():
        mean = np.nanmean(values, 0)
        low, high = mean_intervals(values, 0.95, 0) if len(values) > 1 else (mean, mean)
        for suffix, one in (("", mean), ("_low", low), ("_high", high)):
            data[name + suffix] = labelled(one, ("lens", "place"), coords=coords)
    checks = _checks(data, lens, contexts)
    return Result(data=data, tables={"places": _table(data)}, checks=checks, title="How well lenses read")


def _chosen(contexts: Contexts, lens: Artifact | None, tokens: int) -> Contexts:
    """As many contexts as are to be read; of a fit's own text, those it has left out."""
    if tokens < contexts.width:
        raise InnerworksError(f"tokens={tokens}: at least one context of {contexts.width}.")
    if lens is not None:
        own = left_out(contexts, lens)
        contexts = unseen(contexts, [lens]) if own is None else own
    return replace(contexts, ids=contexts.ids[: max(1, tokens // contexts.width)], left_over=0)


def _rows(
    model: Model,
    contexts: Contexts,
    lenses: dict[str, FittedLens | None],
    sites: Sequence[Site],
    progress: Progress,
) -> dict[str, Any]:
    """For each context the means over its tokens, [context, lens, place]."""
    wanted, found = Wanted(top=1, targets=True, spread=True), []
    fitted = next((one for one in lenses.values() if one is not None), None)
    end, ahead = (model.n_layers, 0) if fitted is None else (fitted.end, fitted.ahead)
    with watched(progress, "lens_quality", len(contexts)) as tell:
        for rows in contexts.batches(_TOKENS_AT_ONCE):
            states = text_states(model, contexts, rows, sites, end, ahead=ahead)
            shape = (len(rows), contexts.width - ahead)
            final, following = states.final.reshape(*shape, -1), states.next_tokens.reshape(*shape, 1)
            with torch.no_grad():
                said = torch.stack([model.weights.logits(row).argmax(-1) for row in final]).cpu()
            read = []
            for one in lenses.values():
                given = zip(sites, (states_here.reshape(*shape, -1) for states_here in states.places), strict=True)
                places = [Place(*own) if one is None else one.place(*own) for own in given]
                read.append(_means(read_places(model, places, final, wanted, following).statistics, said))
            found.append({name: torch.stack([one[name] for one in read], 1) for name in read[0]})
            tell(rows[-1] + 1)
    return {name: torch.cat([one[name] for one in found]).numpy() for name in found[0]}


def _means(read: dict[str, Tensor], said: Tensor) -> dict[str, Tensor]:
    """[row, place] from [row, place, position]; the last token of a context has no next one."""
    return {
        "kl": read["kl"].double().mean(-1),
        "loss": -read["log_prob"].double().nanmean(-1),
        "agreement": (read["top_token"][..., 0] == said[:, None]).double().mean(-1),
    }


def _table(data: dict[str, Any]) -> Table:
    columns: dict[str, Any] = {"place": [str(one) for one in data["kl"]["place"].values]}
    for name in ("kl", "loss", "agreement"):
        columns |= {f"{name}, {one}": data[name].sel(lens=one).values for one in data[name]["lens"].values}
    return Table(columns)


def _checks(data: dict[str, Any], lens: Artifact | None, contexts: Contexts) -> list[Check]:
    kl, read = data["kl"], f"{len(contexts)} contexts of {contexts.width} tokens"
    ends = lens is None or (lens.config.get("adds", True) and not lens.config.get("ahead", 0))
    if ends:
        found = [Check("the last place is what the model says", float(kl[:, -1].max()), 1e-5, note=read)]
    else:
        found = [Check("tokens read", float(contexts.tokens), note=read)]
    if kl.sizes["lens"] == 2:
        behind = kl[:, :-1] if ends else kl
        worse = int((~(behind[1] < behind[0])).sum())  # NaN is no better
        found.append(Check("places that the fitted lens reads no better than the logit lens", worse, 0))
    return found
