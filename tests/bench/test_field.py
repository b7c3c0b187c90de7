"""What the comparison with other tools stands on: its truth is true, its tables say what was measured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]

REFUSED = ["not offered: no such call", "not offered: no such call", "not offered: SDPA forms no pattern"]
"""What plain hooks have no call for: direct effects, attribution patching, patterns under SDPA."""


@pytest.fixture(autouse=True)
def _checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def families() -> list[str]:
    text = (ROOT / "bench" / "field" / "families.py").read_text()
    return re.findall(r'^    "([^"]+)": \(', text, re.MULTILINE)


@pytest.mark.parametrize("family", families())
def test_what_is_called_true_adds_up(family: str) -> None:
    """The stream changes by what the hand-written table says attention and MLP add; z is what the pattern mixes."""
    from bench.field.families import build, ids
    from bench.field.places import Reader

    reader = Reader(build(family))
    found = reader.read(ids())
    for layer in (1, 2):
        change = found["resid_post"][layer] - found["resid_post"][layer - 1]
        added = found["attn_out"][layer] + found["mlp_out"][layer]
        assert torch.allclose(change, added, atol=1e-5 * float(found["resid_post"][layer].abs().max()))
    assert torch.equal(found["logits"], reader.forward(ids()))
    sums = found["pattern"][1].sum(-1)
    assert (sums <= 1 + 1e-5).all() and (sums > 0.02).all()
    assert found["z"][1].shape[:3] == (1, 9, 4)
    # Taking a head away is felt, and putting back what was there is not.
    base = found["logits"][:, -1]
    assert torch.equal(reader.with_head(ids(), 1, 2, found["z"][1]), base)
    assert not torch.allclose(reader.with_head(ids(), 1, 2, 0 * found["z"][1]), base, atol=1e-3)
    assert torch.equal(reader.with_stream(ids(), 1, 8, found["resid_post"][1]), base)
    assert not torch.allclose(reader.with_stream(ids(), 1, 8, 0 * found["resid_post"][1]), base, atol=1e-3)


@pytest.mark.parametrize("tool", ["innerworks", "plain_hooks"])
def test_a_tool_is_compared_on_every_family(tool: str, tmp_path: Path) -> None:
    done = run(f"bench.peers.{tool}", "--parts", "numbers", "traps", "--out", str(tmp_path / f"{tool}.json"))
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / f"{tool}.json").read_text())
    verdicts = {question: verdict for question, (verdict, _) in record["traps"].items()}
    assert len(verdicts) == 15
    if tool == "innerworks":
        assert set(verdicts.values()) <= {"right", "not offered"}, verdicts
        assert [question for question, verdict in verdicts.items() if verdict != "right"] == ["own_scale"]
    rows = record["numbers"]
    assert len(rows) == 12
    for family, row in rows.items():
        assert all(isinstance(value, float) for value in row.values()), (family, row)
        assert all(row[kind] == 0 for kind in ("logits", "resid_post", "attn_out", "mlp_out", "pattern", "z")), family
        assert max(row.values()) < 1e-4, (family, row)


def test_the_gpu_script_says_that_there_is_no_device(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "bench.gpu", "--page", str(page)]
    assert subprocess.run(command, cwd=ROOT, env=hidden, check=False, capture_output=True).returncode == 0
    rows = [line for line in page.read_text().splitlines() if line.startswith("| Llama-3-8B")]
    assert len(rows) == 11 and all("not measured: no CUDA device" in row for row in rows)


@pytest.mark.slow
def test_the_gpu_script_runs_whole_on_a_small_shape(tmp_path: Path) -> None:
    where = ("--device", "cpu", "--shape", "tiny", "--dtype", "float32", "--long", "32", "--pairs", "3")
    tools = ("--only", "innerworks", "plain_hooks", "--out", str(tmp_path), "--page", str(tmp_path / "page.md"))
    done = run("bench.gpu", *where, *tools)
    assert done.returncode == 0, done.stderr
    for tool in ("innerworks", "plain_hooks"):
        record = json.loads((tmp_path / f"{tool}.json").read_text())
        unmeasured = {e["row"] + " " + e["setting"]: e["unmeasured"] for e in record["timings"] if "unmeasured" in e}
        assert len(record["timings"]) == 10
        assert list(unmeasured.values()) == ([] if tool == "innerworks" else REFUSED)
        assert all(e["pairs"] == 3 and 0 < e["low"] <= e["cpu"] <= e["high"] for e in record["timings"] if "cpu" in e)
        assert all(peaks["cache_all"]["kept"] > 0 for peaks in record["memory"].values())
    page = (tmp_path / "page.md").read_text()
    assert "patch every head of two layers, per patch" in page and "attention to the first token" in page


def test_tables_stand_between_their_markers_and_nothing_else_changes(tmp_path: Path) -> None:
    from bench.markers import put

    page = tmp_path / "page.md"
    page.write_text("# A\n\n<!-- one: begin -->\nold\n<!-- one: end -->\n\nafter\n")
    put("one", "new", page)
    put("two", "more", page)
    assert page.read_text() == (
        "# A\n\n<!-- one: begin -->\nnew\n<!-- one: end -->\n\nafter\n\n<!-- two: begin -->\nmore\n<!-- two: end -->\n"
    )


def test_a_refusal_is_shown_as_such() -> None:
    from bench.field import report

    entry = {"setting": "s", "row": "forward", "device": "cpu", "unmeasured": "not offered: no forward"}
    record = {"title": "Tool", "versions": {"tool": "1"}, "notes": {}, "timings": [entry]}
    table = report.timings({"tool": record, "other": {**record, "timings": []}})
    assert "| forward, nothing asked | not offered: no forward | not measured |" in table


def test_a_peer_that_cannot_be_installed_is_not_measured_and_the_table_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.field import __main__ as field
    from bench.field import environments

    pinned = tmp_path / "nnsight.txt"
    pinned.write_text("/no/such/place\n")
    monkeypatch.setattr(environments, "versions_of", lambda peer: pinned)
    monkeypatch.setattr(environments, "FOLDER", tmp_path / "environments")
    monkeypatch.setattr(field, "OUT", tmp_path)
    failed = field.measure(["nnsight"], [], tmp_path)
    assert failed["nnsight"].startswith("cannot be installed: ERROR:")
    field.write(tmp_path / "page.md", failed)
    assert "- nnsight: not measured: cannot be installed: ERROR:" in (tmp_path / "page.md").read_text()


def test_peers_are_measured_on_the_torch_and_transformers_of_this_repository() -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    files = sorted((ROOT / "bench" / "peers").glob("*.txt"))
    assert [path.stem for path in files] == ["nnsight", "pyvene", "transformer_lens", "tuned_lens"]
    for path in files:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        # No build of torch is named, so that a machine with a GPU gets one that can use it.
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
        peers = dict(line.split("==") for line in lines)
        assert (peers["torch"], peers["transformers"]) == (pins["torch"], pins["transformers"])


def test_every_line_that_the_documentation_shows_of_a_peer_is_found() -> None:
    from bench.documented import FRAGMENTS, HEADINGS, lines_of

    shown = {name: lines_of(heading) for name, heading in HEADINGS.items()}
    assert len(shown["transformer_lens"]) >= 15 and len(shown["nnsight"]) >= 9
    assert set(FRAGMENTS) <= {line for lines in shown.values() for line in lines}
