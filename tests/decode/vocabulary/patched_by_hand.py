"""What is put into a plain module by hooks written by hand, with no part of the engine."""

import families
import torch

import innerworks as iw

SOURCE = families.ids(1, 6, seed=5)[0].tolist()
TARGET = families.ids(1, 8, seed=6)[0].tolist()
ANSWER = 7
EXACT = 1e-6
"""Most families' norms and softmax divide in float32, also in a float64 model; log-probabilities are a few nats."""


def tiny(family):
    return iw.load(families.module_of(family, dtype=torch.float64))


def blocks_of(module):
    base = module.base_model
    return base.h if hasattr(base, "h") else base.layers


def by_hand(module, ids, layer, position, value):
    """Log-probabilities behind a prompt, the output of one block replaced at a token by a hook on the plain module."""

    def put(_, args, output):
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[:, position] = value
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    hook = blocks_of(module)[layer].register_forward_hook(put)
    try:
        with torch.no_grad():
            return module(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    finally:
        hook.remove()


def states_by_hand(module, ids, position):
    """Every block's output at a token."""
    found = []
    hooks = [
        block.register_forward_hook(
            lambda _, args, output: found.append((output[0] if isinstance(output, tuple) else output)[0, position])
        )
        for block in blocks_of(module)
    ]
    with torch.no_grad():
        module(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return found
