"""`innerworks run` asks what the same call in Python asks, whatever the technique eats and however it is given."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import innerworks as iw
from innerworks import at, edit

CLEAN, CORRUPT = "When Mary and John went to the store", "When Mary and Tom went to the store"


def told(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def same(found, result):
    """The numbers and labels of every array of the JSON are those of the result."""
    assert found["data"].keys() == result.data.keys()
    for name, array in result.data.items():
        values = np.array(found["data"][name]["values"], dtype=float) if array.dtype.kind == "f" else None
        assert found["data"][name]["dims"] == list(array.dims)
        assert found["data"][name]["shape"] == list(array.shape)
        if values is not None:
            finite = np.where(np.isfinite(array.values), array.values, np.nan)
            np.testing.assert_array_equal(values.astype(array.dtype), finite)
    assert [one["name"] for one in found["checks"]] == [one.name for one in result.checks]
    assert found["provenance"]["options"] == result.provenance.options
    assert found["provenance"]["prompt"] == result.provenance.prompt


@pytest.fixture
def run(command, tiny_folder):
    return lambda name, *words: told(command("run", name, *words, "-m", tiny_folder, "--json"))


def test_a_prompt_as_a_word_and_by_its_flag(run, tiny):
    expected = iw.logit_lens(tiny, CLEAN, top=3)
    same(run("logit_lens", CLEAN, "--top", "3"), expected)
    same(run("logit_lens", "--prompt", CLEAN, "--top", "3"), expected)


def test_several_prompts_have_a_target_each(run, tiny):
    found = run("direct_logit_attribution", CLEAN, "-p", CORRUPT, "--target", " Mary", "--target", " John")
    same(found, iw.direct_logit_attribution(tiny, [CLEAN, CORRUPT], target=[" Mary", " John"]))
    one = run("direct_logit_attribution", CLEAN, "--target", "7", "--foil", "average")
    same(one, iw.direct_logit_attribution(tiny, CLEAN, target=7, foil="average"))


def test_a_pair_and_its_answers_as_a_metric(run, tiny):
    metric = iw.logit_diff(" Mary", " Tom")
    expected = iw.activation_patching(tiny, (CLEAN, CORRUPT), at.z[1:], metric=metric, direction="noise")
    words = ["--sites", "z.1:", "--direction", "noise"]
    answers = ["--target", " Mary", "--foil", " Tom"]
    same(run("activation_patching", CLEAN, CORRUPT, *words, *answers), expected)
    same(run("activation_patching", "--clean", CLEAN, "--corrupt", CORRUPT, *words, *answers), expected)
    same(
        run("activation_patching", CLEAN, CORRUPT, *words, "--metric", "logit_diff(' Mary', ' Tom')"),
        expected,
    )
    alone = run("activation_patching", CLEAN, CORRUPT, *words, "--target", " Mary")
    same(
        alone,
        iw.activation_patching(tiny, (CLEAN, CORRUPT), at.z[1:], metric=iw.log_prob(" Mary"), direction="noise"),
    )


def test_several_pairs(run, tiny):
    found = run(
        "activation_patching", "--clean", CLEAN, "--corrupt", CORRUPT, "--clean", CORRUPT, "--corrupt", CLEAN,
        "--sites", "attn_out.:", "--target", " Mary", "--foil", " Tom", "--target", " Tom", "--foil", " Mary",
    )  # fmt: skip
    pairs, metric = [(CLEAN, CORRUPT), (CORRUPT, CLEAN)], iw.logit_diff([" Mary", " Tom"], [" Tom", " Mary"])
    same(found, iw.activation_patching(tiny, pairs, at.attn_out[:], metric=metric))


@pytest.mark.parametrize("text", ["ioi:n=3,seed=2,corruption=swap", "ioi(n=3, seed=2, corruption='swap')"])
def test_a_task_in_short_and_in_full(run, tiny, text):
    task = iw.tasks.ioi(n=3, seed=2, corruption="swap")
    same(run("activation_patching", "--task", text, "--sites", "mlp_out.:"), iw.activation_patching(
        tiny, task, at.mlp_out[:]
    ))  # fmt: skip


def test_a_task_is_judged_from_flags_and_from_a_task(run, tiny):
    same(run("evaluate", "--task", "ioi:n=4 + ioi:n=2,seed=5"), iw.evaluate(
        tiny, iw.tasks.ioi(n=4) + iw.tasks.ioi(n=2, seed=5)
    ))  # fmt: skip
    rows = [(CLEAN, None, " Mary", " John"), (CORRUPT, None, " Tom", " John")]
    found = run("evaluate", "-p", CLEAN, "-p", CORRUPT, "--target", " Mary", "--target", " Tom", "--foil", " John")
    same(found, iw.evaluate(tiny, iw.tasks.pairs(rows)))


def test_a_technique_that_eats_nothing(run, tiny):
    same(
        run("virtual_heads", "--first", "0,1", "--second", "2, 3"), iw.virtual_heads(tiny, first=(0, 1), second=(2, 3))
    )
    same(run("copying_scores", "--effective"), iw.copying_scores(tiny, effective=True))
    same(run("copying_scores", "--no-effective"), iw.copying_scores(tiny, effective=False))


def test_a_corpus_of_files_and_of_options(run, tiny, here):
    for number in range(3):
        (here / f"{number}.txt").write_text(f"{CLEAN}. {CORRUPT}. " * 20)
    options = {"top": 2, "draws": 1, "window": 2, "quantiles": (0.5,)}
    words = ["--units", "neurons.1.:3", "--top", "2", "--draws", "1", "--window", "2", "--quantiles", "0.5"]
    corpus = iw.Corpus("*.txt", context=16, limit=160)
    expected = iw.maximally_activating(tiny, corpus, at.neurons[1, :3], **options)
    same(run("maximally_activating", "--corpus", "*.txt, context=16, limit=160", *words), expected)
    whole = iw.maximally_activating(tiny, iw.Corpus("0.txt", "1.txt", context=16), at.neurons[1, :3], **options)
    joined = run("maximally_activating", "--corpus", "0.txt", "--corpus", "1.txt, context=16", *words)
    assert joined["provenance"]["prompt"] == whole.provenance.prompt
    same(joined, whole)


def test_standing_edits_and_how_the_model_is_loaded(run, tiny_folder):
    model = iw.load(tiny_folder, dtype="float64", attn_implementation="eager")
    edited = model.with_edits(edit.zero(at.z[1, 2]), edit.scale(at.mlp_out[0], 0.5))
    found = run(
        "logit_lens", CLEAN, "--dtype", "float64", "--attn", "eager", "--edit", "zero(z.1.2), scale(mlp_out.0, 0.5)"
    )
    same(found, iw.logit_lens(edited, CLEAN))
    assert found["provenance"]["options"]["edits"] == ["zero(z.1.2)", "scale(mlp_out.0, 0.5)"]


# -- files of prompts -----------------------------------------------------------------------------------------------


def test_lines_of_text(run, tiny, here):
    Path("some.txt").write_text(f"{CLEAN}\n\n{CORRUPT}\n")
    same(run("logit_lens", "--prompts", "some.txt"), iw.logit_lens(tiny, [CLEAN, CORRUPT]))
    Path("one.txt").write_text(CLEAN)
    assert run("logit_lens", "--prompts", "one.txt")["data"]["rank"]["dims"][0] == "example"


def test_json_lines_of_texts_ids_and_spans(run, tiny, here):
    ids = list(tiny.prompt(CLEAN).ids)
    lines = [json.dumps(CLEAN), json.dumps(ids), json.dumps({"text": CORRUPT, "spans": {"subject": "Tom"}})]
    Path("some.jsonl").write_text("\n".join(lines))
    given = [CLEAN, ids, tiny.prompt(CORRUPT, spans={"subject": "Tom"})]
    same(run("logit_lens", "--prompts", "some.jsonl"), iw.logit_lens(tiny, given))


def test_json_lines_with_answers_are_a_task(run, tiny, here):
    rows = [
        {"clean": CLEAN, "corrupt": CORRUPT, "target": " Mary", "foil": " Tom"},
        {"clean": CORRUPT, "corrupt": CLEAN, "target": " Tom", "foil": " Mary"},
    ]
    Path("some.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = run("activation_patching", "--prompts", "some.jsonl", "--sites", "mlp_out.:")
    same(found, iw.activation_patching(tiny, iw.tasks.pairs(rows), at.mlp_out[:]))


def test_prompts_from_a_pipe(run, tiny, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{json.dumps({'prompt': CLEAN})}\n{json.dumps(CORRUPT)}\n"))
    same(run("logit_lens", "--prompts", "-"), iw.logit_lens(tiny, [CLEAN, CORRUPT]))


def test_an_artifact_is_an_option_by_its_folder(run, tiny, here):
    direction = np.linspace(-1, 1, tiny.d_model)
    iw.Artifact("direction", {"direction": direction}, model=tiny.fingerprint).save("d")
    words = ["--site", "resid_post.1@-1", "--directions", "d", "--target", " Mary"]
    found = run("subspace_patching", CLEAN, CORRUPT, *words)
    expected = iw.subspace_patching(
        tiny, (CLEAN, CORRUPT), at.resid_post[1] @ -1, iw.open("d"), metric=iw.log_prob(" Mary")
    )
    np.testing.assert_array_equal(np.array(found["data"]["score"]["values"], dtype=float), expected.data["score"])
