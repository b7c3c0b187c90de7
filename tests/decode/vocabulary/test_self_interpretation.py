"""SelfIE: texts and relevancies against hooks written by hand, a model that copies, and states that change nothing."""

import numpy as np
import pytest
import torch
from patched_by_hand import EXACT, SOURCE, TARGET, by_hand, states_by_hand, tiny

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.patchscopes.interpretation_prompts import interpretation_prompt
from innerworks.decode.vocabulary.patchscopes.patchscope import patchscope
from innerworks.decode.vocabulary.patchscopes.self_interpretation import self_interpretation
from innerworks.decode.vocabulary.patchscopes.target_prompts import placed
from innerworks.errors import OptionError, PromptError, SiteError
from innerworks.lab import handbuilt


def interpreted(model, prompts=SOURCE, site=at.resid_post[:], **options):
    asked = {"interpretation": TARGET, "placeholder": (2, 5), "max_new_tokens": 4} | options
    return self_interpretation(model, prompts, site, **asked)


@pytest.mark.parametrize("family", ("gpt2", "llama", "gemma2", "olmo2", "mixtral"))
def test_words_and_relevancies_are_as_by_hand(family):
    model = tiny(family)
    result = interpreted(model, target_layer=1)
    states = states_by_hand(model.module, SOURCE, -1)
    for layer, state in enumerate(states):
        ids = list(TARGET)
        for step in range(4):
            with_state = by_hand(model.module, ids, 1, [2, 5], state)
            word = int(with_state.argmax())
            without = model.run([ids], logits="last").logits[0, -1].log_softmax(-1)
            wanted = float(with_state[word].exp() - without[word].exp())
            assert float(result.data["relevancy"].sel(layer=layer)[step]) == pytest.approx(wanted, abs=EXACT)
            assert float(result.data["prob"].sel(layer=layer)[step]) == pytest.approx(
                float(with_state[word].exp()), abs=EXACT
            )
            ids.append(word)
        assert result.tables["texts"]["text"][layer] == " ".join(map(str, ids[len(TARGET) :]))


@pytest.mark.parametrize("family", ("gpt2", "llama", "mixtral"))
def test_it_writes_what_a_patchscope_writes(family):
    model = tiny(family)
    prompts = [SOURCE, SOURCE[::-1]]
    scope = patchscope(
        model, prompts, target_prompt=TARGET, placeholder=(2, 5), target_layer=0, max_new_tokens=4, max_tokens=1
    )
    result = interpreted(model, prompts)
    assert result.tables["texts"]["text"] == scope.tables["readings"]["text"]
    assert result.data["relevancy"].dims == ("example", "layer", "step")
    assert "relevancy_mean" in result.data


@pytest.mark.parametrize("twin", ("llama", "gpt2"))
def test_a_copied_word_is_all_the_states_doing(twin):
    model = iw.load(getattr(handbuilt, twin)(dtype=torch.float64).model)
    result = self_interpretation(
        model,
        [0, 3, 23],
        at.resid_pre[0],
        interpretation=[0, 11, 12, 13, 11],
        placeholder=2,
        max_new_tokens=4,
    )
    assert result.tables["texts"]["text"] == ["23 13 11 23"]
    prob, relevancy = result.data["prob"][0].values, result.data["relevancy"][0].values
    # 23 is written for the state alone; what follows 13 in the prompt, 11, is so with and without it.
    assert relevancy[0] == pytest.approx(prob[0], abs=1e-3) and prob[0] > 0.5
    assert abs(relevancy[2]) < 1e-3


def test_a_state_that_stood_there_already_does_nothing():
    model = tiny("llama")
    result = interpreted(model, TARGET, at.resid_post[1] @ 2, placeholder=2, target_layer=1)
    assert np.array_equal(result.data["relevancy"].values, np.zeros((1, 4)))
    assert result.checks[0].measured == 0


def test_what_is_behind_the_end_of_a_text_has_no_relevancy():
    model = iw.load(tiny("llama").module)
    first = interpreted(model, site=at.resid_post[0])
    words = [int(word) for word in first.tables["texts"]["text"][0].split()]
    end = model.module.generation_config.eos_token_id
    model.module.generation_config.eos_token_id = words[1]
    try:
        ended = interpreted(model, site=at.resid_post[:])
    finally:
        model.module.generation_config.eos_token_id = end
    count = words.index(words[1]) + 1
    own = ended.data["relevancy"].sel(layer=0)
    assert np.isnan(own[count:]).all() and np.allclose(own[:count], first.data["relevancy"][0, :count], atol=EXACT)
    assert ended.data["relevancy"].sizes["step"] == 4
    assert ended.tables["words"]["layer"].count(0) == count


def test_prompts_of_unequal_length_are_as_each_alone():
    model = tiny("gpt2")
    together = interpreted(model, [SOURCE, TARGET])
    for number, prompt in enumerate((SOURCE, TARGET)):
        alone = interpreted(model, prompt)
        found = together.data["relevancy"].sel(example=number).values
        assert np.allclose(found, alone.data["relevancy"].values, atol=EXACT, rtol=0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_new_tokens": 0}, OptionError, "at least one token"),
        ({"target_layer": 7}, SiteError, "7"),
        ({"placeholder": 20}, PromptError, "20"),
        ({"interpretation": None}, PromptError, "no tokenizer"),
        ({"interpretation": None, "repeats": 0}, OptionError, "at least one placeholder"),
        ({"site": at.z[0]}, SiteError, "no state of the stream's width"),
        ({"mapping": torch.eye(2)}, OptionError, "width"),
    ],
)
def test_what_cannot_be_meant_is_told(options, error, message):
    with pytest.raises(error, match=message):
        interpreted(tiny("llama"), **options)


@pytest.mark.weights
def test_the_built_in_prompt_is_a_message_of_placeholders(tmp_path, monkeypatch):
    model = iw.load("smollm2-135m-instruct-q4")
    asked = interpretation_prompt(model, None, 3)
    chat = model.chat([{"role": "user", "content": "_ _ _"}])
    assert asked.ids[: len(chat)] == chat.ids and str(asked).endswith("message:")
    assert [asked.tokens[place].strip() for place in placed(asked, "_").named[-1][1]] == ["_"] * 3
    result = self_interpretation(model, "My favourite actress is Audrey Hepburn", at.resid_post[14], max_new_tokens=6)
    assert set(result.views) == {"texts", "layer 14"} and result.data["relevancy"].shape == (1, 6)
    with monkeypatch.context() as without:
        without.setattr(model.tokenizer, "chat_template", None)
        assert str(interpretation_prompt(model, None, 2)) == "Message: _ _\nSummary of the message:"
    result.save(tmp_path / "said")
    assert iw.open(tmp_path / "said").data["relevancy"].equals(result.data["relevancy"])
