"""Spectroscopy over a text: what single prompts give, averaged; resumed bit for bit; no more memory for more text."""

import copy

import families
import numpy as np
import pytest
import torch
from units.word_models import corpus, random_ids, tiny

import innerworks as iw
from innerworks import at
from innerworks.data.corpus.passes import PassStopped
from innerworks.decode.vocabulary.spectroscopy.corpus_spectroscopy import corpus_spectroscopy
from innerworks.decode.vocabulary.spectroscopy.logit_spectroscopy import logit_spectroscopy
from innerworks.decode.vocabulary.spectroscopy.running import RunningMean, RunningPair
from innerworks.errors import FileError, InnerworksError, NonFiniteError, OptionError, SiteError

NORMS = 1e-6
"""Most families' norms divide in float32."""
CONTEXT, CONTEXTS = 8, 7


def text():
    return corpus(random_ids(CONTEXT * CONTEXTS), CONTEXT)


def alone(model, **options):
    """Every context as a prompt of its own."""
    contexts = text().contexts(model)
    return [logit_spectroscopy(model, contexts.prompt(row), **options) for row in range(len(contexts))]


def same(one, other):
    assert one.data.keys() == other.data.keys()
    for name, array in one.data.items():
        assert array.equals(other.data[name]), name


def test_running_numbers_are_those_of_all_at_once():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(40, 3, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    other = other + 0.5 * one + 1e4
    other[::7, 1, 2] = torch.nan
    other[:, :, -1] = torch.nan
    mean, pair = RunningMean.none(3, 5), RunningPair.none(3, 5)
    for start, end in ((0, 1), (1, 17), (17, 19), (19, 40)):
        mean, pair = mean.after(other[start:end]), pair.after(one[start:end], other[start:end])
    values, known = other.numpy()[:, :, :-1], mean.known.numpy()
    assert known[:, :-1] == pytest.approx(np.nanmean(values, 0)) and np.isnan(known[:, -1]).all()
    low, high = mean.interval()
    error = 1.96 * np.nanstd(values, 0, ddof=1) / np.sqrt((~np.isnan(values)).sum(0))
    assert ((high - low) / 2).numpy()[:, :-1] == pytest.approx(error)
    for first in (0, 1):
        for place in range(3):
            x, y = (each[:, place, first:].numpy().ravel() for each in (one, other))
            there = ~np.isnan(y)
            expected = np.corrcoef(x[there], y[there])[0, 1]
            assert pair.correlation(first)[place].item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "mixtral"])
def test_it_is_what_every_context_gives_alone(family):
    model = tiny(family)
    found = corpus_spectroscopy(model, text(), bands=3, dark=0.25, at_once=3 * CONTEXT).data
    each = [one.data for one in alone(model, bands=3, dark=0.25)]
    effects = np.stack([one["effect"].values for one in each])
    assert found["effect"].sel(site=f"resid_post.{model.n_layers - 1}").values == pytest.approx(
        effects.mean(0), abs=10 * NORMS
    )
    error = 1.96 * effects.std(0, ddof=1) / np.sqrt(len(each))
    assert (found["effect_high"] - found["effect"]).values[:, 0] == pytest.approx(error, abs=10 * NORMS)
    assert (found["effect"] - found["effect_low"]).values[:, 0] == pytest.approx(error, abs=10 * NORMS)
    assert found["clean"].item() == pytest.approx(np.mean([one["clean"].item() for one in each]), abs=NORMS)
    stacked = {name: np.stack([one[name].values for one in each]) for name in ("dark", "received", "energy")}
    for name in ("dark", "received"):
        assert found[name].values == pytest.approx(stacked[name].mean(0), abs=1e-6, nan_ok=True), name
    assert found["energy"].values == pytest.approx(stacked["energy"].mean((0, 2)), abs=1e-6)
    for name, first in (("correlation", 0), ("correlation_behind_first", 1)):
        for layer in range(model.n_layers):
            pairs = [stacked[kind][:, layer, first:-1].ravel() for kind in ("dark", "received")]
            assert found[name].values[layer] == pytest.approx(np.corrcoef(*pairs)[0, 1], abs=1e-4), (name, layer)


