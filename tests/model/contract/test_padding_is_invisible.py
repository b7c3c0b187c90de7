"""Prompts of unequal length in one batch, padded on either side, get what each gets alone."""

from __future__ import annotations

import pytest
import torch
from opened_models import INTEGER_SITES, at, comparable, model_of, names, place, random_like, spread

from innerworks.errors import SiteError
from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.tokens import Prompt

ROWS = [[5, 17, 33, 60, 8, 21, 9, 44, 71], [12, 3, 66, 20, 31, 7], [40, 41, 9]]
PROMPTS = [
    Prompt.from_ids(row).with_span("subject", span) for row, span in zip(ROWS, [(2, 3), (1, 2), (0, 1)], strict=True)
]
UNEQUAL_SPANS = [
    Prompt.from_ids(row).with_span("subject", span) for row, span in zip(ROWS, [(2, 3, 4), (1, 2), (0,)], strict=True)
]
SIDES = pytest.mark.parametrize("side", ["left", "right"])


def near(a, b, factor=2e-5):
    return (a - b).abs().max() <= factor * max(1.0, spread(a), spread(b))


def real(batch, row):
    return slice(batch.starts[row], batch.starts[row] + batch.lengths[row])


@pytest.mark.each_family
@SIDES
def test_logits_and_captures_of_real_tokens(model, side):
    sites = [place(name, layer) for name in names(model) for layer in (0, 1)]
    together = model.run(ROWS, capture=sites, padding=side)
    wrong = []
    for row, ids in enumerate(ROWS):
        alone = model.run(ids, capture=sites)
        columns = real(together.batch, row)
        assert near(together.logits[row, columns], alone.logits[0]), row
        for site in sites:
            a, b = together[site][row], alone[site][0]
            if "key" in site.kind.dims:
                a, seen = a[:, columns, columns], b > -1e30
                a, b = a.where(seen, 0.0), b.where(seen, 0.0)
                if site.name == "scores":
                    a, b = comparable(model, a, seen), comparable(model, b, seen)
            else:
                a = a[columns]
            if not near(a.float(), b.float()):
                wrong.append(f"{site} in row {row}: {(a - b).abs().max()}")
    assert wrong == []


@SIDES
def test_negative_positions_and_roles_are_each_rows_own(model, side):
    for selected in (-1, -2, [0, -1], "subject"):
        sites = [place(name) @ selected for name in names(model) if "key" not in place(name).kind.dims]
        sites.append(at.pattern[1] @ (selected, 0))
        together = model.run(PROMPTS, capture=sites, padding=side)
        for row, one in enumerate(PROMPTS):
            alone = model.run(one, capture=sites)
            for site in sites:
                assert near(together[site][row].float(), alone[site][0].float()), (site, row)


@SIDES
def test_edits_at_negative_and_role_positions(model, side):
    vector, per_row = random_like(torch.zeros(model.d_model)), random_like(torch.zeros(3, model.d_model))
    tried = {
        "the end": [edit.add(at.resid_post[0] @ -1, vector)],
        "the subject": [edit.zero(at.mlp_out[1] @ "subject")],
        "the first and the last": [edit.scale(at.z[1, 2] @ [0, -1], 3.0)],
        "a value for each row": [edit.set(at.resid_pre[1] @ -2, per_row)],
        "from the second on": [edit.add(at.attn_out[1] @ slice(1, None), vector)],
        "the last two": [edit.zero(at.resid_post[1] @ slice(-2, None))],
        "an edge": [edit.knockout(at.pattern[1], query=-1, key="subject")],
        "a part of the pattern": [edit.scale(at.pattern[0, 1] @ (slice(1, None), 0), 0.5)],
    }
    for name, edits in tried.items():
        together = model.run(PROMPTS, edits=edits, padding=side)
        for row, one in enumerate(PROMPTS):
            mine = edits if name != "a value for each row" else [edit.set(at.resid_pre[1] @ -2, per_row[row])]
            alone = model.run(one, edits=mine)
            assert near(together.logits[row, real(together.batch, row)], alone.logits[0]), (name, row)


@SIDES
def test_gradients(model, side):
    sites = [place(name) for name in names(model) if name not in INTEGER_SITES]
    metric = metrics.logit_diff([5, 6, 7], [8, 9, 10])
    together = model.gradients(ROWS, metric, sites, padding=side)
    wrong = []
    for row, ids in enumerate(ROWS):
        alone = model.gradients(ids, metrics.logit_diff(5 + row, 8 + row), sites)
        columns = real(together.batch, row)
        assert near(together.metric[row], alone.metric[0])
        for site in sites:
            a, b = together[site][row], alone[site][0]
            a = a[:, columns, columns] if "key" in site.kind.dims else a[columns]
            if not near(a, b, 5e-5):
                wrong.append(f"{site} in row {row}: {(a - b).abs().max()} of {spread(b)}")
    assert wrong == []


