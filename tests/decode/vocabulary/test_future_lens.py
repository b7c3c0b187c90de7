"""The Future Lens says what a patched plain module says; its quality is counted as by hand, beside honest baselines."""

import families
import numpy as np
import pytest
import torch
from patched_by_hand import by_hand
from successors import chance, cycles, successor_model
from test_learned_prompt import fitted, hooked
from test_tuned_lens import KINDS, spoken, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.translators.counted import Counted
from innerworks.errors import InnerworksError

IDS, CARRIER = [5, 9, 3, 7, 11], [4, 8, 6]


@pytest.mark.parametrize("family", KINDS)
def test_it_says_what_the_plain_module_says(family):
    """Token by token: the state is put in by a hook, and what is likeliest is written behind it."""
    model = tiny(family)
    found = iw.future_lens(model, IDS, text=CARRIER, layers=(0, 1), ahead=2, top=2).data
    run = model.run(IDS, capture=at.resid_post[:2])
    for number, layer in enumerate((0, 1)):
        for position in range(len(IDS)):
            state, behind = run[at.resid_post[layer]][0, position], []
            for step in range(3):
                expected = by_hand(model.module, CARRIER + behind, layer, len(CARRIER) - 1, state)
                cell = {"layer": number, "position": position, "ahead": step}
                best = int(expected.argmax())
                assert found["top_token"].isel(**cell, top=0).item() == f"<{best}>"
                assert float(found["top_prob"].isel(**cell, top=0)) == pytest.approx(float(expected.max().exp()), 1e-5)
                if position + 1 + step < len(IDS):
                    own = IDS[position + 1 + step]
                    assert float(found["log_prob"].isel(**cell)) == pytest.approx(float(expected[own]), abs=1e-6)
                    assert float(found["rank"].isel(**cell)) == int((expected > expected[own]).sum())
                else:
                    assert np.isnan(found["log_prob"].isel(**cell)) and np.isnan(found["rank"].isel(**cell))
                behind.append(best)


def test_forced_stands_behind_the_prompts_own_tokens():
    model, lens = spoken()[0], fitted(ahead=2)
    ids = model.prompt(spoken()[1][0]).ids[:9]
    found = iw.future_lens(model, ids, prompt=lens, layers=(2,), forced=True).data
    states = model.run(ids, capture=at.resid_post[2])[at.resid_post[2]][0]
    prompt = torch.as_tensor(lens["prompt"][1])
    for position in range(7):
        behind = torch.tensor([ids[position + 1 : position + 3]])
        with torch.no_grad():
            expected = hooked(model.module, prompt, 2, states[[position]], behind)[0].log_softmax(-1)
        for step in range(3):
            if position + 1 + step < len(ids):
                own = float(found["log_prob"].isel(layer=0, position=position, ahead=step))
                assert own == pytest.approx(float(expected[step, ids[position + 1 + step]]), abs=1e-5)
    probs = found["top_prob"].isel(layer=0, top=0)
    assert np.isnan(probs.isel(position=-1, ahead=slice(1, None))).all() and not np.isnan(probs.isel(ahead=0)).any()
    rank = found["rank"].isel(layer=0, ahead=1).values
    expected = np.nanmean(np.where(np.isnan(rank), np.nan, rank < 5))
    assert float(found["precision_5"].isel(layer=0, ahead=1)) == pytest.approx(expected)


def test_positions_and_several_prompts():
    model, texts = spoken()
    whole = iw.future_lens(model, texts[0], prompt=fitted())
    some = iw.future_lens(model, texts[:3], prompt=fitted(), positions=(2, -1))
    assert whole.data["top_token"].dims == ("layer", "position", "ahead", "top")
    assert some.data["rank"].dims == ("example", "layer", "chosen", "ahead")
    assert some.data["top_prob"][0].values[:, 0] == pytest.approx(whole.data["top_prob"].values[:, 2], abs=1e-5)
    assert "words" in whole.views and whole.views["words"].arrays["rows"].tolist() == ["layer 2", "layer 0"]
    assert len(whole.tables["layers"]["layer"]) == 4
    at_once = iw.future_lens(model, texts[0], prompt=fitted(), max_tokens=4)
    assert at_once.data["top_prob"].values == pytest.approx(whole.data["top_prob"].values, abs=1e-5)


