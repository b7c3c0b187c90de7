"""What the engine costs: looking, differentiating, sweeping, as multiples of a plain forward in the same process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from bench.memory import peak
from bench.shapes import SHAPES, tiny
from bench.timing import Ratio, milliseconds, ratio

Row = tuple[str, str, str, str]
"""What, on what, the figure, what it should be."""

STREAM = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
EVERY = (*STREAM, "attn_in", "mlp_in", "q", "k", "v", "scores", "pattern", "z", "neuron_pre", "neurons")


def plain_forward(model: Any, batch: Any, **extra: Any) -> Callable[[], object]:
    import torch

    arguments = dict(
        input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False, **extra
    )

    def call() -> object:
        with torch.no_grad():
            return model.module(**arguments)

    return call


def shown(what: str, where: str, found: Ratio, goal: str) -> Row:
    return (what, where, str(found), goal)


def _hand_hooks(model: Any, call: Callable[[], object]) -> Callable[[], object]:
    """The same forward under plain hooks that keep what blocks, attention and MLPs read and give."""

    def hooked() -> object:
        kept: list[Any] = []
        handles = []
        for block in model.anatomy.blocks:
            parts = (block, block.get_submodule(model.family.attn), block.get_submodule(model.family.mlp))
            handles += [p.register_forward_hook(lambda _, args, output: kept.append(output)) for p in parts]
            handles += [p.register_forward_pre_hook(lambda _, args: kept.append(args)) for p in parts]
        try:
            return call()
        finally:
            for handle in handles:
                handle.remove()

    return hooked


def looking(pairs: int) -> Iterator[Row]:
    """Captures and gradients at 1x16."""
    import torch

    import innerworks as iw
    from innerworks import at

    for name, make in SHAPES.items():
        model = iw.load(make())
        batch = model.batch(torch.randint(0, 40000, (1, 16), generator=torch.Generator().manual_seed(1)))
        plain = plain_forward(model, batch)
        yield ("plain forward", f"{name}, 1x16", f"{milliseconds(plain, pairs):.0f} ms", "-")
        stream = [getattr(at, kind)[:] for kind in STREAM]
        every = [getattr(at, kind)[:] for kind in EVERY]
        every += [at.gate[:], at.q_rot[:], at.k_rot[:]] if "gate" not in model.anatomy.missing else []
        calls = {
            ("asking for nothing", "1.00"): lambda m=model, b=batch: m.run(b),
            ("plain hooks that keep the same, for comparison", "-"): _hand_hooks(model, plain),
            ("every resid/attn/mlp site", "<= 1.05"): lambda m=model, b=batch, s=stream: m.run(b, capture=s),
            ("every site", "<= 1.10"): lambda m=model, b=batch, s=every: m.run(b, capture=s),
            ("gradient to all z", "<= 2.0"): lambda m=model, b=batch: m.gradients(b, iw.logit(5), wrt=at.z[:]),
        }
        for (what, goal), call in calls.items():
            yield shown(what, f"{name}, 1x16", ratio(call, plain, pairs=pairs), goal)


def overhead() -> Iterator[Row]:
    """What a call that asks for nothing adds: time on a tiny model, tensor operations by the profiler."""
    import torch

    import innerworks as iw

    model = iw.load(tiny())
    batch = model.batch(torch.arange(8)[None])
    plain = plain_forward(model, batch)
    times = {"plain": [], "ours": []}
    for _ in range(400):
        for key, call in (("plain", plain), ("ours", lambda: model.run(batch))):
            start = time.perf_counter()
            call()
            times[key].append(time.perf_counter() - start)
    added = (median(times["ours"]) - median(times["plain"])) * 1e6
    yield ("asking for nothing, added per call", "1 layer, d=16", f"{added:.0f} us", "<= 50 us")
    counts = []
    for call in (plain, lambda: model.run(batch)):
        with torch.profiler.profile() as profile:
            call()
        counts.append(sum(e.count for e in profile.key_averages() if e.key.startswith("aten::")))
    yield ("asking for nothing, added tensor operations", "1 layer, d=16", str(counts[1] - counts[0]), "0")


def stopping(pairs: int) -> Iterator[Row]:
    """Capturing one layer against a model that has no more layers than that."""
    import torch

    import innerworks as iw
    from innerworks import at

    model = iw.load(SHAPES["GPT-2-small shape"]())
    batch = model.batch(torch.randint(0, 40000, (1, 16)))
    from innerworks.model.taps.patched import Patches

    def up_to_fourth() -> None:
        """The trunk's own forward with the later blocks handing on, without the unembedding."""
        patches = Patches()
        for block in model.anatomy.blocks[4:]:
            patches.set(block, "forward", lambda hidden, *args, **kwargs: hidden)
        with torch.no_grad():
            model.module.transformer(
                input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
            )
        patches.undo()

    found = ratio(lambda: model.run(batch, capture=at.resid_post[3], logits=None), up_to_fourth, pairs=pairs)
    yield shown("capturing layer 3, against the forward up to it", "GPT-2-small shape, 1x16", found, "<= 1.0")


