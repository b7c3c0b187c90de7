"""Looking at weights changes nothing, copies nothing that it need not, and says what is not there."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import families
import pytest
import torch
from opened import HEADS, LAYERS, close, opened

from innerworks.errors import AnatomyError, SiteError
from innerworks.model.anatomy import FAMILIES, Anatomy, Split
from innerworks.model.weights import Factored, Weights

every_family = pytest.mark.parametrize("family", families.WITH_MATRICES)


def everything(weights):
    """Every view there is, once."""
    a = weights.anatomy
    scales = None if a.family.qk_norm is None else (1.0, 2.0)
    expert = 1 if a.n_experts else None
    yield from (weights.embed, weights.unembed, weights.unembed_bias, weights.embed_rows([1, 2]))
    yield from weights.readout()
    yield from weights.readout([3])
    if a.family.pos_embed is not None:
        yield weights.pos_embed
    for folded in (False, True):
        for name in ("q", "k", "v", "q_bias", "k_bias", "v_bias", "o", "ov", "ov_bias"):
            yield getattr(weights, name)(1, 2, folded=folded)
        yield weights.o_bias(1, folded=folded)
        if a.family.model_type not in families.NO_QK_MATRIX:
            yield weights.qk(1, 2, 3, folded=folded, norm_scales=scales)
            yield from weights.qk_bias(1, 2, 3, folded=folded, norm_scales=scales)
        for name in ("neuron_in", "neuron_in_bias", "neuron_out", "neuron_out_bias"):
            yield getattr(weights, name)(1, expert=expert, folded=folded)
        yield from (part for part in weights.neuron(1, 5, expert=expert, folded=folded) if part is not None)


@every_family
def test_the_model_is_bit_for_bit_as_it_was(family):
    module = families.build(family)
    weights = Weights(Anatomy(module, FAMILIES[module.config.model_type]))
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    before = {name: (t.data_ptr(), t.detach().clone(), t.requires_grad) for name, t in tensors.items()}
    views = list(everything(weights))
    assert not any(v.requires_grad for v in views if isinstance(v, torch.Tensor))
    weights.composition("V")
    weights.copying_scores()
    weights.copying_score(0, 0)
    weights.full_ov(0, 0, [1, 2])
    after = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    assert list(before) == list(after)
    for name, (pointer, values, requires_grad) in before.items():
        assert after[name].data_ptr() == pointer
        assert torch.equal(after[name], values)
        assert after[name].requires_grad == requires_grad


@every_family
def test_stored_matrices_are_views_of_the_models_memory(family):
    module = families.build(family)
    weights = Weights(Anatomy(module, FAMILIES[module.config.model_type]))
    storages = {p.untyped_storage().data_ptr() for p in module.parameters()}
    expert = 1 if weights.anatomy.n_experts else None
    views = [getattr(weights, name)(1, 3) for name in "qkvo"]
    views += [weights.neuron_in(1, expert=expert), weights.neuron_out(1, expert=expert), weights.unembed]
    if family not in families.SCALED_EMBEDDING:
        views.append(weights.embed)
    assert {v.untyped_storage().data_ptr() for v in views} <= storages
    assert [list(v.shape) for v in views[:4]] == [[32, weights.anatomy.d_head]] * 3 + [[weights.anatomy.d_head, 32]]


def _score_matrices(half, exact, scales):
    if half.anatomy.family.model_type in families.NO_QK_MATRIX:
        return []
    return [(half.qk(1, 2, 0, norm_scales=scales), exact.qk(1, 2, 0, norm_scales=scales))]


@every_family
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_compute_in_float32(family, dtype):
    half = families.build(family, dtype=dtype)
    record = FAMILIES[half.config.model_type]
    exact = families.build(family, dtype=dtype).double()
    half, exact = Weights(Anatomy(half, record)), Weights(Anatomy(exact, record))
    scales = None if record.qk_norm is None else (1.0, 1.0)
    assert half.q(0, 1).dtype == dtype
    for found, expected in [
        (half.ov(1, 2), exact.ov(1, 2)),
        *_score_matrices(half, exact, scales),
    ]:
        assert found.dtype == torch.float32
        close(found.dense(), expected.dense(), 1e-5)
    assert half.composition("V").scores.dtype == torch.float32
    scores = half.composition("V").scores
    close(scores.nan_to_num(), exact.composition("V").scores.nan_to_num(), 1e-5)
    assert half.copying_scores()[1, 2].item() == pytest.approx(half.copying_score(1, 2), abs=1e-3)


@every_family
def test_a_model_without_memory_still_has_shapes(family):
    module = families.build(family).to("meta")
    weights = Weights(Anatomy(module, FAMILIES[module.config.model_type]))
    d, d_head = 32, weights.anatomy.d_head
    for view in everything(weights):
        assert (view.left if isinstance(view, Factored) else view).is_meta
    assert (weights.ov(0, 0).shape, weights.ov(0, 0).rank) == ((d, d), d_head)
    assert weights.readout().weight.shape == (d, 83)


@pytest.mark.parametrize(
    ("family", "ask", "message"),
    [
        ("gpt2", lambda w: w.q(3, 0), "layer 3 does not exist: there are 3"),
        ("gpt2", lambda w: w.ov(0, 4), "head 4 does not exist: there are 4"),
        ("llama", lambda w: w.k(0, 4), "head 4 does not exist: there are 4"),
        ("gpt2", lambda w: w.q(slice(None), 0), "one layer at a time"),
        ("gpt2", lambda w: w.q("0", 0), "not a layer"),
        ("gpt2", lambda w: w.neuron(0, 128), "neuron 128 does not exist: there are 128"),
        ("gpt2", lambda w: w.gate(0), "gpt2 has no weights 'gate': its MLP is not gated"),
        ("gpt2", lambda w: w.router(0), "not a mixture"),
        ("gpt2", lambda w: w.neuron_in(0, expert=1), "has no expert 1"),
        ("mixtral", lambda w: w.neuron_in(0), "mixture of 4 experts: say which"),
        ("mixtral", lambda w: w.neuron_out(0, expert=4), "expert 4 does not exist: there are 4"),
        ("llama", lambda w: w.pos_embed, "llama has no pos_embed: it has no learned"),
        ("llama", lambda w: w.composition("O"), "'O': the kinds are 'Q', 'K' and 'V'"),
        ("llama", lambda w: w.svd(0, "vo", 1), "svd takes ov, qk"),
        ("llama", lambda w: w.svd(0, "ov"), "takes a head"),
        ("llama", lambda w: w.svd(0, "gate", 1), "takes no head, got 1"),
    ],
)
def test_what_is_not_there_is_refused_by_name(family, ask, message):
    with pytest.raises(SiteError, match=message):
        ask(opened(families.build(family)).weights)


def test_negative_layers_and_heads_count_from_the_end():
    weights = opened(families.build("llama")).weights
    assert torch.equal(weights.q(-1, -2), weights.q(LAYERS - 1, HEADS - 2))


def test_quantised_weights_are_refused():
    module = families.build("llama")
    projection = module.model.layers[0].self_attn.q_proj
    projection.weight = torch.nn.Parameter(torch.zeros(32, 32, dtype=torch.int8), requires_grad=False)
    with pytest.raises(AnatomyError, match=r"quantised weights \(its weight is torch.int8\)"):
        opened(module).weights.q(0, 0)


def test_projections_the_record_does_not_know_are_refused():
    module = families.build("llama")
    record = dataclasses.replace(FAMILIES["llama"], qkv=Split("", "", ""))
    with pytest.raises(SiteError, match="projections are not known"):
        Weights(Anatomy(module, record)).q(0, 0)


def test_a_score_scale_the_record_gets_wrong_is_refused():
    module = families.build("llama")
    del module.model.layers[0].self_attn.scaling
    with pytest.raises(AnatomyError, match="no 'scaling'"):
        opened(module).weights.qk(0, 0, 0)


@pytest.mark.parametrize("kind", ["ov", "qk", "q", "k", "v", "o"])
def test_svd_of_a_heads_matrices(kind):
    weights = opened(families.build("llama", dtype=torch.float64)).weights
    options = {"offset": 2} if kind == "qk" else {}
    found, matrix = weights.svd(1, kind, 2, **options), getattr(weights, kind)(1, 2, **options)
    dense = matrix.dense() if isinstance(matrix, Factored) else matrix
    close(found.U @ found.S.diag() @ found.Vh, dense)
    close(found.S, torch.linalg.svdvals(dense)[: len(found.S)])
    assert len(found.S) == weights.anatomy.d_head


@pytest.mark.parametrize("kind", ["neuron_in", "gate", "neuron_out"])
def test_svd_of_an_mlps_matrices(kind):
    weights = opened(families.build("mixtral", dtype=torch.float64)).weights
    found, matrix = weights.svd(1, kind, expert=2, folded=True), getattr(weights, kind)(1, expert=2, folded=True)
    close(found.U @ found.S.diag() @ found.Vh, matrix)


def test_importing_loads_no_torch():
    check = "import sys, innerworks.model.weights; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
