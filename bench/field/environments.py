"""An environment for each peer, beside the checkout: made once, made again when its file of versions changes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-bench"
PEERS = ("transformer_lens", "nnsight", "pyvene", "tuned_lens")


class NoEnvironment(Exception):
    """A peer could not be installed. The message says why."""


def versions_of(peer: str) -> Path:
    """The file that pins a peer's environment."""
    return ROOT / "bench" / "peers" / f"{peer}.txt"


def python_of(peer: str) -> Path:
    """The interpreter that runs a tool: that of its environment, or the one that runs this."""
    return FOLDER / peer / "bin" / "python" if peer in PEERS else Path(sys.executable)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NoEnvironment(" ".join(errors)[:300] or f"{command[0]} failed with {done.returncode}")


def ensure(peer: str) -> None:
    """Make a peer's environment unless it is there as its file says."""
    if peer not in PEERS:
        return
    pinned, stamp = versions_of(peer), FOLDER / peer / ".versions"
    digest = hashlib.sha256(pinned.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"making .venv-bench/{peer} (minutes, once)", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(FOLDER / peer)])
    _run([str(python_of(peer)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pinned)])
    stamp.write_text(digest)