def heads(pairs: int) -> Iterator[Row]:
    """Exact patching of all heads, per patch."""
    import torch

    import innerworks as iw
    from innerworks import at, edit

    for name, make in SHAPES.items():
        model = iw.load(make())
        clean, corrupt = torch.randint(0, 40000, (2, 1, 16), generator=torch.Generator().manual_seed(2))
        run = model.run(clean, capture=at.z[:])
        variants = {site: [edit.set(site, run[site])] for site in at.z[:].each_head(run)}
        batch = model.batch(corrupt)
        found = ratio(
            lambda m=model, b=batch, v=variants: m.sweep(b, v, iw.logit(5)),
            plain_forward(model, batch),
            pairs=pairs,
            divide=len(variants),
        )
        yield shown(f"patching {len(variants)} heads, per patch", f"{name}, 1x16", found, "<= 0.22, aim 0.16")


def bundled(pairs: int) -> Iterator[Row]:
    """SmolLM2: captures at 8x128, and the residual sweep at 14 and 64 tokens against one at a time."""
    import torch

    import innerworks as iw
    from innerworks import at, edit

    model = iw.load("smollm2-135m-instruct-q4")
    big = model.batch(torch.randint(0, 40000, (8, 128), generator=torch.Generator().manual_seed(3)))
    stream = [getattr(at, kind)[:] for kind in STREAM]
    plain = plain_forward(model, big)
    calls = {
        ("plain hooks that keep the same, for comparison", "-"): _hand_hooks(model, plain),
        ("every resid/attn/mlp site", "<= 1.05"): lambda: model.run(big, capture=stream),
    }
    for (what, goal), call in calls.items():
        yield shown(what, "SmolLM2, 8x128", ratio(call, plain, pairs=max(5, pairs // 2)), goal)
    for length, goal in ((14, ">= 10"), (64, ">= 4.5")):
        clean, corrupt = torch.randint(0, 40000, (2, 1, length), generator=torch.Generator().manual_seed(4))
        run = model.run(clean, capture=at.resid_post[:])
        variants = {site: [edit.set(site, run[site])] for site in at.resid_post[:].each_position(run)}
        sample = dict(list(variants.items())[:: max(1, len(variants) // 40)])
        speedups = []
        for _ in range(5):
            start = time.perf_counter()
            model.sweep(corrupt, sample, iw.logit(5), plan="single")
            single = (time.perf_counter() - start) / len(sample)
            start = time.perf_counter()
            model.sweep(corrupt, variants, iw.logit(5))
            speedups.append(single * len(variants) / (time.perf_counter() - start))
        text = f"{median(speedups):.1f} times | {min(speedups):.1f}-{max(speedups):.1f} | 5"
        yield (f"residual sweep of {len(variants)} patches, speed-up", f"SmolLM2, 1x{length}", text, goal)


def memory() -> Iterator[Row]:
    """Peak memory of a run with captures, beside the plain forward's own peak plus what was captured."""
    load = 'model = iw.load("smollm2-135m-instruct-q4"); batch = model.batch(torch.randint(0, 40000, (8, 128)))'
    before = f'{load}; model.run(batch, logits="last")'
    captured = "sum(t.numel() * t.element_size() for t in run.captured.values())"
    peaks = {}
    for mode, kinds in (("plain", ()), ("capture", STREAM)):
        run = f"run = model.run(batch, capture=[getattr(at, kind)[:] for kind in {kinds!r}])"
        peaks[mode] = peak(before, run, captured)
    allowed = peaks["plain"][0] + peaks["capture"][1]
    share = peaks["capture"][0] / allowed
    text = f"{peaks['capture'][0] / 2**20:.0f} MiB of {allowed / 2**20:.0f} ({share:.2f})"
    yield ("peak memory over plain peak + captured tensors", "SmolLM2, 8x128", text, "<= 1.10")


def importing() -> Iterator[Row]:
    """`import innerworks` in a new process, the interpreter's own start taken off."""
    times = []
    for code in ("pass", "import innerworks"):
        runs = []
        for _ in range(7):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            runs.append(time.perf_counter() - start)
        times.append(median(runs))
    yield ("import innerworks", "new process", f"{times[1] - times[0]:.3f} s", "<= 0.3 s")


def loading() -> Iterator[Row]:
    """The bundled model's second load, in new processes, beside what importing the libraries takes."""
    code = (
        "import time; a = time.perf_counter(); import torch, transformers; transformers.LlamaForCausalLM; "
        "import innerworks as iw; b = time.perf_counter(); iw.load('smollm2-135m-instruct-q4'); "
        "print(b - a, time.perf_counter() - b)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(6)
    ][1:]
    imports, loads = (median(float(run[i]) for run in runs) for i in (0, 1))
    yield (
        "second load of the bundled model",
        "new process",
        f"{loads:.2f} s after {imports:.2f} s of imports",
        "< 3 s",
    )


def measure(pairs: int) -> Iterator[Row]:
    """All of it, a row at a time."""
    yield from importing()
    yield from loading()
    yield from overhead()
    yield from looking(pairs)
    yield from stopping(pairs)
    yield from heads(max(5, pairs // 2))
    yield from bundled(pairs)
    yield from memory()
