"""Vectors in words: every way to give them, and what they are the words of."""

import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.weights.vector_words import vector_words
from innerworks.errors import EditError, OptionError, PromptError, SiteError
from innerworks.registry import techniques


@pytest.mark.parametrize("family", KINDS)
def test_tokens_resemble_themselves(family):
    model = tiny(family)
    result = vector_words(model, vectors=[3, 7], top=1)
    like = result.data["token"].sel(side="resembles", end="most").values[:, 0]
    assert like.tolist() == [3, 7]
    assert result.data["score"].sel(side="resembles", end="most").values == pytest.approx(1)
    assert result.data["token"].vector.values.tolist() == ["3", "7"]


@pytest.mark.parametrize("family", KINDS)
def test_adding_what_promotes_a_token_raises_it_in_the_model(family):
    """The first word of a vector is what its logits rise most by, in the model with the final norm's scale frozen."""
    model = tiny(family)
    generator = torch.Generator().manual_seed(1)
    vector = torch.randn(model.d_model, generator=generator, dtype=torch.float64)
    result = vector_words(model, vectors=vector, top=3)
    stream = model.run([[5, 9]], capture=[at.resid_post[-1]], logits=None)[at.resid_post[-1]][0, 1]
    readout, norm = model.weights.readout(), model.weights.final_norm
    scale = 1 if norm is None else norm.scale(stream)
    rise = (stream + vector) / scale @ readout.weight - stream / scale @ readout.weight
    assert result.data["token"].sel(side="promotes", end="most").values[0].tolist() == rise.topk(3).indices.tolist()


def test_the_same_vectors_may_be_given_in_many_ways():
    model = tiny("llama")
    rows = model.weights.embed[[3, 7]]
    difference = rows[0] - 2 * rows[1]
    forms = {
        "tensor": difference,
        "weights": {3: 1, 7: -2},
        "named": {"mine": difference},
        "basis": iw.subspace("plane", difference[None]),
        "list": difference.tolist(),
    }
    expected = vector_words(model, vectors=difference).data["token"].values
    for name, given in forms.items():
        assert (vector_words(model, vectors=given).data["token"].values == expected).all(), name
    names = {name: vector_words(model, vectors=given).data["token"].vector.values[0] for name, given in forms.items()}
    assert names == {"tensor": "0", "weights": "+1·3 -2·7", "named": "mine", "basis": "plane", "list": "0"}
    direction = vector_words(model, vectors=iw.direction("d", difference))
    assert (direction.data["token"].values == expected).all()
    assert direction.data["norm"].item() == pytest.approx(1)


def test_the_unembedding_of_a_token_raises_it():
    model = tiny("gpt_neox")
    result = vector_words(model, vectors=[3, 7], table="unembedding", top=1)
    assert result.data["token"].sel(side="promotes", end="most").values[:, 0].tolist() == [3, 7]


class Coder:
    name = "coder"

    def encode(self, x):
        return x

    def decode(self, f):
        return f


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"vectors": torch.ones(5)}, SiteError, "another model"),
        ({"vectors": torch.zeros(32)}, SiteError, "all 0"),
        ({"vectors": {3: 1, 7: 0.0, "x": torch.ones(3)}}, SiteError, "give a vector|shape"),
        ({"vectors": {}}, SiteError, "give a vector"),
        ({"vectors": Coder()}, SiteError, "no fixed directions"),
        ({"vectors": {3: 1, 10**9: 1}}, PromptError, "does not exist"),
        ({"vectors": [3], "top": 0}, SiteError, "top=0"),
        ({"vectors": [3], "table": "keys"}, OptionError, "embedding"),
        ({"vectors": {3: 1, 7: 0}, "effective": True, "top": -1}, SiteError, "top=-1"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        vector_words(tiny("llama"), **options)


def test_it_is_shown_and_registered(tmp_path):
    result = vector_words(tiny("gpt2"), vectors={3: 1, 7: -1})
    assert result.provenance.technique in techniques()
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["score"].equals(result.data["score"])
    assert "suppresses" in str(result)
    with pytest.raises(EditError):
        vector_words(tiny("gpt2").with_edits(edit.zero(at.z[0, 0])), vectors=[3])


@pytest.mark.weights
def test_a_difference_of_words_is_named_by_its_ends():
    model = iw.load("smollm2-135m-instruct-q4")
    result = vector_words(model, vectors={" Paris": 1, " Rome": -1}, top=1)
    first = {end: model.tokenizer.decode(result.data["token"].sel(side="promotes", end=end).item())
             for end in ("most", "least")}  # fmt: skip
    assert "paris" in first["most"].lower() and "rom" in first["least"].lower()
