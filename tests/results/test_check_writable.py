"""Whether something could be saved is told before it is worked out."""

from __future__ import annotations

import os

import pytest

from innerworks.errors import FileError
from innerworks.results.folders import check_writable


def test_what_can_be_written_passes_and_leaves_no_trace(tmp_path):
    check_writable(tmp_path / "new", folder=True, overwrite=False)
    check_writable(tmp_path / "a" / "b" / "page.html", folder=False, overwrite=True)
    (tmp_path / "empty").mkdir()
    check_writable(tmp_path / "empty", folder=True, overwrite=False)
    assert [one.name for one in tmp_path.iterdir()] == ["empty"]


def test_what_could_not_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "result.json").write_text("{}")
    for path, folder, told in [
        ("file", True, "is a file, and a folder"),
        ("full", False, "is a folder, and a file"),
        ("full", True, "already holds something"),
        ("file/below", True, "is no folder that may be written to"),
    ]:
        with pytest.raises(FileError, match=told):
            check_writable(tmp_path / path, folder=folder, overwrite=False)
    check_writable(tmp_path / "full", folder=True, overwrite=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the root user may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="may be written to"):
        check_writable(tmp_path / "new", folder=True, overwrite=False)
