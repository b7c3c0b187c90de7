"""A lens written here reads the same in tuned-lens, and one that tuned-lens wrote reads the same here."""

from __future__ import annotations

import pytest
import torch
from conftest import asked
from same_models import FAMILIES, LAYERS, module_of, prompts

import innerworks as iw
from innerworks.decode.vocabulary.translators.checkpoint import read_tuned_lens, write_tuned_lens
from innerworks.results import Artifact

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ways(family, tmp_path):
    from safetensors.torch import load_file

    model = iw.load(module_of(family).float())
    generator = torch.Generator().manual_seed(9)
    shape = (LAYERS, model.d_model, model.d_model)
    made = Artifact(
        "tuned-lens",
        {
            "weight": torch.randn(shape, generator=generator) * 0.1,
            "bias": torch.randn(shape[:2], generator=generator) * 0.1,
        },
        {"end": LAYERS},
        model.fingerprint,
    )
    write_tuned_lens(made, tmp_path / "ours", model)
    asked("tuned_lens", [family, str(tmp_path)])
    answers = load_file(tmp_path / "answers.safetensors")
    prompt = prompts()[0][0].tolist()
    for name, lens in (("ours", made), ("theirs", read_tuned_lens(tmp_path / "theirs", model))):
        for token in (5, 40):
            found = iw.logit_lens(model, prompt, lens=lens, target=token).data["logit"].values[:LAYERS]
            assert found == pytest.approx(answers[name][..., token].numpy(), abs=2e-5), name
    found = iw.logit_lens(model, prompt, lens=read_tuned_lens(tmp_path / "theirs", model), target="next").data
    ours = {
        "rank": found["rank"].values + 1,
        "entropy": found["entropy"].values,
        "forward_kl": found["kl"].values,
        "cross_entropy": -found["log_prob"].values,
        "max_probability": found["top_prob"].isel(top=0).values,
    }
    for name, values in ours.items():
        assert values[:, :-1] == pytest.approx(answers[name][:, :-1].numpy(), abs=2e-5), name
