"""Backward lens: its terms add up to autograd's gradients of the weights, and a step along them does what it says."""

import copy

import families
import numpy as np
import pytest
import torch
from tiny_models import KINDS, tiny
from units.word_models import words

import innerworks as iw
from innerworks import at
from innerworks.data.lifting import Prompts
from innerworks.decode.vocabulary.backward.backward_lens import backward_lens
from innerworks.decode.vocabulary.backward.mlp import terms_of
from innerworks.decode.vocabulary.backward.routed import Routed
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


_USUAL = ("up_proj", "gate_proj", "down_proj")
SHARING = {
    **dict.fromkeys(("qwen2_moe", "qwen3_next", "qwen3_5_moe_text"), ("mlp.shared_expert", *_USUAL)),
    **dict.fromkeys(("deepseek_v2", "deepseek_v3", "kimi_linear"), ("mlp.shared_experts", *_USUAL)),
    "llama4_text": ("feed_forward.shared_expert", *_USUAL),
    "nemotron_h": ("mixer.shared_experts", "up_proj", None, "down_proj"),
    "granitemoehybrid": ("shared_mlp", ("input_linear", 1), ("input_linear", 0), "output_linear"),
}
SHARED = ("shared_in", "shared_gate", "shared_out")
MIXTURES = sorted(families.MIXTURES | families.MIXED_HYBRIDS)


def expert_gradient(model, layer, name, expert):
    """Autograd's, as [in, out]."""
    record = model.family.experts
    experts = model.anatomy.part(layer, record.experts)
    path = {"out": "down_proj"}.get(name, "gate_up_proj" if hasattr(experts, "gate_up_proj") else "up_proj")
    gradient = getattr(experts, path).grad[expert]
    gradient = gradient if record.transposed else gradient.T
    if path != "gate_up_proj":
        return gradient
    half = int(name == "in")
    return gradient[:, half::2] if record.interleaved else gradient.chunk(2, -1)[half]


def shared_gradient(model, layer, name):
    owner, *paths = SHARING[model.family.model_type]
    path = paths[SHARED.index(name)]
    path, half = path if isinstance(path, tuple) else (path, None)
    gradient = model.anatomy.part(layer, f"{owner}.{path}").weight.grad.T
    return gradient if half is None else gradient.chunk(2, -1)[half]


@pytest.mark.parametrize("family", MIXTURES)
def test_the_terms_of_experts_add_up_to_the_gradients_of_their_weights(family):
    module = trainable(family)
    model = iw.load(module)
    loss_of(module).backward()
    data = backward_lens(model, IDS, target=TARGET).data
    layers = [int(layer) for layer in data["target_shift"].layer]
    terms = terms_of(model, Prompts([model.prompt(IDS)]), TARGET, layers)
    shared = {name for _, name in terms if name in SHARED}
    assert shared == {name for name, path in zip(SHARED, SHARING.get(family, ())[1:], strict=False) if path}
    for (layer, name), one in terms.items():
        place = {"layer": layer, "matrix": name}
        if not isinstance(one, Routed):
            expected = (shared_gradient if name in SHARED else gradient_of)(model, layer, name)
            assert torch.allclose(one.dense(0), expected, rtol=0, atol=1e-9), place
            continue
        norms = []
        for expert in range(model.anatomy.n_experts):
            expected = expert_gradient(model, layer, name, expert)
            assert torch.allclose(one.dense(0, expert), expected, rtol=0, atol=1e-9), (*place.values(), expert)
            norms.append(float(expected.norm()))
        assert data["expert_gradient"].sel(place).values == pytest.approx(norms, rel=1e-6, abs=1e-10)
        assert data["gradient"].sel(place).item() == pytest.approx(np.linalg.norm(norms), rel=1e-6, abs=1e-10)
        by_slot = data["expert_norm"].sel(place).values
        assert data["norm"].sel(place).values == pytest.approx(np.linalg.norm(by_slot, axis=-1))


@pytest.mark.parametrize("how", ["eager", "batched_mm", "grouped_mm"])
def test_whichever_way_experts_are_run_the_terms_are_the_same(how):
    module = copy.deepcopy(families.module_of("qwen3_moe"))
    module.set_experts_implementation(how)
    found, usual = (backward_lens(model, IDS, target=TARGET).data for model in (iw.load(module), tiny("qwen3_moe")))
    for name in ("norm", "gradient", "expert_norm", "expert_gradient"):
        scale = float(np.nanmax(np.abs(usual[name].values)))
        assert found[name].values == pytest.approx(usual[name].values, abs=1e-4 * scale, nan_ok=True), name


