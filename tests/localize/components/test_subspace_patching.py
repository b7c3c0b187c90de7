"""Subspace patching: identities of projections, hooks written by hand, a planted subspace, a planted illusion."""

from contextlib import ExitStack

import families
import numpy as np
import pytest
import torch
from tiny_models import FOIL, TARGET, tiny

import innerworks as iw
from innerworks import at
from innerworks.errors import EditError, MetricError, OptionError, PairError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.patching.subspace_patching import subspace_patching
from innerworks.results import Artifact

EXACT = 1e-6
"""Most families' norms and softmax divide in float32, also in a float64 model; scores here are about 1."""
CLEAN = families.ids(1, 7)[0].tolist()
CORRUPT = [*CLEAN[:3], *families.ids(1, 2, seed=9)[0].tolist(), *CLEAN[5:]]
METRIC = iw.logit_diff(TARGET, FOIL)


def drawn(rows, size, seed=0):
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair_of(model):
    return model.pair(model.prompt(CLEAN), model.prompt(CORRUPT))


def patched(family, site, directions, **options):
    model = tiny(family) if isinstance(family, str) else family
    options = {"metric": METRIC} | options
    return subspace_patching(model, pair_of(model), site=site, directions=directions, **options)


def score(result, part):
    return result.data["score"].sel(part=part).values


# -- identities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral"])
def test_the_whole_space_is_full_patching(family, direction):
    model = tiny(family)
    result = patched(family, at.resid_post[:], torch.eye(model.d_model), direction=direction)
    assert score(result, "subspace") == pytest.approx(score(result, "whole"), abs=EXACT)
    assert score(result, "complement") == pytest.approx(0, abs=EXACT)
    assert score(result, "whole")[-1, -1] == pytest.approx(1, abs=EXACT)
    assert score(result, "whole")[:, :3] == pytest.approx(0, abs=EXACT)


def test_for_a_linear_reading_subspaces_add_up():
    """The metric is linear in what the unembedding reads, so a complete basis shares the effect among its members."""
    model = tiny("llama")
    basis = torch.linalg.qr(drawn(model.d_model, model.d_model)).Q
    place = at.final_norm @ -1
    half = patched("llama", place, basis[:20])
    assert float(score(half, "subspace") + score(half, "complement")) == pytest.approx(1, abs=EXACT)
    assert float(score(half, "whole")) == pytest.approx(1, abs=EXACT)
    singles = [float(score(patched("llama", place, one), "subspace")) for one in basis]
    assert sum(singles) == pytest.approx(1, abs=EXACT)
    shares = {check.name: check.measured for check in patched("llama", place, basis[0]).checks}
    expected = next(value for name, value in shares.items() if "random subspace" in name)
    assert np.mean(singles) == pytest.approx(expected, abs=EXACT)
    assert sum(singles[:20]) == pytest.approx(float(score(half, "subspace")), abs=EXACT)


def test_only_the_span_counts():
    one = drawn(3, tiny("llama").d_model)
    mixed = drawn(3, 3, seed=1) @ one * 7
    a, b = (patched("llama", at.resid_post[1], rows) for rows in (one, mixed))
    assert a.data["score"].values == pytest.approx(b.data["score"].values, abs=EXACT)


# -- hooks by hand --------------------------------------------------------------------------------------------------


