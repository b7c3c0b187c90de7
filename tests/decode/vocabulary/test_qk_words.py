"""QK circuits in words: the scores that the model's own attention gives to pairs of tokens."""

import families
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.weights.qk_words import qk_words
from innerworks.decode.vocabulary.words.embeddings import embedded
from innerworks.errors import AnatomyError, EditError, SiteError
from innerworks.lab import handbuilt
from innerworks.registry import techniques

NORMS = 2e-5
"""Rotary angles, and most families' norms, are float32."""
WITH_NORMS = ("qwen3", "gemma3_text")
"""Their queries and keys are normalised head by head; OLMo 2's over all heads together."""


def scores_of_the_model(model, layer, head, offset, query, keys, effective):
    """What the model's own softmax is given when a token alone in the stream looks at another, `offset` before it."""
    rows = []
    for key in keys:
        row = embedded(model, [key, *[query] * offset], effective)
        rows.append(row)
    stream = torch.stack(rows)
    ids = [[key, *[query] * offset] for key in keys]
    run = model.run(
        ids, start=(layer, stream.to(model.weights.embed.dtype)), capture=at.scores[layer, head], logits=None
    )
    return run[at.scores[layer, head]][:, offset, 0]


@pytest.mark.parametrize("effective", [False, True])
@pytest.mark.parametrize("family", [*KINDS, *WITH_NORMS])
def test_scores_are_what_the_model_itself_gives_to_two_tokens(family, effective):
    model, layer, head, offset = tiny(family), 1, 2, 2
    tokens = list(range(model.n_vocab))
    result = qk_words(
        model,
        layer=layer,
        head=head,
        queries=[3, 7],
        keys=[5, 3],
        offset=offset,
        top=model.n_vocab,
        effective=effective,
    )
    cap = model.weights.score_softcap
    for number, query in enumerate((3, 7)):
        expected = scores_of_the_model(model, layer, head, offset, query, tokens, effective)
        found = torch.from_numpy(result.data["score_of_query"].isel(query=number).sel(end="most").values)
        order = torch.from_numpy(result.data["token_of_query"].isel(query=number).sel(end="most").values)
        found = found if cap is None else cap * torch.tanh(found / cap)
        torch.testing.assert_close(found, expected[order], rtol=0, atol=NORMS)
        both = torch.from_numpy(result.data["score"].values[number])
        both = both if cap is None else cap * torch.tanh(both / cap)
        torch.testing.assert_close(both, expected[[5, 3]], rtol=0, atol=NORMS)
    key = torch.from_numpy(result.data["score_of_key"].isel(key=0).sel(end="most").values)
    asked = result.data["token_of_key"].isel(key=0).sel(end="most").values.tolist()
    place = asked.index(7)
    assert key[place].item() == pytest.approx(result.data["score"].values[1, 0], abs=1e-9)


def test_itself_is_the_standing_of_the_query_among_keys():
    model = tiny("llama")
    data = qk_words(model, layer=1, head=0, queries=[3], top=model.n_vocab).data
    order = data["token_of_query"].sel(end="most").values[0].tolist()
    scores = data["score_of_query"].sel(end="most").values[0]
    assert data["itself"].item() == pytest.approx((scores[order.index(3)] - scores.mean()) / scores.std(), abs=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_the_handbuilt_duplicate_token_head_looks_for_its_own_token(name):
    made = getattr(handbuilt, name)(dtype=torch.float64)
    model = iw.load(made.model, tokenizer=made.tokenizer())
    layer, head = next(place for place, role in made.roles.items() if role == "duplicate token")
    result = qk_words(model, layer=layer, head=head, queries=["t3", "t7"], top=1, offset=5)
    assert result.data["token_of_query"].sel(end="most").values[:, 0].tolist() == [model.token("t3"), model.token("t7")]
    assert (result.data["itself"].values > 4).all()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, SiteError, "singular_words"),
        ({"queries": [3], "top": 0}, SiteError, "top=0"),
        ({"queries": [3], "head": 99}, SiteError, "head"),
        ({"queries": [3], "layer": 0, "effective": True}, SiteError, "layer 0"),
        ({"queries": [3, 3]}, iw.InnerworksError, "twice"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        qk_words(tiny("llama"), **{"layer": 1, "head": 0, **options})


def test_models_without_such_a_matrix_are_refused_by_name():
    with pytest.raises((AnatomyError, SiteError), match="deepseek_v3"):
        qk_words(iw.load(families.module_of("deepseek_v3")), layer=0, head=0, queries=[3])
    with pytest.raises(EditError, match="do not change"):
        qk_words(tiny("llama").with_edits(edit.zero(at.z[0, 0])), layer=1, head=0, queries=[3])


def test_it_is_shown_and_registered(tmp_path):
    result = qk_words(tiny("gpt2"), layer=1, head=0, queries=[3], keys=[5])
    assert result.provenance.technique in techniques()
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["score"].equals(result.data["score"])
