"""A tokenizer for models that have only numbers: tools ask for one, and there is no hub to take one from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.field.families import VOCABULARY

FOLDER = Path(__file__).parents[1] / "out" / "weights"


@contextmanager
def written_once(folder: Path, file: str) -> Iterator[Path | None]:
    """A folder to fill, unless `file` is there already; it appears whole, also where two processes write it."""
    if (folder / file).exists():
        yield None
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        part = Path(scratch) / "part"
        part.mkdir()
        yield part
        if not folder.exists():
            part.rename(folder)


def words(vocabulary: int = VOCABULARY) -> Any:
    """Token 7 is the word "7"; read from a folder, because some tools read it again from there."""
    import tokenizers
    import transformers

    folder = FOLDER / f"words-{vocabulary}"
    with written_once(folder, "tokenizer.json") as part:
        if part is not None:
            names = {str(i): i for i in range(vocabulary)}
            transformers.PreTrainedTokenizerFast(
                tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel(names, unk_token="0")),
                unk_token="0",
                bos_token="1",
                eos_token="2",
                pad_token="0",
            ).save_pretrained(part)
    return transformers.AutoTokenizer.from_pretrained(folder)
