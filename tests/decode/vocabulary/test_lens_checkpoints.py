"""Folders of tuned-lens are read as they mean it, and nothing in them is run."""

import json
import os

import families
import pytest
import torch

import innerworks as iw
from innerworks.decode.vocabulary.translators.checkpoint import read_tuned_lens, write_tuned_lens
from innerworks.errors import FileError, InnerworksError
from innerworks.results import Artifact

IDS = families.ids(1, 7)[0].tolist()


def model():
    return iw.load(families.module_of("llama"))


def saved(folder, *, layers=3, d=32, bias=True, lens_type="linear_tuned_lens", seed=1):
    """A folder as tuned-lens lays it out."""
    generator = torch.Generator().manual_seed(seed)
    folder.mkdir(exist_ok=True)
    config = {"base_model_name_or_path": "some/model", "d_model": d, "num_hidden_layers": layers, "bias": bias}
    (folder / "config.json").write_text(json.dumps({**config, "lens_type": lens_type}))
    params = {}
    for layer in range(layers):
        params[f"{layer}.weight"] = torch.randn(d, d, generator=generator) * 0.1
        if bias:
            params[f"{layer}.bias"] = torch.randn(d, generator=generator)
    torch.save(params, folder / "params.pt")
    return params


@pytest.mark.parametrize("bias", [True, False])
def test_a_lens_is_read_as_it_means_it(tmp_path, bias):
    params = saved(tmp_path / "lens", bias=bias)
    lens = read_tuned_lens(tmp_path / "lens", model())
    found = iw.logit_lens(model(), IDS, lens=lens, target=5).data["logit"]
    hidden = model().module(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    norm, unembed = model().module.model.norm, model().module.lm_head
    for depth in range(3):
        h = hidden[depth][0]
        h = h + torch.nn.functional.linear(h, params[f"{depth}.weight"], params.get(f"{depth}.bias"))
        expected = unembed(norm(h))[:, 5].detach()
        assert torch.allclose(torch.from_numpy(found[depth].values).float(), expected, atol=1e-5)
    assert torch.equal(torch.from_numpy(found[3].values).float(), model().run(IDS).logits[0, :, 5])


def test_there_and_back(tmp_path):
    saved(tmp_path / "one")
    lens = read_tuned_lens(tmp_path / "one", model())
    write_tuned_lens(lens, tmp_path / "two", model())
    again = read_tuned_lens(tmp_path / "two", model())
    assert torch.equal(again["weight"], lens["weight"]) and torch.equal(again["bias"], lens["bias"])
    with pytest.raises(FileError, match="overwrite=True"):
        write_tuned_lens(lens, tmp_path / "two", model())


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/innerworks-was-here",)


def test_what_is_no_lens_is_refused_and_never_run(tmp_path):
    cases = {}
    saved(tmp_path / "short", layers=2)
    cases["short"] = "num_hidden_layers is 2, and the model's 3: it is a lens for some/model"
    saved(tmp_path / "wide", d=48)
    cases["wide"] = "d_model is 48, and the model's 32"
    saved(tmp_path / "mlp", lens_type="mlp_lens")
    cases["mlp"] = "lens_type is 'mlp_lens'"
    saved(tmp_path / "evil")
    torch.save({"0.weight": Evil()}, tmp_path / "evil" / "params.pt")
    cases["evil"] = "What holds code is never opened"
    saved(tmp_path / "cut")
    whole = (tmp_path / "cut" / "params.pt").read_bytes()
    (tmp_path / "cut" / "params.pt").write_bytes(whole[: len(whole) // 2])
    cases["cut"] = "cut off"
    saved(tmp_path / "names")
    torch.save({"probe": torch.zeros(3)}, tmp_path / "names" / "params.pt")
    cases["names"] = "holds probe: a lens has 0.weight"
    saved(tmp_path / "list")
    torch.save([torch.zeros(3)], tmp_path / "list" / "params.pt")
    cases["list"] = "no tensors by name"
    saved(tmp_path / "json")
    (tmp_path / "json" / "config.json").write_text("{")
    cases["json"] = "not valid JSON"
    cases["nowhere"] = "A lens is a folder of config.json and params.pt"
    for name, match in cases.items():
        with pytest.raises(FileError, match=match):
            read_tuned_lens(tmp_path / name, model())
    assert not os.path.exists("/tmp/innerworks-was-here")
    middle = Artifact("tuned-lens", {"weight": torch.zeros(2, 32, 32), "bias": torch.zeros(2, 32)})
    with pytest.raises(FileError, match="for embed, resid_post.0, and tuned-lens wants one for .* 3 layers"):
        write_tuned_lens(middle, tmp_path / "middle", model())


SOUND = {f"{depth}.{name}": (32, 32)[: 1 + (name == "weight")] for depth in range(3) for name in ("weight", "bias")}


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"1.weight": torch.zeros(16, 16)}, r"1.weight has the shape \[16, 16\], .* it has \[32, 32\]"),
        ({"1.weight": torch.tensor(0.0)}, r"1.weight has the shape \[\]"),
        ({"1.bias": torch.zeros(16)}, r"1.bias has the shape \[16\], .* it has \[32\]"),
        ({f"{depth}.bias": torch.zeros(16) for depth in range(3)}, r"0.bias has the shape \[16\]"),
        ({f"{depth}.bias": torch.zeros(1) for depth in range(3)}, r"0.bias has the shape \[1\]"),
        ({"1.weight": None}, "holds 2.bias, 2.weight: a lens has 0.weight, 1.weight"),
        ({"2.weight": None}, "holds 2.bias: a lens has"),
        ({"0.foo.weight": torch.zeros(32, 32)}, "holds 0.foo.weight: a lens has"),
        ({"03.weight": torch.zeros(32, 32)}, "holds 03.weight: a lens has"),
        ({7: torch.zeros(32, 32)}, "holds no tensors by name"),
        ({"2.weight": torch.full((32, 32), torch.nan)}, "2.weight holds NaN, infinity or no floats"),
        ({"2.bias": torch.ones(32, dtype=torch.int64)}, "2.bias holds NaN, infinity or no floats"),
        (dict.fromkeys(SOUND), "holds nothing: a lens has 0.weight"),
        ({"2.weight": None, "2.bias": None}, "2 translators, and the model has 3 layers: it is a lens for some/model"),
    ],
)
def test_parameters_of_another_shape_are_refused(tmp_path, changed, match):
    params = saved(tmp_path / "lens") | changed
    torch.save({name: one for name, one in params.items() if one is not None}, tmp_path / "lens" / "params.pt")
    with pytest.raises(FileError, match=match):
        read_tuned_lens(tmp_path / "lens", model())


