"""What each token of a vocabulary stands for: its bytes, and a form of them that can be read.

Decoding a token alone loses what only exists between tokens: sentencepiece drops the leading space, and a
token that holds part of a character becomes a replacement mark. Here a token is read as the bytes it
contributes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

__all__ = ["Vocabulary", "shown", "visible"]

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SIGNS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"})


def visible(piece: str) -> str:
    """A piece of text with its spaces as ␣, line ends as ⏎, tabs as ⇥, and control characters as escapes."""
    signed = piece.translate(_SIGNS)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in signed)


def shown(piece: bytes) -> str:
    """The text of a token; bytes that are no whole character are written <0xE6>."""
    return piece.decode("utf-8", errors=_HANDLER)


class Vocabulary:
    """A tokenizer seen from its tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._byte_level = _is_byte_level(tokenizer)
        added = getattr(tokenizer, "added_tokens_decoder", None) or {}
        self._added = {int(id_): str(token) for id_, token in added.items()}
        marked = {id_ for id_, token in added.items() if getattr(token, "special", False)}
        self.special_ids: frozenset[int] = frozenset(marked | set(tokenizer.all_special_ids))

    def piece(self, token_id: int) -> bytes:
        """The bytes that a token contributes to the text."""
        if token_id in self._added:
            return self._added[token_id].encode()
        token = self._tokenizer.convert_ids_to_tokens(token_id)
        if isinstance(token, bytes):
            return token
        if token is None:
            return f"<no token {token_id}>".encode()
        return self._bytes_of(str(token))

    def pieces(self, ids: Iterable[int]) -> tuple[bytes, ...]:
        """The bytes of each token."""
        return tuple(self.piece(token_id) for token_id in ids)

    def _bytes_of(self, token: str) -> bytes:
        if self._byte_level:
            table = _byte_of_char()
            if all(char in table for char in token):
                return bytes(table[char] for char in token)
            return token.encode()
        one_byte = _BYTE_TOKEN.fullmatch(token)
        if one_byte:
            return bytes([int(one_byte.group(1), 16)])
        return token.replace("▁", " ").encode()


def _is_byte_level(tokenizer: Any) -> bool:
    """Whether tokens are spelled in GPT-2's alphabet of 256 visible characters, one per byte."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return "ByteLevel" in repr(backend.decoder)
    return hasattr(tokenizer, "byte_decoder")


@lru_cache(maxsize=1)
def _byte_of_char() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes stand for themselves, the others for characters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + index): byte for index, byte in enumerate(hidden)})
    return table


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"<0x{byte:02X}>" for byte in error.object[error.start : error.end]), error.end


_HANDLER = "innerworks.spell_out"
codecs.register_error(_HANDLER, _spell_out)