def by_hand(module, ids, layer=None, change=None):
    """The metric, and what every block gives; `change` is applied to what block `layer` gives."""
    blocks = module.transformer.h if hasattr(module, "transformer") else module.model.layers
    seen = {}
    with ExitStack() as stack, torch.no_grad():
        for number, block in enumerate(blocks):

            def hook(_, args, output, number=number):
                values = output[0] if isinstance(output, tuple) else output
                values = change(values) if number == layer else values
                seen[number] = values.clone()
                return (values, *output[1:]) if isinstance(output, tuple) else values

            stack.callback(block.register_forward_hook(hook).remove)
        logits = module(torch.tensor([ids]), use_cache=False).logits[0, -1].double()
    return float(logits[TARGET] - logits[FOIL]), seen


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_every_number_is_that_of_hooks_written_by_hand(family, direction):
    module, model = families.module_of(family, dtype=torch.float64), tiny(family)
    directions = drawn(3, model.d_model)
    (clean, clean_seen), (corrupt, corrupt_seen) = by_hand(module, CLEAN), by_hand(module, CORRUPT)
    result = patched(family, at.resid_post[:], directions, direction=direction)
    onto = torch.linalg.pinv(directions) @ directions
    maps = {"subspace": onto, "complement": torch.eye(model.d_model) - onto, "whole": torch.eye(model.d_model)}
    ids, source = (CORRUPT, clean_seen) if direction == "denoise" else (CLEAN, corrupt_seen)
    for layer in range(model.n_layers):
        for position in range(len(CLEAN)):
            for part, projection in maps.items():

                def change(values, layer=layer, position=position, projection=projection):
                    values = values.clone()
                    moved = source[layer][0, position] - values[0, position]
                    values[0, position] += moved @ projection.to(moved)
                    return values

                value, _ = by_hand(module, ids, layer, change)
                normal = (value - corrupt if direction == "denoise" else clean - value) / (clean - corrupt)
                here = result.data["score"].sel(part=part, layer=layer)[position]
                assert float(here) == pytest.approx(normal, abs=EXACT), (part, layer, position)
                raw = result.data["metric"].sel(part=part, layer=layer)[position]
                assert float(raw) == pytest.approx(value, abs=EXACT)


# -- planted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma"])
def test_the_previous_token_is_in_its_block_and_nowhere_else(name):
    """Another token at one place changes, one place on, the block `prev` alone, and all that follows from it."""
    built = getattr(handbuilt, name)(dtype=torch.float64)
    model = iw.load(built.model, tokenizer=built.tokenizer())
    ids = built.sample()[0].tolist()
    clean, target = ids[:-1], ids[-1]
    where = clean.index(clean[-1])
    unused = next(token for token in range(1, 50) if token not in ids)
    corrupt = [unused if number == where else token for number, token in enumerate(clean)]
    pair = model.pair(model.prompt(clean), model.prompt(corrupt))
    options = {"site": at.resid_post[0], "metric": iw.logit(target)}
    for block, has_it in (("prev", True), ("tok", False), ("out", False)):
        result = subspace_patching(model, pair, directions=built.basis(block).T, **options)
        own, rest = (result.data["score"].sel(part=part)[where + 1] for part in ("subspace", "complement"))
        assert float(own) == pytest.approx(float(has_it), abs=EXACT), block
        assert float(rest) == pytest.approx(float(not has_it), abs=EXACT), block


def neurons_of(family, layer):
    """The matrix that reads the neurons, and how the neurons differ between the prompts at the last token."""
    model = tiny(family)
    runs = [model.run(ids, capture=at.neurons[layer] @ -1) for ids in (CLEAN, CORRUPT)]
    differ = runs[0][at.neurons[layer] @ -1][0] - runs[1][at.neurons[layer] @ -1][0]
    return model.weights.neuron_out(layer).double(), differ


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_an_illusion_is_called_one(family):
    """Half of the direction lies where W_out reads nothing, and differs; the other half is read, and does not."""
    layer = 1
    matrix, differ = neurons_of(family, layer)
    read = torch.linalg.qr(matrix).Q
    assert matrix.shape[0] > matrix.shape[1] and torch.linalg.matrix_rank(matrix) == matrix.shape[1]
    unread_part = differ - read @ (read.T @ differ)
    candidates = read @ drawn(read.shape[1], 40)
    candidates -= torch.outer(differ, differ @ candidates) / (differ @ differ)
    candidates = read @ (read.T @ candidates)
    seen_part = read @ (read.T @ differ)
    candidates -= torch.outer(seen_part, seen_part @ candidates) / (seen_part @ seen_part)
    dormant = candidates[:, 0] / candidates[:, 0].norm()
    illusion = unread_part / unread_part.norm() + dormant
    result = patched(family, at.neurons[layer] @ -1, illusion)
    assert abs(float(score(result, "subspace"))) > 0.05
    assert float(score(result, "read")) == pytest.approx(0, abs=EXACT)
    assert float(result.data["disconnected"]) == pytest.approx(0.5, abs=EXACT)
    (failed,) = result.failed
    assert "read part alone" in failed.name and failed.measured == pytest.approx(0, abs=1e-4)
    honest = patched(family, at.neurons[layer] @ -1, seen_part)
    assert score(honest, "read") == pytest.approx(score(honest, "subspace"), abs=EXACT)
    assert float(honest.data["disconnected"]) == pytest.approx(0, abs=EXACT) and not honest.failed
    nothing = patched(family, at.neurons[layer] @ -1, unread_part)
    assert float(score(nothing, "subspace")) == pytest.approx(0, abs=EXACT)
    assert float(nothing.data["disconnected"]) == pytest.approx(1, abs=EXACT)


