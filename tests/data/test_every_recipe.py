"""What holds for every recipe, with every corruption, on every kind of tokenizer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from every_recipe import CORRUPTIONS, changed_roles, made
from small_tokenizers import KINDS, tokenizer_of

import innerworks as iw
from innerworks.data.recipes import RECIPES
from innerworks.model.tokens import single_token

everywhere = pytest.mark.parametrize("kind", KINDS)
every_corruption = pytest.mark.parametrize(("name", "corruption"), CORRUPTIONS)


def without_spaces(texts) -> str:
    return "".join(texts).replace(" ", "")


@everywhere
@every_corruption
def test_roles_point_at_their_words_and_answers_go_on(kind: str, name: str, corruption: str) -> None:
    tokenizer = tokenizer_of(kind)
    examples = made(name, corruption).on(tokenizer)
    assert len(examples) == 24
    for row in examples:
        for marked, prompt in ((row.draft.clean, row.clean), (row.draft.corrupt, row.corrupt)):
            assert prompt.positions("end") == (len(prompt) - 1,)
            assert {role for role, _ in marked.roles} | {"end"} == set(prompt.spans)
            if marked.ids:
                assert prompt.ids == marked.ids
                continue
            assert prompt.ids == tuple(tokenizer(marked.text)["input_ids"])
            for role, _ in marked.roles:
                covered = without_spaces(prompt.tokens[place] for place in prompt.positions(role))
                assert covered == without_spaces(marked.words(role)), (role, marked.text)
        assert row.targets and row.foils and not set(row.targets) & set(row.foils)
        for answers, ids in ((row.draft.targets, row.targets), (row.draft.foils, row.foils)):
            if row.draft.clean.text:
                assert ids == tuple(single_token(tokenizer, answer) for answer in answers)
                for answer, token in zip(answers, ids, strict=True):
                    assert tokenizer(row.draft.clean.text + answer)["input_ids"] == [*row.clean.ids, token]
            else:
                assert ids == answers


@everywhere
@every_corruption
def test_a_pair_is_of_one_length_or_aligned_by_role(kind: str, name: str, corruption: str) -> None:
    for row in made(name, corruption).on(tokenizer_of(kind)):
        if len(row.clean) == len(row.corrupt):
            assert row.pair.align == "position"
        else:
            assert name in ("facts", "conflict") and row.pair.align == "role"
            assert (row.clean.positions("subject")[-1], row.corrupt.positions("subject")[-1]) in row.pair.map


@every_corruption
def test_a_corruption_changes_the_words_it_names_and_nothing_else(name: str, corruption: str) -> None:
    changed = changed_roles(name, corruption)
    drafts = [row.draft for row in made(name, corruption).on(tokenizer_of("gpt2-like"))]
    for draft in drafts:
        sides = []
        for marked in (draft.clean, draft.corrupt):
            places = [one for role, some in marked.roles if role in changed for one in some]
            whole = marked.text or list(marked.ids)
            sides.append([one for at, one in enumerate(whole) if not any(start <= at < end for start, end in places)])
        assert sides[0] == sides[1]
        assert str(draft.clean.text) != draft.corrupt.text or draft.clean.ids != draft.corrupt.ids
    assert {role for role, _ in drafts[0].clean.roles} == {role for role, _ in drafts[0].corrupt.roles}


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_gives_the_same_and_another_one_others(name: str) -> None:
    tokenizer = tokenizer_of("gpt2-like")
    first, again, other = ([row.draft for row in RECIPES[name](16, seed).on(tokenizer)] for seed in (3, 3, 4))
    assert first == again
    assert first != other


@everywhere
@pytest.mark.parametrize("name", RECIPES)
def test_the_first_of_many_are_those_of_few(kind: str, name: str) -> None:
    few, many = (RECIPES[name](n, 5).on(tokenizer_of(kind)) for n in (8, 40))
    assert [row.draft for row in many[:8]] == [row.draft for row in few]
    assert (len(few), len(many)) == (8, 40)
    assert len({row.draft.key for row in many}) == 40
    assert [row.draft for row in RECIPES[name](40, 5)[:8].on(tokenizer_of(kind))] == [row.draft for row in few]


DIGEST = """
import hashlib, innerworks as iw
from innerworks.data.recipes import RECIPES
for name, make in RECIPES.items():
    if name != "repeated_tokens":
        print(name, hashlib.sha256(repr(list(make(20, 1))).encode()).hexdigest())
"""


def test_nothing_depends_on_the_order_of_hashes() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", DIGEST], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(printed) == 1
    assert printed.pop().count("\n") == len(RECIPES) - 1


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_saved_and_opened(name: str) -> None:
    for corruption in RECIPES[name](1).source.kind.corruptions:
        task = made(name, corruption)[2:20:3]
        again = iw.Task.from_json(task.to_json())
        assert again == task
        tokenizer = tokenizer_of("gpt2-like")
        assert [row.draft for row in again.on(tokenizer)] == [row.draft for row in task.on(tokenizer)]


@pytest.mark.parametrize("name", RECIPES)
def test_examples_go_to_csv_and_back(name: str, tmp_path) -> None:
    for kind in ("gpt2-like", "metaspace"):
        tokenizer = tokenizer_of(kind)
        examples = RECIPES[name](12).on(tokenizer)
        again = iw.tasks.read_csv(examples.to_csv(tmp_path / "examples.csv")).on(tokenizer)
        assert [row.draft for row in again] == [row.draft for row in examples]
        assert [row.clean for row in again] == [row.clean for row in examples]
        assert [row.pair for row in again] == [row.pair for row in examples]
        assert [(row.targets, row.foils) for row in again] == [(row.targets, row.foils) for row in examples]


def test_the_page_lists_every_recipe_and_corruption() -> None:
    page = (Path(__file__).parents[2] / "docs/tasks.md").read_text(encoding="utf-8")
    for name, make in RECIPES.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `iw.tasks.{name}` |")]
        assert f"| {', '.join(f'`{one}`' for one in make(1).source.kind.corruptions)} |" in line
    assert set(iw.tasks.__all__) == {*re.findall(r"iw\.tasks\.(\w+)", page)}


@pytest.mark.parametrize("name", RECIPES)
def test_a_task_says_what_it_is(name: str) -> None:
    task = RECIPES[name](12)
    assert name in str(task) and "n=12" in str(task) and "seed=0" in str(task)
    assert name in repr(task)
    doc = RECIPES[name].__doc__
    assert "misleads" in doc and "Roles" in doc and "Corruptions" in doc
    for corruption in task.source.kind.corruptions:
        assert f'"{corruption}"' in doc
