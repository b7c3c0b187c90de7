"""Low-rank truncation: against copies of the models whose weights are replaced, and an answer hidden behind noise."""

import copy

import families
import numpy as np
import pytest
import torch
from tiny_models import KINDS, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.decode.vocabulary.weights.low_rank_truncation import low_rank_truncation
from innerworks.errors import EditError, InnerworksError, NonFiniteError, OptionError, SiteError

NORMS = 1e-6
"""Most families' norms divide in float32."""
IDS, LAYER = [5, 9, 3, 17, 2, 11], 1
ATTENTION = ("q", "k", "v", "o")
MATRICES = {
    "gpt2": (*ATTENTION, "neuron_in", "neuron_out"),
    "gpt_neox": (*ATTENTION, "neuron_in", "neuron_out"),
    "mixtral": (*ATTENTION, "neuron_out"),
}
GATED = (*ATTENTION, "neuron_in", "gate", "neuron_out")


def cut(matrix, share, keep="largest"):
    """By numpy, of [in, out] or [out, in] alike."""
    u, s, v = np.linalg.svd(matrix.detach().double().numpy(), full_matrices=False)
    rank = int(np.ceil(share * len(s)))
    kept = slice(0, rank) if keep == "largest" else slice(len(s) - rank, None)
    return torch.tensor((u[:, kept] * s[kept]) @ v[kept]).to(matrix)


def weight_of(family, module, matrix):
    """The parameter, and the slice of it (or the slices, each cut alone), that holds a matrix in LAYER."""
    if family == "gpt2":
        block = module.transformer.h[LAYER]
        third = block.attn.c_attn.weight.shape[1] // 3
        if matrix in "qkv":
            start = "qkv".index(matrix) * third
            return block.attn.c_attn.weight, [(slice(None), slice(start, start + third))]
        part = {"o": block.attn.c_proj, "neuron_in": block.mlp.c_fc, "neuron_out": block.mlp.c_proj}[matrix]
        return part.weight, [...]
    if family == "gpt_neox":  # head by head: queries, keys, values
        block = module.gpt_neox.layers[LAYER]
        if matrix in "qkv":
            heads, fused = module.config.num_attention_heads, block.attention.query_key_value.weight
            size = fused.shape[0] // heads // 3
            rows = torch.arange(fused.shape[0]).reshape(heads, 3, size)[:, "qkv".index(matrix)].flatten()
            return fused, [rows]
        mlp = block.mlp
        part = {"o": block.attention.dense, "neuron_in": mlp.dense_h_to_4h, "neuron_out": mlp.dense_4h_to_h}
        return part[matrix].weight, [...]
    block = module.model.layers[LAYER]
    if matrix in ATTENTION:
        return getattr(block.self_attn, f"{matrix}_proj").weight, [...]
    if family == "mixtral":
        experts = block.mlp.experts.down_proj
        return experts, list(range(len(experts)))
    return getattr(
        block.mlp, {"neuron_in": "up_proj", "gate": "gate_proj", "neuron_out": "down_proj"}[matrix]
    ).weight, [...]


def replaced(family, matrix, share, keep="largest"):
    """A copy of the plain module with the matrix replaced."""
    module = copy.deepcopy(families.module_of(family, dtype=torch.float64))
    weight, places = weight_of(family, module, matrix)
    with torch.no_grad():
        for place in places:
            weight[place] = cut(weight[place], share, keep)
    return module