# -- places ---------------------------------------------------------------------------------------------------------


def test_a_head_is_a_place_of_its_own():
    model = tiny("llama")
    result = patched("llama", at.z[1, 2] @ -1, torch.eye(model.d_head))
    run = {name: model.run(ids, capture=at.z[1, 2] @ -1) for name, ids in (("clean", CLEAN), ("corrupt", CORRUPT))}
    place = at.z[1, 2] @ -1
    ends = {name: float(model.measure(ids, METRIC)) for name, ids in (("clean", CLEAN), ("corrupt", CORRUPT))}
    value = float(model.measure(CORRUPT, METRIC, edits=iw.edit.set(place, run["clean"][place])))
    expected = (value - ends["corrupt"]) / (ends["clean"] - ends["corrupt"])
    for part in ("subspace", "whole"):
        assert float(score(result, part)) == pytest.approx(expected, abs=EXACT)


def test_pairs_of_unequal_length_move_values_by_role():
    model = tiny("llama")
    directions = drawn(4, model.d_model)
    clean = model.prompt(CLEAN).with_span("subject", [2, 3]).with_span("end", [6])
    corrupt = model.prompt([*CORRUPT[:2], 5, 9, 8, *CLEAN[4:]]).with_span("subject", [2, 3, 4]).with_span("end", [7])
    pair = iw.Pair(clean, corrupt, align="role")
    assert (3, 4) in pair.map and 2 not in dict(pair.map)
    runs = [model.run(one, capture=at.resid_post[:]) for one in (clean, corrupt)]
    ends = [float(model.measure(one, METRIC)) for one in (clean, corrupt)]
    for direction, base, source, steps in (("denoise", corrupt, runs[0], 1), ("noise", clean, runs[1], -1)):
        options = {"site": at.resid_post[:], "directions": directions, "metric": METRIC, "direction": direction}
        result = subspace_patching(model, pair, **options)
        found = result.data["score"].sel(part="subspace").values
        assert np.isnan(found[:, 2]).all() and np.isfinite(np.delete(found, 2, 1)).all()
        for here, there in pair.map:
            put, taken = (there, here) if steps == 1 else (here, there)
            swap = iw.edit.swap(at.resid_post[1] @ put, directions, source[at.resid_post[1] @ taken])
            value = float(model.measure(base, METRIC, edits=swap))
            normal = (value - ends[1]) / (ends[0] - ends[1]) if steps == 1 else (ends[0] - value) / (ends[0] - ends[1])
            assert found[1, here] == pytest.approx(normal, abs=EXACT), (direction, here)
    named = subspace_patching(model, pair, site=at.resid_post[1] @ "end", directions=directions, metric=METRIC)
    assert named.data["score"].dims == ("part",)
    with pytest.raises(PairError, match="position 2 .* has no counterpart"):
        subspace_patching(model, pair, site=at.resid_post[1] @ "subject", directions=directions, metric=METRIC)


