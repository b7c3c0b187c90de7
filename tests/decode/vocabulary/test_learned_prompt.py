"""A learned prompt's gradient is the plain module's, training lowers its loss, and a killed fit goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import families
import pytest
import torch
from patched_by_hand import blocks_of
from test_tuned_lens import KINDS, random_text, spoken, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.translators.carriers import Carrier, of_artifact, of_words
from innerworks.decode.vocabulary.translators.descent import Recipe
from innerworks.decode.vocabulary.translators.prompt_training import PromptTraining, prompt_gradient
from innerworks.decode.vocabulary.translators.text_states import continued_states
from innerworks.errors import InnerworksError

EXACT = 1e-6
"""Some families' norms and softmax divide in float32, also in a float64 model."""


def fitted(**options):
    model, texts = spoken()
    usual = {"steps": 8, "contexts": 4, "layers": (0, 2), "length": 3, "progress": False}
    return iw.fit_learned_prompt(model, iw.Corpus.of(texts, context=10), **{**usual, **options})


def hooked(module, prompt, layer, states, following):
    """The plain module's logits behind a prompt of embeddings with a state in its last place, by two hooks."""
    size, rows = len(prompt), len(states)

    def embeds(_, args, output):
        return torch.cat([prompt.expand(rows, -1, -1), output[:, size:]], 1)

    def put(_, args, output):
        hidden = output[0] if isinstance(output, tuple) else output
        hidden = torch.cat([hidden[:, : size - 1], states[:, None], hidden[:, size:]], 1)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    hooks = [module.get_input_embeddings().register_forward_hook(embeds)]
    hooks.append(blocks_of(module)[layer].register_forward_hook(put))
    try:
        ids = torch.cat([torch.zeros(rows, size, dtype=torch.long), following], 1)
        return module(ids).logits[:, size - 1 :]
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("family", KINDS)
def test_the_gradient_is_the_plain_modules(family, layer):
    model = tiny(family)
    text = continued_states(model, random_text(), [0, 1, 2], [at.resid_post[layer]], [2, 4], 2)
    generator = torch.Generator().manual_seed(8)
    prompt = torch.randn(4, model.d_model, dtype=torch.float64, generator=generator) * 0.5
    loss, found = prompt_gradient(model, layer, prompt, text.places[0], text.following, text.final)
    leaf = prompt.clone().requires_grad_()
    here = hooked(model.module, leaf, layer, text.places[0], text.following).log_softmax(-1)
    final = model.run(random_text().tensor([0, 1, 2])).logits.log_softmax(-1)
    there = torch.stack([final[row, column : column + 3] for row in range(3) for column in (2, 4)])
    expected = (there.exp() * (there - here)).sum(-1).mean()
    [gradient] = torch.autograd.grad(expected, leaf)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    assert torch.allclose(found, gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max()))
    assert not any(parameter.grad is not None for parameter in model.module.parameters())


@pytest.mark.parametrize("family", KINDS)
def test_the_embeddings_of_words_are_those_words(family):
    """Learned embeddings that are a prompt's own read as that prompt; and a state in its own place changes nothing."""
    model, ids = tiny(family), (5, 9, 3, 7)
    own = model.run(torch.tensor([ids]), capture=[at.token_embed, at.resid_post[1]], logits=None)
    following = torch.tensor([[4, 8]])
    state = own[at.resid_post[1]][:, -1]
    learned = Carrier(model, (0,) * 4, 1, own[at.token_embed][0]).streams(state, following)
    plain = model.run(torch.tensor([[*ids, 4, 8]]), capture=at.resid_post[2], logits=None)[at.resid_post[2]][:, 3:]
    words = Carrier(model, ids, 1).streams(state, following)
    assert torch.allclose(learned, plain, atol=EXACT) and torch.allclose(words, plain, atol=EXACT)


@pytest.mark.parametrize("family", KINDS)
def test_training_lowers_the_divergence(family):
    model, text = tiny(family), random_text()
    training = PromptTraining(model, text, (0, 1), 1, 3, Recipe(30, 6, 4, "adam", 0.1, 0.0, 0))
    everything = range(len(text)), range(7)
    before = training.gradients(*everything)
    for _ in range(30):
        training.advance()
    assert (training.gradients(*everything) < before).all()


