"""Names that open nothing say why, offline too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from innerworks.errors import LoadError
from innerworks.model.load import AVAILABLE, bundled, open_model
from innerworks.model.load.hub_failure import hub_failure
from innerworks.model.load.tokenizer_files import _FILES


def refused(source: str) -> str:
    with pytest.raises(LoadError) as caught:
        open_model(source)
    return str(caught.value)


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_bundled_name_misspelt_is_suggested_at_once():
    assert "Did you mean the bundled 'smollm2-135m-instruct-q4'" in refused("smollm2-135m-instruct")


def test_paths_that_are_not_there(tmp_path):
    assert "There is no folder" in refused(str(tmp_path / "absent"))
    assert "There is no folder" in refused("./absent")
    assert "There is no file" in refused(str(tmp_path / "absent.gguf"))
    (tmp_path / "weights.bin").write_text("")
    assert "is a file" in refused(str(tmp_path / "weights.bin"))


def test_offline_says_that_the_hub_was_not_reached(offline):
    said = refused("no-such-owner/no-such-model")
    assert "could not be reached" in said
    assert "smollm2-135m-instruct-q4" in said


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_copy(whole_folder, tmp_path, offline):
    """What the hub library keeps of a model it downloaded; gives the copy's folder and how to reach it."""
    kept = tmp_path / "models--owner--model"
    snapshot = Path(shutil.copytree(whole_folder, kept / "snapshots" / COMMIT))
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(COMMIT)
    return snapshot, {"cache_dir": str(tmp_path)}


def test_a_hub_id_opens_offline_from_what_was_downloaded(hub_copy):
    snapshot, reach = hub_copy
    opened = open_model("owner/model", options=reach)
    assert (opened.name, opened.revision) == ("owner/model", COMMIT)
    assert opened.fingerprint == open_model(snapshot).fingerprint
    assert opened.tokenizer("Mary").input_ids
    assert open_model("owner/model", revision=COMMIT, options=reach).revision == COMMIT
    with pytest.raises(LoadError):
        open_model("owner/model", revision="v9", options=reach)


def test_a_tokenizer_that_was_not_downloaded_is_not_taken_for_absent(hub_copy):
    snapshot, reach = hub_copy
    (snapshot / "tokenizer.json").unlink()
    with pytest.raises(LoadError, match="tokenizer=False"):
        open_model("owner/model", options=reach)
    assert open_model("owner/model", tokenizer=False, options=reach).tokenizer is None


def test_a_model_known_to_have_no_tokenizer_opens_without(hub_copy):
    snapshot, reach = hub_copy
    absent = snapshot.parents[1] / ".no_exist" / COMMIT
    absent.mkdir(parents=True)
    (snapshot / "tokenizer.json").unlink()
    for name in _FILES:
        (absent / name).touch()
    assert open_model("owner/model", options=reach).tokenizer is None


def test_half_of_a_download_is_told(hub_copy):
    snapshot, reach = hub_copy
    weights = snapshot / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(LoadError, match="damaged"):
        open_model("owner/model", options=reach)


def hub_error(kind: str) -> Exception:
    from huggingface_hub import errors

    # The constructors want a response, whose class depends on the hub library's version.
    refusal = getattr(errors, kind)
    return refusal.__new__(refusal)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("GatedRepoError", "hf auth login"),
        ("RepositoryNotFoundError", "no public repository"),
        ("RevisionNotFoundError", "no revision 'v9'"),
    ],
)
def test_each_refusal_of_the_hub_has_its_sentence(kind, said):
    try:
        raise OSError("transformers wraps it") from hub_error(kind)
    except OSError as error:
        assert said in str(hub_failure(error, "owner/model", "v9"))


def test_bundled_models_are_listed_with_licence_and_size():
    (only,) = bundled()
    assert only is AVAILABLE["smollm2-135m-instruct-q4"]
    assert only.licence == "Apache-2.0"
    assert only.download_bytes > 90e6
