"""`evaluate` against the plain module, prompt by prompt; and what the bundled model can do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_tokenizers import tokenizer_of
from transformers import LlamaConfig, LlamaForCausalLM

import innerworks as iw
from innerworks import at, edit
from innerworks.data.intervals import mean_interval, share_interval
from innerworks.errors import TaskError

tasks = iw.tasks


@pytest.fixture(scope="module")
def model() -> iw.Model:
    tokenizer = tokenizer_of("gpt2-like")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    return iw.load(LlamaForCausalLM(config).eval().double(), tokenizer=tokenizer)


def plain(model: iw.Model, prompt) -> torch.Tensor:
    with torch.no_grad():
        return model.module(torch.tensor([prompt.ids])).logits[0, -1]


@pytest.mark.parametrize("name", ["ioi", "docstring", "facts", "repeated_tokens"])
def test_shares_and_means_are_those_of_the_plain_module(model: iw.Model, name: str) -> None:
    examples = getattr(tasks, name)(20).on(model)
    result = iw.evaluate(model, examples, batch_size=7)
    metric, first, beats = [], [], []
    for row in examples:
        logits = plain(model, row.clean)
        foil = logits[list(row.foils)]
        metric.append(float(logits[list(row.targets)].mean() - foil.mean()))
        first.append(int(logits.argmax()) in row.targets)
        beats.append(bool(logits[list(row.targets)].max() > foil.max()))
    np.testing.assert_allclose(result.data["metric"].values, metric, atol=1e-10)
    assert result.tables["examples"]["target is first"] == first
    assert result.tables["examples"]["beats the foil"] == beats
    assert result.data["metric"].coords["group"].values.tolist() == [row.group for row in examples]
    groups = result.tables["groups"]
    assert groups["group"][0] == "all" and groups["examples"][0] == 20
    assert groups["beats the foil"][0] == np.mean(beats) and math.isclose(groups["mean metric"][0], np.mean(metric))
    for place, group in enumerate(groups["group"][1:], start=1):
        mine = [value for value, row in zip(metric, examples, strict=True) if row.group == group]
        assert groups["examples"][place] == len(mine) and math.isclose(groups["mean metric"][place], np.mean(mine))
    assert groups["mean metric, low"][0] < np.mean(metric) < groups["mean metric, high"][0]
    predicted = [model.tokenizer.decode([int(plain(model, row.clean).argmax())]) for row in examples]
    assert result.tables["examples"]["predicted"] == [iw.model.tokens.visible(one) for one in predicted]


def test_batches_change_nothing(model: iw.Model) -> None:
    task = tasks.greater_than(12)
    one, many = (iw.evaluate(model, task, batch_size=size).data["metric"].values for size in (1, 12))
    np.testing.assert_allclose(one, many, atol=1e-12)


def test_a_model_under_edits_is_what_is_evaluated(model: iw.Model) -> None:
    task = tasks.ioi(12)
    ablated = model.with_edits(edit.zero(at.mlp_out[:]), edit.zero(at.attn_out[:]))
    result = iw.evaluate(ablated, task)
    weights = {name: value.clone() for name, value in model.module.state_dict().items()}
    for row, value in zip(task.on(model), result.data["metric"].values, strict=True):
        with torch.no_grad():
            stream = model.module.model.norm(model.module.model.embed_tokens.weight[row.clean.ids[-1]])
            logits = model.module.lm_head(stream)
        assert abs(float(logits[row.targets[0]] - logits[row.foils[0]]) - value) < 1e-10
    assert len(result.provenance.options["edits"]) == 2
    assert all(torch.equal(value, weights[name]) for name, value in model.module.state_dict().items())


def test_a_model_that_cannot_do_the_task_fails_the_check(model: iw.Model) -> None:
    result = iw.evaluate(model, tasks.ioi(40))
    failed = {check.name for check in result.failed}
    assert "share of targets that beat the foil" in failed
    assert "lower end of its interval, against a coin" in failed
    assert "✗" in result.text() or "fail" in result.text()
    share = result.tables["groups"]["beats the foil"][0]
    passed = iw.evaluate(model, tasks.ioi(40), enough=share)
    assert "share of targets that beat the foil" not in {check.name for check in passed.failed}


def test_examples_left_out_and_missing_are_shown(model: iw.Model) -> None:
    examples = tasks.sequences(500, order="days").on(model, allow_fewer=True)
    result = iw.evaluate(model, examples)
    assert "examples fewer than asked for" in {check.name for check in result.failed}
    counted = tasks.ioi(8).on(model)
    told = iw.evaluate(model, counted)
    assert told.tables["left out"]["times"] == [times for _, _, times, _ in counted.dropped.rows()]
    assert "not one token" in told.text() or "left out" in told.text()


def test_without_foils_the_corrupt_prompt_is_what_it_is_held_against(model: iw.Model) -> None:
    rows = [("The boys like the", "The boy likes the", " house", None), ("Mary met", "John met", " Peter", None)]
    examples = tasks.pairs(rows).on(model)
    result = iw.evaluate(model, examples)
    for row, value, beats in zip(
        examples, result.data["metric"].values, result.tables["examples"]["beats the corrupt prompt"], strict=True
    ):
        clean, corrupt = (plain(model, one).log_softmax(-1)[row.targets[0]] for one in (row.clean, row.corrupt))
        assert abs(float(clean) - value) < 1e-9 and bool(beats) is bool(clean > corrupt)
    alone = iw.evaluate(model, tasks.pairs([("Mary met", None, " Peter")]))
    assert list(alone.tables["examples"].columns)[-2:] == ["target is first", "group"]
    assert [check.name for check in alone.failed] == ["share of targets that are the most likely token"]


def test_progress_costs_and_saving(model: iw.Model, tmp_path) -> None:
    seen: list[tuple[int, int]] = []
    result = iw.evaluate(model, tasks.ioi(10), batch_size=4, progress=lambda done, of: seen.append((done, of)), seed=5)
    assert seen == [(4, 10), (8, 10), (10, 10)]
    assert result.provenance.cost.forwards == 3 and result.provenance.seed == 5
    assert "ioi" in result.provenance.options["task"] and "seed=0" in result.provenance.options["task"]
    result.save(tmp_path / "result")
    again = iw.open(tmp_path / "result")
    assert again.data["metric"].equals(result.data["metric"])
    assert again.tables["groups"]["group"] == result.tables["groups"]["group"]
    page = result.html(tmp_path / "result.html").read_text()
    assert "By group" in page and "lowest metric" in page
    assert iw.evaluate(model, tasks.ioi(3), measure="prob_diff").provenance.options["measure"] == "prob_diff"


def test_repeated_tokens_need_no_tokenizer(model: iw.Model) -> None:
    bare = iw.load(model.module)
    result = iw.evaluate(bare, tasks.repeated_tokens(6, length=8))
    assert result.data["metric"].shape == (6,)
    with pytest.raises(TaskError, match="no tokenizer"):
        tasks.ioi(4).on(bare)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"enough": 2}, "enough=2"), ({"confidence": 1}, "confidence=1"), ({"batch_size": 0}, "batch_size=0")],
)
def test_wrong_options_are_refused(model: iw.Model, options, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        iw.evaluate(model, tasks.ioi(4), **options)
    with pytest.raises(TaskError, match="not list"):
        iw.evaluate(model, ["The cat"])


def test_intervals_hold_what_they_should_as_often_as_they_say() -> None:
    draws = np.random.default_rng(0)
    shares = [share_interval(int(draws.binomial(40, 0.8)), 40, 0.9) for _ in range(400)]
    assert 0.85 < np.mean([low <= 0.8 <= high for low, high in shares]) < 0.96
    means = [mean_interval(draws.normal(1.0, 2.0, 60), 0.9, seed) for seed in range(200)]
    assert 0.82 < np.mean([low <= 1.0 <= high for low, high in means]) < 0.97
    assert share_interval(10, 10, 0.95)[1] == 1 and share_interval(0, 10, 0.95)[0] == 0
    assert all(math.isnan(edge) for edge in mean_interval([1.0], 0.95, 0))


# -- the bundled model ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smollm2() -> iw.Model:
    return iw.load("smollm2-135m-instruct-q4")


@pytest.mark.weights
def test_the_bundled_model_finds_the_indirect_object(smollm2: iw.Model) -> None:
    result = iw.evaluate(smollm2, tasks.ioi(64))
    assert result.tables["groups"]["beats the foil"][0] > 0.8
    assert not result.failed


@pytest.mark.weights
def test_the_bundled_model_repeats_what_followed(smollm2: iw.Model) -> None:
    result = iw.evaluate(smollm2, tasks.repeated_tokens(32))
    assert result.tables["groups"]["beats the foil"][0] > 0.95
    # The corrupt prompts have nothing to repeat.
    corrupt = tasks.repeated_tokens(32).on(smollm2)
    values = smollm2.measure(corrupt.corrupt, corrupt.metric("accuracy"))
    assert float(values.mean()) < 0.1 < 0.5 < result.tables["groups"]["target is first"][0]


@pytest.mark.weights
def test_the_swap_turns_the_bundled_model_s_answer_around(smollm2: iw.Model) -> None:
    examples = tasks.ioi(32, corruption="swap").on(smollm2)
    clean, corrupt = (smollm2.measure(prompts, examples.metric()) for prompts in (examples.clean, examples.corrupt))
    assert float(clean.mean()) > 2 and float(corrupt.mean()) < -2
