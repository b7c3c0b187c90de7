"""What the cache holds is told as it is, and removed whole."""

from __future__ import annotations

import json

import pytest
from filelock import FileLock

import innerworks as iw
from innerworks.errors import LoadError
from innerworks.model.load.cache import kept, lock_path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INNERWORKS_CACHE", str(tmp_path / "cache"))
    return iw.cache_dir()


def made(cache, name="mine-1", kind="gguf"):
    def build(part):
        (part / "weights").write_text("numbers")
        return {"file": "mine.gguf", "sha256": "0" * 64}

    return kept(cache / kind / name, build)


def test_an_empty_cache_has_none_and_is_not_made(cache):
    assert iw.kept_models() == () and not cache.exists()


def test_a_kept_model_says_where_it_is_from_and_what_it_takes(cache):
    folder = made(cache)
    (one,) = iw.kept_models()
    assert (one.name, one.kind, one.origin, one.folder) == ("mine-1", "gguf", "mine.gguf", folder)
    assert one.bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert one.damage() is None and one.damage(thorough=True) is None


def test_damage_is_seen_by_size_at_once_and_by_content_when_asked(cache):
    folder = made(cache)
    (one,) = iw.kept_models()
    (folder / "weights").write_text("numbres")
    assert one.damage() is None and "sha256 differs" in one.damage(thorough=True)
    (folder / "weights").write_text("short")
    assert "has 5 bytes instead of 7" in one.damage()
    (folder / "innerworks.json").write_text("[1]")
    (again,) = iw.kept_models()
    assert again.origin == "unknown" and "not readable" in again.damage(thorough=True)


def test_a_bundled_model_whose_manifest_is_gone_is_known_by_its_folder(cache):
    bundled = iw.bundled()[0]
    folder = made(cache, f"{bundled.name}-{bundled.sha256[:8]}-1", "bundled")
    (folder / "innerworks.json").unlink()
    (one,) = iw.kept_models()
    assert (one.name, one.kind) == (bundled.name, "bundled") and "missing" in one.damage()


def test_removing_leaves_nothing_of_it_and_everything_else(cache):
    first, second = made(cache, "a-1"), made(cache, "b-1")
    size = iw.kept_models()[0].bytes
    assert iw.kept_models()[0].remove() == size
    assert not first.exists() and second.exists()
    assert [path.name for path in first.parent.iterdir() if not path.name.startswith(".")] == ["b-1"]
    assert json.loads((second / "innerworks.json").read_text())["files"]


def test_what_another_process_is_making_is_not_removed(cache):
    folder = made(cache)
    with FileLock(str(lock_path(folder))), pytest.raises(LoadError, match="being prepared by another process"):
        iw.kept_models()[0].remove()
    assert folder.exists()
