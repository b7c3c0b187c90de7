"""Logit spectroscopy: what of the stream is for logits, what is not, and who attends to what is not."""

from __future__ import annotations

from typing import Annotated

import torch

from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.spectroscopy.bands import TREATMENTS, Table, bands_of, places_of
from innerworks.decode.vocabulary.spectroscopy.signals import dark_count, signals_of
from innerworks.decode.vocabulary.spectroscopy.views import with_views
from innerworks.model.engine.progress import Progress
from innerworks.model.metrics import Metric
from innerworks.model.metrics.made import nll
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, labelled

__all__ = ["logit_spectroscopy"]


@technique(
    title="Logit spectroscopy",
    section="4.3.3",
    question="Which part of the stream is for logits, and what is the rest for?",
    references=("Cancedda 2024", "Primer 4.3.3"),
    cost=Cost(forwards="1 + 2 for each band"),
    finish=with_views,
)
def logit_spectroscopy(
    model: Model,
    prompts: Prompts,
    *,
    bands: Annotated[int, "into how many bands the stream's directions are cut"] = 10,
    site: Annotated[Site, "where bands are kept and suppressed: a place of the stream"] = at.resid_post[-1],
    metric: Annotated[Metric | None, "what is measured: the prompt's own loss, a task's metric, or another"] = None,
    spare: Annotated[int, "how many first tokens are left as they are"] = 0,
    dark: Annotated[float, "which share of the directions, the quietest, is called dark"] = 0.05,
    table: Annotated[Table, "whose singular vectors: the unembedding's or the embedding's"] = "unembed",
    progress: Progress = None,
) -> Result:
    """What predictions lose where a band of the stream's directions is taken out, and where it alone is kept.

    Directions are the singular vectors of the unembedding on the stream's side, the final norm folded in, loudest
    first; a band is a run of them, B, and its projector x ↦ x Bᵀ B. `effect` is the metric less its value without
    edits (`clean`), for each `treatment`: "suppress" takes x Bᵀ B out of the stream at `site`, "keep" leaves nothing
    else. `energy` is the share ‖x Bᵀ‖² / ‖x‖² of each band in what enters each layer, at each token. `dark` is that of
    the quietest directions, which hardly move a logit, and `received` the attention that later tokens pay to a token
    there, over heads; `correlation` is between the two, over the tokens of a prompt but its last. Cancedda 2024.

    What misleads: a band that is taken out leaves the stream shorter, and the final norm then makes all logits larger.
    The quietest band can be half of the stream, and much of what taking it out costs is that. In most models the
    dark signal is large on the first token, where attention rests that has nothing to do: a high correlation can be
    one token's, so look at `dark` and `received`, and let the first be (`spare=1`) when bands are taken out before the
    last layer. A vector at random has a share of `dark` itself in the dark band. The embedding's bands are not logits'.
    """
    places = places_of(model, site, prompts.width, spare)
    cut = bands_of(model, table, bands)
    dark_count(model, dark)
    variants = {(way, band): cut.edits(places, way, band) for way in TREATMENTS for band in range(bands)}
    swept = model.sweep(list(prompts), variants, nll() if metric is None else metric, progress=progress)
    found = torch.stack([torch.stack([swept[way, band] for band in range(bands)], 1) for way in TREATMENTS], 1)
    coords = {"treatment": list(TREATMENTS)}
    clean = swept.baseline
    data = {
        "metric": labelled(found, ("example", "treatment", "band"), coords=coords),
        "effect": labelled(found - clean[:, None, None], ("example", "treatment", "band"), coords=coords),
        "clean": labelled(clean, ("example",)),
        "singular": labelled(cut.values, ("direction",)),
    }
    seen = signals_of(model, list(prompts), cut, dark)
    where = ("example", "layer", "position")
    data |= {
        "energy": labelled(seen.energy, (*where, "band")),
        "dark": labelled(seen.dark, where),
        "received": labelled(seen.received, where),
        "correlation": labelled(seen.correlation, ("example", "layer")),
    }
    checks = [
        Check("projectors of the bands less the identity", cut.off(), 1e-5, "within"),
        Check("spread of the sweep", swept.spread),
        Check("share of dark directions in the squared singular values", cut.loudness(dark_count(model, dark))),
    ]
    return Result(data=data, checks=checks)