def plain_loss(module, ids=IDS):
    with torch.no_grad():
        logits = module(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return -float(logits.gather(1, torch.tensor(ids[1:])[:, None]).mean())


@pytest.mark.parametrize("keep", ["largest", "smallest"])
@pytest.mark.parametrize("family", KINDS)
def test_every_cut_gives_what_the_model_with_that_matrix_gives(family, keep):
    module = families.module_of(family, dtype=torch.float64)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    names = MATRICES.get(family, GATED)
    result = low_rank_truncation(tiny(family), IDS, shares=(0.1, 0.5, 1.0), keep=keep)
    assert tuple(result.data["metric"].matrix.values) == names
    assert result.data["clean"].item() == pytest.approx(plain_loss(module), abs=NORMS)
    for matrix in names:
        for share in (0.1, 0.5):
            expected = plain_loss(replaced(family, matrix, share, keep))
            place = {"layer": LAYER, "matrix": matrix, "share": share}
            found = result.data["metric"].sel(place).item()
            assert found == pytest.approx(expected, abs=10 * NORMS), (matrix, share)
            assert result.data["effect"].sel(place).item() == pytest.approx(expected - plain_loss(module), abs=1e-5)
    assert (result.data["effect"].sel(share=1.0) == 0).all() and (result.data["kept"].sel(share=1.0) == 1).all()
    assert all(check.verdict != "fail" for check in result.checks)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("family", ["phi3", "falcon", "opt", "gptj", "bloom", "granite", "gpt_oss", "qwen3"])
def test_other_ways_to_lay_matrices_are_cut_as_they_are_used(family):
    """Matrices that share a module, biases, 2-D rows, multipliers, sinks: every output by the matrix that was cut."""
    model = tiny(family)
    for kind in ("q", "k", "v", "neuron_in", "gate"):
        if not model.weights.can_be_cut(LAYER, kind):
            continue
        (apart,) = model.weights.taken_apart(LAYER, kind)
        reads = at.attn_in[LAYER] if kind in ATTENTION else at.mlp_in[LAYER]
        run = model.run([IDS], capture=[reads, apart.site], logits=None)
        weight = (apart.svd.U * apart.svd.S) @ apart.svd.Vh
        given = run[apart.site][0].flatten(1)
        assert torch.allclose(run[reads][0] @ weight + apart.bias, given, atol=1e-9), kind
        edited = model.run([IDS], edits=apart.cut(3), capture=[apart.site], logits=None)[apart.site][0].flatten(1)
        assert torch.allclose(run[reads][0] @ apart.svd.truncated(3).dense() + apart.bias, edited, atol=1e-9), kind
    for kind in ("o", "neuron_out"):
        for apart in model.weights.taken_apart(LAYER, kind):
            seen = model.run([IDS], edits=apart.cut(2), capture=[apart.site], logits=None)[apart.site][0].flatten(1)
            plain = model.run([IDS], capture=[apart.site], logits=None)[apart.site][0].flatten(1)
            weight = (apart.svd.U * apart.svd.S) @ apart.svd.Vh
            assert torch.allclose(seen @ weight, plain @ apart.svd.truncated(2).dense(), atol=1e-9), kind


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_cut_model_goes_on_generates_and_is_cut_again(family, tmp_path):
    model, copied = tiny(family), iw.load(replaced(family, "neuron_out", 0.25))
    edits = model.weights.low_rank(LAYER, "neuron_out", share=0.25)
    edit.save(tmp_path / "cut.safetensors", edits)
    cut_model = model.with_edits(*edit.load(tmp_path / "cut.safetensors"))
    logits, expected = (one.run([IDS, IDS[::-1]]).logits for one in (cut_model, copied))
    assert torch.allclose(logits, expected, atol=10 * NORMS)
    unequal = cut_model.run([IDS, IDS[:3]], logits="last").logits
    assert torch.allclose(unequal[1], cut_model.run([IDS[:3]], logits="last").logits[0], atol=10 * NORMS)
    written = [one.generate([IDS], max_new_tokens=4).new_ids for one in (cut_model, copied)]
    assert written[0] == written[1]
    again = low_rank_truncation(cut_model, IDS, matrices=("q",), layers=(0,), shares=(0.3,))
    there = low_rank_truncation(copied, IDS, matrices=("q",), layers=(0,), shares=(0.3,))
    assert again.data["metric"].values == pytest.approx(there.data["metric"].values, abs=10 * NORMS)


def planted(wrong):
    """A llama whose last MLP writes 7 along a strong direction and 11 along a weak one, from a neuron each."""
    module = copy.deepcopy(families.module_of("llama", dtype=torch.float64))
    mlp, head = module.model.layers[-1].mlp, module.get_output_embeddings().weight
    with torch.no_grad():
        answers = torch.linalg.qr(head[[7, 11]].T).Q.T
        left = torch.zeros(mlp.down_proj.weight.shape[1], dtype=torch.float64)
        strong, weak = left.clone(), left.clone()
        strong[0], weak[1] = 1, 1
        mlp.down_proj.weight.copy_(100 * torch.outer(answers[0], strong) + wrong * torch.outer(answers[1], weak))
        head.zero_()
        head[7], head[11] = answers[0], answers[1]
    return module


def test_an_answer_behind_a_weak_direction_comes_out_at_the_rank_that_drops_it():
    module = planted(wrong=1.0)
    model = iw.load(module)
    full = min(module.model.layers[-1].mlp.down_proj.weight.shape)
    loud = edit.set(at.neurons[-1, 1], 1000.0), edit.set(at.neurons[-1, 0], 1.0)
    heard = model.with_edits(*loud)
    result = low_rank_truncation(
        heard, [IDS, IDS[::-1]], matrices=("neuron_out",), layers=(-1,), shares=(1 / full, 2 / full, 1.0),
        metric=iw.accuracy(7),
    )  # fmt: skip
    assert (result.data["clean"] == 0).all()
    assert result.data["rank"].values[0, 0].tolist() == [1, 2, full]
    assert result.data["metric"].values[:, 0, 0].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert result.data["kept"].values[0, 0] == pytest.approx([1e4 / (1e4 + 1), 1, 1])
    best = next(result.tables["cuts"].rows())
    assert list(best) == [model.n_layers - 1, "neuron_out", pytest.approx(1 / full), 1, 1]


def test_layers_that_lack_a_matrix_have_no_number_and_several_prompts_have_means():
    result = low_rank_truncation(iw.load(families.module_of("jamba")), IDS, shares=(0.2,))
    effect = result.data["effect"]
    none = effect.isnull().all("share")
    assert none.any() and not none.all("layer").any()
    several = low_rank_truncation(tiny("gpt2"), [IDS, IDS[::-1]], layers=(0,), matrices=("o",), shares=(0.2,))
    assert several.data["effect_mean"].values == pytest.approx(several.data["effect"].mean("example").values)


def test_of_shares_that_are_rounded_up_at_least_one_direction_is_left():
    result = low_rank_truncation(tiny("gpt2"), IDS, layers=(0,), matrices=("q",), shares=(1e-9, 0.26))
    size = tiny("gpt2").d_model
    assert result.data["rank"].values[0, 0].tolist() == [1, np.ceil(0.26 * size)]


@pytest.mark.parametrize(
    ("family", "options", "error", "match"),
    [
        ("llama", {"shares": (0.0,)}, EditError, "share=0.0"),
        ("llama", {"shares": (1.5,)}, EditError, "share=1.5"),
        ("llama", {"shares": (float("nan"),)}, InnerworksError, "nan"),
        ("llama", {"shares": ()}, SiteError, "shares is empty"),
        ("llama", {"shares": (0.1, 0.1)}, EditError, "name each once"),
        ("llama", {"layers": ()}, SiteError, "layers is empty"),
        ("llama", {"layers": (99,)}, SiteError, "99"),
        ("llama", {"layers": (1, -1, 1)}, EditError, "name each once"),
        ("llama", {"matrices": ()}, SiteError, "matrices is empty"),
        ("llama", {"matrices": ("ov",)}, SiteError, "neuron_out"),
        ("llama", {"keep": "middle"}, OptionError, "largest"),
        ("gpt2", {"matrices": ("gate",)}, SiteError, "gpt2"),
        ("mixtral", {"matrices": ("neuron_in",)}, SiteError, "second matrix of every expert"),
        ("deepseek_v2", {"matrices": ("q",)}, InnerworksError, "deepseek_v2"),
        ("dbrx", {"matrices": ("v",)}, SiteError, "to a range"),
        ("mamba", {}, SiteError, "mamba"),
    ],
)
def test_what_makes_no_sense_is_refused(family, options, error, match):
    with pytest.raises(error, match=match):
        low_rank_truncation(iw.load(families.module_of(family)), IDS, **options)


def test_weights_that_are_no_plain_numbers_are_refused_and_stay():
    module = copy.deepcopy(families.module_of("llama"))
    with torch.no_grad():
        module.model.layers[0].mlp.down_proj.weight[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="layers.0.mlp.down_proj.weight holds 1 NaN"):
        low_rank_truncation(iw.load(module), IDS, matrices=("neuron_out",))
    module.model.layers[1].mlp.down_proj.weight = torch.nn.Parameter(
        torch.zeros(32, 64, dtype=torch.int8), requires_grad=False
    )
    with pytest.raises(EditError, match=r"neuron_out in layer 1 are quantised \(Linear, Parameter of torch.int8"):
        iw.load(module).weights.low_rank(1, "neuron_out", rank=2)


class Adapted(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x) + 0.01 * x.sum(-1, keepdim=True)


def test_modules_that_do_more_than_multiply_are_refused():
    module = copy.deepcopy(families.module_of("llama"))
    module.model.layers[0].mlp.up_proj.__class__ = Adapted
    with pytest.raises(EditError, match="Adapted that gives something else"):
        iw.load(module).weights.low_rank(0, "neuron_in", rank=2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_half_precision_is_cut_as_well_as_it_can_hold(dtype):
    module = copy.deepcopy(families.module_of("llama")).to(dtype)
    model = iw.load(module)
    for kind in GATED:
        site, (edited,) = model.weights.taken_apart(LAYER, kind)[0].site, model.weights.low_rank(LAYER, kind, rank=2)
        run = model.run([IDS], edits=[edited], capture=[site], logits=None)
        left = edited.directions.float() @ run[site][0].flatten(1).float().T
        assert left.abs().max() < 32 * torch.finfo(dtype).eps * run[site].float().abs().max()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "share=0.1 of its directions"),
        ({"share": 0.1, "rank": 3}, "share=0.1 of its directions"),
        ({"rank": 0}, "rank=0"),
        ({"rank": 10**6}, "can be cut to 1 to"),
        ({"rank": 2.5}, "rank=2.5"),
        ({"share": 2}, "share=2"),
        ({"share": 0.5, "keep": "middle"}, "keep='middle'"),
    ],
)
def test_edits_say_what_they_take(options, match):
    with pytest.raises(EditError, match=match):
        tiny("llama").weights.low_rank(0, "q", **options)


def test_it_is_shown_and_saved(tmp_path):
    result = low_rank_truncation(tiny("gpt2"), IDS, shares=(0.1, 0.5))
    assert set(result.views) == {"cuts", "effect_0.1", "effect_0.5"}
    result.html(tmp_path / "page.html")
    result.save(tmp_path / "kept")
    assert iw.open(tmp_path / "kept").data["effect"].equals(result.data["effect"])
