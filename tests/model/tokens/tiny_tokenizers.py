"""Tokenizers built here, each with one habit that real ones have."""

from __future__ import annotations

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizer, PreTrainedTokenizerFast

SENTENCES = [
    "When Mary and John went to the store, John gave a drink to Mary.",
    "The Eiffel Tower is in Paris, and the Colosseum is in Rome.",
    "user assistant system Hello there",
    "Mary went to the store",
    "John went to Rome",
]

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] | trim }}</s>"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)


def byte_level(*, bos: bool, eos: bool = False, trim_offsets: bool = False) -> PreTrainedTokenizerFast:
    """GPT-2's kind; `bos` and `eos` say what it adds to a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    parts = [processors.ByteLevel(trim_offsets=trim_offsets)]
    if bos or eos:
        single = f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}"
        tokens = [("<s>", 0), ("</s>", 1)]
        parts.append(processors.TemplateProcessing(single=single, special_tokens=tokens))
    tokenizer.post_processor = processors.Sequence(parts)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def metaspace(*, bos: bool = True) -> PreTrainedTokenizerFast:
    """Llama's kind: a space put in front, spaces as ▁, unknown characters as bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    every_byte = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>", "</s>", *every_byte])
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=_bytes_are_ordinary(tokenizer), bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def _bytes_are_ordinary(tokenizer: Tokenizer) -> Tokenizer:
    """Without the mark that training gives the byte tokens, and that real ones do not have."""
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = [one for one in written["added_tokens"] if not one["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(written))


class Slow(PreTrainedTokenizer):
    """One written in Python: a token per character, spaces as ▁, other than ASCII as bytes, no offsets."""

    def __init__(self, **options: object) -> None:
        characters = [
            "<s>",
            "▁",
            *map(chr, range(33, 127)),
            "\n",
            *(f"<0x{byte:02X}>" for byte in range(256)),
        ]
        self._ids = {character: index for index, character in enumerate(characters)}
        super().__init__(bos_token="<s>", **options)

    @property
    def vocab_size(self) -> int:
        return len(self._ids)

    def get_vocab(self) -> dict[str, int]:
        return dict(self._ids)

    def _tokenize(self, text: str, **options: object) -> list[str]:
        return [one for char in text for one in self._tokens_of(char.replace(" ", "▁"))]

    def _tokens_of(self, char: str) -> list[str]:
        return [char] if char in self._ids else [f"<0x{byte:02X}>" for byte in char.encode()]

    def _convert_token_to_id(self, token: str) -> int | None:
        return self._ids.get(token)

    def _convert_id_to_token(self, index: int) -> str:
        return list(self._ids)[index]

    def build_inputs_with_special_tokens(self, ids: list[int], other: object = None) -> list[int]:
        return [0, *ids]


def chatting(template: str = TEMPLATE) -> PreTrainedTokenizerFast:
    """One that adds BOS to a text, with a chat template that writes BOS too."""
    tokenizer = byte_level(bos=True)
    tokenizer.chat_template = template
    return tokenizer
