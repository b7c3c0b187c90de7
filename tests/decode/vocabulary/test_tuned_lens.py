"""A tuned lens finds planted maps, improves on what it begins with, and goes on where it was killed."""

import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import families
import numpy as np
import pytest
import torch

import innerworks as iw
from innerworks import at
from innerworks.data.corpus import Contexts
from innerworks.decode.vocabulary.translators.affine import Translators
from innerworks.decode.vocabulary.translators.divergence import divergences
from innerworks.decode.vocabulary.translators.moments import Moments
from innerworks.decode.vocabulary.translators.text_states import text_states
from innerworks.decode.vocabulary.translators.training import Recipe, Training
from innerworks.errors import InnerworksError, SiteError

KINDS = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral")


def tiny(family, dtype=torch.float64):
    return iw.load(families.module_of(family, dtype=dtype))


def random_text(rows=40, width=9, vocabulary=83):
    """Tokens with some order in them: each is a step on from the one before, or drawn anew."""
    generator = np.random.default_rng(7)
    ids = generator.integers(2, vocabulary, (rows, width))
    for column in range(1, width):
        follows = generator.random(rows) < 0.7
        ids[follows, column] = 2 + (ids[follows, column - 1] * 5 + 1) % (vocabulary - 2)
    return Contexts(ids.astype(np.int32))


@pytest.mark.parametrize("family", KINDS)
def test_the_gradient_is_autograds(family):
    model = tiny(family)
    states = text_states(model, random_text(), [0, 1, 2], [1, model.n_layers]).depths
    moved = states[0] * 1.3
    loss, [found] = divergences(model, [moved], states[-1])
    leaf = moved.clone().requires_grad_()
    final = model.weights.logits(states[-1]).detach().float().log_softmax(-1)
    here = model.weights.logits(leaf).float().log_softmax(-1)
    expected = (final.exp() * (final - here)).sum(-1).mean()
    [gradient] = torch.autograd.grad(expected, leaf)
    assert float(loss[0]) == pytest.approx(float(expected), rel=1e-5)
    assert torch.allclose(found, gradient, atol=1e-6 * float(gradient.abs().max()), rtol=1e-5)
    assert not any(parameter.grad is not None for parameter in model.module.parameters())


def test_least_squares_find_a_planted_map():
    generator = torch.Generator().manual_seed(1)
    d, count = 12, 400
    x = torch.randn(2, count, d, dtype=torch.float64, generator=generator) + 3
    rotation = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=generator))[0]
    shift = torch.randn(d, dtype=torch.float64, generator=generator)
    y = x[1] @ rotation + shift
    sums = Moments.none(2, d, "cpu")
    for part in range(0, count, 100):
        sums.add(x[:, part : part + 100], y[part : part + 100])
    maps, offsets = sums.solved(1e-12)
    assert torch.allclose(maps[1], rotation, atol=1e-6) and torch.allclose(offsets[1], shift, atol=1e-5)
    noise = (x[0] @ maps[0] + offsets[0] - y).square().mean()
    assert noise > 0.9 * y.var(0).mean(), "the other states say nothing of them"
    held, _ = sums.solved(1e9)
    assert torch.allclose(held, torch.eye(d, dtype=torch.float64).expand(2, d, d), atol=1e-6)


class Rotated(torch.nn.Module):
    """A block that turns the stream."""

    def __init__(self, rotation):
        super().__init__()
        self.rotation = rotation

    def forward(self, hidden, *_, **__):
        return hidden @ self.rotation


def test_a_planted_rotation_between_layers_is_recovered():
    """Behind block 0 the stream is only rotated: a translator that knows the rotation reads the final prediction."""
    module = families.build("llama", dtype=torch.float64, seed=3)
    d = module.config.hidden_size
    rotation = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    for layer in (1, 2):
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            module.model.layers[layer].get_submodule(name).weight.data.zero_()
    model = iw.load(module)
    text = random_text(rows=60)
    states = text_states(model, text, range(60), [1, 3]).depths
    assert torch.equal(states[0], states[1]), "the blocks behind do nothing"
    turned = states[0] @ rotation.T
    sums = Moments.none(1, d, "cpu")
    sums.add(turned[None, :400], states[1][:400])
    [weight], [bias] = sums.solved(1e-9)
    before, after = (divergences(model, [one[400:]], states[1][400:])[0][0] for one in (turned, turned @ weight + bias))
    assert float(before) > 0.1 and float(after) < 1e-4 * float(before)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
