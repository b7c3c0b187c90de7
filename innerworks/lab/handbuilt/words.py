"""The tokenizer of the hand-built models: words ``t1`` … ``t49`` separated by blanks, and ``<bos>``."""

from __future__ import annotations

from typing import Any

from innerworks.lab.handbuilt.stream import BOS, POSITIONS, VOCABULARY

BOS_WORD = "<bos>"


def word_tokenizer() -> Any:
    """A real ``PreTrainedTokenizerFast``; a word it does not know is an error, never another token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = {BOS_WORD: BOS} | {f"t{number}": number for number in range(1, VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS_WORD} $A", pair=f"{BOS_WORD} $A $B", special_tokens=[(BOS_WORD, BOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS_WORD,
        # Batches need something to pad with, and a token of its own would change the size of the vocabulary.
        pad_token=BOS_WORD,
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
    )
