"""What each kind of edit does, beside a formula; and edits in files."""

from __future__ import annotations

import json

import pytest
import torch
from families import ids, module_of
from safetensors.torch import load_file, save_file

from innerworks.errors import EditError, FileError
from innerworks.model import edits as edit
from innerworks.model.anatomy import FAMILIES, Anatomy
from innerworks.model.model import Model
from innerworks.model.sites import at, direction, rotation, subspace


@pytest.fixture(scope="module")
def model():
    module = module_of("llama")
    return Model(module, anatomy=Anatomy(module, FAMILIES["llama"]))


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def at_site(model, edits, site, prompt=None):
    return model.run(ids(2) if prompt is None else prompt, edits=edits, capture=[site])[site]


def test_each_kind_against_its_formula(model):
    site = at.resid_post[1] @ [2, -1]
    x = at_site(model, [], site)
    v, rows = draw(32), draw(2, 32, seed=1)
    q = torch.linalg.qr(rows.T).Q
    other = draw(2, 2, 32, seed=2)
    expected = {
        edit.zero(site): torch.zeros_like(x),
        edit.set(site, v): v.expand_as(x),
        edit.set(site, 3.0): torch.full_like(x, 3.0),
        edit.add(site, v, factor=0.5): x + 0.5 * v,
        edit.scale(site, 2): x * 2,
        edit.scale(site, v): x * v,
        edit.project_out(site, v): x - (x @ v)[..., None] * v / (v @ v),
        edit.project_out(site, rows): x - x @ q @ q.T,
        edit.swap(site, rows, other): x + (other - x) @ q @ q.T,
        edit.mean(site, other): other.mean(0, keepdim=True).expand_as(x),
        edit.mean(site, other, over=("batch", "pos")): other.mean((0, 1)).expand_as(x),
        edit.freeze(site, other): other,
        edit.call(site, torch.relu): x.relu(),
        edit.call(site, lambda values: values - 1): x - 1,
    }
    for one, wanted in expected.items():
        assert torch.allclose(at_site(model, [one], site), wanted, atol=1e-5), one
    assert (at_site(model, [edit.project_out(site, rows)], site) @ rows.T).abs().max() < 1e-5 * x.norm(dim=-1).max()


def test_means_are_over_what_they_say(model):
    run = model.run(ids(4), capture=[at.z[1], at.pattern[1], at.resid_post[:]])
    z, pattern = run[at.z[1]], run[at.pattern[1]]
    assert torch.equal(edit.mean(at.z[1, 2] @ -1, run).value, z[:, -1, 2].mean(0, keepdim=True))
    assert torch.equal(edit.mean(at.z[1] @ -1, run).value, z[:, -1].mean(0, keepdim=True))
    assert torch.allclose(edit.mean(at.pattern[1, 3], run).value, pattern[:, 3].mean(0, keepdim=True))
    assert torch.allclose(edit.mean(at.z[1], run, over=("batch", "pos")).value, z.mean((0, 1), keepdim=True))
    layered = edit.mean(at.resid_post[:], run, over=("batch", "pos"))
    assert torch.allclose(layered.value[2], run[at.resid_post[2]].mean((0, 1), keepdim=True))
    with pytest.raises(EditError, match=r"mean over 'pos': z.1@-1 has the dimensions batch, head, d_head"):
        edit.mean(at.z[1] @ -1, run, over=("batch", "pos"))


def test_means_leave_padding_out(model):
    rows = [[5, 17, 33, 60, 8], [12, 3, 66]]
    run = model.run(rows, capture=[at.resid_post[1]])
    alone = torch.cat([model.run(row, capture=[at.resid_post[1]])[at.resid_post[1]][0] for row in rows])
    assert torch.allclose(edit.mean(at.resid_post[1], run, over=("batch", "pos")).value[0, 0], alone.mean(0), atol=1e-5)
    assert torch.allclose(edit.mean(at.resid_post[1] @ -1, run).value[0], alone[[4, 7]].mean(0), atol=1e-5)
    with pytest.raises(EditError, match=r"have 3 to 5 tokens, so their positions do not correspond: take over="):
        edit.mean(at.resid_post[1], run)


def test_resampling_draws_rows_by_the_seed(model):
    bank = draw(5, 9, 32)
    drawn = [at_site(model, [edit.resample(at.resid_post[1], bank, seed=s)], at.resid_post[1]) for s in (1, 1, 2, 3)]
    assert torch.equal(drawn[0], drawn[1])
    assert not all(torch.equal(drawn[0], other) for other in drawn[2:])
    for row in drawn[0]:
        assert any(torch.equal(row, one) for one in bank)


