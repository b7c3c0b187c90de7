"""`Corpus`: a user's own text, named by files, as contexts of a model's tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from innerworks.data.corpus.contexts import Contexts
from innerworks.data.corpus.documents import Document, documents, files_of
from innerworks.errors import InnerworksError, PromptError

if TYPE_CHECKING:
    from innerworks.model.model import Model
    from innerworks.registry import Technique

__all__ = ["Corpus"]

_SHORTEST = 4
_OPTIONS = re.compile(r"(context|field|limit)\s*=\s*(.*)", re.DOTALL)


@dataclass(frozen=True, init=False)
class Corpus:
    """Text in files, cut into contexts of `context` tokens: `iw.Corpus("text/*.txt")`, a folder, or several of them.

    Files are plain text (a document each), JSON lines or Parquet (a document each line or row, its text in `field`).
    Documents follow one another with the tokenizer's end-of-text token between them. Each context begins with the
    special tokens that the tokenizer puts before a text. `limit` is how many tokens to take at most.
    """

    eats: ClassVar[str] = "Corpus"

    sources: tuple[str, ...]
    context: int
    field: str
    limit: int | None
    texts: tuple[str, ...]

    def __init__(self, *sources: str | Path, context: int = 256, field: str = "text", limit: int | None = None) -> None:
        self._set(tuple(str(one) for one in sources), context, field, limit, ())
        if not sources:
            raise InnerworksError("a corpus needs text: iw.Corpus('text/*.txt'), or iw.Corpus.of(texts).")

    @classmethod
    def of(cls, texts: Iterable[str], *, context: int = 256, limit: int | None = None) -> Corpus:
        """A corpus of texts that are in memory."""
        if isinstance(texts, str):
            texts = [texts]
        if not isinstance(texts, Iterable) or not (texts := tuple(texts)):
            raise InnerworksError(f"a corpus is of texts, as in iw.Corpus.of(['one', 'another']), not of {texts!r}.")
        wrong = [number for number, one in enumerate(texts) if not isinstance(one, str)]
        if wrong:
            raise InnerworksError(f"text {wrong[0]} of the corpus is {texts[wrong[0]]!r}, and no text: leave it out.")
        made = cls.__new__(cls)
        made._set((), context, "text", limit, texts)
        return made

    def _set(
        self, sources: tuple[str, ...], context: int, field: str, limit: int | None, texts: tuple[str, ...]
    ) -> None:
        for name, number in (("context", context), ("limit", 0 if limit is None else limit)):
            if isinstance(number, bool) or not hasattr(number, "__index__"):
                raise InnerworksError(f"{name}={number!r}: give a whole number of tokens, as in {name}=256.")
        if context < _SHORTEST:
            raise InnerworksError(f"context={context}: a context has at least {_SHORTEST} tokens.")
        if limit is not None and limit < context:
            raise InnerworksError(f"limit={limit}: at least one context of {context} tokens, or None for all of them.")
        given = {"sources": sources, "context": context, "field": field, "limit": limit, "texts": texts}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Corpus:
        """The corpus of files, folders or patterns with commas between them: "text/*.txt, context=128, limit=10000"."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        options: dict[str, Any] = {}
        for part in parts:
            if given := _OPTIONS.fullmatch(part):
                name, value = given.groups()
                options[name] = value if name == "field" else _whole(name, value)
        return cls(*(part for part in parts if not _OPTIONS.fullmatch(part)), **options)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of the files' names."""
        about = "text to read: files, folders or patterns such as text/*.txt; context=, field= and limit= may follow"
        return {
            "type": "string",
            "format": "corpus",
            "description": about,
            "examples": ["text/*.txt, context=128, limit=100000"],
        }

    def written(self) -> str:
        """What it was made of, as `parse` reads it; of texts in memory, how many they are."""
        of = ", ".join(self.sources) if self.sources else f"{len(self.texts)} texts"
        usual = {"context": 256, "field": "text", "limit": None}
        return of + "".join(
            f", {name}={getattr(self, name)}" for name, one in usual.items() if getattr(self, name) != one
        )

    @classmethod
    def served(cls, technique: Technique, model: Any, given: Any, options: dict[str, Any], resume: Any = None) -> Any:
        """What the technique gives for a corpus, or for the files that text or paths name."""
        if resume is not None:
            raise InnerworksError(
                f"{technique.name} keeps its progress in a folder: give out=, and the same call goes on from there."
            )
        corpus = cls.taken(given)
        result = technique.function(model, corpus, **options)
        return replace(result, provenance=replace(result.provenance, prompt=corpus.written()))

    @classmethod
    def taken(cls, given: Any) -> Corpus:
        """A corpus as it is, or of files: one path or pattern, or several."""
        if isinstance(given, Corpus):
            return given
        if isinstance(given, str):
            return cls.parse(given)
        if isinstance(given, Path):
            return cls(given)
        if isinstance(given, (list, tuple)) and given and all(isinstance(one, (str, Path)) for one in given):
            return cls(*given)
        raise PromptError(
            f"this goes through a corpus: give iw.Corpus('text/*.txt'), files, or texts as iw.Corpus.of([...]), not "
            f"{type(given).__name__}."
        )

    def documents(self) -> Iterator[Document]:
        """Every text, one after the other."""
        if self.texts:
            yield from (Document(f"text {number}", text) for number, text in enumerate(self.texts))
            return
        for path in files_of(self.sources):
            yield from documents(path, self.field)

    def contexts(self, model: Model) -> Contexts:
        """The text as this model's tokens, in rows of equal length."""
        tokenizer = model.tokenizer
        if tokenizer is None:
            raise PromptError("this model has no tokenizer, so text has no tokens: load it with tokenizer=….")
        longest = model.anatomy.context_length
        if longest is not None and self.context > longest:
            raise PromptError(f"context={self.context}, and the model takes {longest} tokens: give a smaller one.")
        before, between = _before(tokenizer), tokenizer.eos_token_id
        stretch = self.context - len(before)
        if stretch < 1:
            raise InnerworksError(
                f"context={self.context}: the tokenizer alone puts {len(before)} tokens before a text."
            )
        flat = self._flat(tokenizer, [] if between is None else [between], stretch)
        rows = len(flat) // stretch
        if rows == 0:
            fits = len(flat) + len(before)
            shorter = f", or context={fits}" + " or less" * (fits > _SHORTEST) if fits >= _SHORTEST else ""
            raise PromptError(
                f"{self.written()} has {len(flat)} tokens, which is less than one context of {self.context}: give more "
                f"text{shorter}."
            )
        cut = flat[: rows * stretch].reshape(rows, stretch)
        start = np.tile(np.array(before, dtype=cut.dtype), (rows, 1))
        return Contexts(np.concatenate([start, cut], 1), tokenizer, len(flat) - rows * stretch)

    def _flat(self, tokenizer: Any, between: list[int], stretch: int) -> Any:
        """All tokens in a row, as many as the limit needs."""
        pieces: list[Any] = []
        count = 0
        enough = None if self.limit is None else self.limit // self.context * stretch
        for document in self.documents():
            ids = tokenizer(document.text, add_special_tokens=False, verbose=False)["input_ids"]
            joined = (between if pieces else []) + list(ids)
            pieces.append(np.array(joined, dtype=np.int32))
            count += len(joined)
            if enough is not None and count >= enough:
                break
        flat = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32)
        return flat if enough is None else flat[:enough]


def _whole(name: str, value: str) -> int | None:
    if name == "limit" and value == "None":
        return None
    if not value.isdigit():
        raise InnerworksError(f"{name}={value}: give a whole number of tokens, as in {name}=1024.")
    return int(value)


def _before(tokenizer: Any) -> list[int]:
    """The special tokens that the tokenizer puts before a text: those around nothing, less the end of the text."""
    around = list(tokenizer("", add_special_tokens=True)["input_ids"])
    ends = len(around) > 1 or tokenizer.eos_token_id != tokenizer.bos_token_id
    return around[:-1] if around and ends and around[-1] == tokenizer.eos_token_id else around
