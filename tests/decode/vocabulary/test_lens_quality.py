"""What lenses are worth on text: the means are those of every token, and fitting pays on text that was left out."""

import numpy as np
import pytest
from test_tuned_lens import WORDS, fitted, spoken

import innerworks as iw
from innerworks.errors import InnerworksError


def corpus():
    return iw.Corpus.of(spoken()[1], context=10)


def test_the_means_are_those_of_every_token():
    model = spoken()[0]
    result = iw.lens_quality(model, corpus(), progress=False)
    assert not result.failed
    contexts = corpus().contexts(model)
    prompts = [contexts.prompt(row) for row in range(len(contexts))]
    lens = iw.logit_lens(model, prompts, target="next", top=1).data
    assert result.data["kl"].sel(lens="logit lens").values == pytest.approx(
        lens["kl"].mean(("example", "position")).values, abs=1e-5
    )
    expected = -np.nanmean(lens["log_prob"].values, (0, 2))
    assert result.data["loss"].sel(lens="logit lens").values == pytest.approx(expected, abs=1e-5)
    logits = model.run(prompts).logits.argmax(-1).numpy()
    said = result.data["agreement"].sel(lens="logit lens")
    assert float(said[-1]) == 1.0 and float(said[0]) < 0.5
    assert logits.shape == (len(prompts), 10)
    low, high = (result.data[f"kl_{edge}"].values for edge in ("low", "high"))
    assert (low <= result.data["kl"].values + 1e-12).all() and (high[:, 0] > low[:, 0]).all()


def test_a_fitted_lens_is_better_on_what_it_left_out():
    model = spoken()[0]
    lens = fitted(steps=40, rate=3e-3, contexts=8)
    result = iw.lens_quality(model, corpus(), lens=lens, progress=False)
    assert not result.failed, result.failed
    kept = result.data["kl"]
    assert kept["lens"].values.tolist() == ["logit lens", "tuned lens"]
    assert (kept.sel(lens="tuned lens")[:-1] < kept.sel(lens="logit lens")[:-1]).all()
    assert {"kl", "loss", "table"} == set(result.views)
    left_out = corpus().contexts(model).split(0.1)[1]
    noted = next(check.note for check in result.checks if check.name == "the last place is what the model says")
    assert noted == f"{len(left_out)} contexts of 10 tokens"
    every = iw.lens_quality(model, corpus(), progress=False)
    assert f"{len(corpus().contexts(model))} contexts" in every.checks[0].note, "without a lens all of the text is read"


def test_too_little_is_refused():
    with pytest.raises(InnerworksError, match="at least one context of 10"):
        iw.lens_quality(spoken()[0], corpus(), tokens=5)


def test_in_other_contexts_no_text_is_read_that_the_lens_was_fitted_on():
    model, texts = spoken()
    generator = np.random.default_rng(9)
    others = [" ".join(generator.choice(WORDS, 30)) for _ in range(12)]
    lens = fitted(steps=0)
    first = corpus().contexts(model).ids[0, 0]
    assert (corpus().contexts(model).ids[:, 0] == first).all(), "each context begins with the same token"
    seen = {tuple(row[1:]) for row in corpus().contexts(model).split(0.1)[0].ids.tolist()}

    def read(given):
        checks = iw.lens_quality(model, given, lens=lens, progress=False).checks
        return int(next(check.note for check in checks if "contexts of" in check.note).split()[0])

    wider = iw.Corpus.of([*texts, *others], context=30)
    rows = wider.contexts(model).ids.tolist()
    fresh = [row for row in rows if not any(tuple(row[start : start + 9]) in seen for start in range(22))]
    assert 0 < len(fresh) < len(rows)
    assert read(wider) == len(fresh)
    with pytest.raises(InnerworksError, match="nothing is left to test on"):
        read(iw.Corpus.of(texts[:6], context=30))
