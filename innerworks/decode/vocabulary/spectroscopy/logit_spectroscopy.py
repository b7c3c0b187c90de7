"""Logit spectroscopy: what of the stream is for logits, what is not, and who attends to what is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch

from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.spectroscopy.bands import Bands, Table, bands_of
from innerworks.decode.vocabulary.spectroscopy.views import with_views
from innerworks.errors import SiteError
from innerworks.model.edits import make
from innerworks.model.engine.progress import Progress
from innerworks.model.metrics import Metric
from innerworks.model.metrics.made import nll
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, labelled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["logit_spectroscopy"]

_STREAM = ("embed", "resid_pre", "resid_mid", "resid_post")


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
    places = _places(model, site, prompts.width, spare)
    if not 0 < dark < 1:
        raise SiteError(f"dark={dark}: the share of directions called dark lies between 0 and 1.")
    cut = bands_of(model, table, bands)
    variants = {
        (treatment, band): [
            make.project_out(place, (cut.rows if treatment == "suppress" else cut.rest)(band)) for place in places
        ]
        for treatment in ("suppress", "keep")
        for band in range(bands)
    }
    swept = model.sweep(list(prompts), variants, nll() if metric is None else metric, progress=progress)
    found = torch.stack(
        [torch.stack([swept[way, band] for band in range(bands)], 1) for way in ("suppress", "keep")], 1
    )
    coords = {"treatment": ["suppress", "keep"]}
    clean = swept.baseline
    data = {
        "metric": labelled(found, ("example", "treatment", "band"), coords=coords),
        "effect": labelled(found - clean[:, None, None], ("example", "treatment", "band"), coords=coords),
        "clean": labelled(clean, ("example",)),
        "singular": labelled(cut.values, ("direction",)),
    }
    data |= _signals(model, prompts, cut, dark)
    count = _dark_count(model, dark)
    checks = [
        Check("projectors of the bands less the identity", cut.off(), 1e-5, "within"),
        Check("spread of the sweep", swept.spread),
        Check("share of dark directions in the squared singular values", _share(cut.values, count)),
    ]
    return Result(data=data, checks=checks)


def _places(model: Model, site: Any, width: int, spare: int) -> list[Site]:
    """The single places of the stream that are edited."""
    place = at(site)
    if place.name not in _STREAM or place.basis is not None:
        raise SiteError(f"site={place}: bands are of the stream: name {', '.join(f'at.{one}' for one in _STREAM)}.")
    if spare < 0 or spare >= width:
        raise SiteError(f"spare={spare}: the prompt has {width} tokens, of which some must be left to edit.")
    if spare and place.pos is not None:
        raise SiteError(f"site={place} names positions itself: leave out spare={spare}.")
    model.anatomy.check(place)
    found = model.anatomy.concrete(place) if place.kind.layered else [place]
    return [one @ tuple(range(spare, width)) if spare else one for one in found]


def _dark_count(model: Model, dark: float) -> int:
    return max(1, round(dark * model.d_model))


def _share(values: Tensor, count: int) -> float:
    squares = values.double().square()
    return float(squares[-count:].sum() / squares.sum())


def _received(pattern: Tensor) -> Tensor:
    """What later tokens pay to each, over heads: [row, head, query, key] to [row, key]; 0 for the last."""
    later = torch.ones(pattern.shape[-2:], dtype=torch.bool, device=pattern.device).tril(-1)
    paid = (pattern.float() * later).mean(1).sum(1)
    return paid / later.sum(0).clamp(min=1)


def _signals(model: Model, prompts: Prompts, cut: Bands, dark: float) -> Mapping[str, Any]:
    """Energies of what enters every layer, and the attention that is paid there."""
    layers = list(range(model.n_layers))
    looking = [layer for layer in model.layers_with("pattern")]
    capture: dict[Any, Any] = {at.resid_pre[layer]: None for layer in layers}
    capture |= {at.pattern[layer]: _received for layer in looking}
    run = model.run(list(prompts), capture=capture, logits=None)
    stream = torch.stack([run[at.resid_pre[layer]].to(cut.vectors) for layer in layers], 1)
    count = _dark_count(model, dark)
    tail = Bands(cut.values, cut.vectors, (0, len(cut.vectors) - count, len(cut.vectors)))
    darkness = tail.energy(stream)[..., 1]
    none = darkness.new_full(darkness[:, 0].shape, torch.nan)
    paid = [run[at.pattern[layer]].to(darkness) if layer in looking else none for layer in layers]
    received = torch.stack(paid, 1)
    received[..., -1] = torch.nan  # no token comes after the last
    where = ("example", "layer", "position")
    return {
        "energy": labelled(cut.energy(stream), (*where, "band")),
        "dark": labelled(darkness, where),
        "received": labelled(received, where),
        "correlation": labelled(_correlation(darkness[..., :-1], received[..., :-1]), ("example", "layer")),
    }


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's, over the last dimension; NaN where either does not vary or there are fewer than three."""
    if one.shape[-1] < 3:
        return one.new_full(one.shape[:-1], torch.nan)
    away, beside = (each - each.mean(-1, keepdim=True) for each in (one, other))
    found: Tensor = (away * beside).sum(-1) / (away.norm(dim=-1) * beside.norm(dim=-1))
    return found
