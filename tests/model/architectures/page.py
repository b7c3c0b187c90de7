"""docs/architectures.md: what comes of opening every causal architecture of transformers, by opening it.

Run from the root of the repository, `python -m tests.model.architectures.page` writes the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import torch
import transformers
from census import Outcome, outcome
from tiny import MODEL_TYPES

PAGE = Path(__file__).parents[3] / "docs" / "architectures.md"
HEADINGS = {"record": "record", "guessed": "guessed", "refused": "refused", "not built": "not tried"}


def row(found: Outcome) -> str:
    """One architecture's row."""
    said = found.why.replace("|", "/").rstrip(".")
    if found.how in ("record", "guessed"):
        said = "" if not found.lacks else "without " + ", ".join(f"`{name}`" for name in found.lacks)
    return f"| `{found.model_type}` | {HEADINGS[found.how]} | {said} |"


def version() -> str:
    """The line that says which transformers the page is of."""
    return f"Made with transformers {transformers.__version__}."


def page(outcomes: Iterable[Outcome]) -> str:
    """The whole page."""
    found = list(outcomes)
    count = {how: sum(one.how == how for one in found) for how in HEADINGS}
    lines = [
        "# Every architecture of transformers",
        "",
        f"transformers has a causal language model for {len(found)} model types. This page says what comes of opening",
        f"each: {count['record']} by a tested record, {count['guessed']} by a guess, {count['refused']} refused; "
        f"{count['not built']} were not tried.",
        f"{version()} It is made by building each one tiny, with random weights, opening it, and trying what is",
        "promised of an opened model; `make test-all-models` tries it again.",
        "",
        "- **record**: innerworks knows it (see [Supported architectures](support.md) for every place it has).",
        "- **guessed**: its structure is found and checked on its own numbers as it is loaded. For each of these, all",
        "  places that are offered were read without moving a logit, written back without moving a logit, and written",
        "  to with an effect; the contributions add up to the stream; a padded row is what it is alone; sweeps give",
        "  what one run at a time gives, and writing on with a cache what the full pass gives. Places that could not",
        "  be confirmed are refused by name.",
        "- **refused**: opening it says why, as it stands here.",
        "- **not tried**: no tiny one could be built here.",
        "",
        "*Without* names what most transformers have and this one, as opened, has not: asked for, it says why.",
        "A mixture of experts without `shared_out` does more in its MLP than its experts write: the rest of the MLP",
        "is in no site.",
        "",
        "| `model_type` | | |",
        "|---|---|---|",
        *(row(one) for one in found),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    everything = [outcome(model_type) for model_type in MODEL_TYPES]
    for one in everything:
        if one.wrong:
            print(one.model_type, *one.wrong, sep="\n  ")
    PAGE.write_text(page(everything), encoding="utf-8")