def quality(texts, context=12, **options):
    model, corpus = successor_model(), iw.Corpus.of(texts, context=context)
    usual = {"layers": (1,), "ahead": 1, "progress": False}
    words = iw.fit_vocabulary_lens(model, corpus, **usual, steps=60, rate=0.05)
    states = iw.fit_tuned_lens(model, corpus, ahead=1, steps=40, rate=1e-2, progress=False)
    prompt = iw.fit_learned_prompt(model, corpus, **usual, length=3, steps=3)
    return iw.future_quality(
        model, corpus, words=words, states=states, prompt=prompt, text="t3 t5", progress=False, tokens=4096, **options
    )


def test_on_a_cycle_every_way_is_exact_and_by_chance_none_is():
    """The model knows what follows what. Where texts do too, all ways know two tokens on; by chance none does."""
    ways = ("linear to words", "linear to states", "fixed prompt", "learned prompt")
    regular = quality(cycles(), context=25).data
    for name in (*ways, "fixed prompt, on its own", "learned prompt, on its own", "the model", "the token alone"):
        for measure in ("precision_1", "agreement"):
            assert float(regular[measure].sel(way=name)[0]) >= 22 / 23 - 1e-9, (name, measure, "all but behind <bos>")
    irregular = quality(chance(), context=25).data
    usual = float(irregular["precision_1"].sel(way="unigram")[0])
    assert usual < 0.13
    for name in (*ways, "the token alone", "the token before"):
        assert float(irregular["precision_1"].sel(way=name)[0]) < usual + 0.04, name
        surprisal = irregular["surprisal"].isel(layer=0)
        never = np.log(25 / 24)  # a text's first token is counted, and comes in no one's place
        assert float(surprisal.sel(way=name)) > float(surprisal.sel(way="unigram")) - never, name


def test_the_numbers_are_those_of_the_future_lens():
    model, texts = spoken()
    corpus, lens = iw.Corpus.of(texts, context=10), fitted(ahead=2)
    found = iw.future_quality(model, corpus, prompt=lens, text="", layers=(0,), progress=False)
    rest, left_out = corpus.contexts(model).split(0.1)
    prompts = [left_out.prompt(row) for row in range(len(left_out))]
    for way, forced in (("learned prompt", True), ("learned prompt, on its own", False)):
        read = iw.future_lens(model, prompts, prompt=lens, layers=(0,), forced=forced).data
        surprisal = -read["log_prob"].isel(layer=0, ahead=2)[:, :7].mean()
        precision = (read["rank"].isel(layer=0, ahead=2)[:, :7] < 5).mean()
        assert float(found.data["surprisal"].sel(way=way)[0]) == pytest.approx(float(surprisal), abs=1e-5)
        assert float(found.data["precision_5"].sel(way=way)[0]) == pytest.approx(float(precision))
    model_says = (
        model.run(prompts).logits.log_softmax(-1)[:, 2:-1].gather(2, left_out.tensor(range(len(prompts)))[:, 3:, None])
    )
    assert float(found.data["surprisal"].sel(way="the model")[0]) == pytest.approx(-float(model_says.mean()), abs=1e-5)
    assert float(found.data["agreement"].sel(way="the model")[0]) == 1.0
    low, high = (found.data[f"surprisal_{edge}"] for edge in ("low", "high"))
    assert (low <= found.data["surprisal"]).all() and (high >= found.data["surprisal"]).all()
    assert {"table", "precision_1", "surprisal"} == set(found.views)
    counted = Counted(rest.ids, model.n_vocab).unigram()
    expected = -counted[left_out.tensor(range(len(prompts)))[:, 3:]].mean()
    assert float(found.data["surprisal"].sel(way="unigram")[0]) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("family", KINDS)
