"""A tokenizer for models that have only numbers: tools ask for one, and there is no hub to take one from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.field.families import VOCABULARY

FOLDER = Path(__file__).parents[1] / "out" / "weights"


def words(vocabulary: int = VOCABULARY) -> Any:
    """Token 7 is the word "7"; written to a folder once, because some tools read it again from there."""
    import tokenizers
    import transformers

    folder = FOLDER / f"words-{vocabulary}"
    if not (folder / "tokenizer.json").exists():
        words = {str(i): i for i in range(vocabulary)}
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="0")),
            unk_token="0",
            bos_token="1",
            eos_token="2",
            pad_token="0",
        ).save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)
