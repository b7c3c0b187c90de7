"""A pass that runs until it is killed: `python killed_pass.py FOLDER [CONTEXTS]`, by itself after so many contexts."""

from __future__ import annotations

import os
import signal
import sys
import time

import torch
from word_models import corpus, random_ids, tiny

from innerworks import at, direction
from innerworks.decode.vocabulary.units.maximally_activating import maximally_activating

CONTEXT, CONTEXTS = 8, 50


def asked() -> tuple[object, object, list[object], dict[str, object]]:
    """The model, the corpus, the units and the options: the same in every process."""
    model = tiny("llama", torch.float32)
    torch.manual_seed(0)
    along = direction("along", torch.randn(model.d_model))
    units = [at.neurons[1, :6], at.z[0, 1], at.resid_post[0].via(along)]
    text = corpus(random_ids(CONTEXT * CONTEXTS, size=12), CONTEXT)
    return model, text, units, {"window": 3, "lowest": 4, "top": 8, "at_once": 2 * CONTEXT, "sample": 160}


def main() -> None:
    """Run, and be killed."""
    model, text, units, options = asked()
    last = int(sys.argv[2]) if len(sys.argv) > 2 else None

    def tell(done: int, total: int) -> None:
        if last is not None and done >= last:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)

    maximally_activating(model, text, units, **options, out=sys.argv[1], save_every=0.0, progress=tell)


if __name__ == "__main__":
    main()
