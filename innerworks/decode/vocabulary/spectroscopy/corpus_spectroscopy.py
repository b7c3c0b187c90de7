"""Logit spectroscopy over a text: what bands are worth, and who attends to the dark signal, on average."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from innerworks.data.corpus import Contexts, Corpus
from innerworks.data.corpus.passes import PassStopped
from innerworks.decode.vocabulary.spectroscopy.bands import TREATMENTS, Bands, Table, bands_of, places_of
from innerworks.decode.vocabulary.spectroscopy.signals import dark_count
from innerworks.decode.vocabulary.spectroscopy.text_scan import Plan, Seen, kept_in, scanned
from innerworks.errors import OptionError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, View, labelled

__all__ = ["corpus_spectroscopy"]


@technique(
    title="Logit spectroscopy of a text",
    section="4.3.3",
    question="Which bands of the stream do predictions need throughout a text, and who attends to the dark signal?",
    references=("Cancedda 2024", "Primer 4.3.3"),
    cost=Cost(forwards="per context: 2 + 2 for each band and place"),
)
def corpus_spectroscopy(
    model: Model,
    corpus: Corpus,
    *,
    bands: Annotated[int, "into how many bands the stream's directions are cut"] = 10,
    site: Annotated[Site, "where bands are kept and suppressed; of several layers, each alone"] = at.resid_post[-1],
    spare: Annotated[int, "how many first tokens of a context are left as they are"] = 0,
    dark: Annotated[float, "which share of the directions, the quietest, is called dark"] = 0.05,
    table: Annotated[Table, "whose singular vectors: the unembedding's or the embedding's"] = "unembed",
    at_once: Annotated[int, "how many tokens of text to take at once"] = 2048,
    out: Annotated[Path | None, "a folder to keep what was done in, and to go on from"] = None,
    save_every: Annotated[float, "how many seconds lie between savings"] = 30.0,
    progress: Progress = None,
) -> Result:
    """What a text's predictions lose where a band is taken out, or alone is kept, and where its dark signal is.

    Bands and treatments are those of `logit_spectroscopy`. `effect` [treatment, site, band] is the mean, over the
    contexts of the text, of the loss in nats per token with a band taken out of the stream ("suppress") or alone left
    there ("keep") at one place, less the loss without (`clean`); `effect_low` and `effect_high` are the ends of its
    95 % interval, 1.96 standard errors over contexts away. `energy` [layer, band] is the share of each band in the
    squared length of what enters a layer, `dark` [layer, position] that of the quietest directions, `received` the
    attention that later tokens of the context pay to the position, over heads. `correlation` [layer] is between the two
    over all tokens of the text but the last of each context, `correlation_behind_first` without each context's first
    either. One pass, whose memory does not depend on the length of the text; with `out` it goes on where it was
    stopped. Cancedda 2024.

    What misleads: contexts of one document are alike, so intervals over contexts are too narrow where documents are
    few. The first token of a context is no beginning of a text, and still a sink: of the two correlations believe the
    one behind the first. Attention received falls with the position, since there are fewer tokens to come and more to
    share with: within one position (`dark` against `received` there) nothing is said. For the rest, see
    `logit_spectroscopy`.
    """
    if at_once < 1:
        raise OptionError(f"at_once={at_once}: give a whole number of tokens, 1 or more.")
    contexts = corpus.contexts(model)
    places = places_of(model, site, contexts.width, spare)
    cut = bands_of(model, table, bands)
    quietest = dark_count(model, dark)
    names = tuple(str(place.whole if spare else place) for place in places)
    plan = Plan(bands, names, spare, dark, table, at_once)
    folder = None if out is None else kept_in(Path(out), model, contexts, plan)
    total = len(contexts)
    with closing(scanned(model, contexts, cut, places, plan, folder, save_every)) as steps:
        seen = next(steps)
        try:
            with watched(progress, "corpus_spectroscopy", total) as tell:
                for seen in steps:
                    tell(seen.done)
        except KeyboardInterrupt:
            if not seen.done:
                raise
            raise PassStopped(_result(seen, contexts, cut, plan, quietest), seen.done, total, out) from None
    return _result(seen, contexts, cut, plan, quietest)


def _result(seen: Seen, contexts: Contexts, cut: Bands, plan: Plan, quietest: int) -> Result:
    where: dict[str, Any] = {"dims": ("treatment", "site", "band")}
    where["coords"] = {"treatment": list(TREATMENTS), "site": list(plan.sites)}
    (low, high), (clean_low, clean_high) = seen.effect.interval(), seen.clean.interval()
    data = {
        "effect": labelled(seen.effect.known, **where),
        "effect_low": labelled(low, **where),
        "effect_high": labelled(high, **where),
        "clean": labelled(seen.clean.known, ()),
        "energy": labelled(seen.energy.known, ("layer", "band")),
        "dark": labelled(seen.dark.known, ("layer", "position")),
        "received": labelled(seen.signals.other.known, ("layer", "position")),
        "correlation": labelled(seen.signals.correlation(), ("layer",)),
        "correlation_behind_first": labelled(seen.signals.correlation(first=1), ("layer",)),
        "singular": labelled(cut.values, ("direction",)),
    }
    ends = f"95 %: {float(clean_low):.3g} to {float(clean_high):.3g}"
    checks = [
        Check("projectors of the bands less the identity", cut.off(), 1e-5, "within"),
        Check("contexts that were seen", seen.done, note=f"of {len(contexts)}, with {contexts.width} tokens each"),
        Check("loss of the text, nats per token", float(seen.clean.known), note=ends),
        Check("share of dark directions in the squared singular values", cut.loudness(quietest)),
    ]
    return Result(data=data, checks=checks, views=_views(data, plan))


def _views(data: dict[str, Any], plan: Plan) -> dict[str, View]:
    effect = data["effect"]
    views: dict[str, View] = {}
    for way in TREATMENTS:
        grid = effect.sel(treatment=way).values
        views[way] = View.heatmap(
            grid, plan.sites, range(plan.bands), row_title="site", column_title="band, loudest first", label="effect",
            title=f"Change of the loss: {way}",
        )  # fmt: skip
    lines = {name: data[name].values for name in ("correlation", "correlation_behind_first")}
    views["correlation"] = View.series(lines, x_title="layer", title="Dark signal and attention received")
    for name, title in (("dark", "Dark share of the stream"), ("received", "Attention from later tokens")):
        grid = data[name].values
        views[name] = View.heatmap(
            grid, range(grid.shape[0]), range(grid.shape[1]), row_title="layer", column_title="position", label=name,
            title=title,
        )  # fmt: skip
    if len(plan.sites) == 1:
        ways = {way: effect.sel(treatment=way).values[0] for way in TREATMENTS}
        views["bands"] = View.series(
            ways, x_title="band, loudest first", y_title="change of the loss", title=f"Bands at {plan.sites[0]}"
        )
    return views
