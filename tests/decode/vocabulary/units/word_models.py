"""Tiny models whose tokens are the words w0, w1, …, so that a text says which ids it is."""

from __future__ import annotations

import families
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import innerworks as iw

KINDS = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral")


def words(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer to which w7 is token 7, with no special tokens."""
    tokenizer = Tokenizer(models.WordLevel({f"w{number}": number for number in range(size)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def tiny(family: str, dtype: torch.dtype = torch.float64) -> iw.Model:
    module = families.module_of(family, dtype=dtype)
    return iw.load(module, tokenizer=words(module.config.vocab_size))


def text(ids) -> str:
    return " ".join(f"w{one}" for one in ids)


def corpus(ids, context: int, **options) -> iw.Corpus:
    """One text of these tokens."""
    return iw.Corpus.of([text(ids)], context=context, **options)


def random_ids(count: int, size: int = 80, seed: int = 0) -> list[int]:
    return torch.randint(2, size, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
