"""Copying scores and compositions, held against brute force and against models written by hand."""

from __future__ import annotations

import dataclasses
import functools
import math

import families
import pytest
import torch
from opened import HEADS, LAYERS, close, model_of

from innerworks.errors import AnatomyError
from innerworks.lab import handbuilt
from innerworks.model.anatomy import FAMILIES, Anatomy
from innerworks.model.weights import Weights

every_family = pytest.mark.parametrize("family", families.WITH_MATRICES)
RECORDS = {
    "gpt2": FAMILIES["gpt2"],
    "llama": FAMILIES["llama"],
    "neox": FAMILIES["gpt_neox"],
    "gemma": dataclasses.replace(FAMILIES["llama"], model_type="gemma", norm="rms_plus_one"),
}


@functools.cache
def built(name):
    return getattr(handbuilt, name)(dtype=torch.float64)


@functools.cache
def by_hand(name):
    return Weights(Anatomy(built(name).model, RECORDS[name]))


def dense_qk(weights, layer, head):
    scales = None if weights.anatomy.family.qk_norm is None else (1.0, 1.0)
    return weights.qk(layer, head, 0, norm_scales=scales).dense()


@every_family
@pytest.mark.parametrize("kind", "QKV")
def test_composition_is_that_of_the_dense_matrices(family, kind):
    weights = model_of(family).weights
    if family in families.NO_QK_MATRIX and kind != "V":
        with pytest.raises(AnatomyError, match="both positions"):
            weights.composition(kind)
        return
    scores = weights.composition(kind).scores
    assert scores.shape == (LAYERS, HEADS, LAYERS, HEADS)
    for l1 in range(LAYERS):
        for l2 in range(LAYERS):
            if l1 >= l2:
                assert scores[l1, :, l2].isnan().all()
                continue
            for h1, h2 in [(0, 0), (1, 3), (3, 2)]:
                writer = weights.ov(l1, h1).dense()
                reader = weights.ov(l2, h2).dense() if kind == "V" else dense_qk(weights, l2, h2)
                reader = reader.T if kind == "K" else reader
                expected = (writer @ reader).norm() / (writer.norm() * reader.norm())
                assert scores[l1, h1, l2, h2].item() == pytest.approx(expected.item(), rel=1e-9)


@every_family
def test_copying_score_is_that_of_the_dense_circuit(family):
    weights = model_of(family).weights
    embed, unembed = weights.embed, weights.readout().weight
    all_at_once = weights.copying_scores()
    for layer, head in [(0, 0), (1, 2), (2, 3)]:
        full = embed @ weights.ov(layer, head).dense() @ unembed
        eigenvalues = torch.linalg.eigvals(full)
        eigenvalues = eigenvalues[eigenvalues.abs().argsort(descending=True)][: weights.anatomy.d_head]
        expected = (eigenvalues.real.sum() / eigenvalues.abs().sum()).item()
        assert weights.copying_score(layer, head) == pytest.approx(expected, abs=1e-9)
        assert all_at_once[layer, head].item() == pytest.approx(expected, abs=1e-9)
        tokens, outputs = [3, 80, 3], [1, 2]
        close(weights.full_ov(layer, head, tokens, outputs), full[tokens][:, outputs])
        close(weights.full_ov(layer, head, tokens), full[tokens][:, tokens])


@pytest.mark.parametrize("name", RECORDS)
def test_copying_scores_of_the_models_written_by_hand(name):
    scores = by_hand(name).copying_scores()
    for (layer, head), row in built(name).expected.heads.items():
        for score in (by_hand(name).copying_score(layer, head), scores[layer, head].item()):
            if math.isnan(row.copying):
                assert math.isnan(score), (layer, head)
            else:
                assert score == pytest.approx(row.copying, abs=1e-6), (layer, head)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("folded", [False, True])
def test_compositions_of_the_models_written_by_hand(name, folded):
    planted = {
        "K": {(0, 0, 1, 0): built(name).expected.k_composition},
        "Q": {(1, 0, 2, 0): built(name).expected.q_composition},
        "V": {},
    }
    for kind, pairs in planted.items():
        found = by_hand(name).composition(kind, folded=folded)
        for place, score in pairs.items():
            assert found.scores[place].item() == pytest.approx(score, abs=1e-9)
        others = found.scores.clone()
        for place in pairs:
            others[place] = math.nan
        others = others[~others.isnan()]
        assert len(others) >= 3
        assert others.abs().max() < 1e-12
        if pairs:
            assert found.z.nan_to_num(-math.inf).argmax() == found.scores.nan_to_num(-1).argmax()
            assert found.z.nan_to_num(-math.inf).max() > 2


