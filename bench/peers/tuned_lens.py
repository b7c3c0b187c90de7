"""A step of fitting a tuned lens, as tuned-lens' own command takes it: `python -m bench.peers.tuned_lens FOLDER`.

Prints JSON: for bfloat16, which its command sets, and for float32 the ratio to the plain work of the same run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch
import transformers
from tuned_lens.nn.lenses import TunedLens

from bench.lens_step import PAIRS, prompt, with_unembeddings
from bench.timing import ratio


def step(module: Any, ids: Any, *, half: bool) -> Callable[[], None]:
    """KL to the final prediction of every layer's lens, one layer's graph at a time, then the optimiser."""
    lens = TunedLens.from_model(module)
    parameters = [one for one in lens.parameters() if one.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)

    def call() -> None:
        with torch.no_grad():
            output = module(input_ids=ids, output_hidden_states=True)
        labels = output.logits.float().log_softmax(-1)
        for depth, hidden in enumerate(output.hidden_states[:-1]):
            with torch.autocast("cpu", dtype=torch.bfloat16) if half else nullcontext():
                here = lens(hidden, idx=depth).log_softmax(-1)
                loss = (labels.exp() * (labels - here)).sum(-1).mean()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)

    return call


def main(folder: str) -> None:
    """Measure both."""
    module = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = prompt()
    plain = with_unembeddings(module, ids, 2)
    found = {
        name: asdict(ratio(step(module, ids, half=half), plain, pairs=PAIRS))
        for name, half in (("bfloat16", True), ("float32", False))
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
