"""Attribution patching: what activation patching would find, estimated for all places at once from gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from torch import Tensor

from innerworks.data.lifting import Pairs
from innerworks.errors import InnerworksError
from innerworks.localize.components.approximation.agreement import against_exact
from innerworks.localize.components.approximation.attention import fixes, read_beside
from innerworks.localize.components.approximation.estimates import (
    Estimated,
    along_paths,
    at_the_base,
    block_by_block,
)
from innerworks.localize.components.approximation.nodes import Direction, Ends, Nodes, nodes_of, whole_sites
from innerworks.localize.components.approximation.views import with_views
from innerworks.localize.components.interventions.baselines import measured
from innerworks.localize.components.interventions.variants import as_sites
from innerworks.model.engine.progress import Progress
from innerworks.model.metrics import Metric
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.registry import Cost, technique
from innerworks.results import Result, labelled

__all__ = ["attribution_patching"]

Method = Literal["plain", "star", "integrated"]


@technique(
    title="Attribution patching",
    section="3.2.2",
    question="Which parts of the model matter, at the price of one gradient?",
    references=("Nanda 2023", "Kramár 2024", "Syed 2023", "Hanna 2024"),
    cost=Cost(forwards="3, and what `exact` takes", backwards="1; star: half a backward more per layer"),
    finish=with_views,
)
def attribution_patching(
    model: Model,
    pairs: Pairs,
    sites: Annotated[Site | Sequence[Site], "what is patched: at.z[:], or a list such as [at.q[:], at.k[:]]"],
    *,
    method: Annotated[Method, "plain: one gradient; star: AtP*; integrated: along a path"] = "plain",
    direction: Annotated[Direction, "noise: corrupt values into the clean run; denoise: clean into corrupt"] = "noise",
    each: Annotated[
        Sequence[str] | None, 'what is patched one at a time, such as ("layer", "head", "position")'
    ] = None,
    steps: Annotated[int, "points on the path of method='integrated'"] = 10,
    metric: Annotated[Metric | None, "what is measured; a task brings its own"] = None,
    exact: Annotated[int, "how many variants to patch exactly, to compare with; 0 for none"] = 32,
    seed: Annotated[int, "draws the variants that are patched exactly"] = 0,
    progress: Progress = None,
) -> Result:
    """Which places matter to an answer, estimated from gradients instead of patched one by one.

    The estimate of what putting h' for h does to the metric m is (h' - h) · ∂m/∂h, the gradient taken where nothing is
    patched: in the clean run for "noise", in the corrupt one for "denoise". `score` is its share of the way to the
    other run's metric, `metric` the metric that it predicts. Values move between aligned tokens. Nanda 2023.

    "star" is AtP* (Kramár et al. 2024). Queries and keys are exact through the softmax: the attention pattern is
    worked out with the other run's queries, or with one key of it at a time (all keys at once, unless "position" is in
    `each`), and the change of the pattern is multiplied with ∂m/∂pattern. `size` is GradDrop: the mean, over blocks
    held still one at a time, of the estimate's size, that of a place's own block left out (Σ over L blocks / (L - 1));
    a place of the stream itself is in no block and has L. A head's z, values, neurons and the stream have nothing to
    fix: their `score` is the plain one. A head's estimate is that of its z, no sum over its queries, keys and values.

    "integrated" takes the mean gradient over `steps` Gauss-Legendre points between h and h'. All places of one layer
    move together, other layers do not, so that a layer's estimates add up to its joint effect.

    What misleads: far from h the line is not the function. A saturated softmax has no gradient and hides queries and
    keys; effects that cancel hide a place; whole layers of the stream are too large a step. The router of a mixture
    keeps its choice in a gradient and not under a patch. `exact` says how far it went here.
    """
    if exact < 0 or steps < 1:
        raise InnerworksError(f"exact={exact}, steps={steps}: exact is at least 0 and steps at least 1.")
    named = as_sites(model, sites)
    ends = _ends(model, pairs, named, metric, method, direction)
    kinds = nodes_of(model, ends, named, each)
    estimated = _estimated(ends, kinds, metric, method, steps, progress)
    scores = {kind: ends.score(effects) for kind, effects in estimated.effects.items()}
    sizes = {kind: ends.score(size).abs() for kind, size in estimated.sizes.items()}
    scores, sizes = (
        {nodes.site.name: nodes.by_clean_position(found[nodes.site.name]) for nodes in kinds if found}
        for found in (scores, sizes)
    )
    data = _data(ends, kinds, estimated, scores, sizes)
    title = f"Attribution patching ({method}, {direction}) of {metric}"
    if not exact:
        return Result(data=data, title=title)
    agreement = against_exact(model, ends, kinds, scores, sizes, metric, exact, seed, progress)
    return Result(data=data, tables={"exact": agreement.table}, checks=agreement.checks, title=title)


def _ends(model: Model, pairs: Pairs, named: list[Site], metric: Any, method: Method, direction: Direction) -> Ends:
    """Both runs, with what the estimates need of them."""
    wanted = whole_sites(named)
    base = list(wanted)
    for site in wanted:
        concrete = model.anatomy.concrete(site)
        if method == "star" and fixes(site):
            base += [one for place in concrete for one in read_beside(model, place)]
        if method == "integrated" and site.kind.layered:
            base += [at.resid_pre[model.anatomy.block_of(place)] for place in concrete]
    base = list(dict.fromkeys(one for site in base for one in model.anatomy.concrete(site)))
    noise = direction == "noise"
    clean, corrupt = (base, wanted) if noise else (wanted, base)
    return Ends(pairs, measured(model, pairs, metric, clean=clean, corrupt=corrupt), direction)


def _estimated(
    ends: Ends, kinds: list[Nodes], metric: Any, method: Method, steps: int, progress: Progress
) -> Estimated:
    if method == "plain":
        return at_the_base(ends, kinds, metric)
    if method == "star":
        return block_by_block(ends, kinds, metric)
    return along_paths(ends, kinds, metric, steps, progress)


def _data(
    ends: Ends, kinds: list[Nodes], estimated: Estimated, scores: dict[str, Tensor], sizes: dict[str, Tensor]
) -> dict[str, Any]:
    """The arrays of each kind, named by it where there are several."""
    data: dict[str, Any] = {}
    for nodes in kinds:
        kind = nodes.site.name
        name = "" if len(kinds) == 1 else f"_{kind}"
        effects = nodes.by_clean_position(estimated.effects[kind])
        base = ends.base_values.to(effects).reshape(-1, *[1] * (effects.dim() - 1))
        arrays = {"metric": base + effects, "score": scores[kind]} | ({"size": sizes[kind]} if sizes else {})
        dims = ("example", *nodes.each)
        data |= {f"{what}{name}": labelled(array, dims, coords=nodes.coords) for what, array in arrays.items()}
    return ends.baselines.with_ends(data)
