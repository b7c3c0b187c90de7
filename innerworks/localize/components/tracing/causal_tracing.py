"""Causal tracing: where a subject's clean value, put back into a run on a corrupted subject, brings the answer back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import torch

from innerworks.data.lifting import Prompts
from innerworks.errors import EditError
from innerworks.localize.components.interventions.answer_metric import OF_THE_ANSWER, OfTheAnswer, answer_metric
from innerworks.localize.components.interventions.prompt_places import places_of
from innerworks.localize.components.interventions.windows import windows
from innerworks.localize.components.tracing.token_places import by_place
from innerworks.localize.components.tracing.traced_prompt import Corruption, Trace, TracedPrompt
from innerworks.localize.components.tracing.views import with_views
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.metrics import Metric
from innerworks.model.model import Model
from innerworks.model.sites import Site
from innerworks.model.tokens import Prompt
from innerworks.model.tokens.target_text import TargetText
from innerworks.registry import Cost, technique
from innerworks.results import Check, Result, labelled

__all__ = ["causal_tracing"]

_WEIGHTED = {"score": {"weighted_by": "gap"}}
"""A mean of scores is a ratio of means, so that a prompt whose answer hardly suffers does not spoil it."""


@technique(
    title="Causal tracing",
    section="3.2.2",
    question="Where is what the model knows about the subject read?",
    references=("Meng 2022", "arXiv:2202.05262", "Primer 3.2.2"),
    cost=Cost(forwards="samples × layers × positions from the subject on, each from its layer"),
    finish=with_views,
)
def causal_tracing(
    model: Model,
    prompts: Prompts,
    *,
    subject: Annotated[Sequence[int] | str, "what to corrupt: a role, a text of the prompt, or positions"] = "subject",
    kind: Annotated[Literal["resid_pre", "resid_post", "mlp_out", "attn_out"], "what to restore"] = "resid_post",
    window: Annotated[int | None, "how many layers at once; by default 1, and 10 for mlp_out and attn_out"] = None,
    noise: Annotated[float, "its standard deviation, in those of the subject's own embeddings"] = 3.0,
    samples: Annotated[int, "how many draws of the noise"] = 10,
    seed: Annotated[int, "of the noise"] = 0,
    sever: Annotated[Literal["mlp_out", "attn_out"] | None, "what must not react to a restored state"] = None,
    metric: Annotated[OfTheAnswer | Metric | None, "one of the target's, or any; None: a task's own"] = "prob",
    target: Annotated[Any, TargetText, "the answer: a task brings its own, else it is the most likely token"] = None,
    progress: Progress = None,
) -> Result:
    """At which layer and token the clean state, restored in a run with a corrupted subject, brings the answer back.

    The subject's embeddings get Gaussian noise e ~ N(0, (noise · s)²), in several draws. s is the standard deviation of
    all numbers in the embeddings of this prompt's own subject tokens; Meng et al. take one s for all subjects of their
    set, and noise=3. Then the clean value h[l, i] of `kind` is put back, in each window of layers around l and at each
    token i: metric[l, i] = mean over draws of m(x + e | h[l, i] clean). `effect` = metric - corrupt is their indirect
    effect, `score` = effect / (clean - corrupt): 0 is corrupt, 1 is clean. `metric_spread` is the standard deviation
    over draws. `place` has the effects by the token's place in or behind the subject. With `sever`, what the MLPs (or
    attentions) behind a restored state add at its token is held at its corrupted value. Meng 2022.

    Draws follow from the seed and the prompt's tokens, so an example has the same result alone as in a task.

    What misleads: a restored state carries all that the clean run had there, so late states restore because all has
    been gathered, not because anything is stored there. Noise pushes the model off what it has been trained on, and
    small noise leaves nothing to restore: look at `clean` and `corrupt`, and compare with exchanged subjects
    (activation patching). A window of ten layers smears what one layer does. The score of a prompt whose answer
    hardly suffers is a ratio of small numbers; the mean over a task is a ratio of means.
    """
    around = windows(_layers(model, kind), _width_of_window(window, kind))
    if sever is not None:
        _layers(model, sever)
    corruption = _corruption(noise, samples, seed)
    measure = answer_metric(model, prompts, metric, target)
    traced = [
        TracedPrompt(model, prompt, _subject(prompt, subject), kind, around, sever, corruption) for prompt in prompts
    ]
    traces: list[Trace] = []
    with watched(progress, "causal_tracing", sum(one.variants for one in traced)) as tell:
        done = 0
        for row, one in enumerate(traced):
            traces.append(one.trace(measure, row, len(traced), _onwards(tell, done)))
            done += one.variants
    checks = _checks(traces, kind, sever, named=metric in OF_THE_ANSWER, last=_reads_last(model, prompts, measure))
    said = f", {sever} severed" if sever else ""
    return Result(data=_data(traces, traced, tuple(around)), checks=checks, title=f"Causal tracing of {kind}{said}")


def _subject(prompt: Prompt, subject: Any) -> tuple[int, ...]:
    return tuple(sorted(places_of(prompt, subject, "subject")))


def _onwards(tell: Callable[[int], None], done: int) -> Callable[[int], None]:
    """What is told of the next prompt's variants, counted on from those before."""
    return lambda more: tell(done + more)