@pytest.mark.parametrize("optimiser, rate", [("adam", 3e-3), ("sgd", 0.1)])
def test_training_lowers_the_divergence_at_every_depth(family, optimiser, rate):
    model = tiny(family, torch.float32)
    shape = (model.n_layers, model.d_model, model.d_model)
    training = Training(
        model,
        random_text(),
        Recipe(60, 6, 7, optimiser, rate, 1e-3, 0),
        torch.zeros(shape),
        torch.zeros(shape[:2]),
        model.n_layers,
    )
    for _ in range(60):
        training.advance()
    first, last = (part.mean(0) for part in (training.curve[:5], training.curve[-5:]))
    assert (last < 0.97 * first).all(), (first, last)
    assert training.step == 60 and training.optimiser.param_groups[0]["lr"] == pytest.approx(rate / 60)


# -- the whole fit --------------------------------------------------------------------------------------------------

WORDS = ["t3", "t7", "t5", "t9", "t11", "t4", "t20", "t31", "t8", "t2", "t40", "t13"]


@cache
def spoken():
    """A tiny model with a tokenizer of words, and text for it."""
    from innerworks.lab import handbuilt

    tokenizer = handbuilt.gpt2().tokenizer()
    model = iw.load(families.build("llama", vocab_size=len(tokenizer), seed=5), tokenizer=tokenizer)
    generator = np.random.default_rng(3)
    texts = [" ".join(generator.choice(WORDS, 30)) for _ in range(40)]
    return model, texts


def fitted(**options):
    model, texts = spoken()
    corpus = iw.Corpus.of(texts, context=10)
    return iw.fit_tuned_lens(model, corpus, **{"steps": 12, "contexts": 4, "progress": False, **options})


def test_a_fitted_lens_reads_better_than_none_on_text_it_has_not_seen():
    model, texts = spoken()
    _, unseen = iw.Corpus.of(texts, context=10).contexts(model).split(0.1)
    rows = [unseen.prompt(row) for row in range(len(unseen))]
    plain = iw.logit_lens(model, rows, top=0).data["kl"].mean(("example", "position"))
    for options in ({"steps": 0}, {"steps": 60, "rate": 3e-3}):
        lens = fitted(contexts=8, **options)
        read = iw.logit_lens(model, rows, lens=lens, top=0)
        found = read.data["kl"].mean(("example", "position"))
        assert read.title.startswith("Tuned lens")
        early = [place for place in found["place"].values if place != "resid_post.2"]
        assert (found.sel(place=early) < plain.sel(place=early)).all(), options
        assert float(found.sel(place="resid_post.2")) == pytest.approx(0, abs=1e-6)


def test_no_steps_from_nothing_is_the_logit_lens():
    model, texts = spoken()
    lens = fitted(start="identity", steps=0)
    rows = model.prompt(texts[0])
    plain, read = (iw.logit_lens(model, rows, **options).data for options in ({}, {"lens": lens}))
    for name in ("kl", "entropy", "log_prob"):
        assert (read[name] == plain[name]).all()


def test_a_lens_is_saved_and_opened_and_says_where_it_is_from(tmp_path):
    lens = fitted(out=tmp_path / "lens")
    again = iw.open(tmp_path / "lens")
    assert torch.equal(again["weight"], lens["weight"]) and again.config == lens.config
    assert again.config["question"]["steps"] == 12 and again["losses"].shape == (12, 3)
    assert lens.provenance.technique == "fit_tuned_lens" and lens.provenance.prompt == "40 texts, context=10"
    assert fitted(out=tmp_path / "lens")["weight"].equal(lens["weight"]), "the same call finds it done"
    with pytest.raises(InnerworksError, match="already holds something else that was saved"):
        fitted(out=tmp_path / "lens", steps=3)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["lens"], "nothing unfinished is left"
    model, texts = spoken()
    one, two = (iw.logit_lens(model, texts[0], lens=each).data["kl"] for each in (lens, again))
    assert (one == two).all()


