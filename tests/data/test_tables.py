"""The tables: nothing twice, nothing with two answers, and enough of it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

import innerworks as iw
from innerworks.data.tables import table

RELATIONS = table("facts")["relations"]
FUNCTIONS = table("functions")["functions"]


def raw(name: str) -> str:
    return files("innerworks.data.tables").joinpath(f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["facts", "functions", "names", "nouns", "words", "sequences"])
def test_no_file_says_a_thing_twice(name: str) -> None:
    def unique(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"twice: {[key for key in keys if keys.count(key) > 1]}"
        return dict(pairs)

    assert json.loads(raw(name), object_pairs_hook=unique)["about"]


def test_there_are_twenty_relations_of_twenty_subjects() -> None:
    assert len(RELATIONS) >= 20
    assert iw.tasks.relations() == {name: one["source"] for name, one in RELATIONS.items()}


@pytest.mark.parametrize("name", RELATIONS)
def test_a_relation_has_a_source_templates_and_different_answers(name: str) -> None:
    relation = RELATIONS[name]
    assert relation["source"]
    assert len(relation["templates"]) >= 2
    assert all(one.count("{subject}") == 1 and not one.endswith(" ") for one in relation["templates"])
    facts = relation["facts"]
    assert len(facts) >= 20
    assert len({subject.casefold() for subject in facts}) == len(facts)
    counts = [list(facts.values()).count(answer) for answer in set(facts.values())]
    assert len(counts) >= 4
    # No single answer could be guessed for half of the subjects.
    assert max(counts) <= len(facts) / 2
    assert not any(subject.casefold() == answer.casefold() for subject, answer in facts.items())


def test_relations_that_are_each_other_s_reverse_agree() -> None:
    capital, of = RELATIONS["capital"]["facts"], RELATIONS["capital_of"]["facts"]
    assert all(capital.get(country, city) == city for city, country in of.items())
    city, country = RELATIONS["landmark_city"]["facts"], RELATIONS["landmark_country"]["facts"]
    lies_in = {**RELATIONS["city_country"]["facts"], **of}
    for landmark in city.keys() & country.keys():
        assert lies_in.get(city[landmark], country[landmark]) == country[landmark]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_one_answer(name: str) -> None:
    pairs = FUNCTIONS[name]["pairs"]
    assert len(pairs) >= 25 and len({one for one, _ in pairs}) == len(pairs)
    assert all(one and answer for one, answer in pairs)
    assert len(FUNCTIONS) >= 10


def test_names_have_one_gender_and_nouns_two_forms() -> None:
    names = table("names")
    assert not set(names["female"]) & set(names["male"])
    assert min(len(set(names[one])) for one in ("female", "male")) >= 50
    for which in ("people", "things"):
        assert all(singular != plural for singular, plural in table("nouns")[which])


def test_the_tables_are_in_the_wheel(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    root = Path(__file__).parents[2]
    script = (
        "import sys; from hatchling.builders.wheel import WheelBuilder; "
        "print(list(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=['standard'])))"
    )
    subprocess.run([sys.executable, "-c", script, str(root), str(tmp_path)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    tables = {f"innerworks/data/tables/{path.name}" for path in (root / "innerworks/data/tables").glob("*.json")}
    assert len(tables) == 6 and tables <= held
