"""Path patching: how much of a part's effect goes along one path through the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from innerworks.data.lifting import Pairs
from innerworks.errors import SiteError
from innerworks.localize.components.direct.writes import check_sums
from innerworks.localize.components.interventions.baselines import Baselines, measured
from innerworks.localize.components.interventions.variants import Sites
from innerworks.localize.components.paths.receivers import (
    FirstPass,
    at_read,
    chosen_receivers,
    refuse_standing_edits,
    said,
)
from innerworks.localize.components.paths.senders import (
    Changes,
    Sender,
    chosen_senders,
    refuse_unmoved_positions,
)
from innerworks.localize.components.paths.views import by_group, with_views
from innerworks.model.engine.progress import Progress
from innerworks.model.metrics import Metric
from innerworks.model.model import Model
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result

__all__ = ["path_patching"]

Direction = Literal["noise", "denoise"]
Mlps = Literal["frozen", "live"]
_LOGIT_TOKENS = 8192
"""How many tokens one forward may have that begins behind the last block: there is little left to compute."""


@technique(
    title="Path patching",
    section="3.2.3",
    question="Which way does a part's effect go?",
    references=("Wang 2023", "Goldowsky-Dill 2023", "Primer 3.2.3"),
    cost=Cost(forwards="3, and for receivers before the logits a part of one for each sender"),
    finish=with_views,
)
def path_patching(
    model: Model,
    pairs: Pairs,
    *,
    senders: Annotated[
        Sites | None, "sites that write, such as at.z[:], at.mlp_out[:] or at.expert_out[:]; by default all heads"
    ] = None,
    receivers: Annotated[
        Sites | Literal["logits"], '"logits", or sites that read, such as at.q[5, 3]; several are patched together'
    ] = "logits",
    mlps: Annotated[Mlps, "what MLPs on the way do: frozen (the direct path), or live (as in Wang et al.)"] = "frozen",
    direction: Annotated[Direction, "noise: the clean run, one path corrupt; denoise: the reverse"] = "noise",
    metric: Annotated[Metric | None, "what is measured; a task brings its own"] = None,
    progress: Progress = None,
) -> Result:
    """How much of each sender's effect reaches the metric along its path to the receivers, all other paths being cut.

    Pass 1: what would the receivers read if only the sender had written what it writes in the other run? Pass 2: put
    that into the receivers, and let everything behind them run. Wang 2023; Goldowsky-Dill 2023. The stream is a sum, so
    with `mlps="frozen"` a receiver reads norm(x + w' - w), with x its stream and w, w' the sender's two writes: the
    direct path and nothing else. The norm is recomputed. With `mlps="live"`, as Wang et al. do it, attention between
    the two is held at what it wrote and MLPs are recomputed, so that paths through them count too. `score` is 0 where
    nothing changes, and 1 where the path does all that changing the prompt does.

    `at.z` and `at.head_out` differ where a norm follows attention (Gemma 2, OLMo 2): a changed `at.z` goes through it
    together with the other heads, a changed `at.head_out` stands behind it. Keys and values that several heads share
    are one receiver. Senders in layers from which no path leads to any receiver are left out.

    What misleads: scores of several senders do not add up, because of the norm and of what comes behind the receivers.
    A path that is cut here may matter together with another. A corrupt prompt that is unlike anything the model knows
    shows how it breaks, not how it works.
    """
    check_sums(model)
    refuse_standing_edits(model)
    ends, first, reaching = _prepared(model, pairs, senders, receivers, mlps == "live", direction, metric)
    swept = model.sweep(
        list(first.prompts),
        first.edits(reaching),
        metric,
        max_tokens=_LOGIT_TOKENS if all(site.name == "resid_post" for site in first.receivers) else None,
        progress=progress,
    )
    values = {sender: swept[sender] for sender in reaching}
    score = ends.destroyed if direction == "noise" else ends.restored
    scores = {sender: score(value) for sender, value in values.items()}
    data = ends.with_ends(by_group("score", scores) | by_group("metric", values))
    checks = [
        Check("a row without edits came out this far off", swept.spread, note="in units of the metric"),
        *_adds_up(first, reaching),
    ]
    return Result(data=data, checks=checks, title=f"Paths into {said(model, first.receivers)}")


def _prepared(
    model: Model, pairs: Pairs, senders: Any, receivers: Any, live: bool, direction: Direction, metric: Any
) -> tuple[Baselines, FirstPass, list[Sender]]:
    """The two runs, the first pass that stands on them, and the senders from which a path leads to a receiver."""
    sending = chosen_senders(model, senders)
    where = None if metric is None else model.bind(metric, model.batch(pairs.clean)).where
    receiving = chosen_receivers(model, receivers, where if isinstance(where, int) else "all")
    for site in [*(sender.site for sender in sending), *receiving]:
        refuse_unmoved_positions(pairs, site)
    sites = list(dict.fromkeys([*Changes.sites(model, sending), *FirstPass.sites(model, receiving, live)]))
    ends = measured(model, pairs, metric, clean=sites, corrupt=sites)
    noising = direction == "noise"
    base_run, donor_run = (ends.clean_run, ends.corrupt_run) if noising else (ends.corrupt_run, ends.clean_run)
    places = pairs.map if noising else [(corrupt, clean) for clean, corrupt in pairs.map]
    changes = Changes(model, base_run, donor_run, places)
    prompts = pairs.clean if noising else pairs.corrupt
    first = FirstPass(model, prompts, base_run, changes, receiving, live)
    reaching = [one for one in sending if any(first.reaches(one, site) for site in receiving)]
    if not reaching:
        halves = ", and both halves of a parallel block read the same" if model.anatomy.parallel else ""
        raise SiteError(
            f"no path leads from {sending[0].site} to {receiving[0]}: a sender must write to the stream before the "
            f"receiver reads it{halves}."
        )
    return ends, first, reaching


def _adds_up(first: FirstPass, senders: Sequence[Sender]) -> list[Check]:
    """Where the senders are all that writes, their changes against that of the stream they write to."""
    final, changes = first.receivers[0], first.changes
    whole = len(first.receivers) == 1 and final.name == "resid_post" and _all_that_writes(first.model, senders)
    if not whole or first.live or changes.places != [(i, i) for i in range(len(first.prompts[0]))]:
        return []
    written = sum(at_read(changes.of(sender), final) for sender in senders)
    size = float(max(abs(at_read(changes.of(sender), final)).max() for sender in senders))
    off = abs(changes.donor[final] - changes.base[final] - written).max()
    rounding = first.model.rounding
    return [Check("changed writes sum to the changed stream", float(off), 32 * rounding * size * len(senders) ** 0.5)]


def _all_that_writes(model: Model, senders: Sequence[Sender]) -> bool:
    """Whether the senders are every part of the model, each whole and once."""
    if any(sender.site.pos is not None for sender in senders):
        return False
    places: set[tuple[str | int, ...]] = {(sender.group, *sender.place) for sender in senders}
    wanted: set[tuple[str | int, ...]] = {("embed",)} | {
        (kind, n) for kind in ("mlp", "mixer") for n in model.layers_with(f"{kind}_out")
    }
    for layer in model.layers_with("attn_out"):
        heads: set[tuple[str | int, ...]] = {("head", layer, head) for head in range(model.n_heads)}
        separate = heads <= places and model.weights.attn_post(layer) is None
        wanted |= heads if separate else {("attn", layer)}
    return places == wanted
