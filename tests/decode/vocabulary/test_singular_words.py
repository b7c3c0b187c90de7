"""Singular directions: dense decompositions, planted circuits, and what truncation keeps."""

import copy

import families
import numpy as np
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.weights.singular_words import singular_words
from innerworks.errors import EditError, InnerworksError, OptionError, SiteError

EXACT = 1e-8


def dense_of(model, matrix, expert):
    weights = model.weights
    scales = None if model.family.qk_norm is None else (1.0, 1.0)
    heads = {"q": weights.q, "k": weights.k, "v": weights.v, "o": weights.o}
    mlps = {"neuron_in": weights.neuron_in, "gate": weights.gate, "neuron_out": weights.neuron_out}
    if matrix in heads:
        return heads[matrix](1, 2, folded=True)
    if matrix in mlps:
        return mlps[matrix](1, expert=expert, folded=True)
    return {
        "ov": lambda: weights.ov(1, 2).dense(),
        "qk": lambda: weights.qk(1, 2, 1, norm_scales=scales).dense(),
        "unembed": lambda: weights.readout().weight,
        "embed": lambda: weights.embed.double().T,  # its stream side in front
    }[matrix]()


def place_of(model, matrix, expert):
    if matrix in ("embed", "unembed"):
        return {}
    if matrix in ("neuron_in", "gate", "neuron_out"):
        return {"layer": 1, "expert": expert}
    return {"layer": 1, "head": 2}


@pytest.mark.parametrize(
    "matrix", ["ov", "qk", "q", "k", "v", "o", "neuron_in", "gate", "neuron_out", "unembed", "embed"]
)
@pytest.mark.parametrize("family", KINDS)
def test_directions_are_those_of_the_dense_matrix(family, matrix):
    model = tiny(family)
    expert = 1 if family == "mixtral" else None
    if matrix == "gate" and family in ("gpt2", "gpt_neox"):
        with pytest.raises(SiteError, match="not gated"):
            singular_words(model, matrix=matrix, layer=1)
        return
    dense = dense_of(model, matrix, expert).detach()
    u, s, vh = torch.linalg.svd(dense, full_matrices=False)
    place = place_of(model, matrix, expert)
    result = singular_words(model, matrix=matrix, directions=3, top=2, rank=4, **place)
    found = torch.from_numpy(result.data["singular"].values)
    torch.testing.assert_close(found[:4], s[: len(found)][:4], rtol=1e-6, atol=EXACT)
    kept = (s.square().cumsum(0) / s.square().sum())[3]
    assert result.data["kept"].sel(rank=4).item() == pytest.approx(float(kept), abs=EXACT)
    cut = u[:, :4] * s[:4] @ vh[:4]
    checks = {one.name: one.measured for one in result.checks}
    assert checks["error of the matrix cut to 4"] == pytest.approx(float((dense - cut).norm() / dense.norm()), abs=1e-7)
    if "token_writes" in result.data and matrix not in ("qk", "embed", "unembed"):
        scores = vh[:3] @ model.weights.readout().weight
        ends = result.data["token_writes"].values[:, :, 0]
        for row, both in zip(scores, ends, strict=True):
            expected = [int(row.argmax()), int(row.argmin())]
            assert both.tolist() in (expected, expected[::-1])
            assert abs(row[both[0]] - row.mean()) >= abs(row[both[1]] - row.mean()) - EXACT
    if matrix == "unembed":
        for row, both in zip(vh[:3], result.data["token_writes"].values[:, :, 0], strict=True):
            assert set(both.tolist()) == {int(row.argmax()), int(row.argmin())}


def test_a_planted_direction_is_read_and_written():
    """W_V W_O = u vᵀ, u what token 5's embedding holds alone, v what raises token 9."""
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    model = iw.load(module)
    attn, width = module.model.layers[1].self_attn, model.weights.v(1, 0).shape[1]
    embed, readout = model.weights.embed.double(), model.weights.readout().weight
    norm = model.weights.attn_norm(1)
    normed = embed / norm.scale(embed)[:, None]
    reads = torch.linalg.pinv(normed.T @ normed) @ normed[5] / norm.gamma
    writes = torch.linalg.pinv(readout @ readout.T) @ readout[:, 9]
    with torch.no_grad():
        attn.v_proj.weight[:width] = 0
        attn.v_proj.weight[0] = reads
        attn.o_proj.weight[:, :width] = 0
        attn.o_proj.weight[:, 0] = writes
    result = singular_words(model, layer=1, head=0, directions=5, top=1)
    assert len(result.tables["directions"]) == 1, "the other directions are 0"
    assert result.data["token_reads"].values[0, 0, 0] == 5 and result.data["token_writes"].values[0, 0, 0] == 9
    assert result.data["kept"].values[0] == pytest.approx(1)