def test_a_lens_can_lead_to_a_middle_layer():
    model, texts = spoken()
    lens = fitted(end=1, steps=3)
    assert lens["weight"].shape[0] == 2 and lens.config["end"] == 2
    read = iw.logit_lens(model, texts[0], lens=lens)
    assert read.data["kl"]["place"].values.tolist() == ["embed", "resid_post.0", "resid_post.1"]
    assert read.data["kl"].sel(place="resid_post.1").values == pytest.approx(0, abs=1e-6)
    with pytest.raises(SiteError, match="comes behind block 1"):
        iw.logit_lens(model, texts[0], at.resid_post[2], lens=lens)


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path):
    whole = fitted(out=tmp_path / "whole")

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="stopped after 5 of 12 steps; what was fitted is kept in"):
        fitted(out=tmp_path / "lens", progress=stop)
    assert (tmp_path / "lens.unfinished").is_dir() and not (tmp_path / "lens").exists()
    with pytest.raises(InnerworksError, match="steps was 12, and is 13; rate was 0.0001, and is 1.0"):
        fitted(out=tmp_path / "lens", steps=13, rate=1.0)
    seen = []
    again = fitted(out=tmp_path / "lens", progress=lambda done, total: seen.append(done))
    assert seen[0] == 5
    assert torch.equal(again["weight"], whole["weight"]) and torch.equal(again["bias"], whole["bias"])
    assert torch.equal(again["losses"], whole["losses"])
    with pytest.raises(KeyboardInterrupt, match="is lost: with out= it would be kept"):
        fitted(progress=stop)


KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
import test_tuned_lens as own
from innerworks.decode.vocabulary.translators import tuned_lens
tuned_lens._SAVE_EVERY = 0.0
own.fitted(out=Path({out!r}), steps=12, progress=lambda done, total: time.sleep(0.05))
"""


def test_a_killed_fit_goes_on_bit_for_bit(tmp_path):
    whole, out = fitted(steps=12), tmp_path / "lens"
    here = Path(__file__).parent
    code = KILLED.format(tests=str(here.parents[1]), here=str(here), out=str(out))
    running = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()})
    unfinished = tmp_path / "lens.unfinished" / "progress.json"
    deadline = time.monotonic() + 120
    while not unfinished.exists() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert unfinished.exists() and not out.exists(), "it was killed on its way"
    again = fitted(out=out, steps=12)
    assert torch.equal(again["weight"], whole["weight"]) and torch.equal(again["bias"], whole["bias"])


@pytest.mark.parametrize(
    "options, match",
    [
        ({"steps": -1}, "steps=-1"),
        ({"positions": 11}, "at most the 10 positions"),
        ({"rate": 0.0}, "rate=0.0"),
        ({"end": 3}, "end=3: the stream behind a block, 0 to 2"),
        ({"held_out": 0.0}, "held_out=0.0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options, match):
    with pytest.raises(InnerworksError, match=match):
        fitted(**options)


def test_a_lens_of_another_model_is_refused():
    from dataclasses import replace

    model, texts = spoken()
    lens = fitted(steps=0)
    other = iw.load(families.build("llama", vocab_size=model.n_vocab, seed=6), tokenizer=model.tokenizer)
    with pytest.raises(InnerworksError, match="fitted on a model of other weights"):
        iw.logit_lens(other, texts[0], lens=lens)
    iw.logit_lens(other, texts[0], lens=replace(lens, model=other.fingerprint))
    wide = iw.load(families.build("llama", hidden_size=48, vocab_size=model.n_vocab), tokenizer=model.tokenizer)
    with pytest.raises(InnerworksError, match="states of 32 numbers, and those of .* have 48"):
        iw.logit_lens(wide, texts[0], lens=lens)
    with pytest.raises(InnerworksError, match="takes a fitted tuned-lens or translators, and this is a probe"):
        iw.logit_lens(model, texts[0], lens=replace(lens, kind="probe"))
    with pytest.raises(SiteError, match="no translator for it"):
        iw.logit_lens(model, texts[0], at.attn_out[:], lens=lens)
    assert Translators.of(lens, model).at(at.resid_pre[1]) is not None