def test_roles_stand_where_each_pair_has_them():
    model = tiny("gpt2")
    directions = drawn(2, model.d_model)
    pairs = []
    for seed, place in ((3, [1, 2]), (4, [3, 4])):
        clean = families.ids(1, 7, seed=seed)[0].tolist()
        corrupt = [60 + number if number in place else token for number, token in enumerate(clean)]
        pairs.append(model.pair(*(model.prompt(ids).with_span("subject", place) for ids in (clean, corrupt))))
    site = at.resid_post[:] @ "subject"
    together = subspace_patching(model, pairs, site=site, directions=directions, metric=METRIC)
    assert together.data["score"].dims == ("example", "part", "layer")
    for number, (pair, place) in enumerate(zip(pairs, ([1, 2], [3, 4]), strict=True)):
        alone = subspace_patching(model, pair, site=at.resid_post[:] @ place, directions=directions, metric=METRIC)
        assert together.data["score"][number].values == pytest.approx(alone.data["score"].values, abs=EXACT)


def test_views_show_what_dimensions_there_are():
    d = tiny("gpt2").d_model
    assert set(patched("gpt2", at.resid_post[:], drawn(1, d)).views) == {"subspace", "complement", "whole"}
    assert patched("gpt2", at.resid_post[:] @ -1, drawn(1, d)).views["parts"].kind == "series"
    assert patched("gpt2", at.resid_post[1] @ -1, drawn(1, d)).views["parts"].kind == "table"


def test_directions_may_be_an_artifact():
    rows = drawn(2, tiny("gpt2").d_model)
    plain = patched("gpt2", at.resid_post[1], rows)
    fitted = patched("gpt2", "resid_post.1", Artifact("direction", {"rows": rows}))
    assert fitted.data["score"].values.tolist() == plain.data["score"].values.tolist()
    with pytest.raises(EditError, match="several tensors"):
        patched("gpt2", at.resid_post[1], Artifact("probe", {"a": rows, "b": rows}))


def test_what_cannot_be_patched_is_refused():
    d = tiny("llama").d_model
    with pytest.raises(EditError, match=f"directions of length 5, and resid_post.1 has {d} features"):
        patched("llama", at.resid_post[1], torch.ones(5))
    with pytest.raises(SiteError, match="a Tensor is no place: give one, such as"):
        patched("llama", torch.ones(d), at.resid_post[1])
    with pytest.raises(EditError, match="directions of type str are no numbers"):
        patched("llama", at.resid_post[1], "probe")
    with pytest.raises(EditError, match="2 directions are not independent"):
        patched("llama", at.resid_post[1], torch.ones(2, d))
    with pytest.raises(EditError, match="1 directions are not independent"):
        patched("llama", at.resid_post[1], torch.zeros(d))
    with pytest.raises(EditError, match="NaN"):
        patched("llama", at.resid_post[1], torch.full((d,), torch.nan))
    with pytest.raises(EditError, match="one direction"):
        patched("llama", at.resid_post[1], torch.ones(1, 1, d))
    with pytest.raises(SiteError, match="has a vector for every head: name one"):
        patched("llama", at.z[1], torch.ones(8))
    with pytest.raises(SiteError, match="has no vector at each position"):
        patched("llama", at.pattern[1, 0], torch.ones(8))
    with pytest.raises(SiteError, match="picks single neurons"):
        patched("llama", at.neurons[1, 3], torch.ones(8))
    with pytest.raises(SiteError, match="in other coordinates"):
        patched("llama", at.resid_post[1].via(iw.direction("d", torch.ones(d))), torch.ones(d))
    with pytest.raises(SiteError, match="position 7 does not exist"):
        patched("llama", at.resid_post[1] @ 7, torch.ones(d))
    with pytest.raises(OptionError, match="direction='both': use 'denoise' or 'noise'"):
        patched("llama", at.resid_post[1], torch.ones(d), direction="both")
    with pytest.raises(MetricError, match="say what to measure"):
        patched("llama", at.resid_post[1], torch.ones(d), metric=None)
    with pytest.raises(MetricError, match="after both prompts"):
        patched("llama", at.resid_post[1], torch.ones(d), metric=iw.logit(TARGET, position=0))