def test_both_sides_are_turned_together():
    model = tiny("gpt2")
    data = singular_words(model, layer=1, head=2, directions=4, top=1).data
    svd = model.weights.ov(1, 2).svd()
    product = (svd.U[:, :4].T * svd.S[:4, None]) @ svd.U[:, :4] @ svd.Vh[:4]  # U S Vᵀ row by row
    assert torch.allclose(product, svd.S[:4, None] * svd.Vh[:4])
    embed = model.weights.embed / model.weights.attn_norm(1).scale(model.weights.embed)[:, None]
    for number in range(4):
        read = embed[int(data["token_reads"].values[number, 0, 0])] @ svd.U[:, number]
        raised = svd.Vh[number] @ model.weights.readout().weight[:, int(data["token_writes"].values[number, 0, 0])]
        assert float(read * raised) * float(
            data["score_reads"].values[number, 0, 0] * data["score_writes"].values[number, 0, 0]
        ) == pytest.approx(float(read * raised) ** 2)


def test_truncation_is_the_closest_matrix_of_its_rank():
    svd = tiny("gpt2").weights.svd(1, "ov", 2)
    dense = svd.U * svd.S @ svd.Vh
    cut = svd.truncated(3)
    assert cut.rank == 3
    assert float((dense - cut.dense()).norm()) == pytest.approx(float(svd.S[3:].norm()))
    assert torch.allclose(svd.truncated(len(svd.S)).dense(), dense)
    for rank in (0, len(svd.S) + 1):
        with pytest.raises(InnerworksError, match="can be cut"):
            svd.truncated(rank)


def test_neurons_are_listed_by_their_share():
    model = tiny("llama")
    table = singular_words(model, matrix="neuron_out", layer=1, directions=2, top=3).tables["directions"]
    u = torch.linalg.svd(model.weights.neuron_out(1, folded=True), full_matrices=False).U[:, 0]
    listed = table["neurons"][0].split()
    assert [int(one[1:]) for one in listed] == u.abs().topk(3).indices.tolist()
    same = [(one[0] == "+") == bool(u[int(one[1:])] > 0) for one in listed]
    assert len(set(same)) == 1
    router = singular_words(tiny("mixtral"), matrix="router", layer=1, directions=1, top=2).tables["directions"]
    assert len(router["experts"][0].split()) == 2


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"matrix": "ov", "layer": 1}, SiteError, "takes a head"),
        ({"matrix": "ov", "head": 1}, SiteError, "takes a layer"),
        ({"matrix": "neuron_in", "layer": 1, "head": 0}, SiteError, "takes no head"),
        ({"matrix": "unembed", "layer": 1}, SiteError, "takes no layer"),
        ({"matrix": "ov", "layer": 1, "head": 0, "expert": 1}, SiteError, "no expert's"),
        ({"matrix": "ov", "layer": 1, "head": 0, "rank": 999}, SiteError, "can be cut to 1 to"),
        ({"matrix": "ov", "layer": 1, "head": 0, "directions": 0}, SiteError, "directions=0"),
        ({"matrix": "vo", "layer": 1, "head": 0}, OptionError, "ov"),
        ({"matrix": "router", "layer": 1}, SiteError, "no router"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        singular_words(tiny("llama"), **options)


def test_a_matrix_of_zeros_is_refused_and_edits_too():
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    with torch.no_grad():
        module.model.layers[1].self_attn.o_proj.weight.zero_()
    with pytest.raises(SiteError, match=r"ov 1\.0 is 0"):
        singular_words(iw.load(module), layer=1, head=0)
    with pytest.raises(EditError, match="do not change"):
        singular_words(tiny("llama").with_edits(edit.zero(at.z[0, 0])), layer=1, head=0)


def test_it_is_shown_and_saved(tmp_path):
    result = singular_words(tiny("gpt2"), layer=1, head=0)
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert np.allclose(iw.open(tmp_path / "kept").data["kept"].values, result.data["kept"].values)
