"""Patching by sweep against one run at a time with hooks of its own, and against what must hold."""

import families
import numpy as np
import pytest
import torch
from tiny_models import FOIL, KINDS, TARGET, tiny

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import EditError, MetricError, NonFiniteError, OptionError, PairError, SiteError
from innerworks.lab import handbuilt
from innerworks.localize.components.approximation.attribution_patching import attribution_patching
from innerworks.localize.components.patching.activation_patching import activation_patching

CLEAN, CORRUPT = families.ids(2, 7).tolist()
METRIC = iw.logit_diff(TARGET, FOIL)
EXACT = 1e-6


def patched(family, sites, pair=(CLEAN, CORRUPT), **options):
    model = tiny(family)
    rows = [model.pair(*pair)] if isinstance(pair, tuple) else pair
    given = rows[0] if isinstance(pair, tuple) else rows
    return activation_patching(model, given, sites, **{"metric": METRIC, **options})


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("direction", ["denoise", "noise"])
def test_the_stream_by_layer_and_position(family, direction):
    model, result = tiny(family), patched(family, at.resid_post[:], direction=direction)
    base, other = (CORRUPT, CLEAN) if direction == "denoise" else (CLEAN, CORRUPT)
    values = model.run(other, capture=at.resid_post[:])
    ends = float(model.measure(CLEAN, METRIC)), float(model.measure(CORRUPT, METRIC))
    for layer in range(model.n_layers):
        for position in range(len(base)):
            place = at.resid_post[layer] @ position
            expected = float(model.measure(base, METRIC, edits=[edit.set(place, values[place])]))
            assert float(result.data["metric"].sel(layer=layer)[position]) == pytest.approx(expected, abs=EXACT)
            gone = ends[1] if direction == "denoise" else ends[0]
            score = (expected - gone) / ((ends[0] - ends[1]) if direction == "denoise" else (ends[1] - ends[0]))
            assert float(result.data["score"].sel(layer=layer)[position]) == pytest.approx(score, abs=EXACT)
    last = result.data["score"].sel(layer=model.n_layers - 1)
    assert float(last[-1]) == pytest.approx(1, abs=EXACT)
    assert last[:-1].values == pytest.approx(0, abs=EXACT)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_heads_are_those_of_hooks_written_by_hand(family):
    module = families.module_of(family, dtype=torch.float64)
    model, result = tiny(family), patched(family, at.z[:])
    blocks = module.transformer.h if family == "gpt2" else module.model.layers
    outs = [block.attn.c_proj if family == "gpt2" else block.self_attn.o_proj for block in blocks]
    size = outs[0].weight.shape[0 if family == "gpt2" else 1] // model.n_heads

    def run(ids, layer=None, columns=None, donor=None):
        seen = {}

        def hook(number):
            def put(_, args):
                seen[number] = args[0].detach().clone()
                if number != layer:
                    return None
                new = args[0].clone()
                new[..., columns] = donor[..., columns]
                return (new,)

            return put

        handles = [out.register_forward_pre_hook(hook(number)) for number, out in enumerate(outs)]
        try:
            with torch.no_grad():
                logits = module(torch.tensor([ids]), use_cache=False).logits[0, -1]
        finally:
            for handle in handles:
                handle.remove()
        return float(logits[TARGET] - logits[FOIL]), seen

    _, clean = run(CLEAN)
    for layer in range(model.n_layers):
        for head in range(model.n_heads):
            columns = slice(head * size, (head + 1) * size)
            expected, _ = run(CORRUPT, layer, columns, clean[layer])
            assert float(result.data["metric"].sel(layer=layer, head=head)) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("kind", ["q", "k", "v", "pattern", "attn_out", "mlp_out", "head_out"])
def test_other_kinds_of_place(family, kind):
    model, result = tiny(family), patched(family, getattr(at, kind)[:])
    values = model.run(CLEAN, capture=getattr(at, kind)[:])
    array = result.data["metric"]
    by_position = "position" in array.dims
    for layer in range(model.n_layers):
        for number in range(array.shape[1]):
            place = getattr(at, kind)[layer] @ number if by_position else getattr(at, kind)[layer, number]
            expected = float(model.measure(CORRUPT, METRIC, edits=[edit.set(place, values)]))
            assert float(array[layer, number]) == pytest.approx(expected, abs=EXACT)


