"""`sweep`: one metric under many lists of edits, in as few and as small forwards as give the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from innerworks.errors import EditError, NonFiniteError, OutOfMemoryError
from innerworks.model.edits.values import Edit
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.sites import Site
from innerworks.model.stored import rows_share_rounding
from innerworks.model.sweep.baseline import Baseline, keys_of, run_baseline
from innerworks.model.sweep.batched import run_batched
from innerworks.model.sweep.packed import Suffix, run_packed
from innerworks.model.sweep.plan import (
    Limits,
    Probes,
    batch_limit,
    chosen_plan,
    chunks,
    is_out_of_memory,
    limits_for,
    row_bytes,
)
from innerworks.model.sweep.plan import packing as plan_packing
from innerworks.model.sweep.result import SweepInterrupted, SweepResult
from innerworks.model.sweep.ties import Ties
from innerworks.model.sweep.variants import Variant, can_be_nothing, changes_nothing, comes_too_late, for_row, prepare

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.batch import Batch
    from innerworks.model.metrics import Bound
    from innerworks.model.model import Model

__all__ = ["Plan", "sweep"]

Plan = Literal["auto", "batched", "packed", "single"]


def sweep(
    model: Model,
    prompt: Any,
    variants: Mapping[Hashable, Edit | Iterable[Edit]],
    metric: Any,
    *,
    plan: Plan = "auto",
    max_tokens: int | None = None,
    memory: int | None = None,
    progress: Progress = None,
    cancel: Callable[[], bool] | None = None,
    resume: SweepResult | None = None,
) -> SweepResult:
    """Run every variant on the prompt(s) and return the metric of each, keyed like `variants`.

    Variants start at the block their edits begin in and share forwards; those that only change later positions may
    share the prompt's keys (not in float64, unless `plan="packed"`); those that change nothing are not run.
    `plan="single"` runs them one by one, whole.
    `max_tokens` and `memory` (bytes) bound one forward; out of memory halves them. `cancel` is asked between
    forwards; `resume` takes the partial result of an interrupted sweep.
    """
    import torch

    if not isinstance(variants, Mapping):
        raise EditError(
            "variants is a dict from a key of yours to a list of edits, such as {'no head': [edit.zero(...)]}."
        )
    if plan not in get_args(Plan):
        raise EditError(f"plan={plan!r}: use one of {', '.join(get_args(Plan))}.")
    batch = model.batch(prompt)
    bound = model.bind(metric, batch)
    ready = prepare(model, batch, variants)
    with torch.no_grad(), watched(progress, "sweep", len(ready)) as tick:
        work = _Work(model, batch, bound, ready, plan, limits_for(model, max_tokens, memory), tick, cancel)
        return work.run(str(metric), resume)


@dataclass
class _Work:
    """One sweep under way."""

    model: Model
    batch: Batch
    bound: Bound
    variants: list[Variant]
    plan: Plan
    limits: Limits
    tick: Callable[[int], None]
    cancel: Callable[[], bool] | None
    forwards: int = 0
    tokens: int = 0
    done: dict[Hashable, Tensor] = field(default_factory=dict)
    plans: dict[str, int] = field(default_factory=dict)
    spread: float = 0.0
    probing: bool = True
    """Whether rows without edits ride along."""
    probes: Probes = field(default_factory=Probes)

    def __post_init__(self) -> None:
        self.ties = Ties(self.model.anatomy)
        self.rows_alone = rows_share_rounding(self.model.module)
        self.plan = cast(Plan, chosen_plan(self.model, self.plan))

    def run(self, metric: str, resume: SweepResult | None) -> SweepResult:
        """Baseline, skips, then forwards until every variant has its number."""
        question = (metric, tuple(prompt.ids for prompt in self.batch.prompts))
        if resume is not None and resume.question != question:
            raise EditError(
                "resume= takes a partial result of the same prompt and metric; this one is of "
                f"{resume.metric} on {'other prompts' if resume.question[1] != question[1] else 'these prompts'}."
            )
        baseline = self._baseline()
        if resume is not None:
            self.done.update({k: v for k, v in resume.found.items() if k in {x.key for x in self.variants}})
        standing = {(e.site.name, e.site.layer) for e in self.model.resolved(())}
        skipped = 0
        for variant in self.variants:
            touched = any((e.site.name, e.site.layer) in standing for e in variant.edits)
            nothing = comes_too_late(variant, self.model.anatomy, self.batch, self.bound) or (
                not touched and changes_nothing(variant, baseline.run)
            )
            if variant.key not in self.done and nothing:
                self.done[variant.key] = baseline.values.clone()
                skipped += 1
        baseline.run.captured.clear()
        result = SweepResult(self.done, baseline.values, metric, skipped, plans=self.plans, question=question)
        try:
            self._run_rest(baseline)
        except KeyboardInterrupt:
            self._finish(result)
            raise SweepInterrupted(result, len(self.variants)) from None
        self._finish(result)
        result.found = {variant.key: self.done[variant.key] for variant in self.variants}
        return result

    def _finish(self, result: SweepResult) -> None:
        result.forwards, result.tokens, result.spread = self.forwards, self.tokens, self.spread
        result.notes += self.ties.note + self._doubts(result)

    def _doubts(self, result: SweepResult) -> list[str]:
        """What speaks against the numbers: a row without edits that came out elsewhere, and NaN."""
        import torch

        found = []
        if self.rows_alone and self.plan != "single":
            found.append(
                "this model's 8-bit modules round each row by what is in the others, so rows in a batch are off by "
                "more than the spread shows: use plan='single'."
            )
        scale = max(1.0, float(result.baseline.abs().max()))
        precision = torch.finfo(self.model.dtype)
        if self.spread > (1e4 if precision.bits > 16 else 32) * precision.eps * scale:
            found.append(
                f"a row without edits came out {self.spread:.1e} from the baseline in a batch: do not trust this "
                "sweep, use plan='single', and please report the model."
            )
        broken = [v for v in self.variants if v.key in self.done and bool(self.done[v.key].isnan().any())]
        if broken:
            from innerworks.model.engine.nonfinite import first_nonfinite

            where = first_nonfinite(self.model, self.batch, broken[0].edits)
            found.append(f"{len(broken)} variants gave NaN, the first {broken[0].key!r}: {where}")
        return found

    def _baseline(self) -> Baseline:
        begins = {v.begin for v in self.variants}
        sites: dict[Site, None] = {}
        for variant in self.variants:
            if all(can_be_nothing(edit) for edit in variant.edits):
                sites.update(dict.fromkeys(edit.site.whole for edit in variant.edits))
        room = self.limits.bytes // max(1, row_bytes(self.model, self.batch.width, 0) * len(self.batch))
        held = list(sites) if len(sites) < 20 * max(1, room) else []
        baseline = run_baseline(self.model, self.batch, self.bound, begins, held)
        self.forwards += 1
        self.tokens += self.batch.width * len(self.batch)
        if bool(baseline.values.isnan().any()):
            from innerworks.model.engine.nonfinite import first_nonfinite

            raise NonFiniteError(first_nonfinite(self.model, self.batch))
        return baseline

    # -- forwards -----------------------------------------------------------------------------------------------

    def _run_rest(self, baseline: Baseline) -> None:
        self.tick(len(self.done))
        left = [v for v in self.variants if v.key not in self.done]
        if self.plan == "single":
            self._single(left)
            return
        packing = plan_packing(self.model, self.batch, left, self.bound, self.plan) if self.plan != "batched" else None
        if packing is not None:
            self._packed(packing, baseline)
        else:
            self._batched(left, baseline)

    def _single(self, left: Sequence[Variant]) -> None:
        for variant in left:
            self._check_cancel()
            values = self.model.measure(self.batch, self.bound, edits=variant.edits)
            self._store([variant], values[None], "one by one", self.batch.width * len(self.batch))

    def _batched(self, left: Sequence[Variant], baseline: Baseline) -> None:
        width = self.batch.width * len(self.batch)
        todo = list(left)
        while todo:
            limit = batch_limit(self.model, self.batch, self.bound, self.limits)
            chunk = chunks(todo, lambda v: v.begin, lambda _: width, limit)[0]
            self._check_cancel()
            probe = [Variant("", (), chunk[0].begin)] if self.probing and self.probes.due(len(chunk)) else []
            values = self._within_memory(
                lambda chunk=chunk, probe=probe: run_batched(  # type: ignore[misc]
                    self.model, self.batch, [*chunk, *probe], self.bound, baseline.streams, self.ties
                ),
                len(chunk),
            )
            if values is None:
                continue
            if probe:
                self._note_spread(values[-1] - baseline.values)
            self._store(chunk, values[: len(chunk)], "batched", width * (len(chunk) + len(probe)))
            taken = {id(v) for v in chunk}
            todo = [v for v in todo if id(v) not in taken]

    def _packed(self, packing: Sequence[Sequence[Suffix]], baseline: Baseline) -> None:
        parts: dict[Hashable, list[Tensor]] = {}
        for row, row_suffixes in enumerate(packing):
            end = self.batch.layout.positions(self.bound.last, row)[0] + 1
            for suffix in row_suffixes:
                if suffix.first >= end:
                    parts.setdefault(suffix.variant.key, []).append(baseline.values[row])
            self._packed_row(row, [s for s in row_suffixes if s.first < end], end, baseline, parts)
        left = [s.variant for s in packing[0] if s.variant.key not in self.done]
        for variant in left:
            self.done[variant.key] = _stack(parts[variant.key])

    def _packed_row(
        self, row: int, todo: list[Suffix], end: int, baseline: Baseline, parts: dict[Hashable, list[Tensor]]
    ) -> None:
        if not todo:
            return
        prompt = self.model.batch(self.batch.prompts[row])
        width = prompt.width
        start = self.batch.starts[row]
        streams = {begin: stream[row : row + 1, start : start + width] for begin, stream in baseline.streams.items()}
        keys = keys_of(self.model, prompt)
        self.forwards += 1
        todo = [Suffix(for_row(s.variant, row, len(self.batch)), s.first) for s in todo]
        while todo:
            chunk = chunks(todo, lambda s: s.variant.begin, lambda s: end - s.first, self.limits.tokens)[0]
            self._check_cancel()
            longest = min(s.first for s in chunk)
            due = self.probing and self.probes.due(len(chunk))
            probe = [Suffix(Variant("", (), chunk[0].variant.begin), longest)] if due else []
            values = self._within_memory(
                lambda chunk=chunk, probe=probe: run_packed(  # type: ignore[misc]
                    self.model, prompt, row, [*chunk, *probe], self.bound, streams, keys, self.ties
                ),
                len(chunk),
            )
            if values is None:
                continue
            if probe:
                self._note_spread(values[-1] - baseline.values[row])
            for suffix, value in zip(chunk, values, strict=False):
                parts.setdefault(suffix.variant.key, []).append(value)
            self._count(chunk, "packed", sum(end - s.first for s in [*chunk, *probe]))
            taken = {id(s) for s in chunk}
            todo = [s for s in todo if id(s) not in taken]
            if len(self.batch) == 1:
                self.done.update({s.variant.key: parts[s.variant.key][0][None] for s in chunk})
                self.tick(len(self.done))

    # -- bookkeeping --------------------------------------------------------------------------------------------

    def _within_memory(self, attempt: Callable[[], Tensor], size: int) -> Tensor | None:
        """The attempt's answer, or None after smaller steps were decided on because memory ran out."""
        try:
            return attempt()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if size == 1 and self.probing:
                self.probing = False
                return None
            if size == 1 or not self.limits.halve():
                raise OutOfMemoryError(
                    f"not enough memory for a single variant of {self.batch.width} tokens x {len(self.batch)} prompts: "
                    "sweep fewer or shorter prompts at a time, or load the model in a smaller dtype."
                ) from error
            self.limits.tokens = min(self.limits.tokens, max(1, size * self.batch.width * len(self.batch) // 2))
        return None

    def _check_cancel(self) -> None:
        if self.cancel is not None and self.cancel():
            raise KeyboardInterrupt

    def _store(self, chunk: Sequence[Variant], values: Tensor, plan: str, tokens: int) -> None:
        for variant, value in zip(chunk, values, strict=True):
            self.done[variant.key] = value
        self._count(chunk, plan, tokens)
        self.tick(len(self.done))

    def _note_spread(self, off: Tensor) -> None:
        self.spread = max(self.spread, float(off.abs().max()))

    def _count(self, chunk: Sequence[Any], plan: str, tokens: int) -> None:
        self.forwards += 1 if plan != "one by one" else len(chunk)
        self.tokens += tokens
        self.plans[plan] = self.plans.get(plan, 0) + len(chunk)


def _stack(parts: list[Tensor]) -> Tensor:
    import torch

    return torch.stack(parts)
