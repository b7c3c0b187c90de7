"""The logits of a state are what the model's own head makes of it, on every family."""

import families
import pytest
import torch

import innerworks as iw
from innerworks import at

EVERY = sorted({*families.FAMILIES, *families.HYBRIDS})


@pytest.mark.each_family
@pytest.mark.parametrize("family", EVERY)
def test_the_last_states_logits_are_the_models_own(family):
    """Bit for bit in the same shape; where the model divides by its logit scale, we multiply: one rounding."""
    model = iw.load(families.module_of(family))
    run = model.run(families.ids(2, 7), capture=at.resid_post[model.n_layers - 1])
    with torch.no_grad():
        logits = model.weights.logits(run[at.resid_post[model.n_layers - 1]])
    scale = model.weights.logit_scale
    if scale == 1.0:
        assert torch.equal(logits, run.logits)
    else:
        assert torch.allclose(logits, run.logits, rtol=1e-6, atol=0)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "cohere2", "granite"])
def test_a_vector_and_several_are_read_alike(family):
    model = iw.load(families.module_of(family, dtype=torch.float64))
    state = torch.randn(3, 2, model.d_model, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = model.weights.logits(state)
        assert together.shape == (3, 2, model.n_vocab)
        alone = model.weights.logits(state[1, 1])
    assert torch.allclose(together[1, 1], alone, atol=1e-12)
    readout, norm = model.weights.readout(), model.weights.final_norm
    by_matrix = state / norm.scale(state)[..., None] @ readout.weight + readout.bias
    cap = model.weights.logit_softcap
    by_matrix = by_matrix if cap is None else torch.tanh(by_matrix / cap) * cap
    assert torch.allclose(together, by_matrix, atol=1e-6)
