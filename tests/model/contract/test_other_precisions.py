"""In bfloat16 and float64 too, reading and writing back change no bit."""

from __future__ import annotations

import pytest
import torch
from families import DOUBLE, FAMILIES, NO_SDPA
from opened_models import INTEGER_SITES, at, everywhere, model_of, plain, prompt, random_like
from writing_by_hand import eager_in_one_layer

from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.sites import direction, subspace

CASES = [(family, "eager") for family in FAMILIES] + [(f, "sdpa") for f in FAMILIES if f not in NO_SDPA]
PRECISE = [(*case, torch.bfloat16) for case in CASES]
PRECISE += [(*case, torch.float64) for case in CASES if case[0] in DOUBLE]


@pytest.fixture(params=PRECISE, ids=str)
def precise(request):
    family, backend, dtype = request.param
    model = model_of(family, backend, dtype)
    if model.family.experts and dtype == torch.float64:
        model.module.config._experts_implementation = "batched_mm"  # grouped_mm has no float64
    return model


def test_reading_and_writing_back_change_no_bit(precise):
    sites = everywhere(precise)
    expected = plain(precise, prompt())
    run = precise.run(prompt(), capture=sites)
    assert torch.equal(run.logits, expected)
    sdpa = precise.module.config._attn_implementation == "sdpa"
    wrong = []
    for site in sites:
        logits = precise.run(prompt(), edits=[edit.set(site, run[site])]).logits
        wanted = expected
        if sdpa and site.name in ("scores", "pattern"):
            with eager_in_one_layer(precise.module.config.model_type, precise.module, site.layer):
                wanted = plain(precise, prompt())
        if not torch.equal(logits, wanted):
            wrong.append(str(site))
    assert wrong == []


def test_parts_and_bases_change_no_bit(precise):
    expected = plain(precise, prompt())
    z = precise.run(prompt(), capture=[at.z[1, [3, 0]] @ [1, -1]])
    edits = [edit.set(site, z[site]) for site in z]
    basis = direction("v", random_like(torch.zeros(precise.d_model)))
    through = (at.resid_post[0] @ -1).via(basis)
    edits.append(edit.set(through, precise.run(prompt(), capture=[through])[through]))
    assert torch.equal(precise.run(prompt(), edits=edits).logits, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_edit_and_gradients_run_in_bfloat16(family):
    model = model_of(family, dtype=torch.bfloat16)
    other = model.run(prompt(2, 9, seed=6), capture=[at.resid_post[1], at.z[1]])
    rows = random_like(torch.zeros(2, model.d_model))
    kinds = [
        edit.zero(at.z[0, 1]),
        edit.set(at.resid_post[1] @ -1, other[at.resid_post[1] @ -1].float()),
        edit.mean(at.z[1], other),
        edit.resample(at.z[1], other, seed=2),
        edit.noise(at.embed, 0.1),
        edit.add(at.mlp_out[1], rows[0]),
        edit.scale(at.z[2, 1], 0.5),
        edit.project_out(at.resid_post[0], rows),
        edit.swap(at.resid_post[1], rows, other),
        edit.freeze(at.z[1], other),
        edit.knockout(at.pattern[1], query=-1, key=6),
        edit.set((at.resid_post[1] @ -1).via(subspace("s", rows.bfloat16())), torch.ones(2)),
    ]
    expected = plain(model, prompt())
    for one in kinds:
        logits = model.run(prompt(), edits=[one]).logits
        assert logits.dtype == torch.bfloat16
        assert logits.isfinite().all() and not torch.equal(logits, expected), one
    sites = [s for s in everywhere(model) if s.name not in INTEGER_SITES]
    found = model.gradients(prompt(), metrics.log_prob(5), sites)
    assert all(found[site].isfinite().all() for site in sites)
