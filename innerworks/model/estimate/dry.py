"""A model of the same shape without weights, and passes through it that compute nothing: its own code, with hooks."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from innerworks.errors import BackendError
from innerworks.model.anatomy import Anatomy
from innerworks.model.batch import Batch
from innerworks.model.engine.capture import Collected, Reducer
from innerworks.model.engine.forward import call_model, forward
from innerworks.model.engine.positions import keeper
from innerworks.model.estimate.tracking import Tracked, tracking
from innerworks.model.sites import Site
from innerworks.model.taps import Session
from innerworks.model.taps.patched import Patches

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Dry", "sizes"]


@dataclass
class Dry:
    """A model's twin on the meta device, which stands for it wherever only shapes matter."""

    anatomy: Anatomy
    tracked: Tracked | None = None

    @staticmethod
    def of(anatomy: Anatomy, dtype: Any) -> Dry:
        """The twin, its parameters in the types that the model's own are computed with."""
        import torch

        config = copy.deepcopy(anatomy.module.config)
        config._experts_implementation = "batched_mm"  # the same products, in a form that needs no values
        with torch.device("meta"):
            twin = type(anatomy.module)(config).to(dtype).eval()
        own = dict(anatomy.module.named_parameters())
        for name, parameter in twin.named_parameters():
            of = own[name].dtype if name in own else dtype
            if of.is_floating_point and of.itemsize > 1:
                parameter.data = parameter.data.to(of)
        return Dry(Anatomy(twin.requires_grad_(False), anatomy.family))

    def batch(self, batch: Batch) -> Batch:
        """The same rows without values."""
        return replace(
            batch,
            ids=batch.ids.to("meta"),
            mask=batch.mask.to("meta"),
            positions=batch.positions.to("meta"),
        )

    def session(self, batch: Batch, wanted: Mapping[Site, Reducer | None]) -> tuple[Session, Collected]:
        """A session that captures what is wanted."""
        session, collected = Session(self.anatomy, batch.layout, batch.width), Collected(graph=False)
        collected.ask(session, wanted)
        return session, collected

    def forward(self, session: Session, batch: Batch, *, columns: Any = None, **options: Any) -> Tensor | None:
        """One pass that computes nothing."""
        given = {"attention_mask": self._mask(batch), **(options.pop("arguments", None) or {})}
        keep = keeper(columns, batch.width)
        prepare = [self._reckon_experts, *options.pop("prepare", ())]
        try:
            return forward(
                self.anatomy, session, batch, keep=keep, arguments=given, dry=True, prepare=prepare, **options
            )
        except (RuntimeError, NotImplementedError) as error:
            own = f"the code of {self.anatomy.family.model_type} itself"
            where, advice = (
                ("something in it", "leave out reducers that look at numbers")
                if session.actions and self._runs_plain(batch, given)
                else (own, "measure a short run instead, or estimate a model of this size in another family")
            )
            raise BackendError(
                f"this cannot be estimated, as {where} asks for values, and here are shapes alone ({error}): {advice}."
            ) from error

    def _runs_plain(self, batch: Batch, given: Mapping[str, Any]) -> bool:
        """Whether the model runs where nothing is captured."""
        try:
            call_model(self.anatomy, batch, **given)
        except (RuntimeError, NotImplementedError):
            return False
        return True

    @contextmanager
    def tracking(self) -> Iterator[Tracked]:
        """Count what happens; the twin's own tensors count for nothing."""
        with tracking([*self.anatomy.module.parameters(), *self.anatomy.module.buffers()]) as self.tracked:
            yield self.tracked

    def _reckon_experts(self, patches: Patches) -> None:
        """Experts' memory is reckoned: without values they run in a form that copies their weights for every token."""
        record = self.anatomy.family.experts
        if record is None or record.everywhere or not self.anatomy.routes:
            return
        for layer in self.anatomy.mixture_layers:
            patches.wrap(self.anatomy.part(layer, record.experts), "forward", self._around_experts)

    def _around_experts(self, original: Any, hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        import torch

        tracked = self.tracked
        if tracked is None:
            return original(hidden, *args, **kwargs)
        tracked.paused, before = True, tracked.paused
        try:
            out = original(hidden, *args, **kwargs)
        finally:
            tracked.paused = before
        tokens = hidden.shape[:-1].numel() * self.anatomy.top_k
        each = 3 * self.anatomy.d_expert + 3 * self.anatomy.d_model
        tracked.passing(tokens * each * hidden.element_size(), stays=torch.is_grad_enabled())
        tracked.note(out)
        return out

    def _mask(self, batch: Batch) -> Tensor | None:
        """A mask of a form that models take as it is: looking into one needs values. Without attention, none."""
        import torch

        if not self.anatomy.attention_layers:
            return None
        if self.anatomy.family.alibi:
            return batch.mask
        wide = torch.empty(1, 1, 1, 1, device="meta", dtype=self.anatomy.embedding.weight.dtype)
        return wide.expand(len(batch), 1, batch.width, batch.width)


def sizes(found: Any) -> int:
    """The bytes of tensors in an answer."""
    import torch

    if isinstance(found, torch.Tensor):
        return found.numel() * found.element_size()
    if isinstance(found, Mapping):
        return sum(sizes(value) for value in found.values())
    if isinstance(found, (list, tuple)):
        return sum(sizes(value) for value in found)
    return 0