def test_the_perfect_pair_of_the_gpt2_written_by_hand():
    k = by_hand("gpt2").composition("K")
    assert k.scores[0, 0, 1, 0].item() == pytest.approx(1 / math.sqrt(62.5), abs=1e-12)
    # Heads 0.1 and 1.1 write nothing.
    assert k.scores[0, 1].isnan().all()
    assert k.scores[1, 1].isnan().all()


def test_deviation_is_that_of_random_rotations():
    weights = model_of("llama").weights
    found = weights.composition("V")
    writer, reader = weights.ov(0, 1).dense(), weights.ov(2, 3).dense()
    d, generator = writer.shape[0], torch.Generator().manual_seed(0)
    gaussian = torch.randn(3000, d, d, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    # Signs make the rotations uniformly distributed.
    turned = writer @ (q * r.diagonal(dim1=1, dim2=2).sign()[:, None]) @ reader
    squares = turned.square().sum((1, 2)) / (writer.norm() * reader.norm()) ** 2
    assert squares.mean().item() == pytest.approx(1 / d, rel=0.01)
    assert squares.std().item() == pytest.approx(found.deviation[0, 1, 2, 3].item(), rel=0.06)
    expected = (found.scores[0, 1, 2, 3] ** 2 - 1 / d) / found.deviation[0, 1, 2, 3]
    assert found.z[0, 1, 2, 3].item() == pytest.approx(expected.item(), rel=1e-9)


def test_sampled_null_is_that_of_random_matrices():
    found = model_of("llama").weights.composition("K")
    null, d, r = found.sampled(matrices=24, seed=1), 32, 8
    generator = torch.Generator().manual_seed(7)

    def low_rank():
        return torch.randn(d, r, generator=generator) @ torch.randn(r, d, generator=generator)

    brute = []
    for _ in range(500):
        a, b = low_rank(), low_rank()
        brute.append(((a @ b).norm() / (a.norm() * b.norm())).item())
    brute = torch.tensor(brute)
    assert null.scores.shape == (24, 24)
    assert null.mean == pytest.approx(brute.mean().item(), rel=0.02)
    assert null.std == pytest.approx(brute.std().item(), rel=0.25)
    assert found.expected == pytest.approx(1 / math.sqrt(d))
    assert null.mean == pytest.approx(found.expected, rel=0.05)
    assert found.sampled(seed=3).mean == found.sampled(seed=3).mean != found.sampled(seed=4).mean
    close(null.z(torch.tensor([null.mean + 2 * null.std])), torch.tensor([2.0]), 1e-4)


def test_random_models_compose_as_random_matrices_do():
    for family in ("gpt2", "llama"):
        for kind in "QKV":
            scores = model_of(family).weights.composition(kind, folded=False).scores
            # Every reader is its own draw, but the few there are differ: the mean is only near.
            assert scores.nanmean().item() == pytest.approx(1 / math.sqrt(32), rel=0.1)


def test_composition_uses_the_offset_it_is_given():
    weights = model_of("llama").weights
    there = weights.composition("K", offset=4).scores[0, 1, 1, 2].item()
    writer, reader = weights.ov(0, 1).dense(), weights.qk(1, 2, 4).dense().T
    assert there == pytest.approx(((writer @ reader).norm() / (writer.norm() * reader.norm())).item(), rel=1e-9)
    assert there != weights.composition("K").scores[0, 1, 1, 2].item()


def test_grouped_heads_are_those_of_the_model_with_its_groups_written_out():
    grouped = model_of("llama").weights
    module = families.build("llama", dtype=torch.float64, num_key_value_heads=HEADS)
    state = dict(grouped.anatomy.module.state_dict())
    for name in [n for n in state if "k_proj" in n or "v_proj" in n]:
        state[name] = state[name].reshape(2, 8, 32).repeat_interleave(2, 0).reshape(32, 32)
    module.load_state_dict(state)
    plain = Weights(Anatomy(module, FAMILIES["llama"]))
    for head in range(HEADS):
        for which in "kv":
            assert torch.equal(getattr(grouped, which)(1, head), getattr(plain, which)(1, head))
        close(grouped.ov(1, head).dense(), plain.ov(1, head).dense())
        close(grouped.qk(1, head, 3).dense(), plain.qk(1, head, 3).dense())
    close(torch.nan_to_num(grouped.composition("K").scores), torch.nan_to_num(plain.composition("K").scores))
