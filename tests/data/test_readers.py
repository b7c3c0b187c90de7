"""Files that users hold: what is read from them, and how a malformed one is refused."""

from __future__ import annotations

import json

import pytest
from small_tokenizers import tokenizer_of

import innerworks as iw
from innerworks.errors import FileError, TaskError

tasks = iw.tasks
TOKENIZER = tokenizer_of("gpt2-like")


def refused(action, kind=FileError) -> str:
    with pytest.raises(kind) as caught:
        action()
    return str(caught.value)


def counterfact(
    case: int, subject: str, true: str, new: str, relation: str = "P36", prompt: str = "The capital of {} is"
):
    return {
        "case_id": case,
        "pararel_idx": 1,
        "requested_rewrite": {
            "prompt": prompt,
            "relation_id": relation,
            "target_new": {"str": new, "id": "Q1"},
            "target_true": {"str": true, "id": "Q2"},
            "subject": subject,
        },
        "paraphrase_prompts": [],
        "neighborhood_prompts": [],
    }


ROWS = [
    counterfact(0, "France", "Paris", "Vienna"),
    counterfact(1, "Austria", "Vienna", "Paris"),
    counterfact(2, "Spain", "Madrid", "Paris", prompt="{}'s capital is"),
    counterfact(3, "Mary", "French", "Spanish", relation="P103", prompt="The mother tongue of {} is"),
]


@pytest.mark.parametrize("layout", ["list", "indented", "lines"])
def test_counterfact(tmp_path, layout: str) -> None:
    path = tmp_path / "counterfact.json"
    texts = {
        "list": json.dumps(ROWS),
        "indented": json.dumps(ROWS, indent=2),
        "lines": "\n".join(json.dumps(row) for row in ROWS),
    }
    path.write_text(texts[layout])
    examples = tasks.read_counterfact(path).on(TOKENIZER)
    assert [str(row.clean) for row in examples] == [
        "The capital of France is",
        "The capital of Austria is",
        "Spain's capital is",
    ]
    assert [(row.target, row.foil) for row in examples] == [
        (" Paris", " Vienna"),
        (" Vienna", " Paris"),
        (" Madrid", " Paris"),
    ]
    # The subject whose truth is the foil, in the clean one's sentence.
    assert [str(row.corrupt) for row in examples] == [
        "The capital of Austria is",
        "The capital of France is",
        "France's capital is",
    ]
    assert [row.draft.corrupt_targets for row in examples] == [(" Vienna",), (" Paris",), (" Paris",)]
    assert examples.groups == ["P36"]
    assert list(examples.dropped.rows()) == [("record", "no other subject of the relation", 1, "'Mary'")]
    alone = tasks.read_counterfact(path, corrupt=False).on(TOKENIZER)
    assert len(alone) == 4 and alone[0].pair is None and alone[0].foil == " Vienna"


