"""Greedy joint ablation takes, at every step, what a brute force over what is left takes."""

from itertools import combinations

import families
import pytest
import torch
from tiny_models import FOIL, KINDS, TARGET, tiny
from trained_induction import repeated, trained

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import OptionError, SiteError
from innerworks.localize.components.ablation.joint_ablation import joint_ablation
from innerworks.localize.components.interventions.replacements import concrete

EXACT = 1e-6
ROWS = [*families.ids(2, 9).tolist(), *families.ids(2, 6, seed=5).tolist()]
METRIC = iw.logit_diff(TARGET, FOIL)
SIZE = 3


def brute_force(model, sites, size):
    """The mean metric without every set of up to `size` components, run by run."""
    found = {}
    for count in range(size + 1):
        for chosen in combinations(sites, count):
            edits = [edit.zero(site) for site in chosen]
            values = [float(model.measure(row, METRIC, edits=edits)) for row in ROWS]
            found[frozenset(chosen)] = sum(values) / len(values)
    return found


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("towards", ["away", "down", "up"])
def test_every_step_is_the_best_of_what_is_left(family, towards):
    model = tiny(family)
    sites = [*concrete(model, at.z[1]), at.mlp_out[0], at.mlp_out[1]]
    every = brute_force(model, sites, SIZE)
    plain = every[frozenset()]
    moved = {"away": lambda value: abs(value - plain), "down": lambda value: -value, "up": lambda value: value}[towards]
    result = joint_ablation(model, ROWS, sites, size=SIZE, towards=towards, replace="zero", metric=METRIC)
    removed = frozenset()
    for step, name in enumerate(result.tables["order"]["component"], 1):
        left = [site for site in sites if site not in removed]
        best = max(left, key=lambda site: moved(every[removed | {site}]))
        assert name == str(best)
        removed |= {best}
        assert float(result.data["metric_mean"].sel(removed=step)) == pytest.approx(every[removed], abs=EXACT)
        alone = plain + sum(every[frozenset({one})] - plain for one in removed)
        assert float(result.data["single_sum_mean"].sel(removed=step)) == pytest.approx(alone, abs=EXACT)
    assert float(result.data["metric_mean"].sel(removed=0)) == pytest.approx(plain, abs=EXACT)


def test_not_greedy_takes_single_effects_in_their_order():
    model = tiny("llama")
    sites = concrete(model, at.z[:])
    every = brute_force(model, sites, 1)
    plain = every.pop(frozenset())
    order = sorted(sites, key=lambda site: -abs(every[frozenset({site})] - plain))[:SIZE]
    result = joint_ablation(model, ROWS, sites, size=SIZE, greedy=False, replace="zero", metric=METRIC)
    assert result.tables["order"]["component"] == [str(site) for site in order]
    for step in range(1, SIZE + 1):
        edits = [edit.zero(site) for site in order[:step]]
        expected = [float(model.measure(row, METRIC, edits=edits)) for row in ROWS]
        assert result.data["metric"].sel(removed=step).values == pytest.approx(expected, abs=EXACT)


def test_draws_are_averaged_and_a_single_prompt_is_one():
    model = tiny("gpt2")
    sites = concrete(model, at.z[1])
    drawn = joint_ablation(model, ROWS[:2], sites, size=2, replace="resample", seeds=3, metric=METRIC)
    alone = [
        joint_ablation(model, ROWS[:2], sites, size=1, replace="resample", seeds=[n], metric=METRIC) for n in range(3)
    ]
    expected = sum(one.data["single"].values for one in alone) / 3
    assert drawn.data["single"].values == pytest.approx(expected, abs=EXACT)
    one = joint_ablation(model, ROWS[0], sites, size=2, replace="zero", metric=METRIC)
    assert one.data["metric"].dims == ("removed",) and set(one.views) >= {"curve", "order"}


def test_induction_heads_stand_in_for_each_other():
    """Each of the second layer's heads can be spared, and all of them cannot: only joint ablation sees them."""
    model = trained()
    ids, _ = repeated(16, torch.Generator().manual_seed(1))
    cut = [row[:36].tolist() for row in ids]
    answers = [int(row[36]) for row in ids]
    metric = iw.log_prob(answers)
    assert float(model.measure(cut, metric).mean()) > -0.1, "it has learnt to go on with what repeats"
    result = joint_ablation(model, cut, at.z[1], size=4, replace="zero", metric=metric)
    single = abs(result.data["single_mean"].values)
    joint = result.data["metric_mean"].values
    assert single.max() < 0.03
    assert joint[0] - joint[-1] > 2 > 10 * single.sum()
    looks_back = joint_ablation(model, cut, at.z[0], size=1, replace="zero", metric=metric)
    assert abs(looks_back.data["single_mean"].values).max() > 1, "the head that looks one back has no stand-in"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": 0}, "size=0"),
        ({"size": 99}, "there are 4 components"),
        ({"towards": "left"}, "towards='left'"),
    ],
)
def test_bad_input_is_said(options, message):
    with pytest.raises((OptionError, SiteError), match=message):
        joint_ablation(tiny("gpt2"), ROWS, at.z[1], **{"metric": METRIC, "size": 2} | options)