def test_heads_by_position_chosen_neurons_and_named_positions():
    model = tiny("llama")
    values = model.run(CLEAN, capture=[at.z[:], at.neurons[:], at.resid_mid[:]])
    by_position = patched("llama", at.z[:], each=("layer", "head", "position")).data["metric"]
    assert by_position.dims == ("layer", "head", "position")
    neurons = patched("llama", at.neurons[1, [3, 5]]).data["metric"]
    at_end = patched("llama", at.resid_mid[[0, 2]] @ -1).data["metric"]
    for found, place in (
        (by_position[1, 2, 4], at.z[1, 2] @ 4),
        (neurons.sel(layer=1, neuron=5), at.neurons[1, 5]),
        (at_end.sel(layer=2), at.resid_mid[2] @ -1),
    ):
        expected = float(model.measure(CORRUPT, METRIC, edits=[edit.set(place, values[place])]))
        assert float(found) == pytest.approx(expected, abs=EXACT)


def test_several_kinds_and_both_directions():
    result = patched("gpt2", [at.attn_out[:], at.z[:]], direction="both")
    alone = patched("gpt2", at.z[:], direction="noise")
    assert result.data["score_z"].dims == ("direction", "layer", "head")
    assert result.data["score_attn_out"].dims == ("direction", "layer", "position")
    assert result.data["score_z"].sel(direction="noise").values == pytest.approx(alone.data["score"].values, abs=EXACT)
    assert {"attn_out denoise", "z noise"} <= set(result.views)


def test_prompts_of_unequal_length_are_aligned_by_role():
    model = tiny("llama")
    clean = model.prompt([5, 6, 7, 8, 9], spans={"subject": [1, 2]})
    corrupt = model.prompt([5, 16, 17, 18, 8, 9], spans={"subject": [1, 2, 3]})
    pair = iw.Pair(clean, corrupt, align="role")
    result = activation_patching(model, pair, at.resid_post[:], metric=METRIC)
    values = model.run(clean, capture=at.resid_post[:])
    counterpart = dict(pair.map)
    for position in range(len(clean)):
        found = float(result.data["metric"].sel(layer=1)[position])
        if position not in counterpart:
            assert np.isnan(found)
            continue
        moved = edit.set(at.resid_post[1] @ counterpart[position], values[at.resid_post[1] @ position])
        assert found == pytest.approx(float(model.measure(corrupt, METRIC, edits=[moved])), abs=EXACT)
    heads = activation_patching(model, pair, at.z[:], metric=METRIC)
    before, after = ([one[side] for one in pair.map] for side in (0, 1))
    z = model.run(clean, capture=at.z[:])
    moved = edit.set(at.z[1, 2] @ after, z[at.z[1, 2] @ before])
    assert float(heads.data["metric"].sel(layer=1, head=2)) == pytest.approx(
        float(model.measure(corrupt, METRIC, edits=[moved])), abs=EXACT
    )
    end, early = at.z[1, 2] @ -1, at.z[1, 2] @ 3
    for place, there in ((end, 5), (early, 4)):  # numbers count the clean prompt's tokens
        found = activation_patching(model, pair, at.z[1] @ place.pos, metric=METRIC).data["metric"]
        moved = edit.set(at.z[1, 2] @ there, model.run(clean, capture=place)[place])
        expected = float(model.measure(corrupt, METRIC, edits=[moved]))
        assert float(found.sel(layer=1, head=2)) == pytest.approx(expected, abs=EXACT)
    with pytest.raises(PairError, match="has no counterpart"):
        activation_patching(model, iw.Pair(corrupt, clean, align="role"), at.z[:] @ 1, metric=METRIC)
    with pytest.raises(PairError, match="does not stand in the same place"):
        activation_patching(model, pair, at.pattern[:], metric=METRIC)
    with pytest.raises(PairError, match="'subject' is 2 tokens in the clean prompt and 3"):
        activation_patching(model, pair, at.z[:] @ "subject", metric=METRIC)


