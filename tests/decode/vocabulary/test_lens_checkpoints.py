"""Folders of tuned-lens are read as they mean it, and nothing in them is run."""

import json
import os

import families
import pytest
import torch

import innerworks as iw
from innerworks.decode.vocabulary.translators.checkpoint import read_tuned_lens, write_tuned_lens
from innerworks.errors import FileError
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
    cases["short"] = "2 translators of 32 numbers, and the model has 3 layers of 32: it is a lens for some/model"
    saved(tmp_path / "wide", d=48)
    cases["wide"] = "3 translators of 48 numbers"
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
    cases["names"] = "no translators 0, 1"
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
    with pytest.raises(FileError, match="only a lens that leads to the last layer"):
        write_tuned_lens(middle, tmp_path / "middle", model())
