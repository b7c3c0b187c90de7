"""Options that mean nothing, or would silently mean something else, are refused in a sentence."""

import families
import numpy as np
import pytest
import torch
from tiny_models import tiny
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import innerworks as iw
from innerworks import at
from innerworks.decode.vocabulary.translators.learned_prompt import chosen_layers
from innerworks.decode.vocabulary.words.found import words_of
from innerworks.decode.vocabulary.words.options import named_vectors
from innerworks.decode.vocabulary.words.sides import Logits
from innerworks.errors import FileError, InnerworksError, OptionError, SiteError
from innerworks.lab import handbuilt
from innerworks.model.sites import pick
from innerworks.results import Artifact

IDS = families.ids(1, 7)[0].tolist()


def with_words():
    built = handbuilt.gpt2()
    model = iw.load(built.model, tokenizer=built.tokenizer())
    numbers = np.random.default_rng(1).integers(2, 50, (30, 24))
    return model, iw.Corpus.of([" ".join(f"t{one}" for one in row) for row in numbers.tolist()], context=12)


@pytest.mark.parametrize(("tokens", "told"), [(1, ""), (2, ""), (3, "4"), (4, "5 or less"), (9, "10 or less")])
def test_a_text_that_is_too_short_is_told_a_context_that_fits(tokens, told):
    model, _ = with_words()  # its tokenizer puts one token before a text
    texts = [" ".join(["t3"] * tokens)]
    ending = f", or context={told}" if told else ""
    with pytest.raises(InnerworksError, match=f"has {tokens} tokens, .* 64: give more text{ending}[.]$"):
        iw.Corpus.of(texts, context=64).contexts(model)
    if told:
        assert len(iw.Corpus.of(texts, context=tokens + 1).contexts(model)) == 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: iw.Corpus.of([None]), "text 0 of the corpus is None"),
        (lambda: iw.Corpus.of(["a", 7]), "text 1 of the corpus is 7"),
        (lambda: iw.Corpus.of(5), "a corpus is of texts.* not of 5"),
        (lambda: iw.Corpus.of([]), "a corpus is of texts"),
        (lambda: iw.Corpus.of(["a"], context=4.5), "context=4.5: give a whole number"),
        (lambda: iw.Corpus.of(["a"], context="64"), "context='64': give a whole number"),
        (lambda: iw.Corpus.of(["a"], limit=1e6), "limit=1000000.0: give a whole number"),
    ],
)
def test_what_is_no_text_or_no_count_of_tokens(make, match):
    with pytest.raises(InnerworksError, match=match):
        make()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (iw.copying_scores, "no attention|no z"),
        (lambda model: iw.qk_words(model, layer=0, head=0, queries=[5]), "no layer has attention|no z"),
        (lambda model: iw.qk_words(model, layer=0, head=0, queries=[5], offset=0), "no layer has attention|no z"),
    ],
)
def test_a_model_without_heads_says_that_it_has_none(call, match):
    model = iw.load(families.module_of("mamba"))
    with pytest.raises(InnerworksError, match=match) as told:
        call(model)
    assert "effective" not in str(told.value) and "0 to -1" not in str(told.value) and "layers  " not in str(told.value)


def test_no_sentence_lists_nothing():
    for family in ("mamba", "mixtral", "llama"):
        model = iw.load(families.module_of(family))
        for kind in ("z", "neurons", "router", "mixer_out", "mlp_out", "expert_out"):
            for layer in range(model.n_layers):
                try:
                    model.anatomy.check_layer(kind, layer)
                except SiteError as told:
                    assert "layers  " not in str(told) and "layers ." not in str(told), str(told)
    with pytest.raises(SiteError, match="head 0 does not exist: there are none"):
        pick(0, 0, "head")


def test_attention_lenses_of_models_without_attention_and_of_a_layer_twice():
    model, corpus = with_words()
    with pytest.raises(SiteError, match=r"layers=\(1, 1\) names layer 1 twice"):
        iw.fit_attention_lens(model, corpus, layers=(1, 1), steps=0)
    with pytest.raises(SiteError, match="name at least one"):
        iw.fit_attention_lens(model, corpus, layers=(), steps=0)
    mamba = iw.load(families.module_of("mamba"))
    with pytest.raises(SiteError, match="no attention|has no attn_out"):
        iw.fit_attention_lens(mamba, corpus, steps=0)


@pytest.mark.parametrize("given", [[1, 1], [1, -2], [], "1", [0.5]])
def test_layers_are_numbers_each_once(given):
    with pytest.raises(SiteError, match="layer"):
        chosen_layers(tiny("llama"), given)
    assert chosen_layers(tiny("llama"), 1) == (1,)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda model: iw.backward_lens(model, IDS, target=7, layers=(1, 1)), r"layers=\(1, 1\) names layer 1 twice"),
        (lambda model: iw.neuron_words(model, layer=1, neurons=(3, 3)), r"neurons=\(3, 3\) names neuron 3 twice"),
        (lambda model: iw.neuron_words(model, layer=1, neurons=()), r"neurons=\(\): name at least one"),
        (
            lambda model: iw.singular_words(model, matrix="ov", layer=0, head=0, effective=True),
            "effective=True: layer 0 reads the embeddings",
        ),
        (lambda model: iw.logit_lens(model, IDS, lens="x"), "lens= takes a fitted .*, and this is 'x'"),
    ],
)
def test_what_was_silent_or_raw_is_told(call, match):
    with pytest.raises(InnerworksError, match=match):
        call(tiny("llama"))