def test_a_mean_score_is_the_ratio_of_means():
    rows = families.ids(8, 7, seed=9).tolist()
    model = tiny("gpt2")
    pairs = [model.pair(rows[i], rows[i + 1]) for i in range(0, 8, 2)]
    result = activation_patching(model, pairs, at.z[:], metric=METRIC)
    metric, clean, corrupt = (result.data[name].values for name in ("metric", "clean", "corrupt"))
    expected = (metric.mean(0) - corrupt.mean()) / (clean.mean() - corrupt.mean())
    assert result.data["score_mean"].values == pytest.approx(expected, abs=1e-9)
    alone = activation_patching(model, pairs[2], at.z[:], metric=METRIC)
    assert result.data["score"].sel(example=2).values == pytest.approx(alone.data["score"].values, abs=EXACT)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox"])
def test_in_the_handbuilt_models_only_the_circuit_matters(name):
    built = getattr(handbuilt, name)(dtype=torch.float64)
    model = iw.load(built.model, tokenizer=built.tokenizer())
    ids = built.sample()[0].tolist()
    half = (len(ids) - 1) // 2
    clean = ids[:-1]
    corrupt = list(clean)
    other = next(token for token in range(2, 40) if token not in ids)
    corrupt[half - 1] = other  # the first time that the last token comes: the induction head finds nothing there
    metric = iw.logit(ids[-1])
    scores = activation_patching(model, (model.prompt(clean), model.prompt(corrupt)), at.z[:], metric=metric).data[
        "score"
    ]
    assert float(scores.sel(layer=0, head=0)) == pytest.approx(1, abs=0.05)
    assert float(abs(scores.sel(layer=0, head=1))) == pytest.approx(0, abs=1e-6)
    assert float(abs(scores.sel(layer=1, head=1))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("put", ["zero", "mean", "resample", "noise"])
def test_noising_with_what_carries_nothing(put):
    model = tiny("llama")
    rows = families.ids(6, 7, seed=9).tolist()
    pairs = [(model.prompt(a), model.prompt(b)) for a, b in zip(rows[::2], rows[1::2], strict=True)]
    clean = [model.prompt(row) for row in rows[::2]]
    options = {"seeds": 3} if put in ("resample", "noise") else {}
    sites = at.resid_post[1] if put != "noise" else at.resid_post[1] @ -1
    result = activation_patching(model, pairs, sites, direction="noise", put=put, metric=METRIC, **options)
    found = result.data["metric"]
    if put in ("zero", "mean"):
        values = model.run(clean, capture=at.resid_post[1])[at.resid_post[1]]
        for position in (2, 6):
            new = values[:, position].mean(0) if put == "mean" else torch.zeros(model.d_model, dtype=torch.float64)
            expected = model.measure(clean, METRIC, edits=[edit.set(at.resid_post[1] @ position, new)])
            assert found[..., position].values.ravel() == pytest.approx(expected.numpy(), abs=EXACT)
    else:
        assert (result.data["metric_spread"].values[..., -1] > 0).all()
        again = activation_patching(model, pairs, sites, direction="noise", put=put, metric=METRIC, **options)
        assert (again.data["metric"].values == found.values).all(), "draws follow from the seed"
    gap, clean_end = result.data["gap"].values, result.data["clean"].values
    score = (clean_end - found.values[..., -1].ravel()) / gap
    assert result.data["score"].values[..., -1].ravel() == pytest.approx(score, abs=EXACT)


def test_the_units_ranked_first_are_patched_exactly():
    model = tiny("gpt2")
    result = patched("gpt2", at.neurons[:], top=6, direction="noise")
    assert result.data["score"].dims == ("neuron",) and len(result.data["score"]) == 6
    corrupt = model.run(CORRUPT, capture=at.neurons[:])
    for name, found in zip(result.data["metric"]["neuron"].values, result.data["metric"].values, strict=True):
        layer, neuron = map(int, name.split("."))
        place = at.neurons[layer, neuron]
        assert found == pytest.approx(float(model.measure(CLEAN, METRIC, edits=[edit.set(place, corrupt)])), abs=EXACT)
    estimates = attribution_patching(model, model.pair(CLEAN, CORRUPT), at.neurons[:], metric=METRIC, exact=0)
    sizes = abs(estimates.data["score"]).stack(unit=("layer", "neuron"))
    first = [f"{layer}.{neuron}" for layer, neuron in sizes["unit"].values[np.argsort(-sizes.values)[:6]]]
    assert result.data["score"]["neuron"].values.tolist() == first


def test_units_are_ranked_in_the_direction_that_is_patched_and_by_what_they_add_up_to():
    model, rows = tiny("gpt2"), families.ids(6, 7, seed=9).tolist()
    pairs = [(model.prompt(a), model.prompt(b)) for a, b in zip(rows[::2], rows[1::2], strict=True)]
    result = patched("gpt2", at.neurons[:], pairs, top=6)
    estimates = attribution_patching(model, pairs, at.neurons[:], metric=METRIC, direction="denoise", exact=0)
    sizes = abs(estimates.data["score_mean"]).stack(unit=("layer", "neuron"))
    first = [f"{layer}.{neuron}" for layer, neuron in sizes["unit"].values[np.argsort(-sizes.values)[:6]]]
    assert result.data["score"]["neuron"].values.tolist() == first


def test_units_ranked_first_are_among_those_named():
    """They are called by their own numbers, and not by their place among the named ones."""
    values = tiny("gpt2").run(CORRUPT, capture=[at.neurons[:], at.z[:]])
    for place, named in ((at.neurons[:, [10, 20]], (10, 20)), (at.z[1:, [1, 3]], (1, 3))):
        found = patched("gpt2", place, top=3, direction="noise").data["metric"]
        for name, metric in zip(found[found.dims[0]].values, found.values, strict=True):
            layer, unit = map(int, name.split("."))
            assert unit in named
            one = getattr(at, place.name)[layer, unit]
            expected = float(tiny("gpt2").measure(CLEAN, METRIC, edits=[edit.set(one, values)]))
            assert metric == pytest.approx(expected, abs=EXACT)


def test_units_are_ranked_over_all_pairs_also_where_their_lengths_differ():
    model = tiny("gpt2")
    rows = [families.ids(2, length, seed=length).tolist() for length in (6, 8, 9)]
    pairs = [(model.prompt(a), model.prompt(b)) for a, b in rows]
    found = patched("gpt2", at.neurons[:], pairs, top=6).data
    estimates = [
        attribution_patching(model, pair, at.neurons[:], metric=METRIC, direction="denoise", exact=0).data
        for pair in (model.pair(a, b) for a, b in rows)
    ]
    sizes = abs(sum(one["score"] * one["gap"] for one in estimates)).stack(unit=("layer", "neuron"))
    first = [f"{layer}.{neuron}" for layer, neuron in sizes["unit"].values[np.argsort(-sizes.values)[:6]]]
    assert found["score"]["neuron"].values.tolist() == first
    assert not found["score"].isnull().any(), "every pair has a value for every unit"
    alone = patched("gpt2", at.neurons[:], tuple(rows[0]), top=6).data["score"]["neuron"].values.tolist()
    assert alone != first, "the first pair by itself would have given others"


def test_units_ranked_first_are_gone_through_by_position():
    result = patched("gpt2", at.neurons[:], top=3, each=("neuron", "position"), direction="noise")
    found = result.data["metric"]
    assert found.dims == ("neuron", "position") and found.shape == (3, len(CLEAN))
    corrupt = tiny("gpt2").run(CORRUPT, capture=at.neurons[:])
    for name in found["neuron"].values:
        layer, neuron = map(int, name.split("."))
        for position in (1, 5):
            place = at.neurons[layer, neuron] @ position
            expected = float(tiny("gpt2").measure(CLEAN, METRIC, edits=[edit.set(place, corrupt)]))
            assert float(found.sel(neuron=name)[position]) == pytest.approx(expected, abs=EXACT)
    assert result.views["score"].kind == "heatmap"
    with pytest.raises(SiteError, match="so name 'neuron', and 'position'"):
        patched("gpt2", at.neurons[:], top=3, each=("layer", "position"))
    with pytest.raises(SiteError, match="names positions already"):
        patched("gpt2", at.neurons[:] @ -1, top=3, each=("neuron", "position"))


def test_more_noise_moves_the_metric_further():
    model, rows = tiny("llama"), families.ids(6, 7, seed=9).tolist()
    pairs = [(model.prompt(a), model.prompt(b)) for a, b in zip(rows[::2], rows[1::2], strict=True)]

    def moved(factor):
        noise = {"direction": "noise", "put": "noise", "seeds": 8, "metric": METRIC, "factor": factor}
        found = activation_patching(model, pairs, at.resid_post[1] @ -1, **noise).data
        return float(found["metric_spread"].mean())

    assert moved(1e-3) == pytest.approx(moved(2e-3) / 2, rel=0.02), "small noise is linear in its factor"
    with pytest.raises(EditError, match="factor=0"):
        moved(0)


def test_a_pair_with_nothing_to_restore_is_told_by_its_number_in_the_call():
    model = tiny("gpt2")
    silent = (model.prompt(CLEAN[:5]), model.prompt([*CLEAN[:4], *CORRUPT[4:5]]))  # they differ behind what is read
    pairs = [(model.prompt(CLEAN), model.prompt(CORRUPT)), silent]
    with pytest.raises(MetricError, match="pair 1 has the same"):
        patched("gpt2", at.z[:], pairs, metric=iw.logit_diff(TARGET, FOIL, position=1))


def test_what_cannot_be_patched_is_refused():
    with pytest.raises(OptionError, match="direction='denoising': use 'denoise', 'noise' or 'both'"):
        patched("llama", at.z[:], direction="denoising")
    with pytest.raises(NonFiniteError, match="look at the metric"):
        patched("llama", at.z[:], metric=iw.custom(lambda logits: logits[:, 0] * torch.nan))
    for nothing in (None, 5, []):
        with pytest.raises(SiteError, match="name a place"):
            patched("llama", nothing)
    one = tiny("llama").prompt(CLEAN)
    with pytest.raises(PairError, match="not one prompt, '<"):
        patched("llama", at.z[:], one)
    with pytest.raises(OptionError, match="put='zeros': use 'counterpart'"):
        patched("llama", at.z[:], direction="noise", put="zeros")
    with pytest.raises(EditError, match="direction='noise'"):
        patched("llama", at.z[:], put="zero")
    with pytest.raises(SiteError, match="chooses units of all layers"):
        patched("llama", at.resid_post[:], top=5)
    with pytest.raises(EditError, match="of a single prompt needs other prompts"):
        patched("llama", at.z[:], put="mean", direction="noise")
    with pytest.raises(MetricError, match="say what to measure"):
        patched("llama", at.z[:], metric=None)
    with pytest.raises(MetricError, match="nothing to restore"):
        patched("llama", at.z[:], metric=iw.custom(lambda logits: logits[:, 0] * 0))
    with pytest.raises(MetricError, match="nothing to restore"):
        patched("llama", at.z[:], metric=iw.custom(lambda logits: 1 + logits[:, 0] * 1e-9))
    assert patched("llama", at.z[:], each="layer").data["score"].dims == ("layer",)
    with pytest.raises(SiteError, match="choose some"):
        patched("llama", at.neurons[:])
    with pytest.raises(SiteError, match="can be gone through by layer, head, position"):
        patched("llama", at.z[:], each=("layer", "neuron"))
    with pytest.raises(SiteError, match="names positions already"):
        patched("llama", at.resid_post[:] @ -1, each=("layer", "position"))
    with pytest.raises(SiteError, match="is in every layer"):
        patched("llama", at.z)
    with pytest.raises(PairError, match="a pair is"):
        activation_patching(tiny("llama"), [1, 2, 3], at.z[:], metric=METRIC)
    with pytest.raises(TypeError, match="direktion"):
        patched("llama", at.z[:], direktion="noise")
