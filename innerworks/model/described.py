"""`DescribedModel`: what a model is, before anything is run on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from innerworks.errors import PromptError, SiteError
from innerworks.model.anatomy import Anatomy, Family
from innerworks.model.batch import Batch, Padding, rows_of
from innerworks.model.edits.values import Edit
from innerworks.model.sites import ALL, Places, Site, at, pick
from innerworks.model.stored import device_of
from innerworks.model.tokens import FirstToken, Pair, Prompt, Whole, all_tokens, check, single_token

if TYPE_CHECKING:
    from innerworks.model.weights import Weights
    from innerworks.results import Result

__all__ = ["DescribedModel"]


class DescribedModel:
    """One model as it is: sizes, places, weights, words and tokens. `Model` can also run."""

    def __init__(
        self,
        module: Any,
        tokenizer: Any = None,
        *,
        name: str = "",
        revision: str | None = None,
        fingerprint: str = "",
        anatomy: Anatomy,
        edits: tuple[Edit, ...] = (),
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.name = name
        self.revision = revision
        self.fingerprint = fingerprint
        self.anatomy = anatomy
        self.edits = edits

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def family(self) -> Family:
        """The record of its architecture."""
        return self.anatomy.family

    @property
    def n_layers(self) -> int:
        """How many blocks it has."""
        return self.anatomy.n_layers

    @property
    def n_heads(self) -> int:
        """How many attention heads a block has."""
        return self.anatomy.n_heads

    @property
    def n_kv_heads(self) -> int:
        """How many key-value heads a block has; fewer than heads where heads share them."""
        return self.anatomy.n_kv_heads

    @property
    def d_head(self) -> int:
        """How wide a head is."""
        return self.anatomy.d_head

    @property
    def n_vocab(self) -> int:
        """How many tokens the model can write."""
        return self.anatomy.n_vocab

    @property
    def d_model(self) -> int:
        """How wide the stream is."""
        return self.anatomy.d_model

    @property
    def device(self) -> Any:
        """Where token ids go."""
        return device_of(self.anatomy.embedding)

    @property
    def dtype(self) -> Any:
        """The type of the stream; weights that are quantised are stored in another."""
        return self.anatomy.embedding.weight.dtype

    @property
    def rounding(self) -> float:
        """The relative step of its numbers: never finer than float32, in which most norms and softmaxes divide."""
        import torch

        return float(torch.finfo(self.dtype if self.dtype.itemsize < 4 else torch.float32).eps)

    @cached_property
    def at(self) -> Places:
        """Like `iw.at`, but refuses at once what this model does not have."""
        return Places(self.anatomy.check)

    @cached_property
    def weights(self) -> Weights:
        """Its weights as lazy, factored views; nothing is changed."""
        from innerworks.model.weights import Weights

        return Weights(self.anatomy)

    def portrait(self) -> Result:
        """What it is, which places it has and why not others, what is refused: to show, save or print as a page."""
        from innerworks.model.portrait import portrait

        return portrait(self)

    def explain(self, site: Site | str) -> str:
        """Which Hugging Face module and tensor a site is, its shape, and what it means."""
        from innerworks.model.explain import explain

        return explain(at(site), self.anatomy)

    def __repr__(self) -> str:
        a = self.anatomy
        standing = f", {len(self.edits)} standing edit(s)" if self.edits else ""
        standing += ", guessed record" if a.family.guessed else ""
        return (
            f"Model({self.name or type(self.module).__name__}: {a.family.model_type}, {a.n_layers} layers x "
            f"{a.n_heads} heads, d={a.d_model}, {self.dtype}, {self.device}{standing})"
        )

    # -- words and tokens ---------------------------------------------------------------------------------------

    def prompt(self, text: Any, *, spans: Mapping[str, Any] | None = None, add_special_tokens: bool = True) -> Prompt:
        """A prompt from text (or ids), with named spans: `model.prompt("…", spans={"subject": "Eiffel Tower"})`."""
        if isinstance(text, Prompt):
            return text
        if isinstance(text, str):
            made = Prompt.of(self.tokenizer, text, spans=spans, add_special_tokens=add_special_tokens)
        else:
            made = Prompt.from_ids(text, self.tokenizer)
            for name, place in (spans or {}).items():
                made = made.with_span(name, place)
        return made

    def chat(self, messages: Sequence[Any], *, add_generation_prompt: bool = True) -> Prompt:
        """A prompt from a conversation, through the model's chat template."""
        return Prompt.chat(self.tokenizer, messages, add_generation_prompt=add_generation_prompt)

    def pair(self, clean: Any, corrupt: Any, **options: Any) -> Pair:
        """A clean and a corrupt prompt, aligned by position (or `align="role"`)."""
        return Pair(self.prompt(clean), self.prompt(corrupt), **options)

    def token(self, text: Any) -> int:
        """The id of a text that is one token, or an error that shows its pieces; of `iw.first_token`, the first."""
        if hasattr(text, "__index__"):
            return self._existing(int(text.__index__()))
        if isinstance(text, Whole):
            self.tokens(text)
        else:
            self._need_tokenizer(text.text if isinstance(text, FirstToken) else text)
        return single_token(self.tokenizer, text)

    def tokens(self, text: Any) -> tuple[int, ...]:
        """The ids that go on with a text, as many as they are: `model.tokens(" New York")`, or of `iw.whole(text)`."""
        content = text.content if isinstance(text, Whole) else text
        if isinstance(content, str):
            self._need_tokenizer(content)
        return tuple(self._existing(one) for one in all_tokens(self.tokenizer, content))

    def _existing(self, index: int) -> int:
        if not 0 <= index < self.anatomy.n_vocab:
            raise PromptError(f"token id {index} does not exist: there are {self.anatomy.n_vocab}.")
        return index

    def _need_tokenizer(self, text: Any) -> None:
        if self.tokenizer is None:
            raise PromptError(
                f"this model has no tokenizer, so {text!r} has no id: give the id, or load(tokenizer=...)."
            )

    def batch(self, prompt: Any, *, padding: Padding = "right") -> Batch:
        """Prompts as tensors on the model's device; may be passed wherever a prompt can."""
        if padding not in get_args(Padding):
            raise PromptError(f"padding={padding!r}: use 'right' or 'left'.")
        if isinstance(prompt, Batch):
            return self._padded_rightly(prompt)
        prompts = [self.prompt(row) for row in rows_of(prompt)]
        for one in prompts:
            check(one, self.anatomy.embedding.weight.shape[0], self.anatomy.context_length)
        device = "cpu" if self.device.type == "meta" else self.device
        return self._padded_rightly(Batch.of(prompts, device, padding))

    def _padded_rightly(self, batch: Batch) -> Batch:
        """The batch itself, unless tokens before a prompt would be read with it."""
        why = self.family.left_padding
        if why is not None and any(batch.starts):
            raise PromptError(
                f"{self.family.model_type} cannot take prompts of unequal length padded on the left: {why}. Run them "
                "on their own (to generate), or padded on the right."
            )
        return batch

    def layers_with(self, kind: str) -> list[int]:
        """The layers that have a kind of site: `at.z[model.layers_with("z")]` names it in all of them."""
        return self.anatomy.layers_with(kind)

    def indices(self, site: Site, dim: str) -> list[int]:
        """The layers or heads a site covers here, so that `at.z[:].each_head(model)` works (see `Site.each`)."""
        if dim == "pos":
            raise SiteError("a model alone has no positions: pass a Run of the prompt, as in each_position(run).")
        if dim == "layer":
            return [one.layer for one in self.anatomy.concrete(site) if isinstance(one.layer, int)]
        return pick(site.unit if site.unit is not None else ALL, self.anatomy.size(dim, site.name), dim)