def test_vectors_by_name_are_numbered_where_a_name_has_several():
    model = tiny("llama")
    rows = torch.eye(model.d_model, dtype=torch.float64)
    names, vectors = named_vectors(model, {"a": rows[:2], "b": rows[2]}, "embedding")
    assert names == ["a.0", "a.1", "b"] and torch.equal(vectors, rows[:3])
    found = iw.vector_words(model, vectors={"a": rows[:2]})
    assert found.tables["vectors"]["vector"] == ["a.0", "a.1"]


def test_a_direction_is_a_vector_of_the_stream():
    model = tiny("llama")
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    named = iw.neuron_words(model, layer=1, direction=iw.direction("mine", vector))
    plain = iw.neuron_words(model, layer=1, direction=vector)
    assert named.data["along"]["neuron"].values.tolist() == plain.data["along"]["neuron"].values.tolist()
    assert named.data["along"].values == pytest.approx(plain.data["along"].values, abs=1e-12)


def test_a_vector_without_words_lists_no_tokens():
    model = tiny("llama")
    vectors = torch.stack([torch.zeros(model.d_model), torch.ones(model.d_model)]).double()
    words = words_of(Logits(model), vectors, 3)
    assert (words.tokens[0] == -1).all() and (words.tokens[1] >= 0).all() and words.standing[0].isnan().all()
    assert (words.turned(torch.tensor([-1.0, 1.0])).tokens[0] == -1).all() and words.listed(model)[0] == ""


def test_a_fit_into_a_file_is_told(tmp_path):
    model, corpus = with_words()
    (tmp_path / "lens").write_text("mine")
    with pytest.raises(FileError, match="lens is a file, and a folder is to be kept there"):
        iw.fit_tuned_lens(model, corpus, steps=0, out=tmp_path / "lens")
    assert (tmp_path / "lens").read_text() == "mine"


@pytest.mark.parametrize("bias", [torch.zeros(5), torch.zeros(1), torch.zeros(2, 32), torch.tensor(0.0)])
def test_a_bias_of_another_length_than_the_matrix_gives(bias):
    model = tiny("llama")
    options = {"target_prompt": IDS, "placeholder": 2}
    with pytest.raises(OptionError, match=r"mapping has a bias of shape .* rows of 32 numbers"):
        iw.patchscope(model, IDS, at.resid_post[0], mapping=(torch.eye(32), bias), **options)
    whole = Artifact("state-map", {"matrix": torch.eye(32), "bias": bias})
    with pytest.raises(OptionError, match="mapping has a bias of shape"):
        iw.patchscope(model, IDS, at.resid_post[0], mapping=whole, **options)


@pytest.mark.parametrize(
    ("bias", "config"),
    [(torch.zeros(2, 32), {}), (torch.zeros(3, 32), {"layers": [0, 1]}), (torch.zeros(1, 32), {"layers": [0, 1, 2]})],
)
def test_an_artifact_whose_parts_do_not_belong_together(bias, config):
    maps = Artifact("state-map", {"matrix": torch.eye(32).expand(3, 32, 32), "bias": bias}, config)
    with pytest.raises(OptionError, match="this state-map has 3 matrices and"):
        iw.patchscope(tiny("llama"), IDS, at.resid_post[0], mapping=maps, target_prompt=IDS, placeholder=2)


def test_a_mapping_that_is_a_pair_of_other_things():
    with pytest.raises(OptionError, match="give a matrix"):
        iw.patchscope(tiny("llama"), IDS, at.resid_post[0], mapping=("a", "b"), target_prompt=IDS, placeholder=2)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"quantiles": 0.5}, "quantiles=0.5: give several"),
        ({"top": 2.5}, "top=2.5: give a whole number, 1 or more"),
        ({"seed": -1}, "seed=-1: give a whole number, 0 or more"),
        ({"draws": 0}, "draws=0: give a whole number, 1 or more"),
        ({"active_above": float("nan")}, "active_above=nan"),
    ],
)
def test_what_a_pass_over_a_corpus_cannot_be_asked(options, match):
    model, corpus = with_words()
    with pytest.raises(OptionError, match=match):
        iw.maximally_activating(model, corpus, at.neurons[0, 1], **options)


def naming_x():
    """A model with the words w0, w1, … and x."""
    words = {f"w{number}": number for number in range(82)} | {"x": 82}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return iw.load(families.module_of("llama"), tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer))


@pytest.mark.parametrize(
    ("relation", "prompt"), [("w7 w8", "w7 w8 x"), (" w7 w8 ", "w7 w8 x"), ("w7 x w8", "w7 x w8"), ("w7x", "w7x x")]
)
def test_a_relation_asks_for_an_attribute(relation, prompt):
    model, site = naming_x(), at.resid_post[:]
    found = iw.patchscope(model, "w3 w4 w5", site, preset="attribute", relation=relation, target=9)
    own = iw.patchscope(model, "w3 w4 w5", site, target_prompt=prompt, max_new_tokens=20, target=9)
    for name, array in own.data.items():
        assert found.data[name].equals(array), name


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "attribute"},
        {"preset": "attribute", "relation": " "},
        {"preset": "attribute", "relation": 5},
        {"relation": "w7 w8"},
        {"relation": "w7 w8", "preset": "description"},
        {"relation": "w7 w8", "target_prompt": "w7 w8 x"},
    ],
)
def test_a_relation_and_its_preset_go_together(options):
    with pytest.raises(OptionError, match="relation="):
        iw.patchscope(naming_x(), "w3 w4 w5", at.resid_post[:], **options)
