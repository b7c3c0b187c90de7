"""Backward lens: its terms add up to autograd's gradients of the weights, and a step along them does what it says."""

import copy

import families
import numpy as np
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at
from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.backward.backward_lens import backward_lens
from innerworks.decode.vocabulary.backward.terms import terms_of
from innerworks.errors import InnerworksError, MetricError, SiteError
from innerworks.model.anatomy.record import Part

DENSE = [*(family for family in KINDS if family != "mixtral"), "phi3", "granite", "opt", "falcon"]
"""And one whose gate and up projection are one matrix, one with a residual multiplier, two with other MLPs."""
IDS, TARGET = [5, 9, 3, 17], 7
NORMS = 1e-6
"""Most families' norms divide in float32."""


def trainable(family):
    module = copy.deepcopy(families.module_of(family, dtype=torch.float64))
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    return module


def loss_of(module):
    return -module(torch.tensor([IDS])).logits[0, -1].log_softmax(-1)[TARGET]


def gradient_of(model, layer, name):
    """Autograd's, as [in, out]."""
    record = model.anatomy.in_layer(layer)
    path = {"in": record.up, "gate": record.gate, "out": record.down}[name]
    part = model.anatomy.part(layer, path.path if isinstance(path, Part) else path)
    gradient = part.weight.grad if type(part).__name__ == "Conv1D" else part.weight.grad.T
    return gradient.chunk(2, -1)[path.half] if isinstance(path, Part) else gradient


@pytest.mark.parametrize("family", DENSE)
def test_terms_add_up_to_the_gradients_of_the_weights(family):
    module = trainable(family)
    model = iw.load(module)
    loss_of(module).backward()
    terms = terms_of(model, Prompts([model.prompt(IDS)]), TARGET, range(model.n_layers))
    result = backward_lens(model, IDS, target=TARGET)
    kinds = {name for _, name in terms}
    assert kinds == set(result.data["gradient"].matrix.values) >= {"in", "out"}
    for (layer, name), one in terms.items():
        expected = gradient_of(model, layer, name)
        scale = float(expected.abs().max())
        assert torch.allclose(one.dense(0), expected, rtol=0, atol=1e-6 * max(scale, 1.0)), (layer, name)
        assert torch.linalg.matrix_rank(one.dense(0), rtol=1e-6) <= len(IDS)
        place = {"layer": layer, "matrix": name}
        assert result.data["gradient"].sel(place).item() == pytest.approx(float(expected.norm()), rel=1e-5, abs=1e-8)
        largest = [float((one.inputs[0, i, :, None] * one.deltas[0, i]).norm()) for i in range(len(IDS))]
        assert result.data["norm"].sel(place).values == pytest.approx(largest)


def test_a_step_lowers_the_loss_by_the_squared_norm_of_the_gradient():
    module = trainable("llama")
    model = iw.load(module)
    gradient = backward_lens(model, IDS, target=TARGET, layers=(1,)).data["gradient"].values
    terms = terms_of(model, Prompts([model.prompt(IDS)]), TARGET, [1])
    step, mlp = 1e-4, module.model.layers[1].mlp
    matrices = {"in": mlp.up_proj, "gate": mlp.gate_proj, "out": mlp.down_proj}

    def moved(factor):
        for name, projection in matrices.items():
            projection.weight += factor * terms[1, name].dense(0).T
        return float(loss_of(module))

    with torch.no_grad():
        before, behind = moved(step), moved(-2 * step)
    assert (before - behind) / (2 * step) == pytest.approx(float((gradient**2).sum()), rel=1e-3)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2", "olmo2"])
def test_words_are_those_of_the_stream_and_of_where_the_output_is_moved(family):
    model, layer = tiny(family), 1
    data = backward_lens(model, IDS, target=TARGET, layers=(layer,), top=2).data
    readout = model.weights.readout().weight
    before = at.resid_pre if family == "gpt_neox" else at.resid_mid  # its blocks are parallel
    sites = [at.mlp_out[layer], before[layer]]
    grads = model.gradients([IDS], iw.log_prob(TARGET), wrt=[sites[0]], capture=[sites[1]])
    stream, norm = grads.run[sites[1]][0], model.weights.mlp_norm(layer)
    imprint = (stream if norm is None else stream / norm.scale(stream)[:, None]) @ readout
    assert data["token_imprint"].sel(end="most").values[0].tolist() == imprint.topk(2).indices.tolist()
    if model.weights.mlp_post(layer) is None:
        moved = grads[sites[0]][0]
        assert data["token_shift"].sel(end="most").values[0].tolist() == (moved @ readout).topk(2).indices.tolist()


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_at_the_last_token_of_the_last_layer_the_step_raises_the_target(family):
    model = tiny(family)
    data = backward_lens(model, IDS, target=TARGET).data
    last = data["target_shift"].sel(layer=model.n_layers - 1).values
    assert last[-1] > 1.5
    assert np.isnan(last[:-1]).all(), "no other token's last MLP is seen by the last prediction"
    assert (data["norm"].sel(matrix="out", layer=model.n_layers - 1).values[:-1] == 0).all()


def test_several_prompts_have_targets_of_their_own():
    model = tiny("llama")
    several = backward_lens(model, [IDS, IDS[::-1]], target=[7, 11])
    alone = backward_lens(model, IDS[::-1], target=11)
    for name in ("norm", "target_shift", "score_shift", "gradient"):
        assert several.data[name].isel(example=1).values == pytest.approx(
            alone.data[name].values, abs=NORMS, nan_ok=True
        )
    rows = list(several.tables["layers"]["example"])
    assert rows == [0] * model.n_layers + [1] * model.n_layers


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, MetricError, "say what is to be learned"),
        ({"target": 10**9}, InnerworksError, "does not exist"),
        ({"target": TARGET, "layers": (99,)}, SiteError, "99"),
        ({"target": TARGET, "layers": ()}, SiteError, r"layers=\(\)"),
        ({"target": TARGET, "top": 0}, SiteError, "top=0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        backward_lens(tiny("llama"), IDS, **options)


def test_mixtures_are_refused_by_name():
    with pytest.raises(SiteError, match="mixtral"):
        backward_lens(tiny("mixtral"), IDS, target=TARGET)


def test_it_is_shown_and_saved(tmp_path):
    result = backward_lens(tiny("gpt2"), IDS, target=TARGET)
    assert set(result.views) == {"layers", "norm", "target_shift"}
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["token_shift"].equals(result.data["token_shift"])


@pytest.mark.weights
def test_late_layers_would_write_the_target_itself():
    model = iw.load("smollm2-135m-instruct-q4")
    result = backward_lens(
        model, "The capital of Hungary is the city of", target=" Paris", layers=(24, 25, 26, 27), top=1
    )
    first = result.data["token_shift"].sel(end="most").isel(position=-1, rank=0).values
    assert (first == model.token(" Paris")).all()