def test_of_several_layers_each_is_cut_alone_and_first_tokens_can_be_spared():
    model = tiny("llama")
    found = corpus_spectroscopy(model, text(), bands=2, site=at.resid_post[:2], spare=2, table="embed").data["effect"]
    assert found.site.values.tolist() == ["resid_post.0", "resid_post.1"]
    for layer in (0, 1):
        each = alone(model, bands=2, site=at.resid_post[layer], spare=2, table="embed")
        expected = np.mean([one.data["effect"].values for one in each], axis=0)
        assert found.sel(site=f"resid_post.{layer}").values == pytest.approx(expected, abs=10 * NORMS)


def test_a_stopped_pass_tells_what_it_has_and_goes_on_bit_for_bit(tmp_path):
    model, options = tiny("llama", torch.float32), {"bands": 2, "at_once": 2 * CONTEXT}

    def stop(done, total):
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(PassStopped, match="stopped after 4 of 7 contexts.*the same call goes on") as stopped:
        corpus_spectroscopy(model, text(), **options, out=tmp_path / "kept", progress=stop)
    partial = stopped.value.partial
    half = corpus_spectroscopy(model, corpus(random_ids(CONTEXT * CONTEXTS)[: 4 * CONTEXT], CONTEXT), **options)
    same(partial, half)
    told = []
    resumed = corpus_spectroscopy(
        model, text(), **options, out=tmp_path / "kept", progress=lambda done, _: told.append(done)
    )
    assert told == [6, 7], "what was done is not done again"
    same(resumed, corpus_spectroscopy(model, text(), **options))
    again = corpus_spectroscopy(model, text(), **options, out=tmp_path / "kept")
    same(again, resumed)
    assert again.provenance.cost.forwards == 0
    with pytest.raises(FileError, match="bands was 2, and is 3"):
        corpus_spectroscopy(model, text(), **{**options, "bands": 3}, out=tmp_path / "kept")


def test_memory_does_not_grow_with_the_text(tmp_path):
    model, sizes = tiny("gpt2"), []
    for count in (4, 40):
        corpus_spectroscopy(model, corpus(random_ids(8 * count), 8), bands=2, out=tmp_path / str(count))
        sizes.append((tmp_path / str(count) / f"progress-{count}" / "numbers.safetensors").stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 100


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"bands": 1}, SiteError, "bands=1"),
        ({"site": at.z[0, 1]}, SiteError, "bands are of the stream"),
        ({"site": at.resid_post[99]}, SiteError, "99"),
        ({"dark": 1.0}, SiteError, "dark=1.0"),
        ({"spare": CONTEXT}, SiteError, f"spare={CONTEXT}"),
        ({"at_once": 0}, OptionError, "at_once=0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        corpus_spectroscopy(tiny("llama"), text(), **options)


def test_a_text_without_tokens_or_a_model_without_a_tokenizer_is_refused():
    with pytest.raises(InnerworksError, match="less than one context"):
        corpus_spectroscopy(tiny("llama"), corpus([3, 4], CONTEXT))
    with pytest.raises(InnerworksError, match="tokenizer"):
        corpus_spectroscopy(iw.load(families.module_of("llama")), text())


def test_numbers_that_are_none_are_not_averaged_over():
    module = copy.deepcopy(families.module_of("llama"))
    with torch.no_grad():
        module.model.layers[1].mlp.down_proj.weight[0, 0] = torch.nan
    with pytest.raises(NonFiniteError):
        corpus_spectroscopy(iw.load(module, tokenizer=tiny("llama").tokenizer), text(), bands=2)


def test_it_is_shown_and_saved(tmp_path):
    result = corpus_spectroscopy(tiny("gpt2"), text(), bands=3)
    assert set(result.views) == {"suppress", "keep", "correlation", "dark", "received", "bands"}
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["effect"].equals(result.data["effect"])
