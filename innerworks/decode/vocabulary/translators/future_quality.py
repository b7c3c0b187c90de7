"""Which way reads later tokens best from one state, on text that nothing was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor

from innerworks.data.corpus import Contexts, Corpus
from innerworks.data.intervals import mean_intervals
from innerworks.decode.vocabulary.lenses.distributions import chunks
from innerworks.decode.vocabulary.translators.affine import Translators
from innerworks.decode.vocabulary.translators.carriers import LEARNED_PROMPT, of_artifact, of_words
from innerworks.decode.vocabulary.translators.counted import Counted
from innerworks.decode.vocabulary.translators.fitted import fitted_lens
from innerworks.decode.vocabulary.translators.fitting import tokens_ahead
from innerworks.decode.vocabulary.translators.future_lens import FIXED_PROMPT
from innerworks.decode.vocabulary.translators.future_ways import Ways, measured
from innerworks.decode.vocabulary.translators.held_out import left_out, unseen
from innerworks.decode.vocabulary.translators.learned_prompt import chosen_layers
from innerworks.decode.vocabulary.translators.text_states import continued_states
from innerworks.decode.vocabulary.translators.vocabulary_maps import VocabularyMaps
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.model.sites import Site, at
from innerworks.registry import Cost, technique
from innerworks.results import Artifact, Check, Result, Table, View, labelled
from innerworks.results.arrays import text_array

__all__ = ["future_quality"]

_TOKENS_AT_ONCE = 256
_SHARE = 0.1


def _with_views(result: Result) -> Result:
    views = {"table": View.table(result.tables["ways"], title="By way and layer")}
    for name, title in (("precision_1", "Share right"), ("surprisal", "Mean surprisal, nats")):
        array = result.data[name]
        rows, layers = ([str(one) for one in array[dim].values] for dim in ("way", "layer"))
        views[name] = View.heatmap(
            array.values, rows, layers, row_title="way", column_title="layer", label=name, title=title
        )
    return replace(result, views=views)


@technique(
    title="How well the future is read",
    section="4.3.1",
    question="Which way reads the tokens to come best from one state, and is it better than what usually comes?",
    references=("Pal 2023, arXiv:2311.04897", "Primer 4.3.1"),
    cost=Cost(
        forwards="those of the text, and for each layer three of every carrying prompt behind each of its tokens"
    ),
    finish=_with_views,
)
def future_quality(
    model: Model,
    corpus: Corpus,
    *,
    words: Annotated[Artifact | None, "a linear map into words, iw.fit_vocabulary_lens(…, ahead=…)"] = None,
    states: Annotated[Artifact | None, "a linear map to later states, iw.fit_tuned_lens(…, ahead=…)"] = None,
    prompt: Annotated[Artifact | None, "a learned prompt, iw.fit_learned_prompt(…)"] = None,
    text: Annotated[str, "a prompt of words, whose last token the state replaces; '' for none"] = FIXED_PROMPT,
    layers: Annotated[tuple[int, ...] | None, "whose states; by default those that all were fitted for"] = None,
    ahead: Annotated[int | None, "how many tokens behind the next one; by default as fitted, or 1"] = None,
    tokens: Annotated[int, "how many tokens of the text to read at most"] = 512,
    max_tokens: Annotated[int | None, "how many tokens one forward may have"] = None,
    progress: Progress = None,
) -> Result:
    """How well each way says from h[l, t] alone which token is t+1+n, n = `ahead`, on text held out of every fit.

    For each way and layer `precision_1` and `precision_5` (the text's token is the first guess, or one of five),
    `surprisal` (mean -log p of it, nats), and `agreement` (the first guess is that of the model, which has read
    everything), with bootstrap intervals over contexts. Beside the four ways of Pal 2023 stand what is counted in the
    rest of the text: the usual tokens ("unigram"), what comes so far behind the token t ("the token alone"), what comes
    behind token t+n ("the token before"), and "the model" itself. The two prompts are read behind the text's own tokens
    t+1 … t+n, as in the paper, and "on its own", behind those they write.

    What misleads: a prompt that is read behind the text's own tokens knows the token before, as "the token before"
    does, and the linear ways do not: compare them with "on its own". What is fitted also learns what usually comes in
    such text, so no way is of note that is not better than "the token alone". Counts of a small text are poor
    baselines.
    """
    fitted = {"words": words, "states": states, "prompt": prompt}
    given = [one for one in fitted.values() if one is not None]
    further = _ahead(ahead, given)
    contexts, rest = _held_out(corpus.contexts(model), given)
    tokens_ahead(further, contexts.width)
    if tokens < contexts.width:
        raise InnerworksError(f"tokens={tokens}: at least one context of {contexts.width}.")
    chosen = _layers(model, layers, fitted)
    linear_words, linear_states = (None if one is None else fitted_lens(one, model) for one in (words, states))
    if not isinstance(linear_words, VocabularyMaps | None) or not isinstance(linear_states, Translators | None):
        raise InnerworksError(
            "words= takes a fitted vocabulary-lens, and states= a fitted tuned-lens: they were given the other way."
        )
    if linear_states is not None and linear_states.end != model.n_layers:
        raise InnerworksError(
            f"states= leads to layer {linear_states.end - 1}, and words are read from the last: fit it without end."
        )
    prompts = {} if not text else {"fixed prompt": of_words(model, text, chosen)}
    if prompt is not None:
        prompts["learned prompt"] = of_artifact(model, prompt, chosen)
    counted = Counted(rest.ids, model.n_vocab)
    ways = Ways(model, chosen, further, counted, linear_states, linear_words, prompts, max_tokens)
    read = replace(contexts, ids=contexts.ids[: max(1, tokens // contexts.width)], left_over=0)
    found = _rows(ways, read, progress)
    return _result(found, chosen, further, read)


def _ahead(ahead: int | None, given: Sequence[Artifact]) -> int:
    """How far all of them read; a prompt reads any distance up to its own."""
    exact = {int(one.config.get("ahead", 0)) for one in given if one.kind != LEARNED_PROMPT}
    learned = [int(one.config["ahead"]) for one in given if one.kind == LEARNED_PROMPT]
    found = ahead if ahead is not None else min(exact, default=min(learned, default=1))
    if exact - {found}:
        raise InnerworksError(
            f"ahead={found}, and a lens that was given reads {sorted(exact - {found})[0]} tokens further on: fit all "
            "for the same number."
        )
    return found


def _held_out(contexts: Contexts, given: Sequence[Artifact]) -> tuple[Contexts, Contexts]:
    """What is read, and what is counted: of a text that was fitted on, what every fit left out, and the rest."""
    known = {number for number, one in enumerate(given) if left_out(contexts, one) is not None}
    shares = {float(given[number].config["text"]["share"]) for number in known}
    if len(shares) > 1:
        raise InnerworksError(
            f"these were fitted on this text with held_out={' and '.join(map(str, sorted(shares)))}: what one left out "
            "the other has seen. Fit them with the same held_out."
        )
    rest, read = contexts.split(next(iter(shares), _SHARE))
    return unseen(read, [one for number, one in enumerate(given) if number not in known]), rest


def _layers(model: Model, layers: tuple[int, ...] | None, fitted: dict[str, Artifact | None]) -> tuple[int, ...]:
    """The layers that are asked for, or those behind which all that was fitted reads."""
    if layers is not None:
        return chosen_layers(model, layers)
    known = [set(_of(model, one)) for one in fitted.values() if one is not None]
    found = tuple(sorted(set.intersection(*known))) if known else chosen_layers(model, None)
    if not found:
        raise InnerworksError("what was given was fitted for different layers, none in common: fit for the same ones.")
    return found


def _of(model: Model, artifact: Artifact) -> list[int]:
    if artifact.kind == LEARNED_PROMPT:
        return [int(one) for one in artifact.config["layers"]]
    places = [Site.parse(one) for one in artifact.config.get("places", [])]
    return [one.layer for one in places if one.name == "resid_post" and isinstance(one.layer, int)]


def _rows(ways: Ways, contexts: Contexts, progress: Progress) -> dict[str, dict[str, dict[int, Tensor]]]:
    """For each number, way and layer the means over each context, [context]."""
    model, width = ways.model, contexts.width - ways.ahead - 1
    sites = [at.resid_post[layer] for layer in ways.layers]
    found: dict[str, dict[str, dict[int, list[Tensor]]]] = {}
    with watched(progress, "future_quality", len(contexts)) as tell:
        for rows in contexts.batches(_TOKENS_AT_ONCE):
            text = continued_states(model, contexts, rows, sites, range(width), ways.ahead)
            ids = contexts.tensor(rows).to(model.device)
            targets = ids[:, ways.ahead + 1 :].flatten()
            with torch.no_grad():
                ends = text.final[:, ways.ahead]
                said = torch.cat(
                    [model.weights.logits(ends[own]).argmax(-1) for own in chunks(len(ends), model.n_vocab)]
                )
            for way, layers in ways.read(text, ids[:, :width].flatten()).items():
                for layer, logits in layers.items():
                    for name, values in measured(logits, targets, said, model.n_vocab).items():
                        own = found.setdefault(name, {}).setdefault(way, {}).setdefault(layer, [])
                        own.append(values.reshape(len(rows), width).mean(1))
            tell(rows[-1] + 1)
    return {
        name: {way: {layer: torch.cat(one) for layer, one in layers.items()} for way, layers in ways_.items()}
        for name, ways_ in found.items()
    }


def _result(
    found: dict[str, dict[str, dict[int, Tensor]]], layers: Sequence[int], ahead: int, contexts: Contexts
) -> Result:
    names = list(next(iter(found.values())))
    coords: dict[str, Any] = {"way": text_array(names), "layer": list(layers)}
    data: dict[str, Any] = {}
    for name, by_way in found.items():
        values = torch.stack(
            [torch.stack([own.get(layer, own.get(-1, torch.empty(0))) for layer in layers]) for own in by_way.values()]
        ).permute(2, 0, 1)
        mean = values.numpy().mean(0)
        low, high = mean_intervals(values.numpy(), 0.95, 0) if len(values) > 1 else (mean, mean)
        for suffix, one in (("", mean), ("_low", low), ("_high", high)):
            data[name + suffix] = labelled(one, ("way", "layer"), coords=coords)
    keys = [(way, layer) for way in names for layer in layers]
    columns: dict[str, Any] = {"way": [way for way, _ in keys], "layer": [layer for _, layer in keys]}
    columns |= {name: data[name].values.flatten() for name in found}
    title = f"How well the token {ahead} behind the next one is read" if ahead else "How well the next token is read"
    return Result(data=data, tables={"ways": Table(columns)}, checks=_checks(data, ahead, contexts), title=title)


def _checks(data: dict[str, Any], ahead: int, contexts: Contexts) -> list[Check]:
    """Whether anything reads more of a state than its token says, without being told what comes between."""
    surprisal = data["surprisal"].min("layer")
    told = {"unigram", "the token alone", "the token before", "the model"}
    told |= {"fixed prompt", "learned prompt"} if ahead else set()
    own = [str(one) for one in surprisal["way"].values if str(one) not in told]
    note = f"{len(contexts)} contexts of {contexts.width} tokens"
    if not own:
        return [Check("tokens read", float(contexts.tokens), note=note)]
    alone = float(surprisal.sel(way="the token alone"))
    best = min(own, key=lambda way: float(surprisal.sel(way=way)))
    less = float(surprisal.sel(way=best)) - alone
    return [
        Check(
            "surprisal of the best way that reads the state alone, less the token's own",
            less,
            0.0,
            note=f"{best}; {note}",
        )
    ]
