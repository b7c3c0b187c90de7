"""What went wrong, in a sentence and an exit code. A traceback is for `--debug`."""

from __future__ import annotations

import errno

from innerworks.errors import InnerworksError, OutOfMemoryError

__all__ = ["BROKEN", "CHECK_FAILED", "STOPPED", "WRONG_INPUT", "failure"]

BROKEN = 1
"""Something is broken or full: the machine, an installation, or innerworks itself."""
WRONG_INPUT = 2
"""What was given does not fit, or cannot be opened."""
CHECK_FAILED = 3
"""With --strict: a check of the result failed."""
STOPPED = 130
"""Ctrl-C."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NETWORK = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib3")
_SAYS_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def failure(problem: BaseException) -> tuple[str, int]:
    """One readable message about a problem, with what to do, and the exit code that goes with it."""
    if isinstance(problem, InnerworksError):
        return str(problem), BROKEN if isinstance(problem, OutOfMemoryError) else WRONG_INPUT
    if _is_out_of_memory(problem):
        return (
            f"there is not enough memory: {_first_line(problem)} Use fewer or shorter prompts, --dtype bfloat16, or a "
            "smaller model.",
            BROKEN,
        )
    if type(problem).__module__.partition(".")[0] in _NETWORK:
        return (
            f"the Hugging Face hub did not answer as it should: {_first_line(problem)} Check the network, or give "
            "--model a folder, a .gguf file or a bundled model (`innerworks models`).",
            BROKEN,
        )
    if isinstance(problem, OSError):
        return _about_a_file(problem), BROKEN
    kind = type(problem).__name__
    return (
        f"this is a mistake of innerworks itself, or of a library it uses: {kind}: {_first_line(problem)} "
        "The same command with --debug shows where; please report that.",
        BROKEN,
    )


def _is_out_of_memory(problem: BaseException) -> bool:
    said = str(problem).lower()
    return isinstance(problem, MemoryError) or (
        isinstance(problem, RuntimeError) and any(words in said for words in _SAYS_NO_MEMORY)
    )


def _about_a_file(problem: OSError) -> str:
    where = f"{problem.filename}: " if problem.filename else ""
    if problem.errno in _FULL:
        return f"{where}the disk is full. Free some space, or choose another place (the cache: INNERWORKS_CACHE)."
    if problem.errno in _FORBIDDEN:
        return f"{where}there is no permission. Choose another place, or change who may read and write there."
    return f"{where}{problem.strerror or _first_line(problem)}."


def _first_line(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    said = lines[0] if lines else type(problem).__name__
    return said if said.endswith((".", "!", "?")) else f"{said}."
