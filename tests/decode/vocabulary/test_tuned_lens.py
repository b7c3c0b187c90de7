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
from innerworks import at, edit
from innerworks.data.corpus import Contexts
from innerworks.decode.vocabulary.translators.affine import Translators
from innerworks.decode.vocabulary.translators.descent import Recipe
from innerworks.decode.vocabulary.translators.divergence import divergences
from innerworks.decode.vocabulary.translators.moments import Moments
from innerworks.decode.vocabulary.translators.text_states import stream_sites, text_states
from innerworks.decode.vocabulary.translators.training import Reading, Training
from innerworks.errors import InnerworksError, NonFiniteError, SiteError

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
    states = text_states(model, random_text(), [0, 1, 2], [at.resid_post[0]], model.n_layers)
    moved = states.places[0] * 1.3
    loss, [found] = divergences(model, [moved], states.final)
    leaf = moved.clone().requires_grad_()
    final = model.weights.logits(states.final).detach().float().log_softmax(-1)
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
    sums = Moments.none(2, d, d, "cpu")
    for part in range(0, count, 100):
        sums.add(x[:, part : part + 100], y[part : part + 100])
    maps, offsets = sums.solved(1e-12, towards_same=True)
    assert torch.allclose(maps[1], rotation, atol=1e-6) and torch.allclose(offsets[1], shift, atol=1e-5)
    noise = (x[0] @ maps[0] + offsets[0] - y).square().mean()
    assert noise > 0.9 * y.var(0).mean(), "the other states say nothing of them"
    held, _ = sums.solved(1e9, towards_same=True)
    assert torch.allclose(held, torch.eye(d, dtype=torch.float64).expand(2, d, d), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_of_half_precision_states_are_exact(dtype):
    x = (torch.randn(1, 300, 8, generator=torch.Generator().manual_seed(5)) * 3 + 1).to(dtype)
    halves, doubles = Moments.none(1, 8, 8, "cpu"), Moments.none(1, 8, 8, "cpu")
    halves.add(x, x[0])
    doubles.add(x.double(), x[0].double())
    for name in ("x", "y", "xx", "xy"):
        expected = getattr(doubles, name)
        assert torch.allclose(getattr(halves, name), expected, atol=1e-6 * float(expected.abs().max()))


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
    read = text_states(model, text, range(60), [at.resid_post[0]], 3)
    states = [read.places[0], read.final]
    assert torch.equal(*states), "the blocks behind do nothing"
    turned = states[0] @ rotation.T
    sums = Moments.none(1, d, d, "cpu")
    sums.add(turned[None, :400], states[1][:400])
    [weight], [bias] = sums.solved(1e-9, towards_same=True)
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
        Reading(tuple(stream_sites(range(model.n_layers))), model.n_layers, 0, adds=True),
        Recipe(60, 6, 7, optimiser, rate, 1e-3, 0),
        torch.zeros(shape),
        torch.zeros(shape[:2]),
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


def test_a_fitted_lens_reads_one_position_as_it_reads_all():
    model, texts = spoken()
    lens = fitted(steps=0)
    every = iw.logit_lens(model, texts[0], lens=lens).data["logit"].isel(position=-1)
    for site, same in ((at.resid_post[:] @ -1, every[1:]), (at.resid_pre[:] @ -1, every[:-1])):
        last = iw.logit_lens(model, texts[0], site, lens=lens).data["logit"]
        assert last.values == pytest.approx(same.values, abs=1e-5)


def test_a_lens_can_lead_to_a_middle_layer():
    model, texts = spoken()
    lens = fitted(end=1, steps=3)
    assert lens["weight"].shape[0] == 2 and lens.config["end"] == 2
    read = iw.logit_lens(model, texts[0], lens=lens)
    assert read.data["kl"]["place"].values.tolist() == ["embed", "resid_post.0", "resid_post.1"]
    assert read.data["kl"].sel(place="resid_post.1").values == pytest.approx(0, abs=1e-6)
    with pytest.raises(SiteError, match="this lens was not fitted for it"):
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
from innerworks.decode.vocabulary.translators import fitting
fitting._SAVE_EVERY = 0.0
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


def test_an_edited_model_has_a_fit_of_its_own(tmp_path):
    model, texts = spoken()
    edited, corpus = model.with_edits(edit.zero(at.mlp_out[1])), iw.Corpus.of(texts, context=10)
    plain = iw.fit_tuned_lens(model, corpus, steps=0, out=tmp_path / "lens", progress=False)
    with pytest.raises(InnerworksError, match="already holds something else that was saved"):
        iw.fit_tuned_lens(edited, corpus, steps=0, out=tmp_path / "lens", progress=False)
    other = iw.fit_tuned_lens(edited, corpus, steps=0, out=tmp_path / "other", progress=False)
    assert not torch.allclose(plain["weight"], other["weight"], atol=1e-2)
    assert other.config["question"]["edits"][0] == str(edited.edits[0])


def test_a_fit_that_runs_away_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(NonFiniteError, match="came to NaN or infinity .*smaller rate="):
        fitted(steps=3, rate=1e38, optimiser="sgd", out=tmp_path / "lens")
    assert not (tmp_path / "lens").exists()


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
    with pytest.raises(InnerworksError, match="takes a fitted tuned-lens, .* or vocabulary-lens, and this is a probe"):
        iw.logit_lens(model, texts[0], lens=replace(lens, kind="probe"))
    with pytest.raises(SiteError, match="this lens was not fitted for it"):
        iw.logit_lens(model, texts[0], at.attn_out[:], lens=lens)
    assert Translators.of(lens, model).at(at.resid_pre[1]) is not None


# -- later tokens, and what attention gives -------------------------------------------------------------------------


def cycling():
    """A hand-built model of induction on texts that repeat: what comes two tokens on is known from one state."""
    from innerworks.lab import handbuilt

    built = handbuilt.gpt2()
    model = iw.load(built.model, tokenizer=built.tokenizer())
    generator = np.random.default_rng(1)
    texts = []
    for _ in range(30):
        cycle = generator.choice(range(2, 50), 6, replace=False)
        texts.append(" ".join(f"t{one}" for _ in range(4) for one in cycle))
    return model, iw.Corpus.of(texts, context=24)


def test_a_lens_of_later_tokens_is_of_later_tokens():
    """The numbers of a lens that leads two tokens on are those of the states two tokens on."""
    model, texts = spoken()
    lens = fitted(ahead=2, steps=3)
    assert lens["weight"].shape[0] == 4 and lens.config["ahead"] == 2
    prompt = model.prompt(texts[0])
    read = iw.logit_lens(model, prompt, lens=lens)
    assert read.title == "Tuned lens, 2 further on: what the model predicts in the end"
    run = model.run(prompt, capture=at.resid_post[:])
    final = run.logits[0].log_softmax(-1)
    weight, bias = (torch.as_tensor(lens[name]) for name in ("weight", "bias"))
    state = run[at.resid_post[0]][0]
    with torch.no_grad():
        here = model.weights.logits(state + state @ weight[1].T + bias[1]).log_softmax(-1)
    expected = (final[2:].exp() * (final[2:] - here[:-2])).sum(-1)
    found = read.data["kl"].sel(place="resid_post.0").values
    assert found[:-2] == pytest.approx(expected.numpy(), abs=1e-5) and np.isnan(found[-2:]).all()
    followed = here[:-2].gather(1, run.logits[0, 2:].argmax(-1)[:, None])[:, 0]
    assert read.data["log_prob"].sel(place="resid_post.0").values[:-2] == pytest.approx(followed.numpy(), abs=1e-5)
    following = iw.logit_lens(model, prompt, lens=lens, target="next").data["log_prob"].sel(place="resid_post.0").values
    ids = torch.tensor(prompt.ids)
    assert following[:-3] == pytest.approx(here[:-3].gather(1, ids[3:, None])[:, 0].numpy(), abs=1e-5)


def test_what_comes_two_tokens_on_can_be_learned_where_it_is_regular():
    """In text in which each token follows from the one before, a state says what comes after the next."""
    model, _ = spoken()
    successor = dict(zip(WORDS, WORDS[1:] + WORDS[:1], strict=True))
    texts = []
    for start in WORDS * 6:
        words = [start]
        for _ in range(20):
            words.append(successor[words[-1]])
        texts.append(" ".join(words))
    corpus = iw.Corpus.of(texts, context=10)
    lens = iw.fit_tuned_lens(model, corpus, ahead=1, steps=0)
    quality = iw.lens_quality(model, corpus, lens=lens, progress=False)
    kl = quality.data["kl"]
    assert (kl.sel(lens="tuned lens") < 0.5 * kl.sel(lens="logit lens")).all()
    mixed = iw.Corpus.of([" ".join(np.random.default_rng(5).permutation(text.split())) for text in texts], context=10)
    irregular = iw.lens_quality(model, mixed, lens=iw.fit_tuned_lens(model, mixed, ahead=1, steps=0), progress=False)
    assert (kl.sel(lens="tuned lens") < irregular.data["kl"].sel(lens="tuned lens")).all(), "order is what is learned"


@pytest.mark.parametrize("of", ["layers", "heads"])
def test_an_attention_lens_reads_what_attention_gives(of):
    model, texts = spoken()
    corpus = iw.Corpus.of(texts, context=10)
    lens = iw.fit_attention_lens(model, corpus, of=of, steps=4, contexts=4, progress=False)
    count, width = (3, 32) if of == "layers" else (12, 8)
    assert lens.kind == "attention-lens" and lens["weight"].shape == (count, 32, width)
    prompt = model.prompt(texts[0])
    read = iw.logit_lens(model, prompt, lens=lens)
    names = read.data["kl"]["place"].values.tolist()
    assert names[0] == ("attn_out.0" if of == "layers" else "z.0.0") and len(names) == count
    place = at.attn_out[1] if of == "layers" else at.z[1, 2]
    values = model.run(prompt, capture=place)[place][0]
    number = names.index(str(place))
    weight, bias = (torch.as_tensor(lens[name][number]) for name in ("weight", "bias"))
    with torch.no_grad():
        expected = model.weights.logits(values @ weight.T + bias)[:, 5]
    found = iw.logit_lens(model, prompt, lens=lens, target=5).data["logit"].sel(place=str(place)).values
    assert found == pytest.approx(expected.numpy(), abs=1e-4)
    quality = iw.lens_quality(model, corpus, lens=lens, progress=False)
    assert quality.data["kl"].shape == (2 if of == "layers" else 1, count)


def test_an_induction_head_alone_gives_the_answer():
    """In the hand-built model head 1.0 writes what comes next, and head 1.1 nothing."""
    model, corpus = cycling()
    lens = iw.fit_attention_lens(model, corpus, of="heads", layers=(1,), steps=0)
    quality = iw.lens_quality(model, corpus, lens=lens, progress=False)
    agreement = quality.data["agreement"].sel(lens="attention lens")
    assert float(agreement.sel(place="z.1.0")) > 0.4 and float(agreement.sel(place="z.1.1")) < 0.1
    with pytest.raises(InnerworksError, match="name at least one by its number, .* numbered 0 to 2"):
        iw.fit_attention_lens(model, corpus, layers=())
