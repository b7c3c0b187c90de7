"""A lens straight into words is the best linear map of its rank, and reads later tokens where they follow."""

from dataclasses import replace

import families
import numpy as np
import pytest
import torch
from successors import chance, cycles, successor_model
from test_tuned_lens import KINDS, random_text, spoken, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.translators.descent import Recipe
from innerworks.decode.vocabulary.translators.moments import Moments
from innerworks.decode.vocabulary.translators.training import Reading
from innerworks.decode.vocabulary.translators.vocabulary_training import VocabularyTraining, directions
from innerworks.errors import InnerworksError, SiteError


def fitted(**options):
    model, texts = spoken()
    usual = {"steps": 9, "contexts": 4, "layers": (0, 2), "ahead": 1, "progress": False}
    return iw.fit_vocabulary_lens(model, iw.Corpus.of(texts, context=10), **{**usual, **options})


@pytest.mark.parametrize("family", KINDS)
def test_the_gradient_is_autograds(family):
    model, text = tiny(family), random_text()
    reading = Reading((at.resid_post[0], at.resid_post[1]), model.n_layers, 1, adds=False)
    training = VocabularyTraining(model, text, reading, Recipe(5, 3, 8, "adam", 1e-3, 0.0, 0), 6, restored=False)
    losses = training.gradients([0, 1, 2], range(8))
    states = reading.states(model, text, [0, 1, 2])
    words, bias = (one.clone().requires_grad_() for one in (training.words, training.bias))
    final = model.weights.logits(states.final).detach().double().log_softmax(-1)
    expected = []
    for place in range(2):
        given = states.places[place] @ training.into[place].T + training.offset[place]
        here = (given @ words[place].T + bias[place]).log_softmax(-1)
        expected.append((final.exp() * (final - here)).sum(-1).mean())
    by_words, by_bias = torch.autograd.grad(sum(expected), [words, bias])
    assert losses.tolist() == pytest.approx([float(one.detach()) for one in expected], rel=1e-9)
    assert torch.allclose(training.words.grad, by_words, rtol=1e-8, atol=1e-12)
    assert torch.allclose(training.bias.grad, by_bias, rtol=1e-8, atol=1e-12)


def planted_sums(d=6, count=500):
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(d, d, dtype=torch.float64, generator=generator)
    x = torch.randn(count, d, dtype=torch.float64, generator=generator) @ mixing + 2
    y = x @ torch.randn(d, d, dtype=torch.float64, generator=generator)
    y = y + torch.randn(count, d, dtype=torch.float64, generator=generator)
    unembed = torch.randn(30, d, dtype=torch.float64, generator=generator)
    sums = Moments.none(1, d, d, "cpu")
    sums.add(x[None], y)
    return x, y, unembed, sums


def test_all_directions_are_least_squares_on_the_logits():
    x, y, unembed, sums = planted_sums()
    into, out = directions(sums, 0, unembed, 6, 1e-12)
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), y @ unembed.T).solution
    assert torch.allclose((unembed @ out.T @ into).T, solution[:-1], atol=1e-8)
    centred = (x - x.mean(0)) @ into.T
    assert torch.allclose(centred.T @ centred / len(x), torch.eye(6, dtype=torch.float64), atol=1e-8)


@pytest.mark.parametrize("rank", [1, 3])
def test_fewer_directions_are_the_best_of_their_number(rank):
    """By Eckart and Young: what least squares predict, cut off at that rank, no map of that rank comes nearer to."""
    x, y, unembed, sums = planted_sums()
    into, out = directions(sums, 0, unembed, rank, 1e-12)
    logits = y @ unembed.T
    logits = logits - logits.mean(1, keepdim=True)
    logits = logits - logits.mean(0)
    wide = x - x.mean(0)
    whole = wide @ torch.linalg.lstsq(wide, logits).solution
    values = torch.linalg.svdvals(whole)
    found = wide @ into.T @ (unembed @ out.T).T
    found = found - found.mean(1, keepdim=True)
    assert float((found - whole).square().sum()) == pytest.approx(float(values[rank:].square().sum()), rel=1e-8)


