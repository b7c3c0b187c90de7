"""Neurons in words: what the model's own MLP does to single tokens, dense products, and planted neurons."""

import copy

import families
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.weights.neuron_words import neuron_words
from innerworks.errors import AnatomyError, EditError, SiteError
from innerworks.registry import techniques

NORMS = 1e-6
"""Most families' norms divide in float32."""
EXPERT = {"mixtral": 1}


@pytest.mark.parametrize("family", KINDS)
def test_what_neurons_promote_is_the_dense_product(family):
    model, expert = tiny(family), EXPERT.get(family)
    result = neuron_words(model, layer=1, neurons=(2, 5, -1), expert=expert, top=3)
    last = model.weights.neuron_out(1, expert=expert).shape[0] - 1
    assert result.data["token"].neuron.values.tolist() == [2, 5, last]
    writes = model.weights.neuron_out(1, expert=expert, folded=True)[[2, 5, last]]
    dense = writes @ model.weights.readout().weight
    found = result.data["token"].sel(vector="out")
    assert found.sel(end="most").values.tolist() == dense.topk(3).indices.tolist()
    assert found.sel(end="least").values.tolist() == dense.topk(3, largest=False).indices.tolist()
    assert result.data["score"].sel(vector="out", end="most").values == pytest.approx(dense.topk(3).values.numpy())


@pytest.mark.parametrize("effective", [False, True])
@pytest.mark.parametrize("family", [one for one in KINDS if one not in EXPERT])
def test_what_neurons_fire_for_is_what_the_model_itself_reads_of_a_token(family, effective):
    model, layer = tiny(family), 1
    result = neuron_words(model, layer=layer, neurons=(0, 3), top=model.n_vocab, effective=effective)
    tokens = list(range(model.n_vocab))
    silent = [edit.zero(at.attn_out[one]) for one in range(layer + 1)]
    if effective:
        run = model.run(
            [[one] for one in tokens],
            start=(0, model.weights.embed_rows(tokens)[:, None]),
            edits=silent[:1],
            capture=at.resid_post[0],
            logits=None,
        )
        stream = run[at.resid_post[0]]
    else:
        stream = model.weights.embed_rows(tokens)[:, None]
    sites = {"in": at.neuron_pre[layer]}
    if "gate" in result.data["token"].vector.values:
        sites["gate"] = at.gate[layer]
    run = model.run(
        [[one] for one in tokens],
        start=(layer, stream),
        edits=silent[layer:],
        capture=list(sites.values()),
        logits=None,
    )
    for name, site in sites.items():
        bias = (
            model.weights.neuron_in_bias(layer, folded=True)
            if name == "in"
            else model.weights.gate_bias(layer, folded=True)
        )
        read = run[site][:, 0, [0, 3]] - bias[[0, 3]]
        tokens_listed = torch.from_numpy(result.data["token"].sel(vector=name, end="most").values)
        scores = torch.from_numpy(result.data["score"].sel(vector=name, end="most").values)
        torch.testing.assert_close(read.T.gather(1, tokens_listed), scores, rtol=0, atol=NORMS)


def test_what_an_experts_neurons_fire_for_is_the_dense_product():
    model = tiny("mixtral")
    result = neuron_words(model, layer=1, neurons=(0, 3), expert=2, top=3)
    embed, norm = model.weights.embed, model.weights.mlp_norm(1)
    normed = embed / norm.scale(embed)[:, None]
    for name, matrix in (("in", model.weights.neuron_in), ("gate", model.weights.gate)):
        dense = (normed @ matrix(1, expert=2, folded=True)[:, [0, 3]]).T
        found = result.data["token"].sel(vector=name, end="most").values
        assert found.tolist() == dense.topk(3).indices.tolist()
    other = neuron_words(model, layer=1, neurons=(0, 3), expert=1, top=3).data["score"].values
    assert abs(other - result.data["score"].values).max() > 1e-3


def planted(out=None, read=None):
    """A Llama one of whose neurons writes a token's direction, and reads another's embedding."""
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    model = iw.load(module)
    mlp = module.model.layers[2].mlp
    with torch.no_grad():
        mlp.down_proj.weight[:, 9] = 3 * model.weights.unembed[:, 17]
        mlp.up_proj.weight[9] = model.weights.embed[23] - model.weights.embed.mean(0)
    return model


def test_a_planted_neuron_is_found_by_what_it_promotes():
    model = planted()
    named = neuron_words(model, layer=2, neurons=9, top=1).data["token"]
    assert named.sel(vector="out", end="most").item() == 17
    assert named.sel(vector="in", end="most").item() == 23
    by_token = neuron_words(model, layer=2, direction=17, count=3)
    assert by_token.data["along"].neuron.values[0] == 9 and by_token.data["along"].values[0] > 3
    along = neuron_words(model, layer=2, direction=model.weights.unembed[:, 17], count=1)
    assert along.data["along"].neuron.values.tolist() == [9]
    assert along.data["along"].values[0] == pytest.approx(1)


def test_with_nothing_given_neurons_that_stand_out_come_first():
    model = planted()
    result = neuron_words(model, layer=2, count=5)
    standing = result.data["standing"].sel(vector="out", end="most").values
    writes = model.weights.neuron_out(2, folded=True) @ model.weights.readout().weight
    every = (writes.amax(1) - writes.mean(1)) / writes.std(1, correction=0)
    assert standing == pytest.approx(every.topk(5).values.numpy())
    assert result.data["token"].neuron.values.tolist() == every.topk(5).indices.tolist()


def test_a_neuron_that_takes_out_what_it_reads_has_cosine_minus_one():
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    mlp = module.model.layers[1].mlp
    model = iw.load(module)
    with torch.no_grad():
        mlp.down_proj.weight[:, 4] = -2 * model.weights.neuron_in(1, folded=True)[:, 4]
    assert neuron_words(model, layer=1, neurons=4).data["cosine"].item() == pytest.approx(-1)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"layer": 1, "neurons": (10**6,)}, SiteError, "neuron 1000000 does not exist: there are"),
        ({"layer": 1, "neurons": ()}, SiteError, "name at least one by its number"),
        ({"layer": 1, "neurons": "five"}, SiteError, "name at least one by its number"),
        ({"layer": 99}, SiteError, "layer"),
        ({"layer": 1, "top": 0}, SiteError, "top=0"),
        ({"layer": 1, "count": 0}, SiteError, "count=0"),
        ({"layer": 0, "effective": True}, SiteError, "layer 0"),
        ({"layer": 1, "expert": 0}, SiteError, "not a mixture"),
        ({"layer": 1, "direction": torch.ones(3)}, SiteError, "shape"),
        ({"layer": 1, "direction": torch.eye(64)[:2]}, SiteError, "give one|shape"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        neuron_words(tiny("llama"), **options)


def test_experts_must_be_named():
    with pytest.raises((SiteError, AnatomyError), match="expert=0"):
        neuron_words(tiny("mixtral"), layer=1)
    with pytest.raises(EditError, match="do not change"):
        neuron_words(tiny("llama").with_edits(edit.zero(at.z[0, 0])), layer=1)


def test_it_is_shown_and_registered(tmp_path):
    result = neuron_words(tiny("gpt2"), layer=1, count=3)
    assert result.provenance.technique in techniques()
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["token"].equals(result.data["token"])
    assert "promotes" in str(result)
