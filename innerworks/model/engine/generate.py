"""Generation with edits and captures under the KV cache, at absolute positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from innerworks.errors import SiteError
from innerworks.model.engine.capture import Reducer, own
from innerworks.model.engine.forward import evaluating
from innerworks.model.engine.run import Run
from innerworks.model.sites import Site
from innerworks.model.taps import Layout, Session
from innerworks.model.taps.patched import Patches

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.anatomy import Anatomy
    from innerworks.model.batch import Batch

__all__ = ["Generation", "generate"]


class Generation(Run):
    """A Run over prompt and continuation: `.texts`, `.new_ids` (one list a row), and captures at every position fed."""

    texts: list[str] | None
    new_ids: list[list[int]]


class _Chunks:
    """A site's values from the prompt's pass and from each step after it."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, Tensor]] = []

    def reader(self, session: Session) -> Any:
        def keep(values: Tensor) -> None:
            if session.window.offset == 0:
                self.pieces.clear()
            self.pieces.append((session.window.offset, own(values, graph=False)))

        return keep

    def joined(self, site: Site) -> Tensor:
        """All pieces along positions; patterns of early steps padded with zeros (scores: with the lowest number)."""
        import torch

        tensors = [t for _, t in self.pieces]
        dims = site.kind.dims or ("batch", "pos", "d")
        if "key" not in dims:
            if site.name == "k_rot":
                return tensors[-1]
            return torch.cat(tensors, dims.index("pos"))
        width = max(t.shape[-1] for t in tensors)
        fill = 0.0 if site.name == "pattern" else torch.finfo(tensors[0].dtype).min
        padded = [torch.nn.functional.pad(t, (0, width - t.shape[-1]), value=fill) for t in tensors]
        return torch.cat(padded, dims.index("query"))


def generate(
    anatomy: Anatomy,
    session: Session,
    batch: Batch,
    wanted: Mapping[Site, Reducer | None],
    config: Any,
    options: Mapping[str, Any],
) -> tuple[Tensor, dict[Site, Tensor], dict[Site, Any]]:
    """Run the user's own `generate` with a session's hooks on: ids, captures, reductions."""
    import torch

    chunks: dict[Site, _Chunks] = {}
    for site in wanted:
        if site.name in ("logits", "module"):
            raise SiteError(f"{site} cannot be captured while generating: its shape changes between steps.")
        chunks.setdefault(site.whole, _Chunks())
    for whole, pieces in chunks.items():
        session.read(whole, pieces.reader(session))

    def announce(_: Any, args: Any, kwargs: Any) -> None:
        ids = kwargs.get("input_ids")
        ids = ids if ids is not None else args[0]
        cache = kwargs.get("past_key_values")
        session.begin(int(cache.get_seq_length()) if cache is not None else 0, ids.shape[1])

    patches = Patches()
    try:
        with torch.no_grad(), evaluating(anatomy.module):
            patches.pre_hook(anatomy.module, announce)
            session.install(patches)
            ids = anatomy.module.generate(
                input_ids=batch.ids, attention_mask=batch.mask, generation_config=config, **options
            )
    finally:
        patches.undo()
    captured = {whole: pieces.joined(whole) for whole, pieces in chunks.items()}
    reduced = {site: reducer(captured[site.whole]) for site, reducer in wanted.items() if reducer is not None}
    return ids, captured, reduced


def generated_layout(batch: Batch, new: list[list[int]], fed: int) -> Layout:
    """Positions over prompt and continuation, as far as they were fed to the model."""
    lengths = [
        min(n + len(extra), fed - start) for n, extra, start in zip(batch.lengths, new, batch.starts, strict=True)
    ]
    return Layout(batch.starts, lengths, lambda row, name: batch.prompts[row].positions(name))