def test_what_comes_two_tokens_on_is_exact_on_a_cycle():
    model, corpus = successor_model(), iw.Corpus.of(cycles(), context=12)
    lens = iw.fit_vocabulary_lens(model, corpus, layers=(1,), ahead=1, steps=60, rate=0.1, progress=False)
    prompt = model.prompt(cycles()[3])
    read = iw.logit_lens(model, prompt, lens=lens, target="next", top=1).data
    rank = read["rank"].sel(place="resid_post.1").values
    assert (rank[1:-2] == 0).all() and np.isnan(rank[-2:]).all()
    assert float(read["kl"].sel(place="resid_post.1")[1:-1].mean()) < 0.1


def test_of_tokens_by_chance_nothing_but_the_usual_is_known():
    """No reader of one state is nearer to what the model says two tokens on than the mean of what it says."""
    model, corpus = successor_model(), iw.Corpus.of(chance(), context=24)
    lens = iw.fit_vocabulary_lens(model, corpus, layers=(1,), ahead=1, steps=60, rate=0.01, progress=False)
    text, left_out = corpus.contexts(model).split(0.1)
    said = torch.cat([model.run(part.tensor(range(len(part)))).logits[:, 2:] for part in (text, left_out)])
    final = said.double().log_softmax(-1)
    mean = final.exp().flatten(0, 1).mean(0).log()
    blind = float((final.exp() * (final - mean)).sum(-1).mean())
    quality = iw.lens_quality(model, corpus, lens=lens, progress=False)
    found = float(quality.data["kl"].sel(lens="vocabulary lens", place="resid_post.1"))
    assert 0.95 * blind < found < 1.15 * blind
    assert float(quality.data["agreement"].sel(lens="vocabulary lens")[0]) < 0.15
    ordered = iw.Corpus.of(cycles(), context=12)
    regular = iw.fit_vocabulary_lens(model, ordered, layers=(1,), ahead=1, steps=60, rate=0.1, progress=False)
    agreement = iw.lens_quality(model, ordered, lens=regular, progress=False).data["agreement"]
    assert float(agreement.sel(lens="vocabulary lens")[0]) > 0.85, "all but where one text ends and the next begins"


def test_a_fit_that_was_stopped_goes_on_bit_for_bit(tmp_path):
    whole = fitted(rank=7, steps=7)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="stopped after 4 of 7 steps"):
        fitted(rank=7, steps=7, out=tmp_path / "lens", progress=stop)
    with pytest.raises(InnerworksError, match="rank was 7, and is 6"):
        fitted(rank=6, steps=7, out=tmp_path / "lens")
    again = fitted(rank=7, steps=7, out=tmp_path / "lens")
    for name in ("into", "offset", "words", "bias", "losses"):
        assert torch.equal(again[name], whole[name]), name
    opened = iw.open(tmp_path / "lens")
    model, texts = spoken()
    one, two = (iw.logit_lens(model, texts[0], lens=lens).data["kl"] for lens in (whole, opened))
    assert np.array_equal(one.values, two.values, equal_nan=True)


def test_a_model_in_bfloat16_begins_where_the_same_in_float32_does():
    corpus, tokenizer = iw.Corpus.of(spoken()[1], context=10), spoken()[0].tokenizer
    lenses = []
    for dtype in (torch.bfloat16, torch.float32):
        module = families.build("llama", vocab_size=len(tokenizer), seed=5, dtype=torch.bfloat16).to(dtype)
        model = iw.load(module, tokenizer=tokenizer)
        lenses.append(iw.fit_vocabulary_lens(model, corpus, layers=(1,), steps=0, progress=False))
    half, whole = (lens["words"][0] @ lens["into"][0] for lens in lenses)
    assert half.dtype == torch.float32
    assert float((half - whole).norm()) < 0.05 * float(whole.norm())