def test_of_unequal_prompts_with_roles_tokens_and_experts_stay_what_they_are():
    model = iw.load(families.module_of("mixtral", dtype=torch.float64), tokenizer=words(83))
    texts = {"w5 w6 w7 w8": "w6", "w5 w6 w7 w8 w9": "w6 w7"}
    prompts = [model.prompt(text, spans={"subject": span}) for text, span in texts.items()]
    together = backward_lens(model, prompts, target=TARGET).data
    assert together["norm"].position.values.tolist() != list(range(5)), "sizes are those of segments"
    for row, prompt in enumerate(prompts):
        alone = backward_lens(model, prompt, target=TARGET).data
        for name in ("expert", "token_shift", "token_imprint"):
            found = together[name].isel(example=row, position=slice(len(prompt))).values
            assert (found == alone[name].values).all(), name
    unnamed = backward_lens(model, [prompt.ids for prompt in prompts], target=TARGET).data["expert"]
    assert unnamed.sizes["position"] == 5 and unnamed.isel(example=0, position=4).isnull().all()


def test_a_step_on_one_experts_matrix_lowers_the_loss_by_its_squared_norm():
    module = trainable("mixtral")
    model, layer, step = iw.load(module), 1, 1e-4
    data = backward_lens(model, IDS, target=TARGET).data
    norms = data["expert_gradient"].sel(layer=layer, matrix="out").values
    expert = int(norms.argmax())
    term = terms_of(model, Prompts([model.prompt(IDS)]), TARGET, [layer])[layer, "out"].dense(0, expert)
    matrix = module.model.layers[layer].mlp.experts.down_proj
    with torch.no_grad():
        matrix[expert] += step * term.T
        before = float(loss_of(module))
        matrix[expert] -= 2 * step * term.T
        behind = float(loss_of(module))
    assert (before - behind) / (2 * step) == pytest.approx(float(norms[expert] ** 2), rel=1e-3)


def test_of_mixtures_it_is_said_which_experts_a_token_goes_to_and_what_it_shifts_them_to():
    model, layer = tiny("mixtral"), 1
    result = backward_lens(model, IDS, target=TARGET, top=2)
    run = model.run([IDS], capture=[at.router_index[layer]], logits=None)
    assert result.data["expert"].sel(layer=layer).values.tolist() == run[at.router_index[layer]][0].tolist()
    idle = set(range(model.anatomy.n_experts)) - set(run[at.router_index[layer]].flatten().tolist())
    assert (result.data["expert_gradient"].sel(layer=layer).values[:, sorted(idle)] == 0).all()
    moved = model.gradients([IDS], iw.log_prob(TARGET), wrt=[at.mlp_out[layer]])[at.mlp_out[layer]][0]
    expected = (moved @ model.weights.readout().weight).topk(2).indices
    assert result.data["token_shift"].sel(layer=layer, end="most").values.tolist() == expected.tolist()
    row = list(result.tables["layers"].rows())[layer]
    columns = list(result.tables["layers"].columns)
    place = row[columns.index("position")]
    assert row[columns.index("experts")] == " ".join(map(str, run[at.router_index[layer]][0, place].tolist()))


def test_layers_of_several_kinds_have_no_number_where_they_have_no_such_matrix():
    model = iw.load(families.module_of("qwen3_next", dtype=torch.float64))
    gradient = backward_lens(model, IDS, target=TARGET).data["gradient"]
    none = gradient.isnull().values
    assert none.any() and not none.all(1).any()


@pytest.mark.parametrize("family", ["dbrx", "mamba"])
def test_what_does_not_show_its_neurons_is_refused_by_name(family):
    with pytest.raises(SiteError, match=family):
        backward_lens(iw.load(families.module_of(family)), IDS, target=TARGET)


def test_experts_whose_output_is_normed_are_refused_by_name(monkeypatch):
    module = copy.deepcopy(families.module_of("mixtral", dtype=torch.float64))
    module.model.layers[1].mlp.experts.has_post_expert_norm = True
    with pytest.raises(InnerworksError, match="mixtral norms what each expert gives"):
        backward_lens(iw.load(module), IDS, target=TARGET)


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