@SIDES
def test_chosen_logits(model, side):
    for chosen in ("last", -1, 0, [0, -1], slice(1, 3)):
        together = model.run(ROWS, logits=chosen, padding=side)
        for row, ids in enumerate(ROWS):
            assert near(together.logits[row], model.run(ids, logits=chosen).logits[0]), (chosen, row)
    measured = model.measure(ROWS, metrics.nll(), padding=side)
    for row, ids in enumerate(ROWS):
        assert near(measured[row], model.measure(ids, metrics.nll())[0])


@SIDES
@pytest.mark.parametrize("family", ["gpt2", "gemma2", "llama"])
def test_roles_of_unequal_length_can_be_edited_alike_but_not_read(family, side):
    model = model_of(family)
    vector = random_like(torch.zeros(model.d_model))
    tried = [
        [edit.add(at.resid_post[0] @ "subject", vector)],
        [edit.zero(at.z[1, 2] @ "subject")],
        [edit.noise(at.embed @ "subject", 0.5, seed=3)],
        [edit.knockout(at.pattern[1], query=-1, key="subject")],
        [edit.project_out(at.resid_post[1] @ "subject", vector)],
    ]
    for edits in tried:
        together = model.run(UNEQUAL_SPANS[:2], edits=edits, padding=side)
        for row, one in enumerate(UNEQUAL_SPANS[:2]):
            if edits and edits[0].op == "noise":
                continue  # noise is drawn by row number
            alone = model.run(one, edits=edits)
            assert near(together.logits[row, real(together.batch, row)], alone.logits[0]), edits
    with pytest.raises(SiteError, match="2 positions in one row and 3 in another: take one position of each"):
        model.run(UNEQUAL_SPANS[:2], capture=[at.resid_post[0] @ "subject"], padding=side)
    values = random_like(torch.zeros(3, model.d_model))
    with pytest.raises(SiteError, match="2 positions in one row and 3 in another"):
        model.run(UNEQUAL_SPANS[:2], edits=[edit.set(at.resid_post[0] @ "subject", values)], padding=side)


@SIDES
def test_noise_is_the_same_wherever_a_prompt_stands(side):
    model = model_of("llama")
    noisy = [edit.noise(at.embed @ slice(0, 2), 0.7, seed=5), edit.noise(at.z[1], 0.3)]
    together = model.run(ROWS, edits=noisy, capture=[at.embed], padding=side)
    alone = model.run(ROWS[0], edits=noisy, capture=[at.embed])
    assert near(together.logits[0, real(together.batch, 0)], alone.logits[0])
    assert near(together[at.embed @ [0, 1]][0], alone[at.embed @ [0, 1]][0])
    plain = model.run(ROWS[0], capture=[at.embed])[at.embed]
    assert (alone[at.embed][:, 2:] == plain[:, 2:]).all()
    assert not torch.equal(alone[at.embed][:, :2], plain[:, :2])


@SIDES
def test_what_stands_in_the_padding_does_not_matter(model, side):
    batch = model.batch(ROWS, padding=side)
    other = batch.ids.clone()
    other[batch.mask == 0] = 50
    from dataclasses import replace

    a, b = model.run(batch), model.run(replace(batch, ids=other))
    for row in range(3):
        assert near(a.logits[row, real(batch, row)], b.logits[row, real(batch, row)], 1e-6)


@SIDES
def test_edited_logits_are_what_metrics_read(side):
    model = model_of("llama")
    vector = random_like(torch.zeros(83))
    for site in (at.logits @ -1, at.module("lm_head").output @ -1):
        edits = [edit.add(site, vector)]
        expected = model.measure(ROWS, metrics.logit(7), padding=side) + vector[7]
        assert torch.allclose(model.measure(ROWS, metrics.logit(7), edits=edits, padding=side), expected)
        found = model.gradients(ROWS, metrics.logit(7), [site.whole], edits=edits, padding=side)
        assert torch.allclose(found.metric, expected)
        assert (found[site.whole] != 0).sum() == 3
        assert (found[site][:, 7] == 1).all()
        run = model.run(ROWS, capture=[site.whole], logits="last", padding=side)
        assert torch.equal(run[site], run.logits[:, 0])
