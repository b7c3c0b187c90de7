"""The other side's answers: asked once, in an environment of its own, which is made where it is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # `bench` is no part of the package: it is found where the tests are.
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def asked(peer: str, *runs: list[str]) -> None:
    """Run a peer's program in its environment, once for each list of arguments, side by side."""
    from bench.field.environments import NoEnvironment, ensure, python_of

    try:
        ensure(peer)
    except NoEnvironment as error:
        pytest.fail(f"{peer} cannot be installed: {error}")
    started = [
        subprocess.Popen(
            [str(python_of(peer)), str(Path(__file__).parent / f"{peer}_answers.py"), *arguments],
            cwd=ROOT,
            env={**QUIET, **os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for arguments in runs
    ]
    said = [process.communicate()[0] for process in started]
    for process, output in zip(started, said, strict=True):
        assert process.returncode == 0, output


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What TransformerLens answers, by family and question."""
    from safetensors.torch import load_file
    from same_models import FAMILIES

    folder = tmp_path_factory.mktemp("answers")
    files = {family: folder / f"{number}.safetensors" for number, family in enumerate(FAMILIES)}
    asked("transformer_lens", *([family, str(file)] for family, file in files.items()))
    return {family: load_file(file) for family, file in files.items()}


@pytest.fixture(scope="session")
def differs() -> Callable[[str, Any, Any], float]:
    """The largest difference of two arrays of one shape; `make test-peers ARGS=-rP` shows all of them."""
    import numpy as np

    def measured(name: str, theirs: Any, ours: Any) -> float:
        theirs, ours = np.asarray(theirs), np.asarray(ours)
        assert theirs.shape == ours.shape, f"{name}: theirs {theirs.shape}, ours {ours.shape}"
        off = float(abs(theirs - ours).max())
        print(f"{name}: {off:.1e} of {abs(theirs).max():.2f}")
        return off

    return measured