@pytest.mark.parametrize(
    ("config", "match"), [({"d_model": 16}, "d_model is 16"), ({"num_hidden_layers": 6}, "num_hidden_layers is 6")]
)
def test_a_configuration_of_another_model_is_refused(tmp_path, config, match):
    saved(tmp_path / "lens")
    said = json.loads((tmp_path / "lens" / "config.json").read_text())
    (tmp_path / "lens" / "config.json").write_text(json.dumps(said | config))
    with pytest.raises(FileError, match=f"{match}, and the model's .*: it is a lens for some/model"):
        read_tuned_lens(tmp_path / "lens", model())


def test_an_empty_file_is_refused(tmp_path):
    saved(tmp_path / "lens")
    (tmp_path / "lens" / "params.pt").write_bytes(b"")
    with pytest.raises(FileError, match="is cut off, or is no file of tensors alone"):
        read_tuned_lens(tmp_path / "lens", model())


@pytest.mark.parametrize(
    ("tensors", "config", "match"),
    [
        ({"weight": torch.zeros(3, 32, 16)}, {}, "reads vectors of 16 numbers at embed, and there they have 32"),
        ({"bias": torch.zeros(3, 5)}, {}, r"maps of shape \(3, 32, 32\) and biases of shape \(3, 5\)"),
        ({"bias": torch.zeros(3)}, {}, r"biases of shape \(3,\)"),
        ({"weight": torch.full((3, 32, 32), torch.nan)}, {}, "holds NaN or infinity"),
        ({}, {"end": "x"}, "says end='x', and no whole number"),
        ({}, {"end": 0}, "leads to block 0 of 3"),
        ({}, {"end": -1}, "says end=-1"),
        ({}, {"end": 4}, "leads to block 4 of 3"),
        ({}, {"ahead": 0.5}, "says ahead=0.5"),
        ({}, {"places": ["q.0", "resid_post.0", "resid_post.1"]}, "q"),
    ],
)
def test_artifacts_that_are_no_lens_of_this_model_are_refused(tensors, config, match):
    whole = {"weight": torch.zeros(3, 32, 32), "bias": torch.zeros(3, 32)}
    with pytest.raises(InnerworksError, match=match):
        iw.logit_lens(model(), IDS, lens=Artifact("tuned-lens", whole | tensors, {"end": 3} | config))


def test_only_a_lens_of_this_model_to_its_last_layer_is_written(tmp_path):
    whole = {"weight": torch.zeros(3, 32, 32), "bias": torch.zeros(3, 32)}
    own = model().fingerprint
    cases = [
        (Artifact("tuned-lens", whole, {"end": 2, "ahead": 1}, own), "leads to the stream behind block 1 .* 1 tokens"),
        (Artifact("tuned-lens", whole, {"end": 3, "ahead": 1}, own), "1 tokens further on"),
        (Artifact("tuned-lens", whole, {"end": 3, "adds": False}, own), "this lens"),
        (Artifact("attention-lens", whole, {}, own), "the kind .attention-lens.: only what iw.fit_tuned_lens gives"),
        (Artifact("tuned-lens", whole, {"end": 3}, "another"), "fitted on a model of other weights"),
        (
            Artifact("tuned-lens", whole, {"end": 3, "places": ["resid_post.0", "embed", "resid_post.1"]}, own),
            "this lens has translators for resid_post.0",
        ),
    ]
    for lens, match in cases:
        with pytest.raises(InnerworksError, match=match):
            write_tuned_lens(lens, tmp_path / "lens", model())
        assert not (tmp_path / "lens").exists()
    write_tuned_lens(Artifact("tuned-lens", whole, {"end": 3}, own), tmp_path / "lens", model())
