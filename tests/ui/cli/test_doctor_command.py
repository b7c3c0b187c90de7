"""`innerworks doctor` finds what is broken, says what to do, and ends with 1; what is whole ends with 0."""

from __future__ import annotations

import json

import pytest
import torch

import innerworks as iw
from innerworks.model.load.cache import kept
from innerworks.ui.cli.doctor import installed, machine, self_check
from innerworks.ui.cli.doctor.installed import fits


@pytest.fixture(autouse=True)
def no_bundled_model(here, monkeypatch):
    """A cache of its own, so that the self-check takes the small random model, and is quick."""
    monkeypatch.setenv("INNERWORKS_CACHE", str(here / "cache"))
    return here / "cache"


def findings(done):
    return {one["name"]: one for one in json.loads(done.out)["findings"]}


def test_a_whole_installation_is_told_to_be_whole(command):
    done = command("doctor", "--json")
    found = findings(done)
    assert done.code == 0 and json.loads(done.out)["broken"] == 0, done.out
    assert {"python", "torch", "transformers", "devices", "threads", "free disk"} <= found.keys()
    proofs = [one for one in found.values() if one["part"] == "self-check on cpu"]
    assert len(proofs) == 6 and all(one["state"] == "fine" for one in proofs)
    assert found["smollm2-135m-instruct-q4"]["state"] == "note"
    assert found["smollm2-135m-instruct-q4"]["fix"] == "innerworks models add smollm2-135m-instruct-q4"
    told = command("doctor")
    assert told.code == 0 and "all is well" in told.out and "\x1b" not in told.out


@pytest.mark.weights
def test_the_self_check_holds_on_the_bundled_model(monkeypatch):
    monkeypatch.delenv("INNERWORKS_CACHE")
    assert [one.said for one in self_check.self_check("cpu") if one.state == "broken"] == []
    assert machine.usable_bundled() == "smollm2-135m-instruct-q4"


def broken(done):
    assert done.code == 1
    return {name: one for name, one in findings(done).items() if one["state"] == "broken"}


def test_a_missing_and_an_old_package_are_told_with_what_to_install(command, monkeypatch):
    needs = {"": [("nothing-like-it", ">=3"), ("rich", ">=99"), ("numpy", ">=1")], "parquet": [("none-such", "")]}
    monkeypatch.setattr(installed, "_declared", lambda: (needs, ">=3.11"))
    found = broken(command("doctor", "--json"))
    assert found["nothing-like-it"]["fix"] == "pip install 'nothing-like-it>=3'"
    assert "and >=99 is supported" in found["rich"]["said"] and set(found) == {"nothing-like-it", "rich"}
    told = command("doctor")
    assert "fix: pip install 'rich>=99'" in told.out and "2 broken" in told.out
    assert "pip install 'innerworks[parquet]'" in told.out


def test_a_damaged_bundled_model_is_found_by_its_sha256(command, no_bundled_model):
    bundled = iw.bundled()[0]

    def build(part):
        (part / "weights").write_text("a" * 100)
        return {"name": bundled.name, "package": bundled.requirement}

    folder = kept(no_bundled_model / "bundled" / f"{bundled.name}-{bundled.sha256[:8]}-1", build)
    (folder / "weights").write_text("a" * 99 + "b")
    assert iw.kept_models()[0].damage() is None, "its size is right"
    found = broken(command("doctor", "--json"))[bundled.name]
    assert "weights is not what was written" in found["said"]
    assert found["fix"].endswith(f"--yes && innerworks models add {bundled.name}")


@pytest.mark.parametrize(
    ("proof", "spoil"),
    [
        ("logits are bit for bit the plain model's", "logits"),
        ("what is captured is what the model says", "capture"),
        ("an edit does what a hook by hand does", "edit"),
    ],
)
def test_a_self_check_that_fails_is_told_by_name(command, monkeypatch, proof, spoil):
    plain = self_check._plain

    def spoiled(model, ids, **more):
        out = plain(model, ids, **more)
        if spoil == "capture" and "output_hidden_states" in more:
            out.hidden_states = tuple(state + 1 for state in out.hidden_states)
        if (spoil == "logits" and not more) or (spoil == "edit" and not more):
            out.logits = out.logits + 1e-6
        return out

    monkeypatch.setattr(self_check, "_plain", spoiled)
    assert proof in broken(command("doctor", "--json"))


def test_an_error_in_a_proof_is_a_finding_and_no_traceback(command, monkeypatch):
    def fails(model, ids):
        raise RuntimeError("no such kernel")

    monkeypatch.setitem(self_check._PROOFS, "parts add up to the logit", fails)
    found = broken(command("doctor", "--json"))
    assert found["parts add up to the logit"]["said"] == "RuntimeError: no such kernel"
    monkeypatch.setattr(self_check, "_opened", lambda device: fails(None, None))
    assert "opening a model" in broken(command("doctor", "--json"))


def test_every_accelerator_s_first_device_is_checked_too(command, monkeypatch):
    monkeypatch.setattr("innerworks.ui.cli.doctor.examination.accelerators", lambda: ["meta:0", "meta:1"])
    parts = {one["part"] for one in json.loads(command("doctor", "--json").out)["findings"]}
    assert {"self-check on cpu", "self-check on meta:0"} <= parts and "self-check on meta:1" not in parts


@pytest.mark.parametrize(
    ("version", "bounds", "is_within"),
    [
        ("2.13.0+cpu", ">=2.6", True),
        ("2.5.9", ">=2.6", False),
        ("5.18", ">=5.18.0,<6", True),
        ("6.0.0rc1", ">=5.18,<6", False),
        ("10.0", ">=9.2", True),
        ("1.4.0", "==1.4", True),
        ("anything", "", True),
    ],
)
def test_versions_are_compared_as_numbers(version, bounds, is_within):
    assert fits(version, bounds) is is_within


def test_threads_are_those_of_torch(command):
    assert findings(command("doctor", "--json"))["threads"]["said"].startswith(f"{torch.get_num_threads()} of ")


def test_what_is_needed_is_read_from_a_checkout_and_from_metadata_alike(monkeypatch):
    needs, python = installed._declared()
    lines = [f"{name}{bounds}" for name, bounds in needs[""]]
    lines += [f"{name}{bounds}; extra == '{extra}'" for extra in needs if extra for name, bounds in needs[extra]]
    monkeypatch.setattr(installed, "_checkout", lambda file: None)
    monkeypatch.setattr(installed.metadata, "requires", lambda name: lines)
    monkeypatch.setattr(installed.metadata, "metadata", lambda name: {"Requires-Python": python})
    assert installed._declared() == (needs, python)
    assert ("torch", ">=2.6") in needs[""] and "pyarrow" in dict(needs["parquet"])


def test_a_project_file_of_something_else_is_not_ours(here):
    (here / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert installed._checkout(here / "pyproject.toml") is None
    assert installed._checkout(here / "none.toml") is None
