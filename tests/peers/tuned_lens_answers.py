"""tuned-lens' side, run in its own environment: `python tuned_lens_answers.py FAMILY FOLDER`.

In FOLDER it finds `ours`, a lens that innerworks wrote, and leaves `theirs`, a lens of its own, and what both give for
the prompt in `answers.safetensors`: "ours" and "theirs", [depth, position, vocabulary], and the numbers of the
trajectory of "theirs", [depth, position].
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from same_models import LAYERS, module_of, prompts
from tuned_lens.nn.lenses import TunedLens, TunedLensConfig
from tuned_lens.nn.unembed import Unembed
from tuned_lens.plotting import PredictionTrajectory

TRAJECTORY = ("rank", "entropy", "forward_kl", "cross_entropy", "max_probability")


def main(family: str, folder: Path) -> None:
    """Read, write, and answer."""
    module = module_of(family).float()
    unembed, hidden = Unembed(module), module.config.hidden_size
    torch.manual_seed(4)
    config = TunedLensConfig(
        base_model_name_or_path=family, d_model=hidden, num_hidden_layers=LAYERS, bias=True, base_model_revision=None
    )
    theirs = TunedLens(unembed, config)
    for parameter in theirs.layer_translators.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    theirs.save(folder / "theirs")
    ours = TunedLens.from_unembed_and_pretrained(unembed, lens_resource_id=folder / "ours")
    with torch.no_grad():
        states = module(prompts()[0][:1], output_hidden_states=True).hidden_states
        answers = {
            name: torch.stack([lens(states[depth], idx=depth)[0] for depth in range(LAYERS)])
            for name, lens in (("ours", ours), ("theirs", theirs))
        }
    ids = prompts()[0][0].tolist()
    trajectory = PredictionTrajectory.from_lens_and_model(theirs, module, ids, targets=[*ids[1:], 0])
    for name in TRAJECTORY:
        answers[name] = torch.as_tensor(getattr(trajectory, name)().stats).double().contiguous()
    save_file(answers, folder / "answers.safetensors")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