def _layers(model: Model, kind: str) -> list[int]:
    model.anatomy.check(Site(kind))
    return model.layers_with(kind)


def _width_of_window(window: int | None, kind: str) -> int:
    if window is not None:
        return window
    return 10 if kind in ("mlp_out", "attn_out") else 1


def _corruption(noise: float, samples: int, seed: int) -> Corruption:
    if not (noise > 0 and math.isfinite(noise)):
        raise EditError(f"noise={noise}: without noise nothing is corrupted and nothing can be restored; 3 is usual.")
    if samples < 1:
        raise EditError(f"samples={samples}: draw the noise at least once.")
    return Corruption(float(noise), samples, seed)


def _reads_last(model: Model, prompts: Prompts, measure: Any) -> bool:
    """Whether the metric reads the last token's logits and no others."""
    where = model.bind(measure, model.batch(list(prompts))).where
    return where in (-1, prompts.width - 1)


def _data(traces: Sequence[Trace], traced: Sequence[TracedPrompt], layers: Sequence[int]) -> dict[str, Any]:
    restored = torch.stack([one.restored for one in traces])
    clean = torch.stack([one.clean for one in traces])
    corrupt = torch.stack([one.corrupt.mean() for one in traces])
    metric = restored.mean(-1)
    effect = metric - corrupt[:, None, None]
    spread = restored.std(-1) if restored.shape[-1] > 1 else torch.full_like(metric, math.nan)
    dims, coords = ("example", "layer", "position"), {"layer": layers}
    whole = (clean - corrupt)[:, None, None]
    grids = {"metric": metric, "effect": effect, "score": effect / whole, "metric_spread": spread}
    each = {
        "clean": clean,
        "corrupt": corrupt,
        "gap": clean - corrupt,
        "noise_std": torch.tensor([one.std for one in traces]),
    }
    return (
        {name: labelled(values, dims, coords=coords, attrs=_WEIGHTED.get(name)) for name, values in grids.items()}
        | {"place": by_place(effect, [one.subject for one in traced], layers)}
        | {name: labelled(values, ("example",)) for name, values in each.items()}
    )


def _checks(traces: Sequence[Trace], kind: str, sever: str | None, *, named: bool, last: bool) -> list[Check]:
    damage = torch.stack([one.clean - one.corrupt.mean() for one in traces])
    spread = max(one.spread / abs(float(lost)) for one, lost in zip(traces, damage, strict=True))
    found = [Check("batches differ by, of what the noise did", spread, 0.01)]
    if named:
        note = "where it is below 0 the noise made the answer more likely, and scores have the wrong sign"
        found.append(Check("the noise takes off the answer at least", float(damage.min()), 0.0, "at least", note))
    if kind == "resid_post" and last:
        off = torch.stack([(one.restored[-1, -1] - one.clean).abs().max() for one in traces])
        share = float((off / damage.abs()).max())
        found.append(Check("the last token's last state restores all but", share, 0.01))
    return found