def test_noise_is_gaussian_and_by_the_seed(model):
    wide = ids(8, 60)
    x = at_site(model, [], at.embed, wide)
    a, b, c = (at_site(model, [edit.noise(at.embed, 0.5, seed=s)], at.embed, wide) - x for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert abs(float(a.std()) - 0.5) < 0.02 and abs(float(a.mean())) < 0.02
    assert len({round(float(value), 5) for value in a[:, :, 0].flatten()}) > 470
    with pytest.raises(EditError, match=r"noise takes a standard deviation of at least 0, got -1"):
        edit.noise(at.embed, -1)
    with pytest.raises(EditError, match=r"put it on queries or keys"):
        edit.noise(at.scores[1], 1.0)


def test_functions_may_ask_where_they_are(model):
    told = []

    def note(values, context):
        told.append((context.layer, context.rows, context.positions(), tuple(values.shape)))
        return values

    def with_default(values, factor=2.0):
        return values * factor

    model.run(ids(2), edits=[edit.call(at.z[1, 3] @ [2, -1], note)])
    assert told == [(1, (0, 1), [[2, 8], [2, 8]], (2, 2, 8))]
    x = at_site(model, [], at.resid_post[1])
    assert torch.equal(at_site(model, [edit.call(at.resid_post[1], with_default)], at.resid_post[1]), x * 2)


def test_functions_that_write_in_place_write_nowhere_else(model):
    values = draw(2, 9, 32)
    kept = values.clone()

    def clear(x):
        return x.zero_()

    edits = [edit.set(at.attn_in[1], values), edit.call(at.attn_in[1], clear)]
    run = model.run(ids(2), edits=edits, capture=[at.resid_pre[1], at.attn_in[1]])
    assert torch.equal(values, kept)
    assert (run[at.attn_in[1]] == 0).all()
    assert torch.equal(run[at.resid_pre[1]], model.run(ids(2), capture=[at.resid_pre[1]])[at.resid_pre[1]])


def test_edits_of_what_an_earlier_edit_made_are_read_back(model):
    halves = [edit.zero(at.head_out[1, 2]), edit.scale(at.norm_scale["final"], 2.0)]
    sites = [at.attn_out[1], at.head_out[1], at.final_norm, at.norm_scale["final"]]
    plain, run = model.run(ids(2), capture=sites), model.run(ids(2), edits=halves, capture=sites)
    assert (run[at.head_out[1, 2]] == 0).all()
    assert torch.allclose(run[at.attn_out[1]], plain[at.attn_out[1]] - plain[at.head_out[1, 2]], atol=1e-5)
    changed = model.run(ids(2), edits=halves[:1], capture=sites)
    assert torch.allclose(run[at.norm_scale["final"]], 2 * changed[at.norm_scale["final"]], atol=1e-6)
    assert torch.allclose(run[at.final_norm], changed[at.final_norm] / 2, atol=1e-6)


def test_coordinates_are_written_and_the_rest_stays(model):
    v = draw(32)
    unit, site = v / v.norm(), at.resid_post[1] @ -1
    x = at_site(model, [], site)
    along = site.via(direction("v", v))
    assert torch.allclose(at_site(model, [], along)[:, 0], x @ unit, atol=1e-5)
    after = at_site(model, [edit.set(along, 2.5)], site)
    assert torch.allclose(after, x + (2.5 - x @ unit)[:, None] * unit, atol=1e-5)
    turned = rotation("r", torch.linalg.qr(draw(32, 32))[0])
    after = at_site(model, [edit.zero(site.via(turned, [0, 3]))], site)
    wanted = turned.encode(x).clone()
    wanted[:, [0, 3]] = 0
    assert torch.allclose(after, turned.decode(wanted), atol=1e-5)


def kinds(model):
    run = model.run(ids(2), capture=[at.resid_post[:], at.z[1]])
    d, rows = draw(32), draw(2, 32, seed=4)
    shared = run[at.z[1]]
    return [
        edit.zero(at.z[1, [3]] @ "subject"),
        edit.set(at.resid_post[:], run),
        edit.set(at.z[1], shared),
        edit.freeze(at.z[1] @ [0], shared[:, :1]),
        edit.freeze(at.resid_post[0:2] @ -1, run),
        edit.mean(at.z[1], run),
        edit.add(at.mlp_out[1] @ slice(2, None), d, factor=0.25),
        edit.scale(at.z[0, 1], 0.5),
        edit.scale(at.resid_post[2], d),
        edit.project_out(at.resid_post[0], rows),
        edit.swap(at.resid_post[1], rows, run),
        edit.resample(at.z[2], shared, seed=7),
        edit.noise(at.embed @ "subject", 0.3, seed=5),
        edit.knockout(at.pattern[1, 2], query=-1, key="subject"),
        edit.set((at.resid_post[1] @ -1).via(direction("dir", d)), 1.5),
        edit.zero(at.resid_post[2].via(subspace("sub", rows), [1])),
        edit.scale(at.resid_post[1].via(rotation("rot", torch.linalg.qr(draw(32, 32))[0])), 0.9),
        edit.zero(at.module("model.layers.0.mlp").output),
        *model.weights.low_rank([0, 1], "q", rank=3),
    ]


def test_every_kind_is_read_back_from_a_file_and_does_the_same(model, tmp_path):
    prompts = [model.prompt(row, spans={"subject": (1, 2)}) for row in ids(2).tolist()]
    made = kinds(model)
    assert {one.op for one in made} == {"zero", "set", "freeze", "mean", "add", "scale", "project_out", "swap"} | {
        "resample",
        "noise",
        "knockout",
        "low_rank",
    }
    edit.save(tmp_path / "edits.safetensors", made)
    read = edit.load(tmp_path / "edits.safetensors")
    assert [str(one) for one in read] == [str(one) for one in made]
    for before, after in zip(made, read, strict=True):
        assert type(before) is type(after) and before.options() == after.options()
        assert before.tensors().keys() == after.tensors().keys()
        a, b = (model.run(prompts, edits=[one]).logits for one in (before, after))
        assert torch.equal(a, b), before
    assert [path.name for path in tmp_path.iterdir()] == ["edits.safetensors"]


def test_files_that_hold_no_edits(model, tmp_path):
    path = tmp_path / "edits.safetensors"
    with pytest.raises(EditError, match=r"holds a Python function, which cannot be saved"):
        edit.save(path, [edit.call(at.z[1], torch.relu)])
    assert not path.exists()
    with pytest.raises(FileError, match=r"cannot read edits from"):
        edit.load(path)
    save_file({"x": torch.ones(2)}, path)
    with pytest.raises(FileError, match=r"is a safetensors file, but holds no edits"):
        edit.load(path)
    description, tensors = edit.to_parts([edit.add(at.mlp_out[1], draw(32))])
    with pytest.raises(FileError, match=r"this innerworks reads version 1. Upgrade it"):
        edit.from_parts({**description, "version": 2}, tensors)
    strange = {"version": 1, "edits": [{"op": "melt", "site": "z.1", "options": {}}]}
    with pytest.raises(FileError, match=r"unknown edit 'melt'; known: zero"):
        edit.from_parts(strange, {})
    save_file(
        {},
        path,
        {"innerworks_edits": json.dumps({"version": 1, "edits": [{"op": "set", "site": "z.1", "options": {}}]})},
    )
    with pytest.raises(FileError, match=r"are damaged"):
        edit.load(path)
    path.write_bytes(b"not a file of tensors")
    with pytest.raises(FileError, match=r"cannot read edits from"):
        edit.load(path)


def test_a_failed_save_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "edits.safetensors"
    edit.save(path, [edit.add(at.mlp_out[1], torch.ones(32))])

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match=r"disk full"):
        edit.save(path, [edit.zero(at.z[1])])
    assert [p.name for p in tmp_path.iterdir()] == ["edits.safetensors"]
    assert edit.load(path)[0].op == "add"
    assert load_file(path)["0.value"].shape == (32,)


def test_a_part_of_what_is_frozen_can_be_set_after_it(model):
    """Path patching: all heads held at one run, one of them moved to another."""
    clean, other = ids(seed=1), ids(seed=2)
    held, moved = (model.run(x, capture=at.z[:]) for x in (clean, other))
    frozen = [edit.freeze(at.z[:], held)]
    run = model.run(other, edits=[*frozen, edit.set(at.z[1, -1], moved)], capture=at.z[:])
    assert torch.equal(run[at.z[1, 3]], moved[at.z[1, 3]])
    assert torch.equal(run[at.z[1, :3]], held[at.z[1, :3]])
    with pytest.raises(EditError, match="both replace"):
        model.run(other, edits=[edit.set(at.z[1, 3], moved), *frozen])
    with pytest.raises(EditError, match="both replace"):
        model.run(other, edits=[edit.zero(at.z[1, -1]), edit.set(at.z[1, 3], moved)])
