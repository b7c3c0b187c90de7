"""TransformerLens' way to copying scores: `python -m bench.peers.copying_scores`, in its environment.

Prints how many seconds the eigenvalues of W_E W_V W_O W_U took, as its FactoredMatrix works them out head by head, of
some heads of a Llama of SmolLM2-135M's shape.
"""

from __future__ import annotations

import time

LAYERS = 2
"""Of so many layers the heads are measured: each costs the same."""
HEADS, GROUPS, D_MODEL, D_HEAD, VOCABULARY = 9, 3, 576, 64, 49152


def main() -> None:
    """Measure, and print seconds and heads."""
    import torch
    from transformer_lens import FactoredMatrix

    torch.manual_seed(0)
    embed = torch.randn(VOCABULARY, D_MODEL)
    unembed = embed.T.contiguous()
    values = torch.randn(LAYERS, GROUPS, D_MODEL, D_HEAD).repeat_interleave(HEADS // GROUPS, 1)
    outputs = torch.randn(LAYERS, HEADS, D_HEAD, D_MODEL)
    begun = time.perf_counter()
    with torch.no_grad():
        for layer in range(LAYERS):
            for head in range(HEADS):
                eigenvalues = (embed @ FactoredMatrix(values[layer, head], outputs[layer, head]) @ unembed).eigenvalues
                eigenvalues.real.sum() / eigenvalues.abs().sum()
    print(time.perf_counter() - begun, LAYERS * HEADS)


if __name__ == "__main__":
    main()
