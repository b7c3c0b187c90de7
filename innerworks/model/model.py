"""`Model`: a Hugging Face decoder, opened as it is, with named places to read, edit and differentiate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from innerworks.errors import EditError, MetricError, NonFiniteError, NotFiredError, SiteError
from innerworks.model.batch import Batch, Padding
from innerworks.model.described import DescribedModel
from innerworks.model.edits.values import Edit
from innerworks.model.engine.capture import Capture, Collected, as_capture
from innerworks.model.engine.conflicts import resolved
from innerworks.model.engine.differentiated import differentiated, without_blocks
from innerworks.model.engine.forward import forward
from innerworks.model.engine.generate import Generation, NonFiniteStep, generate, generated_layout
from innerworks.model.engine.gradients import Gradients, frozen
from innerworks.model.engine.metering import Meter, metered
from innerworks.model.engine.nonfinite import first_nonfinite
from innerworks.model.engine.positions import keeper, logit_columns, metric_columns
from innerworks.model.engine.progress import Progress
from innerworks.model.engine.run import Run
from innerworks.model.metrics import Bound, Metric, custom
from innerworks.model.taps import Layout, Session

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.estimate import Estimate
    from innerworks.model.sweep import Plan, SweepResult

__all__ = ["Model"]

Edits = Edit | Sequence[Edit]


class Model(DescribedModel):
    """A language model and its tokenizer. Nothing about the wrapped module is changed or replaced.

    `model.run` looks and edits, `model.gradients` differentiates, `model.generate` writes on, `model.sweep` tries
    many edits, `model.with_edits(...)` is the same model under standing edits.
    """

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

    # -- as an option of a technique ----------------------------------------------------------------------------

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Model:
        """The model of a name or a folder, as `iw.load` opens it."""
        from innerworks import load

        return load(text.strip())

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of a model's name."""
        return {
            "type": "string",
            "format": "model",
            "description": "a model: a hub id, a folder, a GGUF file, or a bundled name",
        }

    def written(self) -> str:
        """The name it was opened by."""
        return self.name or self.fingerprint

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
            self.check_start(start, batch, session)
        if frozen_:
            with frozen(self.module):
                out = forward(self.anatomy, session, batch, **options)
        else:
            out = forward(self.anatomy, session, batch, **options)
        session.check_fired()
        return out

    def check_start(self, start: tuple[int, Tensor], batch: Batch, session: Session) -> None:
        """Raise where a run cannot start at that block, or has something to do before it."""
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
        start: tuple[int, Tensor] | None = None,
    ) -> Gradients:
        """The gradient of a metric (summed over rows) at sites, weights frozen: keyed like a Run.

        `.metric` has each row's value and `.run` what was captured in the same pass. `start=(l, stream)` begins at
        block l.
        """
        asked: dict[str, Any] = {"edits": edits, "capture": capture, "padding": padding, "start": start}
        with differentiated(self, prompt, metric, wrt, **asked) as graph:
            return graph.gradients()

    def gradients_without_blocks(
        self,
        prompt: Any,
        metric: Any,
        wrt: Capture,
        *,
        edits: Edits = (),
        capture: Capture = (),
        padding: Padding = "right",
    ) -> Iterator[tuple[int | None, Gradients]]:
        """The gradients, as (None, gradients), and then what they are with one block's writes held still at a time.

        For every block, last to first, (block, gradients) of the sites before it. One forward; each block costs the
        backward of what comes before it.
        """
        yield from without_blocks(self, prompt, metric, wrt, edits=edits, capture=capture, padding=padding)

    def bind(self, metric: Any, batch: Batch) -> Bound:
        """A metric (or a plain function of the last position's logits) for the rows of a batch."""
        if isinstance(metric, Bound):
            return metric
        if not isinstance(metric, Metric) and not callable(metric):
            raise MetricError(f"{metric!r} is not a metric: use iw.logit(...), iw.prob(...), or a function of logits.")
        value = metric if isinstance(metric, Metric) else custom(metric)
        return value.bind(batch, self)

    def measure(self, prompt: Any, metric: Any, *, edits: Edits = (), padding: Padding = "right") -> Tensor:
        """A metric's value for each row, logits computed only where it reads them."""
        import torch

        batch = self.batch(prompt, padding=padding)
        bound = self.bind(metric, batch)
        session = Session(self.anatomy, batch.layout, batch.width)
        self._put(session, edits)
        keep = keeper(metric_columns(batch, bound), batch.width)
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
        except NonFiniteStep as step:
            raise NonFiniteError(first_nonfinite(self, batch, edits, (step.ids, session.layout))) from None
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
        progress: Progress = None,
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

    def metered(self) -> AbstractContextManager[Meter]:
        """A meter of the passes that are run inside a `with` block: `.forwards`, `.backwards`, `.tokens`."""
        return metered()

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
