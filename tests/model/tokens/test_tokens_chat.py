"""Conversations: a role is whose words a token is, exactly, or nothing."""

from __future__ import annotations

import pytest
from tiny_tokenizers import byte_level, chatting

from innerworks.errors import PromptError
from innerworks.model.tokens import Prompt

MESSAGES = [
    {"role": "system", "content": "Hello there"},
    {"role": "user", "content": "Mary went to Rome. "},
    {"role": "assistant", "content": "Hello there"},
    {"role": "user", "content": "user"},
]


def words_of(prompt: Prompt, role: str) -> str:
    return "".join(prompt.tokens[position] for position in prompt.positions(role))


def test_roles_are_exact_also_for_repeated_and_trimmed_words():
    prompt = Prompt.chat(chatting(), MESSAGES)
    assert words_of(prompt, "system") == " Hello there"
    assert words_of(prompt, "assistant") == " Hello there"
    # This tokenizer has no token " user", so the space before that word stays the template's.
    assert words_of(prompt, "user") == " Mary went to Rome.user"
    nobody = "".join(token for token, role in zip(prompt.tokens, prompt.roles, strict=True) if role is None)
    assert nobody == "<s>[system]</s>[user]</s>[assistant]</s>[user] </s>[assistant]"


def test_the_template_writes_bos_and_the_tokenizer_adds_none():
    prompt = Prompt.chat(chatting(), MESSAGES)
    assert prompt.ids.count(0) == 1
    assert prompt.bos == "in text"


def test_the_header_for_the_reply_is_a_span():
    prompt = Prompt.chat(chatting(), MESSAGES)
    header = prompt.positions("generation_prompt")
    assert "".join(prompt.tokens[position] for position in header) == "[assistant]"
    assert header[-1] == len(prompt) - 1
    without = Prompt.chat(chatting(), MESSAGES, add_generation_prompt=False)
    assert "generation_prompt" not in without.spans
    assert without.ids == prompt.ids[: header[0]]


def test_a_message_the_template_rewrites_has_no_role_and_says_so():
    shouting = chatting("{% for message in messages %}{{ message['content'] | upper }}</s>{% endfor %}")
    prompt = Prompt.chat(shouting, [{"role": "user", "content": "Mary"}])
    assert set(prompt.roles) == {None}
    assert "message 0" in prompt.notes[0]
    twice = chatting("{% for message in messages %}{{ message['content'] * 2 }}{% endfor %}")
    assert set(Prompt.chat(twice, [{"role": "user", "content": "Mary"}]).roles) == {None}


def test_a_template_that_refuses_is_quoted():
    strict = chatting("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(PromptError, match="roles must alternate"):
        Prompt.chat(strict, MESSAGES)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "non-empty list"),
        ("Hello", "non-empty list"),
        ([{"content": "Hello"}], "Message 0"),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}]}], "message 0 is a list"),
    ],
)
def test_what_is_no_conversation(messages, said):
    with pytest.raises(PromptError, match=said):
        Prompt.chat(chatting(), messages)


def test_no_template():
    with pytest.raises(PromptError, match="no chat template"):
        Prompt.chat(byte_level(bos=True), MESSAGES)


@pytest.mark.weights
def test_the_bundled_models_template():
    from innerworks.model.load import open_model

    tokenizer = open_model("smollm2-135m-instruct-q4").tokenizer
    messages = [{"role": "user", "content": "Who is Mary?"}, {"role": "assistant", "content": "Mary?"}]
    prompt = Prompt.chat(tokenizer, [*messages, {"role": "user", "content": "Yes"}])
    assert words_of(prompt, "user") == "Who is Mary?Yes"
    assert words_of(prompt, "assistant") == "Mary?"
    assert "You are a helpful AI assistant" in prompt.text
    assert prompt.roles[: prompt.find("Who")[0]] == (None,) * prompt.find("Who")[0]
    assert prompt.bos == "in text"
    rendered = tokenizer.apply_chat_template(
        [*messages, {"role": "user", "content": "Yes"}], add_generation_prompt=True, return_dict=False
    )
    assert list(prompt.ids) == rendered