def test_every_kind_of_model_is_fitted_read_and_mapped(family):
    tokenizer, texts = spoken()[0].tokenizer, spoken()[1]
    model = iw.load(families.build(family, vocab_size=len(tokenizer), seed=5), tokenizer=tokenizer)
    corpus, usual = iw.Corpus.of(texts, context=10), {"layers": (1,), "ahead": 1, "steps": 2, "progress": False}
    words = iw.fit_vocabulary_lens(model, corpus, **usual, rank=6)
    prompt = iw.fit_learned_prompt(model, corpus, **usual, length=3)
    states = iw.fit_tuned_lens(model, corpus, ahead=1, steps=2, progress=False)
    found = iw.future_quality(model, corpus, words=words, states=states, prompt=prompt, text="t3 t5", progress=False)
    assert found.data["surprisal"].shape == (10, 1) and np.isfinite(found.data["surprisal"]).all()
    end = model.n_layers - 1
    mapped = iw.fit_state_map(model, corpus, site=at.resid_post[1], target=at.resid_post[end], progress=False)
    read = iw.logit_lens(model, texts[0], lens=mapped, target="next").data["log_prob"]
    assert np.isfinite(read.values[:, :-1]).all() and 0 < float(mapped["r2"][0]) <= 1


def test_counts_are_those_of_witten_and_bell():
    ids = np.array([[0, 1, 2, 1], [0, 1, 0, 3]])
    counted = Counted(ids, 5)
    told = counted.unigram().exp().numpy()
    assert told == pytest.approx((np.array([3, 3, 1, 1, 0]) + 4 / 5) / 12)
    behind = counted.behind(torch.tensor([1, 4, 1]), 1).exp().numpy()
    assert behind[0] == pytest.approx((np.array([1, 0, 1, 0, 0]) + 2 * told) / 4)
    assert behind[1] == pytest.approx(told), "nothing is known of what was never seen"
    assert (behind[2] == behind[0]).all() and behind.sum(1) == pytest.approx(1)
    further = counted.behind(torch.tensor([0]), 2).exp().numpy()
    assert further[0] == pytest.approx((np.array([1, 0, 1, 0, 0]) + 2 * told) / 4)


def test_the_preset_of_patchscopes_writes_what_the_fixed_prompt_writes():
    model = iw.load("smollm2-135m-instruct-q4")
    prompt = "The Eiffel Tower is in the city of"
    read = iw.patchscope(model, prompt, at.resid_post[[12, 29]], preset="future")
    lens = iw.future_lens(model, prompt, layers=(12, 29), positions=(-1,))
    for number in range(2):
        said = "".join(lens.data["top_token"].isel(layer=number, top=0).values.ravel())
        assert read.tables["readings"]["text"][number] == said
    assert read.tables["readings"]["text"][1].startswith(" Paris")


def test_what_makes_no_sense_is_refused():
    model, texts = spoken()
    corpus, lens = iw.Corpus.of(texts, context=10), fitted()
    states = iw.fit_tuned_lens(model, corpus, ahead=2, steps=0, progress=False)
    short = iw.fit_tuned_lens(model, corpus, ahead=2, end=1, steps=0, progress=False)
    words = iw.fit_vocabulary_lens(model, corpus, layers=(1,), ahead=2, steps=0, held_out=0.3, progress=False)
    for options, match in (
        ({"top": 0}, "top=0"),
        ({"ahead": -1}, "ahead=-1: 0 for the next token alone"),
        ({"layers": (7,)}, "7"),
        ({"text": ""}, "empty|no tokens|token"),
    ):
        with pytest.raises(InnerworksError, match=match):
            iw.future_lens(model, texts[0], **{"text": "t3", **options})
    for options, match in (
        ({"states": states, "ahead": 1}, "ahead=1, and a lens that was given reads 2 tokens further on"),
        ({"states": states, "words": words}, "held_out=0.1 and 0.3"),
        ({"states": words}, "they were given the other way"),
        ({"states": short}, "states= leads to layer 1"),
        ({"prompt": lens, "words": words}, "held_out=0.1 and 0.3"),
        ({"tokens": 3}, "at least one context of 10"),
        ({"ahead": 9}, "ahead=9: contexts of 10 tokens"),
        ({"words": lens}, "lens= takes a fitted .*, and this is a learned-prompt"),
    ):
        with pytest.raises(InnerworksError, match=match):
            iw.future_quality(model, corpus, **{"text": "", "progress": False, **options})
    apart = iw.fit_vocabulary_lens(model, corpus, layers=(1,), steps=0, progress=False)
    with pytest.raises(InnerworksError, match="fitted for different layers, none in common"):
        iw.future_quality(model, corpus, prompt=fitted(layers=(0,)), words=apart, text="", progress=False)
