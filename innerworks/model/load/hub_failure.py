"""What went wrong between here and the Hugging Face hub, in a sentence."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from innerworks.errors import LoadError
from innerworks.model.load.bundled_models import AVAILABLE

__all__ = ["check_hub_name", "hub_failure"]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def check_hub_name(name: str) -> None:
    """Refuse at once a name that cannot be a hub id: a path that is not there, a bundled name misspelt."""
    close = difflib.get_close_matches(name.lower(), AVAILABLE, n=1, cutoff=0.75)
    if "/" not in name and close:
        raise LoadError(f"There is no model {name!r}. Did you mean the bundled {close[0]!r}?")
    looks_like_path = name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name)
    if looks_like_path:
        raise LoadError(
            f"{name!r} is neither a folder or .gguf file (the current folder is {Path.cwd()}) nor a "
            f"hub id such as 'openai-community/gpt2' nor a bundled model ({', '.join(AVAILABLE)})."
        )


def hub_failure(error: BaseException, name: str, revision: str | None) -> LoadError:
    """The LoadError for what transformers raised while it looked for `name` on the hub."""
    from huggingface_hub import errors as hub

    causes = tuple(_chain(error))

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_any(hub.GatedRepoError):
        return LoadError(
            f"{name!r} is gated: accept its terms at https://huggingface.co/{name}, then log in with `hf auth login`."
        )
    if is_any(hub.RevisionNotFoundError):
        return LoadError(f"{name!r} has no revision {revision!r}. See https://huggingface.co/{name}/tree/main.")
    if is_any(hub.RepositoryNotFoundError, hub.HFValidationError):
        return LoadError(
            f"There is no model {name!r}: no folder of that name in {Path.cwd()}, no public "
            f"repository on the hub, and no bundled model ({', '.join(AVAILABLE)}). For a private "
            "repository log in with `hf auth login`."
        )
    if is_any(hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled, ConnectionError):
        return LoadError(
            f"{name!r} is no local folder, and the Hugging Face hub could not be reached to look for "
            "it. Pass the path of a folder or a .gguf file, or a bundled model, which needs no hub: "
            f"{', '.join(AVAILABLE)}."
        )
    said = f"transformers could not open {name!r}: {first_lines(error)}"
    if "safetensors" not in said:
        return LoadError(said)
    return LoadError(
        f"{said} If the repository has its weights as pickles only, convert them once with transformers: "
        "a pickle runs code when it is opened, so innerworks never opens one."
    )


def first_lines(error: BaseException, count: int = 3) -> str:
    """The type of an error and the beginning of what it says."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(said[:count])}"


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
