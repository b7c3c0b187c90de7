"""Where the time of looking at every site goes: `python -m bench.segments`."""

from __future__ import annotations

import time
from collections import defaultdict
from statistics import median

from bench.engine import EVERY
from bench.shapes import SHAPES


def main() -> None:
    """Milliseconds of each part of a run that captures every site, beside the plain forward."""
    import torch

    import innerworks as iw
    from innerworks import at
    from innerworks.model.engine.capture import Collected, as_capture
    from innerworks.model.engine.forward import call_model
    from innerworks.model.taps import Session
    from innerworks.model.taps.patched import Patches

    for name, make in SHAPES.items():
        model = iw.load(make())
        batch = model.batch(torch.randint(0, 40000, (1, 16)))
        kinds = [*EVERY, *(("gate", "q_rot", "k_rot") if "gate" not in model.anatomy.missing else ())]
        sites = [getattr(at, kind)[:] for kind in kinds]
        parts: dict[str, list[float]] = defaultdict(list)
        with torch.no_grad():
            for _ in range(30):
                marks = [time.perf_counter()]
                wanted = as_capture(sites, model.anatomy)
                session = Session(model.anatomy, batch.layout, batch.width)
                Collected(False).ask(session, wanted)
                marks.append(time.perf_counter())
                patches = Patches()
                session.begin(0, batch.width)
                session.install(patches)
                marks.append(time.perf_counter())
                call_model(model.anatomy, batch)
                marks.append(time.perf_counter())
                patches.undo()
                marks.append(time.perf_counter())
                call_model(model.anatomy, batch)
                marks.append(time.perf_counter())
                names = ("finding the sites", "hooks on", "hooked forward", "hooks off", "plain forward")
                for part, a, b in zip(names, marks, marks[1:], strict=False):
                    parts[part].append((b - a) * 1e3)
        print(f"{name}, {len(wanted)} tensors:", ", ".join(f"{k} {median(v):.2f} ms" for k, v in parts.items()))


if __name__ == "__main__":
    main()
