"""`Model`: a Hugging Face decoder, opened as it is, with named places to read, edit and differentiate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from innerworks.errors import EditError, MetricError, NonFiniteError, NotFiredError, PromptError, SiteError
from innerworks.model.anatomy import Anatomy, Family
from innerworks.model.batch import Batch, Padding, rows_of
from innerworks.model.edits.values import Edit
from innerworks.model.engine.capture import Capture, Collected, as_capture
from innerworks.model.engine.conflicts import resolved
from innerworks.model.engine.forward import forward
from innerworks.model.engine.generate import Generation, generate, generated_layout
from innerworks.model.engine.gradients import Gradients, frozen, in_basis, pulled
from innerworks.model.engine.nonfinite import first_nonfinite
from innerworks.model.engine.positions import keeper, logit_columns
from innerworks.model.engine.run import Run
from innerworks.model.metrics import Bound, Metric, custom
from innerworks.model.sites import ALL, Places, Site, at, pick
from innerworks.model.stored import device_of
from innerworks.model.taps import Layout, Session
from innerworks.model.tokens import Pair, Prompt, check, single_token

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.estimate import Estimate
    from innerworks.model.sweep import Plan, SweepResult
    from innerworks.model.weights import Weights

__all__ = ["Model"]

Edits = Edit | Sequence[Edit]


class Model:
    """A language model and its tokenizer. Nothing about the wrapped module is changed or replaced.

    `model.run` looks and edits, `model.gradients` differentiates, `model.generate` writes on, `model.sweep` tries
    many edits, `model.with_edits(...)` is the same model under standing edits.
    """

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

    @cached_property
    def at(self) -> Places:
        """Like `iw.at`, but refuses at once what this model does not have."""
        return Places(self.anatomy.check)

    @cached_property
    def weights(self) -> Weights:
        """Its weights as lazy, factored views; nothing is changed."""
        from innerworks.model.weights import Weights

        return Weights(self.anatomy)

    def explain(self, site: Site | str) -> str:
        """Which Hugging Face module and tensor a site is, its shape, and what it means."""
        from innerworks.model.explain import explain

        return explain(at(site), self.anatomy)

    def with_edits(self, *edits: Edit) -> Model:
        """The same model under standing edits: steering and ablation are nothing more."""
        resolved([*self.edits, *edits], self.anatomy)
        return Model(
            self.module,
            self.tokenizer,
            name=self.name,
            revision=self.revision,
            fingerprint=self.fingerprint,
            anatomy=self.anatomy,
            edits=(*self.edits, *edits),
        )

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
        """The id of a text that is one token, or an error that shows its pieces."""
        if hasattr(text, "__index__"):
            index = int(text.__index__())
            if not 0 <= index < self.anatomy.n_vocab:
                raise PromptError(f"token id {index} does not exist: there are {self.anatomy.n_vocab}.")
            return index
        if self.tokenizer is None:
            raise PromptError(
                f"this model has no tokenizer, so {text!r} has no id: give the id, or load(tokenizer=...)."
            )
        return single_token(self.tokenizer, text)

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

    # -- running ------------------------------------------------------------------------------------------------

    def run(
        self,
        prompt: Any,
        *,
        capture: Capture = (),
        edits: Edits = (),
        logits: Any = "all",
        start: tuple[int, Tensor] | None = None,
        grad: bool = False,
        nan: str = "raise",
        padding: Padding = "right",
    ) -> Run:
        """Run the model on a prompt (or several) and return what was asked for.

        `capture` names sites, or maps sites to reducers. `logits` is "all", "last", positions, or None, when the
        model stops after the deepest captured site. `start=(l, stream)` begins at block l. `grad=True` keeps the
        graph (weights frozen) so that edit tensors can be differentiated. `nan="allow"` returns NaN unremarked.
        """
        import torch

        batch = self.batch(prompt, padding=padding)
        wanted = as_capture(capture, self.anatomy) if capture else {}
        session = Session(self.anatomy, batch.layout, batch.width)
        if nan not in ("raise", "allow"):
            raise SiteError(f"nan={nan!r}: use 'raise' or 'allow'.")
        self._put(session, edits)
        collected = Collected(graph=grad)
        collected.ask(session, wanted)
        if logits is None and not wanted:
            raise SiteError("nothing was asked for: give capture=[...], or logits='all', 'last' or positions.")
        keep = None if logits is None else keeper(logit_columns(batch, logits), batch.width)
        with torch.set_grad_enabled(grad):
            out = self._forward(session, batch, keep=keep, logits=logits is not None, start=start, frozen_=grad)
        return Run(
            self.anatomy,
            batch,
            collected.tensors,
            out,
            reduced=collected.reduced,
            locate_nonfinite=None if nan == "allow" else lambda: first_nonfinite(self, batch, edits),
            kept=logits,
        )

    def _put(self, session: Session, edits: Edits) -> None:
        if self.edits or edits:
            for edit in self.resolved(edits, session.layout.lengths):
                session.edit(edit)

    def _forward(self, session: Session, batch: Batch, *, frozen_: bool = False, **options: Any) -> Tensor | None:
        start = options.get("start")
        if start is not None:
            self._check_start(start, batch, session)
        if frozen_:
            with frozen(self.module):
                out = forward(self.anatomy, session, batch, **options)
        else:
            out = forward(self.anatomy, session, batch, **options)
        session.check_fired()
        return out

    def _check_start(self, start: tuple[int, Tensor], batch: Batch, session: Session) -> None:
        layer, stream = start
        for action in session.actions:
            block = self.anatomy.block_of(action.site)
            if block < layer and (block >= 0 or action.site.name != "module"):
                raise NotFiredError(f"{action.site} comes before block {layer}, where this run starts: it never ran.")
        if not 0 <= layer < self.n_layers:
            raise SiteError(f"start at block {layer}: there are {self.n_layers}, numbered from 0.")
        expected = (len(batch), batch.width, self.d_model)
        if tuple(stream.shape) != expected:
            raise SiteError(
                f"start needs a stream of shape {expected} (rows, positions, d), got {tuple(stream.shape)}."
            )

    def gradients(
        self,
        prompt: Any,
        metric: Any,
        wrt: Capture,
        *,
        edits: Edits = (),
        capture: Capture = (),
        padding: Padding = "right",
    ) -> Gradients:
        """The gradient of a metric (summed over rows) at sites, weights frozen: keyed like a Run.

        `.metric` has each row's value and `.run` what was captured in the same pass.
        """
        import torch

        batch = self.batch(prompt, padding=padding)
        bound = self.bind(metric, batch)
        sites = list(as_capture(wrt, self.anatomy))
        wanted = as_capture(capture, self.anatomy)
        session = Session(self.anatomy, batch.layout, batch.width)
        self._put(session, edits)
        wholes = list(dict.fromkeys(site.whole for site in sites))
        kept = [(whole, session.keep(whole)) for whole in wholes]
        collected = Collected(graph=False)
        needs_values = {s.whole: None for s in sites if s.basis is not None}
        collected.ask(session, {**needs_values, **wanted})
        keep = keeper(self._metric_columns(bound, batch), batch.width)
        with torch.enable_grad(), frozen(self.module):
            logits = forward(self.anatomy, session, batch, keep=keep)
            session.check_fired()
            assert logits is not None
            values = bound(logits)
            found = pulled(session, values, kept)
        self._finite(values, batch, edits)
        out = Gradients(self.anatomy, batch, found, None)
        for site in sites:
            if site.basis is not None:
                plain = replace(site, basis=None, feature=None)
                values_there = Run(self.anatomy, batch, collected.tensors, None)[plain]
                out.captured[site] = in_basis(site, out[plain], values_there)
        out.metric = values.detach()
        out.run = Run(self.anatomy, batch, collected.tensors, logits.detach(), reduced=collected.reduced)
        return out

    def bind(self, metric: Any, batch: Batch) -> Bound:
        """A metric (or a plain function of the last position's logits) for the rows of a batch."""
        if isinstance(metric, Bound):
            return metric
        if not isinstance(metric, Metric) and not callable(metric):
            raise MetricError(f"{metric!r} is not a metric: use iw.logit(...), iw.prob(...), or a function of logits.")
        value = metric if isinstance(metric, Metric) else custom(metric)
        return value.bind(batch, self.token)

    @staticmethod
    def _metric_columns(bound: Bound, batch: Batch) -> list[list[int]] | None:
        return None if bound.where == "all" else logit_columns(batch, bound.where)

    def measure(self, prompt: Any, metric: Any, *, edits: Edits = (), padding: Padding = "right") -> Tensor:
        """A metric's value for each row, logits computed only where it reads them."""
        import torch

        batch = self.batch(prompt, padding=padding)
        bound = self.bind(metric, batch)
        session = Session(self.anatomy, batch.layout, batch.width)
        self._put(session, edits)
        keep = keeper(self._metric_columns(bound, batch), batch.width)
        with torch.no_grad():
            logits = self._forward(session, batch, keep=keep)
            assert logits is not None
            values = bound(logits)
        self._finite(values, batch, edits)
        return values

    def _finite(self, values: Tensor, batch: Batch, edits: Edits) -> None:
        if bool(values.isnan().any()):
            raise NonFiniteError(first_nonfinite(self, batch, edits))

    def generate(
        self,
        prompt: Any,
        *,
        max_new_tokens: int = 20,
        edits: Edits = (),
        capture: Capture = (),
        sample: bool = False,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        seed: int | None = None,
        use_cache: bool = True,
        stop_at_eos: bool = True,
        options: Mapping[str, Any] | None = None,
    ) -> Generation:
        """Write on from a prompt with the model's own `generate`, under edits, capturing at every position fed.

        Positions are those of the prompt and continue into the text: `@ slice(5, None)` covers what is generated,
        `@ -1` is the prompt's last token. Greedy unless `sample=True`. `options` go to transformers as they are.
        """
        from innerworks.model.engine.decoding import decoding_config, seeded, split_new, without_stop

        batch = self.batch(prompt, padding="left")
        if batch.last_columns != [batch.width - 1] * len(batch):
            batch = self.batch(batch.prompts, padding="left")
        wanted = as_capture(capture, self.anatomy) if capture else {}
        session = Session(self.anatomy, batch.layout.growing(max_new_tokens), batch.width)
        self._put(session, edits)
        config = decoding_config(
            self.module,
            batch,
            max_new_tokens=max_new_tokens,
            sample=sample,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            use_cache=use_cache,
            stop_at_eos=stop_at_eos,
        )
        try:
            with seeded(seed, self.device):
                ids, captured, reduced = generate(self.anatomy, session, batch, wanted, config, options or {})
        except NonFiniteError:
            raise NonFiniteError(first_nonfinite(self, batch, edits)) from None
        session.check_fired()
        new = split_new(ids, batch, config)
        layout = generated_layout(batch, new, ids.shape[1] - 1)
        out = Generation(self.anatomy, batch, captured, None, reduced=reduced, layout=layout, output_ids=ids)
        out.new_ids = new
        out.texts = (
            None if self.tokenizer is None else [self.tokenizer.decode(row) for row in without_stop(new, config)]
        )
        return out

    def sweep(
        self,
        prompt: Any,
        variants: Mapping[Any, Edits],
        metric: Any,
        *,
        plan: Plan = "auto",
        max_tokens: int | None = None,
        memory: int | None = None,
        progress: bool | Callable[[int, int], None] | None = None,
        cancel: Callable[[], bool] | None = None,
        resume: SweepResult | None = None,
    ) -> SweepResult:
        """A metric under many lists of edits, answered keyed like `variants`; see `innerworks.model.sweep.sweep`."""
        from innerworks.model.sweep import sweep

        return sweep(
            self,
            prompt,
            variants,
            metric,
            plan=plan,
            max_tokens=max_tokens,
            memory=memory,
            progress=progress,
            cancel=cancel,
            resume=resume,
        )

    def estimate(self, prompt: Any, **asked: Any) -> Estimate:
        """What a run, gradients, a generation or a sweep would cost, from `innerworks.model.estimate`."""
        from innerworks.model.estimate import estimate

        return estimate(self, prompt, **asked)

    def indices(self, site: Site, dim: str) -> list[int]:
        """The layers or heads a site covers here, so that `at.z[:].each_head(model)` works (see `Site.each`)."""
        if dim == "pos":
            raise SiteError("a model alone has no positions: pass a Run of the prompt, as in each_position(run).")
        if dim == "layer":
            return [one.layer for one in self.anatomy.concrete(site) if isinstance(one.layer, int)]
        return pick(site.unit if site.unit is not None else ALL, self.anatomy.size(dim, site.name), dim)

    # -- for the engine's other parts ---------------------------------------------------------------------------

    def session(self, batch: Batch, layout: Layout | None = None) -> Session:
        """A session on this model for a batch, standing edits not yet put on."""
        return Session(self.anatomy, layout or batch.layout, batch.width)

    def resolved(self, edits: Edits, lengths: Sequence[int] = ()) -> list[Edit]:
        """Edits in single layers, checked against the model and each other, standing edits first."""
        if isinstance(edits, Edit):
            edits = [edits]
        if not isinstance(edits, Sequence):
            raise EditError(f"edits are a list such as [edit.zero(at.z[5, 3])], got {edits!r}.")
        return resolved([*self.edits, *edits], self.anatomy, lengths)
