"""Techniques served one prompt, several, or a task: each example is what it is alone, and means are of all."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from small_tokenizers import tokenizer_of
from transformers import LlamaConfig, LlamaForCausalLM

import innerworks as iw
from innerworks import at, edit
from innerworks.data.lifting import Pairs, Prompts
from innerworks.data.lifting.segments import common_order, segments
from innerworks.data.lifting.served import Interrupted
from innerworks.errors import InnerworksError, MetricError, PairError, PromptError
from innerworks.model.engine.progress import Progress
from innerworks.registry import technique as registered
from innerworks.results import Check, Result, Table, labelled


@pytest.fixture(scope="module")
def model() -> iw.Model:
    tokenizer = tokenizer_of("gpt2-like")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    return iw.load(LlamaForCausalLM(config).eval().double(), tokenizer=tokenizer)


@pytest.fixture
def technique(monkeypatch):
    import sys

    monkeypatch.setattr(sys.modules["innerworks.registry.technique"], "_registered", {})

    def make(function):
        return registered(title="T", section="1", question="Q?")(function)

    return make


@pytest.fixture
def ids_of(technique):
    served = []

    def token_ids(model: iw.Model, prompts: Prompts, *, target=None, metric=None, fail_at: int = -1) -> Result:
        """The ids of the tokens."""
        served.append(list(prompts))
        if len(served) == fail_at:
            raise KeyboardInterrupt
        ids = torch.tensor([row.ids for row in prompts], dtype=torch.float64)
        data = {"id": labelled(ids, ("example", "position")), "sum": labelled(ids.sum(1), ("example",))}
        data["added"] = labelled(ids, ("example", "position")).assign_attrs(over_positions="sum")
        table = Table({"example": list(range(len(ids))), "first": ids[:, 0].tolist()})
        checks = [Check("largest", float(ids.max()), 1e9), Check("smallest", float(ids.min()), 0, "at least")]
        return Result(data=data, tables={"firsts": table}, checks=checks)

    found = technique(token_ids)
    found.served = served
    return found


@pytest.mark.parametrize("given", ["the cat sat", ["the cat sat", "the cat ate"], ["the cat sat", "the cat"]])
def test_what_does_not_depend_on_the_prompts_has_no_examples(model, technique, given):
    def of_weights(model: iw.Model, prompts: Prompts) -> Result:
        """A number of each prompt, and numbers of the model."""
        lengths = torch.tensor([float(len(row)) for row in prompts])
        return Result(data={"length": labelled(lengths, ("example",)), "size": labelled([1.0, 2.0], ("direction",))})

    size = technique(of_weights)(model, given).data["size"]
    assert size.dims == ("direction",) and size.values.tolist() == [1.0, 2.0]


def test_one_prompt_has_no_examples_and_its_tokens(model, ids_of):
    result = ids_of(model, "the cat sat")
    prompt = model.prompt("the cat sat")
    assert result.data["id"].dims == ("position",)
    assert result.data["id"].values.tolist() == list(prompt.ids)
    assert result.data["id"]["token"].values.tolist() == list(prompt.tokens)
    assert list(result.tables["firsts"].columns) == ["first"]
    assert result.provenance.prompt == ["the cat sat"]
    assert ids_of(model, [3, 4, 5]).data["id"].values.tolist() == [3, 4, 5]
    assert ids_of(model, ["the cat sat"]).data["id"].dims == ("example", "position")


def test_prompts_are_served_in_groups_of_one_length_and_come_back_in_order(model, ids_of):
    rows = [[1, 2, 3], [4, 5], [6, 7, 8], [9, 10]]
    result = ids_of(model, rows)
    assert sorted(len(group) for group in ids_of.served) == [2, 2]
    assert result.data["sum"].values.tolist() == [6, 9, 21, 19]
    assert np.isnan(result.data["id"].sel(example=1).values[2])
    assert "id_mean" not in result.data, "position 2 is not the same thing in prompts of other lengths"
    assert float(result.data["sum_mean"]) == pytest.approx(55 / 4)
    assert result.tables["firsts"]["example"] == [0, 2, 1, 3] and result.tables["firsts"]["first"] == [1, 6, 4, 9]
    assert {check.name: check.measured for check in result.checks} == {"largest": 10, "smallest": 1}


def test_unequal_prompts_with_roles_meet_in_their_segments(model, ids_of):
    first = model.prompt([10, 11, 12, 13], spans={"name": [1]})
    second = model.prompt([20, 21, 22, 23, 24, 25], spans={"name": [2, 3]})
    result = ids_of(model, [first, second])
    assert segments(first) == ["start", "name", "after name", "after name"]
    array = result.data["id"]
    assert array["position"].values.tolist() == ["start", "name", "after name"]
    assert array.sel(example=1).values.tolist() == [20.5, 22.5, 24.5]
    assert result.data["added"].sel(example=1).values.tolist() == [41, 45, 49]
    assert result.data["id_mean"].values.tolist() == [15.25, 16.75, 18.5]


def test_segments_keep_the_order_in_which_they_come():
    assert common_order([["a", "b", "c"], ["b", "a", "c"], ["a", "b", "c"]]) == ["a", "b", "c"]


def test_a_task_brings_its_answers(model, technique):
    seen = []

    def asked(model: iw.Model, prompts: Prompts, *, target=None, foil=None, metric=None) -> Result:
        """What it is asked."""
        seen.append((target, foil, metric))
        values = model.measure(list(prompts), metric)
        return Result(data={"metric": labelled(values, ("example",))})

    examples = iw.tasks.ioi(12, seed=3).on(model, allow_fewer=True)
    result = technique(asked)(model, examples)
    expected = model.measure(examples.clean, examples.metric())
    assert result.data["metric"].values == pytest.approx(expected.numpy(), abs=1e-9)
    assert sum(len(target) for target, _, _ in seen) == len(examples)
    assert result.data["metric"]["group"].values.tolist() == [row.group for row in examples]
    one = technique(asked)(model, examples[2])
    assert float(one.data["metric"]) == pytest.approx(float(expected[2]), abs=1e-9)


def test_targets_given_for_each_prompt_stay_with_their_prompts(model, technique):
    def logit_of(model: iw.Model, prompts: Prompts, *, target=None, metric=None) -> Result:
        """A logit."""
        found = model.measure(list(prompts), metric if target is None else iw.logit(target))
        return Result(data={"logit": labelled(found, ("example",))})

    rows, targets = [[1, 2, 3], [4, 5], [6, 7, 8]], [5, 6, 7]
    wanted = [float(model.measure(row, iw.logit(target))) for row, target in zip(rows, targets, strict=True)]
    made = technique(logit_of)
    assert made(model, rows, target=targets).data["logit"].values == pytest.approx(wanted, abs=1e-9)
    assert made(model, rows, metric=iw.logit(targets)).data["logit"].values == pytest.approx(wanted, abs=1e-9)
    with pytest.raises(MetricError, match="2 targets for 3 prompts"):
        made(model, rows, target=[1, 2])


def test_a_mean_by_weights_is_a_ratio_of_sums(model, technique):
    def ratio(model: iw.Model, prompts: Prompts) -> Result:
        """A ratio."""
        whole = torch.tensor([float(sum(row.ids)) for row in prompts])
        part = torch.tensor([float(row.ids[0]) for row in prompts])
        share = labelled(part / whole, ("example",)).assign_attrs(weighted_by="whole")
        return Result(data={"share": share, "whole": labelled(whole, ("example",))})

    result = technique(ratio)(model, [[1, 2], [3, 4], [5, 60]])
    assert float(result.data["share_mean"]) == pytest.approx(9 / 75)
    assert float(result.data["share_low"]) <= 9 / 75 <= float(result.data["share_high"])


def test_a_share_has_an_interval_also_where_all_are_alike(model, technique):
    @technique
    def right(model: Any, prompts: Prompts) -> Result:
        """Which are right."""
        values = np.array([[1.0, float(prompt.ids[0] % 2), np.nan] for prompt in prompts])
        return Result(data={"right": labelled(values, ("example", "kind"), attrs={"share": True})})

    data = right(model, [[1, 2], [2, 3], [4, 5], [6, 7]]).data
    assert data["right_mean"].values == pytest.approx([1, 0.25, np.nan], nan_ok=True)
    low, high = data["right_low"].values, data["right_high"].values
    assert (low[0], high[0]) == pytest.approx((4 / (4 + 1.959964**2), 1)), "Wilson's, of four in four"
    middle, half = (0.25 + 1.959964**2 / 8) / (1 + 1.959964**2 / 4), high[1] - low[1]
    assert (low[1] + high[1]) / 2 == pytest.approx(middle) and half > 0.5
    assert np.isnan(low[2]) and np.isnan(high[2])


def test_interrupted_work_is_kept_and_gone_on_with(model, ids_of):
    rows = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]
    with pytest.raises(Interrupted, match="after 2 of 3 examples") as stopped:
        ids_of(model, rows, fail_at=3)
    assert stopped.value.partial.data["sum"]["example"].values.tolist() == [0, 1]
    before = len(ids_of.served)
    with pytest.raises(InnerworksError, match="same model, edits, prompts"):
        ids_of(model, rows[:2], fail_at=3, resume=stopped.value)
    result = ids_of(model, rows, fail_at=3, resume=stopped.value)
    assert len(ids_of.served) == before + 1, "what was done is not done again"
    assert result.data["sum"].values.tolist() == [6, 9, 30]


def test_interrupted_work_is_only_gone_on_with_by_the_same_call(model, technique):
    """Of another model, under other edits, with other numbers in a tensor it would be a mixture of two answers."""
    stopping = [True]

    def along(model: iw.Model, prompts: Prompts, *, direction: Any, progress: Progress = None) -> Result:
        """How far the stream goes along a direction."""
        if stopping[0] and len(prompts[0]) == 2:
            raise KeyboardInterrupt
        stream = model.run(list(prompts), capture=at.resid_post[-1], logits=None)[at.resid_post[-1]]
        return Result(data={"along": labelled(stream[:, -1] @ direction, ("example",))})

    found = technique(along)
    rows, direction = [[1, 2, 3], [4, 5]], torch.randn(32, dtype=torch.float64)
    other_rows = [iw.Prompt.from_ids(row) for row in ([1, 2, 4], [4, 5])]
    with pytest.raises(Interrupted) as stopped:
        found(model, rows, direction=direction, progress=False)
    stopping.clear()
    stopping.append(False)
    moved = iw.load(deepcopy(model.module), tokenizer=model.tokenizer)
    moved.module.model.embed_tokens.weight.data *= 1.5
    others = [
        (iw.load(moved.module, tokenizer=model.tokenizer), rows, direction),
        (model.with_edits(edit.zero(at.attn_out[0])), rows, direction),
        (model, other_rows, direction),
        (model, rows, direction + 1e-9),
    ]
    for changed, given, along_ in others:
        with pytest.raises(InnerworksError, match="is another one now"):
            found(changed, given, direction=along_, resume=stopped.value)
    again = found(model, rows, direction=direction.clone(), progress=lambda done, total: None, resume=stopped.value)
    assert again.data["along"].equals(found(model, rows, direction=direction).data["along"])
    zeroed = [model.with_edits(edit.zero(at.attn_out[0])) for _ in range(2)]
    stopping[0] = True
    with pytest.raises(Interrupted) as stopped:
        found(zeroed[0], rows, direction=direction)
    stopping[0] = False
    found(zeroed[1], rows, direction=direction, resume=stopped.value)  # equal edits, made anew


def test_a_title_that_only_some_examples_have_is_not_that_of_all(model, technique):
    def titled(model: iw.Model, prompts: Prompts) -> Result:
        """What it is called."""
        return Result(data={"n": labelled(torch.ones(len(prompts)), ("example",))}, title=f"of {prompts.width}")

    found = technique(titled)
    assert found(model, [[1, 2], [3, 4]]).title == "of 2"
    assert found(model, [[1, 2], [3, 4, 5]]).title == "T"


def test_pairs_are_two_texts_a_pair_or_a_list(model, technique):
    def differing(model: iw.Model, pairs: Pairs) -> Result:
        """Where they differ."""
        counts = torch.tensor([float(len(pair.differs)) for pair in pairs])
        return Result(data={"count": labelled(counts, ("example",))})

    made = technique(differing)
    pair = model.pair([1, 2, 3], [1, 5, 3])
    assert float(made(model, pair).data["count"]) == 1
    assert made(model, [pair, ([1, 2], [3, 4])]).data["count"].values.tolist() == [1, 2]
    assert made(model, ("the cat", "the dog")).data["count"].dims == ()
    assert float(made(model, ([1, 2, 3], [1, 5, 6])).data["count"]) == 2
    assert made(model, [["the cat", "the dog"], ["a cat", "a dog"]]).data["count"].dims == ("example",)
    for two in (["the cat", "the dog"], [[1, 2], [3, 4]]):
        with pytest.raises(PairError, match="one pair in round brackets"):
            made(model, two)
    with pytest.raises(PairError, match="a pair is .*, not 'a'"):
        made(model, ["a", "b", "c"])
    with pytest.raises(PairError, match="give \\(clean, corrupt\\)"):
        made(model, "the cat")


def test_a_pair_is_no_prompt(model, ids_of):
    with pytest.raises(PromptError, match=r"pair\.clean"):
        ids_of(model, model.pair([1, 2], [1, 3]))


def test_what_was_spent_and_asked_is_told(model, technique):
    def runs(model: iw.Model, prompts: Prompts, *, times: int = 2) -> Result:
        """Runs."""
        for _ in range(times):
            model.run(list(prompts))
        model.gradients(list(prompts), iw.logit(3), wrt="embed")
        return Result()

    result = technique(runs)(model.with_edits(iw.edit.scale("z.0.1", 2.0)), [[1, 2], [3, 4, 5]], times=3)
    assert (result.provenance.cost.forwards, result.provenance.cost.backwards) == (8, 2)
    assert result.provenance.options == {"times": 3, "edits": ["scale(z.0.1, 2.0)"]}
    assert result.provenance.technique == "runs"


def test_a_task_that_the_model_cannot_do_is_told_of(model, technique):
    def measured(model: iw.Model, prompts: Prompts, *, metric=None) -> Result:
        """The metric."""
        return Result(data={"clean": labelled(model.measure(list(prompts), metric), ("example",))})

    examples = iw.tasks.ioi(12, seed=3).on(model, allow_fewer=True)
    result = technique(measured)(model, examples)
    right = float((model.measure(examples.clean, examples.metric()) > 0).double().mean())
    [check] = [one for one in result.checks if "beats its foil" in one.name]
    assert (check.measured, check.verdict) == (pytest.approx(right), "pass" if right >= 0.75 else "fail")
    assert check in result.failed or right >= 0.75
    asked_otherwise = technique(measured)(model, examples, metric=iw.logit(3))
    assert not asked_otherwise.checks, "another metric above 0 says nothing about the task"


def test_a_technique_with_a_metric_of_its_own_is_told_of_the_task_too(model, technique):
    def cut(model: iw.Model, prompts: Prompts, *, metric="prob", target=None) -> Result:
        """The probability, whatever the task measures."""
        return Result(data={"clean": labelled(model.measure(list(prompts), iw.prob(target)), ("example",))})

    examples = iw.tasks.ioi(12, seed=3).on(model, allow_fewer=True)
    right = float((model.measure(examples.clean, examples.metric()) > 0).double().mean())
    [check] = [one for one in technique(cut)(model, examples).checks if "beats its foil" in one.name]
    assert check.measured == pytest.approx(right), "a probability is always above 0"


def test_pairs_that_go_the_wrong_way_are_told_of(model, technique):
    def between(model: iw.Model, pairs: Pairs) -> Result:
        """A gap."""
        gaps = torch.tensor([float(pair.clean.ids[0]) - 3 for pair in pairs])
        return Result(data={"gap": labelled(gaps, ("example",))})

    rows = [([5, 1], [5, 2]), ([2, 1], [2, 2]), ([6, 1], [6, 2])]
    result = technique(between)(model, [model.pair(*row) for row in rows])
    [check] = [one for one in result.checks if "higher after the clean prompt" in one.name]
    assert (check.measured, check.verdict) == (pytest.approx(2 / 3), "fail")


@pytest.mark.parametrize("draws, columns", [(2000, 50), (7, 3), (2, 1)])
def test_quantiles_of_many_columns_are_numpys(draws, columns):
    from innerworks.data.intervals import _quantiles

    values = np.random.default_rng(draws).normal(size=(draws, columns))
    values[:, 0] = 1.5
    for edges in ([0.025, 0.975], [0.0, 1.0], [0.5, 0.9]):
        found, expected = _quantiles(values, edges), np.quantile(values, edges, axis=0)
        assert np.stack(found) == pytest.approx(expected, rel=1e-14, abs=1e-15)
