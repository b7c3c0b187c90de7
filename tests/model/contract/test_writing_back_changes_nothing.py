"""Putting back what was read leaves the logits bit-identical, wherever and however it is selected."""

from __future__ import annotations

import pytest
import torch
from opened_models import CASES, everywhere, model_of, names, place, plain, prompt, random_like, spread
from writing_by_hand import eager_in_one_layer

from innerworks.model import edits as edit
from innerworks.model.sites import at, direction, rotation, subspace

INSIDE = ("scores", "pattern")
SDPA = [family for family, backend in CASES if backend == "sdpa"]


def selections(model, site):
    """Parts of a site: some positions, some units, and both."""
    edges = "query" in site.kind.dims
    chosen = [site @ -1, site @ [1, -2], site @ slice(2, 5), site @ slice(3, None)]
    if edges:
        chosen = [site @ (-1, None), site @ (-1, 0), site @ ([1, 4], slice(0, 2)), site @ (None, [0, 1])]
    if site.name == "logits":
        return chosen
    if site.kind.unit is not None:
        last = model.anatomy.size(site.kind.unit, site.name) - 1
        one, several = site[site.layer, 0], site[site.layer, [-1, 0] if last else [-1]]
        chosen += [one, several, site[site.layer, [last]]]
        chosen += [(one @ (-1, 0)), (several @ (slice(1, 4), 2))] if edges else [one @ -1, several @ [0, 3]]
    return chosen


def reference(model, layer):
    if model.module.config._attn_implementation == "sdpa":
        with eager_in_one_layer(model.module.config.model_type, model.module, layer):
            return plain(model, prompt())
    return plain(model, prompt())


@pytest.mark.each_family
def test_writing_back_any_one_site_changes_no_bit(model):
    sites = everywhere(model)
    run = model.run(prompt(), capture=sites)
    expected = plain(model, prompt())
    eager = {layer: reference(model, layer) for layer in range(3)}
    wrong = []
    for site in sites:
        logits = model.run(prompt(), edits=[edit.set(site, run[site])]).logits
        if not torch.equal(logits, eager[site.layer] if site.name in INSIDE else expected):
            wrong.append(str(site))
        if (logits - expected).abs().max() > 2e-5 * spread(expected):
            wrong.append(f"{site} is far off")
    assert wrong == []


def test_writing_back_every_site_at_once_changes_no_bit(model):
    sites = [site for site in everywhere(model) if site.name not in INSIDE]
    run = model.run(prompt(), capture=sites)
    logits = model.run(prompt(), edits=[edit.set(site, run[site]) for site in sites]).logits
    assert torch.equal(logits, plain(model, prompt()))


def test_writing_back_a_part_changes_no_bit(model):
    expected = plain(model, prompt())
    eager = reference(model, 1)
    wrong = []
    for name in names(model):
        whole = model.run(prompt(), capture=[place(name)])
        for site in selections(model, place(name)):
            logits = model.run(prompt(), edits=[edit.set(site, whole[site])]).logits
            if not torch.equal(logits, eager if name in INSIDE else expected):
                wrong.append(str(site))
    assert wrong == []


def test_a_part_read_by_itself_is_that_part_of_the_whole(model):
    for name in names(model):
        parts = selections(model, place(name))
        whole = model.run(prompt(), capture=[place(name)])
        run = model.run(prompt(), capture=parts)
        for part in parts:
            assert torch.equal(run[part], whole[part]), part


def test_parts_of_a_whole_are_what_indexing_says(model):
    run = model.run(prompt(), capture=[at.resid_post[1], at.z[1], at.scores[1]])
    stream, z, scores = run[at.resid_post[1]], run[at.z[1]], run[at.scores[1]]
    assert torch.equal(run[at.resid_post[1] @ -1], stream[:, -1])
    assert torch.equal(run[at.resid_post[1] @ [1, -2]], stream[:, [1, -2]])
    assert torch.equal(run[at.resid_post[1] @ slice(3, None)], stream[:, 3:])
    assert torch.equal(run[at.z[1, [3, 0]] @ [0, 3]], z[:, [0, 3]][:, :, [3, 0]])
    assert torch.equal(run[at.z[1, 2] @ -1], z[:, -1, 2])
    assert torch.equal(run[at.scores[1, 2] @ (-1, 0)], scores[:, 2, -1, 0])
    assert torch.equal(run[at.scores[1, [2]] @ ([1, 4], slice(0, 2))], scores[:, [2]][:, :, [1, 4]][..., :2])


def test_writing_back_through_a_basis_changes_no_bit(model):
    d = model.d_model
    square = torch.linalg.qr(random_like(torch.zeros(d, d)))[0]
    bases = [
        direction("v", random_like(torch.zeros(d))),
        subspace("s", random_like(torch.zeros(3, d))),
        rotation("r", square),
    ]
    expected = plain(model, prompt())
    for name in ("resid_pre", "resid_post", "attn_out", "mlp_out", "attn_in"):
        for basis in bases:
            for feature in (None, 0, [0]):
                site = (place(name) @ [2, -1]).via(basis, feature)
                run = model.run(prompt(), capture=[site])
                logits = model.run(prompt(), edits=[edit.set(site, run[site])]).logits
                assert torch.equal(logits, expected), site


def test_edits_that_do_nothing_change_no_bit(model):
    nothing = [
        edit.add(at.resid_mid[1] if not model.anatomy.parallel else at.resid_pre[1], torch.zeros(model.d_model)),
        edit.scale(at.mlp_out[0], 1.0),
        edit.noise(at.embed, 0.0),
        edit.call(at.z[2], lambda z: z),
    ]
    assert torch.equal(model.run(prompt(), edits=nothing).logits, plain(model, prompt()))


@pytest.mark.parametrize("family", SDPA)
def test_only_the_rows_whose_attention_is_edited_leave_sdpa(family):
    model = model_of(family, "sdpa")
    run = model.run(prompt(), capture=[at.pattern[1]])
    batch = model.batch(prompt())
    session = model.session(batch)
    from innerworks.model.engine.forward import forward

    session.edit(edit.set(at.pattern[1], run[at.pattern[1]][1:]), rows=range(1, 2))
    with torch.no_grad():
        logits = forward(model.anatomy, session, batch)
    assert torch.equal(logits[0], plain(model, prompt())[0])
    with eager_in_one_layer(family, model.module, 1):
        assert torch.equal(logits[1], plain(model, prompt())[1])
