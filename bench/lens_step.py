"""`python -m bench.lens_step [--write]`: a step of fitting a tuned lens, beside tuned-lens' own in its environment.

Both are a multiple of the same plain work in the same run: a forward, and two unembeddings of every layer's stream. No
step can do without these: one is for the loss, one for its gradient.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

from bench.timing import Ratio, machine, ratio

PAIRS = 5
TOKENS = 128


def prompt() -> Any:
    """One row of tokens, the same everywhere."""
    import torch

    return torch.randint(1000, 40000, (1, TOKENS), generator=torch.Generator().manual_seed(0))


def with_unembeddings(module: Any, ids: Any, times: int) -> Callable[[], object]:
    """The user's own forward, and every layer's stream through its norm and unembedding so many times."""
    import torch

    def call() -> object:
        with torch.no_grad():
            found = module(ids, use_cache=False, output_hidden_states=True, logits_to_keep=1)
            for state in found.hidden_states[:-1]:
                for _ in range(times):
                    module.lm_head(module.model.norm(state))
        return None

    return call


def our_step(model: Any, contexts: Any) -> Callable[[], object]:
    """A step over one context, from no translation on."""
    import torch

    from innerworks.decode.vocabulary.translators.descent import Recipe
    from innerworks.decode.vocabulary.translators.text_states import stream_sites
    from innerworks.decode.vocabulary.translators.training import Reading, Training

    reading = Reading(tuple(stream_sites(range(model.n_layers))), model.n_layers, 0, adds=True)
    weight = torch.zeros(model.n_layers, model.d_model, model.d_model)
    recipe = Recipe(1000, 1, contexts.width, "sgd", 0.1, 1e-3, 0)
    return Training(model, contexts, reading, recipe, weight, weight.new_zeros(weight.shape[:2])).advance


def main() -> None:
    """Measure ours, then theirs in another process."""
    from bench.field.__main__ import QUIET, smollm2_folder
    from bench.field.environments import ROOT, ensure, python_of
    from bench.markers import put

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into bench/RESULTS.md")
    options = parser.parse_args()
    ensure("tuned_lens")
    command = [str(python_of("tuned_lens")), "-m", "bench.peers.tuned_lens", str(smollm2_folder())]
    environment = {**QUIET, **os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    theirs = {name: Ratio(**found) for name, found in json.loads(answer.splitlines()[-1]).items()}
    lines = ["| a step over 128 tokens | ratio: CPU | wall | range | pairs |", "|---|---|---|---|---|"]
    lines.append(f"| innerworks, float32 | {ours()} |")
    lines += [f"| tuned-lens 0.2.0, {name} | {found} |" for name, found in theirs.items()]
    print("\n".join(lines))
    if options.write:
        put("lens_step", "\n".join(lines) + f"\n\n{machine()}\n")


def ours() -> Ratio:
    """Our step."""
    import innerworks as iw

    model = iw.load("smollm2-135m-instruct-q4")
    ids = prompt()
    contexts = iw.Contexts(ids=ids.numpy())
    return ratio(our_step(model, contexts), with_unembeddings(model.module, ids, 2), pairs=PAIRS)


if __name__ == "__main__":
    main()
