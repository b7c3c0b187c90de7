"""Copying scores: the eigenvalues of dense circuits, heads built to copy, to suppress, and to write nothing."""

import copy

import families
import numpy as np
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.weights.copying_scores import copying_scores
from innerworks.decode.vocabulary.words.embeddings import through_first_mlp
from innerworks.errors import AnatomyError, EditError, SiteError
from innerworks.lab import handbuilt
from innerworks.registry import techniques

EXACT = 1e-9


@pytest.mark.parametrize("effective", [False, True])
@pytest.mark.parametrize("family", KINDS)
def test_eigenvalues_are_those_of_the_dense_circuit(family, effective):
    model = tiny(family)
    result = copying_scores(model, effective=effective)
    layers = result.data["score"].layer.values.tolist()
    assert layers == list(range(int(effective), model.n_layers))
    weights = model.weights
    embed = weights.embed.detach().double()
    embed = through_first_mlp(model, range(len(embed))) if effective else embed
    rank = result.data["real"].sizes["rank"]
    for layer, head in ((1, 0), (2, 3)):
        dense = embed @ weights.ov(layer, head).dense() @ weights.readout().weight
        every = torch.linalg.eigvals(dense)
        largest = every[every.abs().argsort(descending=True)][:rank]
        place = {"layer": layers.index(layer), "head": head}
        found = result.data["real"].isel(place).values + 1j * result.data["imaginary"].isel(place).values
        assert np.sort_complex(found) == pytest.approx(np.sort_complex(largest.numpy()), abs=1e-8)
        score = float(largest.real.sum() / largest.abs().sum())
        assert result.data["score"].isel(place).item() == pytest.approx(score, abs=1e-7)
        assert result.data["positive"].isel(place).item() == int((largest.real > 1e-9).sum())
        flat = (embed - embed.mean(0)) @ weights.ov(layer, head).dense() @ weights.readout().weight
        every = torch.linalg.eigvals(flat - flat.mean(1, keepdim=True))
        assert result.data["centred"].isel(place).item() == pytest.approx(
            float(every.real.sum() / every.abs().sum()), abs=1e-7
        )
    if not effective:
        assert result.data["score"].values == pytest.approx(weights.copying_scores().numpy(), abs=EXACT)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_heads_built_by_hand_are_what_they_were_built_to_be(name):
    made = getattr(handbuilt, name)(dtype=torch.float64)
    result = copying_scores(iw.load(made.model, tokenizer=made.tokenizer()))
    silent = 0
    for (layer, head), scores in made.expected.heads.items():
        found = result.data["score"].isel(layer=layer, head=head).item()
        assert found == pytest.approx(scores.copying, abs=1e-6, nan_ok=True), (layer, head)
        positive = result.data["positive"].isel(layer=layer, head=head).item()
        assert np.isnan(positive) == np.isnan(scores.copying), "0 of 0 is not 0"
        silent += np.isnan(scores.copying)
        if scores.copying < -0.99:
            assert positive == 0
    [check] = [one for one in result.checks if "write nothing" in one.name]
    assert check.measured >= silent > 0
    listed = result.tables["heads"]
    assert len(listed) == np.isfinite(result.data["score"].values).sum()
    assert listed["score"] == sorted(listed["score"], reverse=True)


def test_a_head_planted_to_copy_or_to_suppress_comes_first_or_last():
    """Keys and values are shared by two heads: the one copies what both read, the other takes it out."""
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    model = iw.load(module)
    head = model.weights.v(1, 0).shape[1]
    with torch.no_grad():
        core = model.weights.copying_core(layer=1).matrix  # W_U W_E
        read = model.weights.v(1, 0, folded=True)
        back = torch.linalg.pinv(core @ read)  # so that W_O (W_U W_E) W_V is the identity
        norm = model.weights.final_norm
        back = back / norm.gamma.to(back)
        for number, sign in ((0, 1.0), (1, -1.0)):
            module.model.layers[1].self_attn.o_proj.weight[:, number * head : (number + 1) * head] = sign * back.T
    result = copying_scores(model, top=1)
    assert result.tables["heads"]["head"] == ["1.0", "1.1"]
    assert result.tables["heads"]["score"] == pytest.approx([1, -1], abs=0.02)
    assert result.tables["heads"]["positive eigenvalues"] == [head, 0]


def test_random_heads_lie_within_chance():
    result = copying_scores(tiny("gpt2"))
    checks = {one.name: one.measured for one in result.checks}
    assert abs(result.data["score"].values).max() < 5 * checks["spread of scores by chance"]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SiteError, match="top=0"):
        copying_scores(tiny("gpt2"), top=0)
    with pytest.raises(EditError, match="do not change"):
        copying_scores(tiny("gpt2").with_edits(edit.zero(at.z[0, 0])))
    with pytest.raises((AnatomyError, SiteError), match="deepseek_v3"):
        copying_scores(iw.load(families.module_of("deepseek_v3")))


def test_layers_without_heads_are_left_out():
    model = iw.load(families.module_of("jamba", dtype=torch.float64))
    layers = model.layers_with("z")
    assert len(layers) < model.n_layers
    assert copying_scores(model).data["score"].layer.values.tolist() == layers


def test_it_is_shown_and_registered(tmp_path):
    result = copying_scores(tiny("gpt2"))
    assert result.provenance.technique in techniques()
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["score"].equals(result.data["score"])


def test_what_all_tokens_share_is_no_copying():
    """Embeddings with a large mean, which every head passes on: scores go to the ends, centred ones do not."""
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    with torch.no_grad():
        embedding = module.get_input_embeddings().weight
        embedding += 20 * torch.ones_like(embedding)
        module.get_output_embeddings().weight.copy_(embedding)
    checks = {one.name: one.measured for one in copying_scores(iw.load(module)).checks}
    assert checks["spread of scores by chance"] > 0.8
    assert checks["spread of centred scores by chance"] < 0.4
