"""Tokenizers of the kinds there are, trained on the tasks' own words so that most of these are one token.

Every ninth word is left out of the training, so that something has to be dropped.
"""

from __future__ import annotations

import json
import re
from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from innerworks.data.tables import table

KINDS = ("gpt2-like", "digits and bos", "metaspace", "chat")
CHAT = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}{% endfor %}"


@cache
def lines() -> list[str]:
    words: dict[str, None] = {}
    for name in ("names", "nouns", "words", "sequences", "functions", "facts"):
        for word in re.findall(r"[^\W\d_]+", json.dumps(table(name), ensure_ascii=False)):
            words[word] = None
    frame = (
        "When Then After and had a long argument Afterwards said to went the store gave found at it were working "
        "while lasted from year in he she is are was were has have that not Q A def self param goes on like this order"
    )
    kept = [word for place, word in enumerate(words) if place % 9] + frame.split() * 3
    return [f" {word}" for word in kept for _ in range(4)] + [f"{word}" for word in frame.split() for _ in range(3)]


def numbers() -> list[str]:
    """Years as a century and two digits, sums as whole numbers."""
    centuries = [f" {one}" for one in range(11, 19) for _ in range(500)]
    return centuries + [f"{one:02d}" for one in range(100) for _ in range(20)] + [f" {one}" for one in range(100)] * 5


def special_first(tokenizer: Tokenizer, parts: list[object], *, bos: bool, eos: bool = False) -> None:
    if bos or eos:
        single = f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}"
        parts.append(processors.TemplateProcessing(single=single, special_tokens=[("<s>", 0), ("</s>", 1)]))
    if parts:
        tokenizer.post_processor = processors.Sequence(parts)


def byte_level(*, bos: bool, digits: bool, eos: bool = False) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    parted = [pre_tokenizers.Digits(individual_digits=True), split] if digits else [split]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parted)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=9000, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*lines(), *([] if digits else numbers())], trainer)
    special_first(tokenizer, [processors.ByteLevel(trim_offsets=False)], bos=bos, eos=eos)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def metaspace() -> PreTrainedTokenizerFast:
    """Llama's kind: a space put in front, spaces as ▁, digits one by one, unknown characters as bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("▁", behavior="merged_with_next"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Split("\n", behavior="isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    every_byte = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=9000, special_tokens=["<s>", "</s>", "<unk>", *every_byte], show_progress=False
    )
    marks = [' 1 2 3 4 5 6 7 8 9 0 + - = ( ) : , . \n Q: A: """ _'] * 3
    tokenizer.train_from_iterator([*(line.strip() for line in lines()), *marks], trainer)
    special_first(tokenizer, [], bos=True)
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = [one for one in written["added_tokens"] if not one["content"].startswith("<0x")]
    made = Tokenizer.from_str(json.dumps(written))
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def chatting() -> PreTrainedTokenizerFast:
    """An instruct model's: it has a chat template, and starts no text with BOS."""
    tokenizer = byte_level(bos=False, digits=True)
    tokenizer.chat_template = CHAT
    return tokenizer


@cache
def tokenizer_of(kind: str) -> PreTrainedTokenizerFast:
    made = {
        "gpt2-like": lambda: byte_level(bos=False, digits=False),
        "digits and bos": lambda: byte_level(bos=True, digits=True),
        "metaspace": metaspace,
        "chat": chatting,
    }
    return made[kind]()
