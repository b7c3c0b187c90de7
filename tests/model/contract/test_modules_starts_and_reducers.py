"""Sites of any module, runs that start at a later block, answers reduced on the spot, and words about sites."""

from __future__ import annotations

import pytest
import torch
from hand_hooks import blocks, first
from hand_tables import IN_A_BLOCK
from opened_models import at, everywhere, model_of, names, place, plain, prompt, random_like, spread

from innerworks.errors import EditError, SiteError
from innerworks.model import edits as edit
from innerworks.model import metrics, reduce

ROWS = [[5, 17, 33, 60, 8, 21, 9, 44, 71], [12, 3, 66, 20, 31, 7]]


def family_of(request):
    return request.node.callspec.params["model"][0]


def module_sites(model, family):
    """Each module of block 1 that the table of hand-written hooks names."""
    start = model.anatomy.path_of(blocks(family, model.module)[1])
    for path, end, *_ in IN_A_BLOCK[family].values():
        site = at.module(f"{start}.{path}")
        yield site.input if end == "in" else site.output


def test_any_module_can_be_read_written_and_differentiated(model, request):
    family = family_of(request)
    expected = plain(model, prompt())
    for site in module_sites(model, family):
        seen = []
        module = model.module.get_submodule(site.path)
        if site.end == "input":
            handle = module.register_forward_pre_hook(
                lambda _, args, kwargs, seen=seen: seen.append(args[0] if args else kwargs["hidden_states"]),
                with_kwargs=True,
            )
        else:
            handle = module.register_forward_hook(lambda _, args, out, seen=seen: seen.append(first(out)))
        run = model.run(prompt(), capture=[site])
        handle.remove()
        if run[site].shape[1] != 9:
            with pytest.raises(SiteError, match="take it whole"):
                model.run(prompt(), capture=[site @ -1])
            continue
        run = model.run(prompt(), capture=[site, site @ -1])
        assert torch.equal(run[site], seen[0].reshape(run[site].shape)), site
        assert torch.equal(run[site @ -1], run[site][:, -1]), site
        assert torch.equal(run.logits, expected)
        assert torch.equal(model.run(prompt(), edits=[edit.set(site, run[site])]).logits, expected), site
        moved = model.run(prompt(), edits=[edit.add(site @ -1, random_like(run[site @ -1]))])
        assert not torch.equal(moved.logits[:, -1], expected[:, -1]), site
        gradient = model.gradients(prompt(), metrics.logit(5), [site])[site]
        assert gradient.shape == run[site].shape and gradient.abs().max() > 0


def test_starting_at_a_later_block_changes_no_bit(model):
    for given, padding in ((prompt(), "right"), (ROWS, "left"), (ROWS, "right")):
        whole = model.run(given, capture=[at.resid_pre[:], at.z[2]], padding=padding)
        for layer in (0, 1, 2):
            stream = whole[at.resid_pre[layer]]
            late = model.run(given, start=(layer, stream), capture=[at.z[2]], padding=padding)
            assert torch.equal(late.logits, whole.logits), layer
            assert torch.equal(late[at.z[2]], whole[at.z[2]])
    edits = [edit.zero(at.z[2, 1]), edit.scale(at.pattern[1, 2] @ (-1, 2), 0.5)]
    late = model.run(prompt(), start=(1, model.run(prompt(), capture=["resid_pre.1"])["resid_pre.1"]), edits=edits)
    assert torch.equal(late.logits, model.run(prompt(), edits=edits).logits)


def test_logits_at_chosen_positions(model):
    expected = plain(model, prompt())
    for chosen, picked in (("last", [8]), (-1, [8]), (0, [0]), ([3, 1], [3, 1]), (slice(2, 5), [2, 3, 4])):
        found = model.run(prompt(), logits=chosen).logits
        assert (found - expected[:, picked]).abs().max() <= 5e-6 * spread(expected), chosen


def test_edits_of_the_mid_stream_and_of_what_reads_it_compose_in_any_order(model):
    if model.anatomy.parallel:
        pytest.skip("a parallel block has no stream between attention and MLP")
    shift = random_like(torch.zeros(model.d_model))
    edits = [edit.scale(at.mlp_in[1], 0.5), edit.add(at.resid_mid[1], shift)]
    sites = [at.mlp_in[1], at.resid_mid[1], at.resid_post[1], at.mlp_out[1]]
    before = model.run(prompt(), capture=sites)
    for order in (edits, edits[::-1]):
        for asked in (sites, sites[::-1]):
            run = model.run(prompt(), edits=order, capture=asked)
            mid = before[at.resid_mid[1]] + shift
            assert (run[at.resid_mid[1]] - mid).abs().max() <= 1e-6 * spread(mid)
            assert (run[at.resid_post[1]] - mid - run[at.mlp_out[1]]).abs().max() <= 2e-6 * spread(mid)
            shifted = model.run(prompt(), edits=edits[1:], capture=[at.mlp_in[1]])
            assert torch.equal(run[at.mlp_in[1]], shifted[at.mlp_in[1]] * 0.5)