def test_a_prompt_is_saved_and_says_what_it_is(tmp_path):
    lens = fitted(out=tmp_path / "prompt", ahead=2)
    assert lens.kind == "learned-prompt" and lens["prompt"].shape == (2, 3, 32) and lens["losses"].shape == (8, 2)
    assert lens.config["layers"] == [0, 2] and lens.config["ahead"] == 2 and lens.config["length"] == 3
    again = iw.open(tmp_path / "prompt")
    assert torch.equal(again["prompt"], lens["prompt"])
    assert torch.equal(fitted(out=tmp_path / "prompt", ahead=2)["prompt"], lens["prompt"]), "it is found done"
    assert [one.layer for one in of_artifact(spoken()[0], again)] == [0, 2]


def test_a_fit_that_was_stopped_goes_on_bit_for_bit(tmp_path):
    whole = fitted()

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="stopped after 3 of 8 steps"):
        fitted(out=tmp_path / "prompt", progress=stop)
    with pytest.raises(InnerworksError, match="length was 3, and is 4"):
        fitted(out=tmp_path / "prompt", length=4)
    again = fitted(out=tmp_path / "prompt")
    assert torch.equal(again["prompt"], whole["prompt"]) and torch.equal(again["losses"], whole["losses"])


KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
import test_learned_prompt as own
from innerworks.decode.vocabulary.translators import fitting
fitting._SAVE_EVERY = 0.0
own.fitted(out=Path({out!r}), progress=lambda done, total: time.sleep(0.05))
"""


def test_a_killed_fit_goes_on_bit_for_bit(tmp_path):
    whole, out = fitted(), tmp_path / "prompt"
    here = Path(__file__).parent
    code = KILLED.format(tests=str(here.parents[1]), here=str(here), out=str(out))
    running = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()})
    unfinished = tmp_path / "prompt.unfinished" / "progress.json"
    deadline = time.monotonic() + 120
    while not unfinished.exists() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert unfinished.exists() and not out.exists(), "it was killed on its way"
    assert torch.equal(fitted(out=out)["prompt"], whole["prompt"])


def test_what_cannot_be_fitted_or_read_is_refused():
    model, texts = spoken()
    for options, match in (
        ({"length": 0}, "length=0: the last embedding is where the state goes"),
        ({"ahead": 9}, "ahead=9: contexts of 10 tokens have no 9 tokens behind their second"),
        ({"layers": (5,)}, "5"),
        ({"steps": -1}, "steps=-1"),
        ({"positions": 10}, "at most the 9 positions"),
    ):
        with pytest.raises(InnerworksError, match=match):
            fitted(**options)
    with pytest.raises(InnerworksError, match="context"):
        iw.fit_learned_prompt(model, iw.Corpus.of(["t3 t4"], context=10), progress=False)
    lens = fitted(steps=1)
    with pytest.raises(InnerworksError, match="this learned-prompt has no prompt for layer 1; it has 0, 2"):
        iw.future_lens(model, texts[0], prompt=lens, layers=(1,))
    other = iw.load(families.build("llama", vocab_size=model.n_vocab, seed=6), tokenizer=model.tokenizer)
    with pytest.raises(InnerworksError, match="this learned-prompt was fitted on a model of other weights"):
        iw.future_lens(other, texts[0], prompt=lens)
    tuned = iw.fit_tuned_lens(model, iw.Corpus.of(texts, context=10), steps=0, progress=False)
    with pytest.raises(InnerworksError, match="prompt= takes a fitted learned-prompt, and this is a tuned-lens"):
        iw.future_lens(model, texts[0], prompt=tuned)
    with pytest.raises(InnerworksError, match="lens= takes a fitted .*, and this is a learned-prompt"):
        iw.logit_lens(model, texts[0], lens=lens)
    assert of_words(model, "t3 t4", (0, 1))[1].layer == 1