def test_the_corrupt_subject_follows_the_seed(tmp_path) -> None:
    path = tmp_path / "many.json"
    countries = list(iw.data.tables.table("facts")["relations"]["capital"]["facts"].items())
    path.write_text(json.dumps([counterfact(at, one, city, "Nowhere") for at, (one, city) in enumerate(countries)]))
    first, again, other = ([str(d.corrupt) for d in tasks.read_counterfact(path, seed=seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_known_facts(tmp_path) -> None:
    places = [("Lyon", "France"), ("Milan", "Italy"), ("Wilhelmina", "Wilhelmina")]
    rows = [
        {
            "known_id": at,
            "subject": subject,
            "attribute": attribute,
            "template": "{} lies in",
            "prompt": f"{subject} lies in",
            "prediction": " x",
            "relation_id": "P17",
        }
        for at, (subject, attribute) in enumerate(places)
    ]
    path = tmp_path / "known_1000.json"
    path.write_text(json.dumps(rows[:2]))
    examples = tasks.read_known_facts(path).on(TOKENIZER)
    assert [(row.target, row.foil, str(row.corrupt)) for row in examples] == [
        (" France", " Italy", "Milan lies in"),
        (" Italy", " France", "Lyon lies in"),
    ]
    assert examples[0].clean.positions("subject")[-1] == len(TOKENIZER("Lyon")["input_ids"]) - 1
    path.write_text(json.dumps(rows))
    assert len(tasks.read_known_facts(path, corrupt=False).on(TOKENIZER)) == 2
    alone = tasks.read_known_facts(path, corrupt=False)
    assert alone.measure == "log_prob"
    dropped = alone.on(TOKENIZER).dropped
    assert dropped.counts[("example", "the target is not one token")] == 1
    assert "tokens: " in dropped.cases[("example", "the target is not one token")]


def blimp(**changes):
    row = {
        "sentence_good": "The boys were singing.",
        "sentence_bad": "The boys was singing.",
        "one_prefix_prefix": "The boys",
        "one_prefix_word_good": "were",
        "one_prefix_word_bad": "was",
        "field": "morphology",
        "linguistics_term": "subject_verb_agreement",
        "UID": "regular_plural",
        "simple_LM_method": True,
        "one_prefix_method": True,
        "two_prefix_method": False,
        "lexically_identical": False,
        "pairID": "0",
    }
    return {**row, **changes}


TWO = {
    "one_prefix_method": False,
    "two_prefix_method": True,
    "two_prefix_prefix_good": "She knows these",
    "two_prefix_prefix_bad": "She knows this",
    "two_prefix_word": "boys",
    "UID": "determiner_noun",
}


def test_blimp(tmp_path) -> None:
    path = tmp_path / "blimp.jsonl"
    whole = blimp(one_prefix_method=False, sentence_good="Whole.")
    path.write_text("\n".join(json.dumps(row) for row in (blimp(), blimp(**TWO), whole)) + "\n")
    examples = tasks.read_blimp(path).on(TOKENIZER)
    one, two = examples
    assert (str(one.clean), one.target, one.foil, one.pair) == ("The boys", " were", " was", None)
    assert (str(two.clean), str(two.corrupt), two.target, two.foil) == (
        "She knows these",
        "She knows this",
        " boys",
        None,
    )
    assert examples.groups == ["regular_plural", "determiner_noun"]
    assert examples.measure == "log_prob"
    assert list(examples.dropped.rows()) == [("record", "the sentences can only be compared whole", 1, "'Whole.'")]
    assert examples.where(linguistics_term="subject_verb_agreement", group="determiner_noun")[0] == two
    assert "left out" in refused(lambda: tasks.read_blimp(_written(tmp_path, [whole])), TaskError)


def _written(folder, rows):
    path = folder / "some.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (tasks.read_counterfact, "[{}, {]", "line 1: not valid JSON"),
        (tasks.read_counterfact, '[\n {"requested_rewrite": {}},\n 5\n]', "line 3: a record is a JSON object, not int"),
        (tasks.read_counterfact, '[\n {"case_id": 1}\n]', "line 2: there is no 'requested_rewrite'; there is case_id"),
        (tasks.read_counterfact, json.dumps([counterfact(0, "a", "b", "c", prompt="no place")]), "should have one {}"),
        (tasks.read_counterfact, json.dumps([counterfact(0, "", "b", "c")]), "'subject' should be a text"),
        (tasks.read_counterfact, '[{"requested_rewrite": {}} {}]', "not a comma or the list's end"),
        (tasks.read_counterfact, "[]", "no records"),
        (tasks.read_counterfact, "", "no records"),
        (tasks.read_counterfact, "[" * 100_000, "line 1"),
        (tasks.read_known_facts, '{"subject": "a", "prompt": "b is", "attribute": "c"}', "'a' is not in the prompt"),
        (tasks.read_blimp, json.dumps(blimp()) + "\n" + "{]", "line 2: not valid JSON"),
        (tasks.read_blimp, json.dumps(blimp(one_prefix_method="yes")), "should be true or false"),
        (tasks.read_blimp, json.dumps(blimp(one_prefix_word_bad="were")), "are both 'were'"),
        (tasks.read_blimp, json.dumps({**blimp(), "one_prefix_prefix": None}), "'one_prefix_prefix' should be a text"),
    ],
)
def test_a_malformed_record_is_refused_with_file_and_line(tmp_path, read, text: str, said: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text)
    message = refused(lambda: read(path))
    assert said in message and str(path) in message


def test_files_that_cannot_be_read_are_refused(tmp_path) -> None:
    (tmp_path / "latin.json").write_bytes(b"[\xe9]")
    for read in (tasks.read_counterfact, tasks.read_known_facts, tasks.read_blimp, tasks.read_csv):
        assert "cannot be read" in refused(lambda: read(tmp_path / "absent"))
        assert "not UTF-8" in refused(lambda: read(tmp_path / "latin.json"))


def test_csv_of_a_user(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "clean,corrupt,target,foil,topic\n"
        '"When Mary met John, Mary gave a drink to","When Mary met John, John gave a drink to", John, Mary,people\n'
        '\n"He, or ""she"", is",,"["" Mary"", "" John""]", Peter,quotes\n',
        encoding="utf-8-sig",
    )
    first, second = tasks.read_csv(path).on(TOKENIZER)
    assert (first.target, first.foil, first.draft.about) == (" John", " Mary", {"topic": "people"})
    assert str(second.clean) == 'He, or "she", is' and second.pair is None and len(second.targets) == 2
    assert tasks.read_csv(path).where(topic="people").on(TOKENIZER).clean == [first.clean]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the columns are None"),
        ("a,b\n1,2\n", "line 1: the columns are"),
        ("clean,target,target\n", "two columns have the same name"),
        ("clean,target\n", "no rows below its header"),
        ("clean,target\nMary met, John, too\n", "line 2: 3 cells under 2 columns"),
        ("clean,target\nMary met, John\nMary met,\n", "line 3: the target is empty"),
        ("clean,target\n, John\n", "line 2: the clean text is empty"),
        ('clean,target\nMary met,"[1,"\n', "line 2, target: '[1,' is not JSON"),
        ('clean,target\nMary met,"[1.5]"\n', "line 2: targets are texts or token ids"),
        ('clean,target\nMary met,"open\n', "line 2"),
        ("clean,target,clean_roles\nMary met, John,{}x\n", "clean_roles: '{}x' is not JSON"),
        ("clean,target,clean_roles\nMary met, John,[]\n", "should be a JSON object"),
        ('clean,target,clean_roles\nMary met, John,"{""who"": [[0, 99]]}"\n', "which is no part of a text of 8"),
        ("clean,target,align\nMary met, John,sideways\n", "aligns a pair by 'sideways'"),
        ('clean,target,clean_ids\n,7,"[1, true]"\n', "token ids that are not whole numbers"),
    ],
)
def test_a_malformed_csv_is_refused_with_file_and_line(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    message = refused(lambda: tasks.read_csv(path))
    assert said in message and str(path) in message


def test_a_file_of_which_nothing_fits_gives_the_counts(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("clean,target\nMary met, Wilhelmina\nJohn met, Wilhelmina\n")
    message = refused(lambda: tasks.read_csv(path).on(TOKENIZER), TaskError)
    assert "no example here" in message and "2 examples: the target is not one token" in message


def test_columns_that_would_clash_are_refused(tmp_path) -> None:
    draft = iw.tasks.pairs([("Mary met", None, " John")]).drafts()[0]
    from dataclasses import replace

    from innerworks.data.csv_rows import write_csv

    assert "name of another column" in refused(
        lambda: write_csv(tmp_path / "x.csv", [replace(draft, about={"clean": "1"})])
    )