def test_reducers_see_what_a_capture_would_hold(model):
    wanted = {
        at.pattern[:]: reduce.attention_to(0),
        at.resid_post[1]: reduce.norm,
        at.z[1, 2] @ -1: lambda z: z.sum(-1),
        at.logits: reduce.top(3),
        at.mlp_out[:]: reduce.mean(0, 1),
        at.embed: None,
    }
    run = model.run(prompt(), capture=wanted)
    whole = model.run(prompt(), capture=list(wanted))
    assert torch.equal(run[at.pattern[:]], whole[at.pattern[:]][..., 0])
    assert torch.equal(run[at.resid_post[1]], whole[at.resid_post[1]].norm(dim=-1))
    assert torch.equal(run[at.z[1, 2] @ -1], whole[at.z[1, 2] @ -1].sum(-1))
    assert torch.equal(run[at.logits][1], whole.logits.topk(3).indices)
    assert torch.allclose(run[at.mlp_out[2]], whole[at.mlp_out[2]].mean((0, 1)))
    assert torch.equal(run[at.embed], whole[at.embed])
    assert torch.equal(run.logits, plain(model, prompt()))


def test_every_site_can_be_explained(eager):
    for site in everywhere(eager):
        told = eager.explain(site)
        assert str(site) in told and "Shape: (" in told
    for name in set(eager.anatomy.missing) - {"module"}:
        with pytest.raises(Exception, match=rf"{eager.family.model_type} has no {name}: .* It has: token_embed"):
            eager.explain(place(name))


def test_runs_know_what_they_hold(model):
    run = model.run(prompt(), capture=[at.z[:], at.pattern[1], at.embed], logits="last")
    assert len(run) == 5 and at.z[1, 3] @ 2 in run and at.z[:, 0] in run and at.mlp_out[1] not in run
    assert "z.2: (2, 9, 4" in repr(run) and "logits: (2, 1, 83)" in repr(run)
    assert [str(s) for s in (at.z[1:] @ -1).each(run, "layer", "head")][:2] == ["z.1.0@-1", "z.1.1@-1"]
    assert len(list(at.z[:].each_head(run))) == 12 and len(list(at.embed.each_position(run))) == 9
    assert run[at.z[:, [1, 2]] @ -1].shape == (3, 2, 2, model.anatomy.size("d_head", "z"))
    assert torch.equal(run.mask, torch.ones(2, 9, dtype=torch.long))


def test_standing_edits_are_checked_when_they_are_made():
    model = model_of("llama")
    with pytest.raises(EditError, match="both replace"):
        model.with_edits(edit.zero(at.z[1]), edit.zero(at.z[1, 2]))
    view = model.with_edits(edit.zero(at.z[1]))
    assert "1 standing edit" in repr(view)
    with pytest.raises(EditError, match="both replace"):
        view.run(prompt(), edits=[edit.zero(at.z[1, 2])])
    one, two = edit.scale(at.z[1], 0.5), edit.add(at.mlp_out[0], torch.ones(32))
    assert torch.equal(
        model.with_edits(one).with_edits(two).run(prompt()).logits, model.run(prompt(), edits=[one, two]).logits
    )


def test_freezing_holds_a_place_whatever_comes_before(model):
    clean = model.run(prompt(), capture=[at.mlp_out[1], at.z[:]])
    noisy = [edit.noise(at.embed, 1.0), edit.freeze(at.mlp_out[1], clean), edit.freeze(at.z[1:], clean)]
    run = model.run(prompt(), edits=noisy, capture=[at.mlp_out[1], at.z[:]])
    assert torch.equal(run[at.mlp_out[1]], clean[at.mlp_out[1]])
    assert torch.equal(run[at.z[1:]], clean[at.z[1:]])
    assert not torch.equal(run[at.z[0]], clean[at.z[0]])


def test_every_name_of_the_table_is_a_site_of_the_model(model):
    for name in names(model):
        kind = place(name).kind
        asked = model.at(f"{name}.1") if kind.layered else model.at(name)
        assert asked == place(name)
