"""Words of vectors are the ends of dense products with the vocabulary, however it is cut."""

import pytest
import torch
from tiny_models import KINDS, tiny

from innerworks.decode.vocabulary.words import found as words_found
from innerworks.decode.vocabulary.words.found import by_chance, words_of
from innerworks.decode.vocabulary.words.options import checked_vectors
from innerworks.decode.vocabulary.words.sides import Embeddings, Logits
from innerworks.errors import SiteError

EXACT = 1e-9


def vectors_for(model, count=5):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, model.d_model, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("chunk", [4096, 7])
@pytest.mark.parametrize("family", KINDS)
def test_words_are_the_ends_of_the_dense_product(family, chunk, monkeypatch):
    monkeypatch.setattr(words_found, "_TOKENS_AT_ONCE", chunk)
    model = tiny(family)
    vectors, norm = vectors_for(model), model.weights.mlp_norm(1)
    embed = model.weights.embed.detach().double()
    cases = {
        "logits": (Logits(model), vectors @ model.weights.readout().weight),
        "embeddings": (Embeddings(model), vectors @ embed.T),
        "cosine": (
            Embeddings(model, cosine=True),
            torch.cosine_similarity(vectors[:, None], embed[None], dim=-1),
        ),
    }
    if norm is not None:
        cases["normed"] = (Embeddings(model, norm), vectors @ (embed / norm.scale(embed)[:, None]).T)
    for name, (side, dense) in cases.items():
        words = words_of(side, vectors, 4)
        for end, largest in enumerate((True, False)):
            expected = dense.topk(4, -1, largest=largest)
            assert words.tokens[:, end].tolist() == expected.indices.tolist(), name
            torch.testing.assert_close(words.scores[:, end], expected.values, rtol=0, atol=EXACT)
        torch.testing.assert_close(words.mean, dense.mean(1), rtol=0, atol=EXACT)
        torch.testing.assert_close(words.deviation, dense.std(1, correction=0), rtol=0, atol=EXACT)
        turned, other = words.turned(-torch.ones(5)), words_of(side, -vectors, 4)
        assert turned.tokens.tolist() == other.tokens.tolist()
        torch.testing.assert_close(turned.standing, other.standing, rtol=0, atol=1e-6)


def test_more_words_than_tokens_are_all_tokens():
    model = tiny("llama")
    words = words_of(Logits(model), vectors_for(model), 10**6)
    assert words.tokens.shape == (5, 2, model.n_vocab)
    assert words.tokens[0, 0].tolist() == words.tokens[0, 1].flip(0).tolist()


def test_chance_is_what_random_vectors_have():
    """Of independent normal scores, the largest of n stands where the largest of n normal numbers does."""
    model = tiny("llama")
    generator = torch.Generator().manual_seed(5)
    first = []
    for _ in range(2000):
        scores = torch.randn(model.n_vocab, generator=generator, dtype=torch.float64)
        first.append((scores.max() - scores.mean()) / scores.std(correction=0))
    mean, largest = (check.measured for check in by_chance(Logits(model), vectors_for(model)))
    assert mean == pytest.approx(float(torch.stack(first).mean()), abs=0.25) and largest > mean
    again = [check.measured for check in by_chance(Logits(model), vectors_for(model))]
    assert again == [mean, largest]


def test_a_vector_that_tells_no_tokens_apart_has_no_words():
    model = tiny("gpt2")
    vectors = torch.stack([torch.ones(model.d_model, dtype=torch.float64), vectors_for(model)[0]])
    words = words_of(Logits(model), vectors, 3)  # a LayerNorm takes off what all coordinates share
    assert words.standing[0].isnan().all() and words.standing[1].isfinite().all()
    assert words.listed(model)[0] == "" and words.listed(model)[1] != ""


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (torch.ones(7), r"shape \[7\].*another model"),
        (torch.ones(2, 3, 4), r"shape \[2, 3, 4\]"),
        ("nothing", "give a vector of"),
        (None, "give a vector of"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(given, match):
    with pytest.raises(SiteError, match=match):
        checked_vectors(tiny("llama"), given)


def test_vectors_without_words_are_refused():
    model = tiny("llama")
    with pytest.raises(SiteError, match="vector 0 is all 0"):
        checked_vectors(model, torch.zeros(model.d_model))
    with pytest.raises(SiteError, match="vector 1 holds NaN"):
        checked_vectors(model, torch.tensor([[1.0] * model.d_model, [float("nan")] * model.d_model]))
