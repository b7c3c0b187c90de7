"""A target is one token that spells exactly what was asked for."""

from __future__ import annotations

import pytest
from tiny_tokenizers import byte_level, metaspace

from innerworks.errors import MetricError, PromptError
from innerworks.model.tokens import Prompt, single_token


@pytest.fixture(scope="module", params=["bytes", "metaspace"])
def tokenizer(request):
    return byte_level(bos=True) if request.param == "bytes" else metaspace()


def refused(tokenizer, target) -> str:
    with pytest.raises(MetricError) as caught:
        single_token(tokenizer, target)
    return str(caught.value)


def test_the_token_is_the_one_the_model_would_say(tokenizer):
    prompt = Prompt.of(tokenizer, "drink to Mary")
    assert single_token(tokenizer, " Mary") == prompt.ids[-1]
    assert single_token(tokenizer, prompt.ids[-1]) == prompt.ids[-1]


def test_without_its_space_it_is_another_token_or_none(tokenizer):
    spaced = single_token(tokenizer, " John")
    vocabulary = tokenizer.get_vocab()
    if "John" in vocabulary:
        assert single_token(tokenizer, "John") == vocabulary["John"] != spaced
    else:
        assert "' John' with a leading space is one" in refused(tokenizer, "John")


def test_several_tokens_are_listed(tokenizer):
    said = refused(tokenizer, " Zyx")
    assert "tokens:" in said
    assert "'yx'" in said or "'y', 'x'" in said


def test_special_tokens_are_targets(tokenizer):
    assert single_token(tokenizer, "</s>") == tokenizer.eos_token_id


def test_what_is_no_target(tokenizer):
    assert "empty" in refused(tokenizer, "")
    assert f"0 to {len(tokenizer) - 1}" in refused(tokenizer, len(tokenizer))
    assert "-1" in refused(tokenizer, -1)
    assert "2.5" in refused(tokenizer, 2.5)
    with pytest.raises(PromptError, match="tokenizer="):
        single_token(None, " Mary")
    assert single_token(None, 7) == 7


@pytest.mark.weights
def test_on_the_bundled_model():
    from innerworks.model.load import open_model

    tokenizer = open_model("smollm2-135m-instruct-q4").tokenizer
    assert tokenizer.decode([single_token(tokenizer, " Mary")]) == " Mary"
    assert "' Maryland' with a leading space is one" in refused(tokenizer, "Maryland")
