"""Fitting a map between the states of two places, of one model or of two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from innerworks.data.corpus import Contexts, Corpus
from innerworks.decode.vocabulary.patchscopes.answers import same_words
from innerworks.decode.vocabulary.translators.affine import STATE_MAP
from innerworks.decode.vocabulary.translators.fitting import Fit
from innerworks.decode.vocabulary.translators.state_sums import StatePairs, StateSums
from innerworks.errors import InnerworksError, SiteError
from innerworks.model.engine.progress import Progress
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.registry import Cost, technique
from innerworks.results import Artifact

__all__ = ["fit_state_map"]

_WIDE = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mixer_out", "mlp_out", "shared_out")


@technique(
    title="Fitting a map between states",
    section="4.3.1",
    question="Which affine map leads from one place's states to another's, in the same model or another?",
    references=("Din 2023, arXiv:2303.09435", "Ghandeharioun 2024, arXiv:2401.06102", "Primer 4.3.1"),
    cost=Cost(forwards="one of the text in each model"),
)
def fit_state_map(
    model: Model,
    corpus: Corpus,
    *,
    site: Annotated[Site, "the states that are mapped, a map for each layer"],
    target: Annotated[Site, "the states they lead to: of one layer, or of as many"],
    target_model: Annotated[Model | None, "whose states those are; by default the same model's"] = None,
    ridge: Annotated[float, "the penalty, in units of the middle variance of the states' coordinates"] = 1e-3,
    tokens: Annotated[int, "how many tokens of the text to read about"] = 65536,
    held_out: Annotated[float, "which share of the text is kept to test the maps on"] = 0.1,
    out: Annotated[Path | None, "the folder of the maps; an unfinished fit is kept beside it and gone on with"] = None,
    progress: Progress = None,
) -> Artifact:
    """Affine maps h A + b from the states of one place to those of another, for `mapping=` of `iw.patchscope`.

    A and b minimise Σ ‖h[t] A + b − h'[t]‖² over the text's tokens (the first of each context left out), with a small
    penalty on A. h' are states of the same tokens in another layer, or in another model with the same tokenizer.
    `r2` has for each map the share of h' variance that it explains on text that was left out, `r2_each` that of each
    coordinate. A map to one layer's stream of the same model is also a lens: `iw.logit_lens(…, lens=map)`. Din 2023;
    Ghandeharioun 2024 for maps between models.

    What misleads: in most models a few coordinates of the stream are huge, and r2 is theirs; look at the median of
    r2_each. A map that was fitted on text can know what usually comes there. A good R² says that the states can be
    had from each other, not that they are used alike.
    """
    into = target_model or model
    if into is not model and not same_words(model, into):
        raise InnerworksError(
            f"{into.name or 'target_model'} has another tokenizer or vocabulary than {model.name or 'the model'}: a "
            "map is fitted on the same tokens at the same places in both. Take models of one family."
        )
    if not ridge >= 0 or tokens < 1:
        raise InnerworksError(f"ridge={ridge}, tokens={tokens}: a penalty of 0 or more, and 1 or more tokens.")
    if corpus.context < 2:
        raise InnerworksError(
            f"contexts of {corpus.context} token: their first tokens are left out, so take 2 or more."
        )
    sources, targets = _sites(model, site, "site"), _sites(into, target, "target")
    if len(targets) not in (1, len(sources)):
        raise SiteError(
            f"site={site} names {len(sources)} layers and target={target} {len(targets)}: name one, or as many."
        )
    targets = targets * len(sources) if len(targets) == 1 else targets
    pairs = StatePairs(model, tuple(sources), into, tuple(targets))

    def begin(text: Contexts, restored: bool) -> StateSums:
        return StateSums(text, pairs, ridge, tokens)

    said: dict[str, Any] = {
        "places": list(map(str, sources)),
        "targets": list(map(str, targets)),
        "layers": [one.layer for one in sources],
        "into": into.fingerprint,
        "end": _end(targets) if into is model else None,
        "adds": False,
    }
    how = {"ridge": ridge, "tokens": tokens}
    return Fit("fit_state_map", STATE_MAP, model, corpus, said, how, begin, held_out, out, progress).artifact()


def _sites(model: Model, given: Site | str, option: str) -> list[Site]:
    """The single places that are named, each a state of the stream's width at every token."""
    site = at(given)
    if site.name not in _WIDE or site.basis is not None or site.pos is not None:
        raise SiteError(
            f"{option}={site}: a map is between states of the stream's width at all positions, such as "
            f"at.resid_post[8] or at.resid_post[:]; it takes {', '.join(_WIDE)}."
        )
    if site.layer is None:
        raise SiteError(f"{option}={site} is in every layer: write at.{site.name}[:] for all, or at.{site.name}[5].")
    model.anatomy.check(site)
    found = [replace(one, pos=None) for one in model.anatomy.concrete(site)]
    if len(set(found)) < len(found):
        raise SiteError(f"{option}={site} names a layer twice: name each once.")
    return found


def _end(targets: list[Site]) -> int | None:
    """How many blocks have written to the one stream that all maps lead to, if it is one."""
    [first, *others] = dict.fromkeys(targets)
    return first.layer + 1 if not others and first.name == "resid_post" and isinstance(first.layer, int) else None
