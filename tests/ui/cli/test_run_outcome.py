"""Where answers go, with which code a command ends, and what is said of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import innerworks as iw

TEXT = "When Mary and John went to the store"


@pytest.fixture
def run(command, tiny_folder):
    return lambda name, *words: command("run", name, *words, "-m", tiny_folder)


def test_pictures_are_printed_and_notes_are_not_among_them(run, tiny, here):
    done = run("logit_lens", TEXT, "--save", "kept", "--html", "page.html")
    assert done.code == 0
    assert done.out.splitlines()[0] == iw.open("kept").heading
    assert "saved:" in done.err and "page:" in done.err and "saved:" not in done.out
    assert "\x1b" not in done.out + done.err
    assert "<!doctype html>" in Path("page.html").read_text()
    expected = iw.logit_lens(tiny, TEXT)
    assert iw.open("kept").data["rank"].equals(expected.data["rank"])
    assert sorted(one.name for one in here.iterdir()) == ["kept", "page.html"]


def test_json_names_where_it_is_saved_and_stands_alone(run, here):
    done = run("logit_lens", TEXT, "--json", "--save", "kept")
    found = json.loads(done.out)
    assert Path(found["saved"]) == (here / "kept").resolve()
    assert found["kind"] == "result" and found["views"]["rank"] == "series"
    assert json.loads(run("logit_lens", TEXT, "--json").out)["saved"] is None


def test_a_single_picture(run):
    done = run("logit_lens", TEXT, "--view", "entropy")
    assert "Entropy, by layer" in done.out and "rank, by layer" not in done.out
    views = json.loads(run("logit_lens", TEXT, "--view", "entropy", "--view", "rank", "--json").out)
    assert [one["kind"] for one in views] == ["series", "series"]
    lost = run("logit_lens", TEXT, "--view", "entrpy")
    assert lost.code == 2 and "Did you mean 'entropy'" in lost.err
    assert "rank, by layer" in lost.out, "what was worked out is shown all the same"


def test_the_quiet_are_told_nothing_but_errors(run, here):
    done = run("logit_lens", TEXT, "--quiet", "--save", "kept")
    assert done.err == "" and "Logit lens" in done.out
    assert run("logit_lens", TEXT, "--save", "kept", "--quiet").err.startswith("error: ")


def test_what_was_saved_is_not_replaced_unasked(run, here):
    assert run("logit_lens", TEXT, "--save", "kept").code == 0
    before = Path("kept/result.json").read_bytes()
    again = run("logit_lens", "Then Mary", "--save", "kept")
    assert again.code == 2 and "already holds something" in again.err and again.out == ""
    assert Path("kept/result.json").read_bytes() == before
    assert run("logit_lens", "Then Mary", "--save", "kept", "--overwrite").code == 0
    assert iw.open("kept").provenance.prompt == ["Then Mary"]


@pytest.mark.parametrize(("flag", "place"), [("--html", "folder"), ("--save", "file"), ("--save", "file/below")])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_asked(run, here, flag, place):
    Path("folder").mkdir()
    Path("file").write_text("mine")
    done = run("logit_lens", TEXT, flag, place)
    assert done.code == 2 and done.out == "" and "choose another" in done.err
    assert Path("file").read_text() == "mine"


def test_a_failed_check_is_shown_and_counts_only_when_it_is_asked_to(run):
    # A random model does not do the task, which is a check of its own.
    words = ["--task", "ioi:n=3", "--json"]
    plain, strict = run("evaluate", *words), run("evaluate", *words, "--strict")
    assert "fail" in [one["verdict"] for one in json.loads(plain.out)["checks"]]
    assert (plain.code, strict.code) == (0, 3)
    assert json.loads(strict.out)["data"].keys() == json.loads(plain.out)["data"].keys()
    assert "checks failed" in strict.err
    assert run("logit_lens", TEXT, "--strict").code == 0


# -- artifacts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def text(here):
    (here / "text").mkdir()
    for number in range(3):
        (here / "text" / f"{number}.txt").write_text(f"{TEXT}. Then Tom said a long argument. " * 30)
    return ["--corpus", "text/*.txt, context=16", "--steps", "2", "--contexts", "2", "--positions", "4"]


def test_what_is_fitted_is_kept_in_a_folder_that_is_named(run, text):
    done = run("fit_tuned_lens", *text)
    assert done.code == 0 and "fit_tuned_lens-tiny" in done.err
    lens = iw.open("fit_tuned_lens-tiny")
    assert lens.kind == "tuned-lens" and "tuned-lens" in done.out and "weight" in done.out
    found = json.loads(run("fit_tuned_lens", *text, "--seed", "1", "--json").out)
    assert found["kind"] == "artifact" and found["saved"].endswith("fit_tuned_lens-tiny-2")
    assert found["tensors"]["weight"]["shape"] == list(lens["weight"].shape)


def test_a_fit_in_a_folder_of_its_own_is_found_done_and_used(run, text, tiny):
    first = run("fit_tuned_lens", *text, "--save", "lens")
    stamp = Path("lens/artifact.json").stat().st_mtime_ns
    again = run("fit_tuned_lens", *text, "--save", "lens")
    assert (first.code, again.code) == (0, 0) and Path("lens/artifact.json").stat().st_mtime_ns == stamp
    other = run("fit_tuned_lens", *text, "--save", "lens", "--seed", "5")
    assert other.code == 2 and "already holds something else" in other.err
    assert run("fit_tuned_lens", *text, "--save", "lens", "--seed", "5", "--overwrite").code == 0
    read = json.loads(run("logit_lens", TEXT, "--lens", "lens", "--json").out)
    expected = iw.logit_lens(tiny, TEXT, lens=iw.open("lens"))
    np.testing.assert_array_equal(read["data"]["rank"]["values"], expected.data["rank"].values)
    both = run("fit_tuned_lens", *text, "--save", "lens", "--out", "other")
    assert both.code == 2 and "--out and --save" in both.err
    assert run("fit_tuned_lens", *text, "--out", "third").code == 0 and iw.open("third").kind == "tuned-lens"


# -- what is wrong ----------------------------------------------------------------------------------------------------

PAIR = ["--clean", "a b", "--corrupt", "a c"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["logit_lens"], "takes a prompt in quotes, --prompt, --prompts or --task. None of these was given."),
        (["logit_lens", TEXT, *PAIR], "not --clean"),
        (["logit_lens", TEXT, "--corpus", "x"], "not --corpus"),
        (["logit_lens", TEXT, "--task", "ioi:n=2"], "give it without prompts in quotes"),
        (["logit_lens", "-p", TEXT, "--task", "ioi:n=2"], "without --prompt"),
        (["logit_lens", TEXT, "--target", " Mary", "--target", " Tom"], "2"),
        (["composition", "--prompt", TEXT], "takes nothing but the model, not --prompt"),
        (["activation_patching", "--sites", "z.:"], "takes --clean and --corrupt, --prompts or --task"),
        (["activation_patching", "one", "--sites", "z.:"], "two prompts in quotes"),
        (["activation_patching", "--clean", "a", "--sites", "z.:"], "1 --clean and 0 --corrupt"),
        (["activation_patching", *PAIR, "--sites", "z.99", "--target", " a"], "--sites: layer 99 does not exist"),
        (["activation_patching", *PAIR, "--sites", "residual.1"], "--sites: there is no site called 'residual'"),
        (
            ["activation_patching", *PAIR, "--sites", "z.1", "--direction", "up"],
            "--direction: takes one of denoise, noise",
        ),
        (["activation_patching", *PAIR, "--sites", "z.1", "--top", "few"], "--top: takes a whole number, such as 5"),
        (["activation_patching", *PAIR, "--sites", "z.1", "--top", "1", "--top", "2"], "--top was given 2 times"),
        (["activation_patching", *PAIR, "--sites", "z.1", "--foil", " a"], "--foil is what --target is compared with"),
        (["activation_patching", *PAIR, "--sites", "z.1", "--target", " a", "--metric", "nll"], "not both"),
        (["activation_patching", *PAIR, "--sites", "z.1"], "metric"),
        (["activation_patching", *PAIR], "Missing option '--sites'"),
        (["backward_lens", TEXT, "--foil", " a"], "it has no --foil"),
        (["lens_quality", "x.txt", "--target", " a"], "it has no --target and no --metric"),
        (["evaluate", "-p", TEXT], "has no answer: give --target"),
        (
            ["evaluate", "-p", TEXT, "-p", "a", "-p", "b", "--target", " a", "--target", " b"],
            "2 --target for 3 prompts",
        ),
        (["evaluate", "--task", "ioo:n=2"], "cannot read 'ioo(n=2)' as a task. It can be ioi"),
        (["evaluate", "--task", "ioi:2"], "cannot read 'ioi:2' as a task"),
        (["evaluate", "--task", "ioi:n=2,seed"], "names with values behind the colon"),
        (["evaluate", "--task", "ioi:n=-3"], "n=-3"),
        (["lens_quality"], "takes text files, or --corpus. None of these was given."),
        (["lens_quality", "a.txt", "--corpus", "b.txt"], "not both"),
        (["lens_quality", "none.txt", "-m", "./no/model"], "none.txt"),
        (["logit_lens", TEXT, "--sits", "z.1"], "No such option: --sits (Possible options: --edit, --sites"),
        (["logit_lens", TEXT, "--lens", "nowhere"], "nowhere does not exist"),
        (["logit_lens", TEXT, "--edit", "zap(z.1)"], "cannot read"),
        (["logit_lens", TEXT, "--dtype", "int3"], "There is no dtype 'int3'"),
        (["logit_lens", TEXT, "--device", "abacus"], "The device 'abacus' cannot be used here"),
        (["logit_lens", TEXT, "--revision", "main"], "only hub ids have revisions"),
        (["logit_len", TEXT], "there is no technique 'logit_len'. Did you mean 'logit_lens'?"),
        (["logit_lens", "--prompts", "none.txt"], "none.txt cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_names_the_flag(run, here, words, told):
    done = run(*words)
    assert done.code == 2 and done.out == "", done.err
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.txt", "\n \n", "has no prompts"),
        ("broken.jsonl", '{"prompt": "a"\n', "broken.jsonl, line 1 is no prompt"),
        ("wrong.jsonl", '\n{"prompt": "a", "answer": "b"}\n', "wrong.jsonl, line 2 has prompt, answer"),
        ("pairs.jsonl", '{"clean": "a", "corrupt": "b"}\n', "this takes prompts, and a line has a pair"),
    ],
)
def test_a_file_of_prompts_that_is_none_is_told_by_its_line(run, here, name, content, told):
    Path(name).write_text(content)
    done = run("logit_lens", "--prompts", name)
    assert done.code == 2 and told in done.err


def test_a_file_that_is_not_text(run, here):
    Path("some.txt").write_bytes(b"\xff\xfe\x00")
    assert "is not text in UTF-8" in run("logit_lens", "--prompts", "some.txt").err


def test_wrong_options_are_told_before_a_model_is_looked_for(command, here):
    done = command("run", "logit_lens", TEXT, "--top", "few", "-m", "./there/is/none")
    assert done.code == 2 and "--top" in done.err
    assert "There is no folder" in command("run", "logit_lens", TEXT, "-m", "./there/is/none").err