def test_it_is_read_as_it_says():
    model, texts = spoken()
    lens = fitted(rank=5)
    assert lens["words"].shape == (2, model.n_vocab, 5) and lens.config["rank"] == 5
    prompt = model.prompt(texts[0])
    state = model.run(prompt, capture=at.resid_post[2])[at.resid_post[2]][0]
    into, offset, words, bias = (torch.as_tensor(lens[name][1]) for name in ("into", "offset", "words", "bias"))
    expected = ((state @ into.T + offset) @ words.T + bias)[:, 7]
    read = iw.logit_lens(model, prompt, lens=lens, target=7)
    assert read.title.startswith("Vocabulary lens, 1 further on")
    assert read.data["logit"].sel(place="resid_post.2").values == pytest.approx(expected.numpy(), abs=1e-5)
    quality = iw.lens_quality(model, iw.Corpus.of(texts, context=10), lens=lens, progress=False)
    assert not quality.failed and quality.data["kl"].shape == (2, 2)


@pytest.mark.parametrize("family", KINDS)
def test_training_lowers_the_divergence_on_its_text(family):
    model, text = tiny(family), random_text()
    reading = Reading((at.resid_post[1],), model.n_layers, 1, adds=False)
    training = VocabularyTraining(model, text, reading, Recipe(40, 20, 8, "adam", 1e-3, 0.0, 0), 32, restored=False)
    before = training.gradients(range(40), range(8))
    for _ in range(40):
        training.advance()
    assert (training.gradients(range(40), range(8)) < 0.99 * before).all()


def test_what_cannot_be_fitted_or_read_is_refused():
    model, texts = spoken()
    lens = fitted(steps=0)
    for options, match in (
        ({"ahead": 9}, "ahead=9: contexts of 10 tokens have no 9 tokens behind their second"),
        ({"ahead": -1}, "ahead=-1: 0 for the same token"),
        ({"layers": (3,)}, "3"),
        ({"layers": ()}, "name at least one by its number, .* numbered 0 to 2"),
        ({"layers": (1, 1)}, "names layer 1 twice: name each once"),
        ({"rank": 0}, "rank=0: through 1 to 32 directions of a state of 32 numbers"),
        ({"rank": 33}, "rank=33"),
    ):
        with pytest.raises(InnerworksError, match=match):
            fitted(**options)
    with pytest.raises(InnerworksError, match="ahead=9: contexts of 10 tokens"):
        iw.fit_tuned_lens(model, iw.Corpus.of(texts, context=10), ahead=9)
    with pytest.raises(SiteError, match="a vocabulary-lens goes through no norm"):
        iw.logit_lens(model, texts[0], lens=lens, norm="final")
    with pytest.raises(
        SiteError, match=r"resid_post\.1: this lens was not fitted for it; it reads resid_post\.0, resid"
    ):
        iw.logit_lens(model, texts[0], at.resid_post[1], lens=lens)
    other = iw.load(families.build("llama", vocab_size=model.n_vocab, seed=6), tokenizer=model.tokenizer)
    with pytest.raises(InnerworksError, match="fitted on a model of other weights"):
        iw.logit_lens(other, texts[0], lens=lens)
    wide = iw.load(families.build("llama", hidden_size=48, vocab_size=model.n_vocab), tokenizer=model.tokenizer)
    with pytest.raises(InnerworksError, match="states of 32 numbers, and those of .* have 48"):
        iw.logit_lens(wide, texts[0], lens=lens)
    more = iw.load(families.build("llama", vocab_size=90), tokenizer=model.tokenizer)
    with pytest.raises(InnerworksError, match="50 words for 2 places, and the model has 90 words"):
        iw.logit_lens(more, texts[0], lens=replace(lens, model=""))
