"""Who gets the drink? One name is exchanged, and every layer and token is searched for where the model notices.

Run it with `make demo`, or `python examples/indirect_object.py`. It writes report/indirect_object.html.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

import innerworks as iw
from innerworks import at, edit
from innerworks.results import Cost, Provenance, labelled

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPT = "When Mary and John went to the store, Mary gave a drink to"
TARGET, FOIL = " Mary", " John"


def main() -> None:
    """Load the model, run the experiment, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct-q4", help="a bundled name, hub id or folder")
    parser.add_argument("--out", type=Path, default=Path("report/indirect_object.html"))
    arguments = parser.parse_args()

    started = time.perf_counter()
    print(f"loading {arguments.model} (the first time, its weights are fetched and converted) …", flush=True)
    model = iw.load(arguments.model)
    print(f"{model}, ready after {time.perf_counter() - started:.1f} s", flush=True)

    result = indirect_object(model)
    print(f"\n{result.text(width=100)}\n")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{result.html(arguments.out)} after {time.perf_counter() - started:.1f} s")


def indirect_object(model: iw.Model) -> iw.Result:
    """Patch the clean prompt's stream into the corrupt run, one layer and token at a time."""
    started = time.perf_counter()
    pair = model.pair(CLEAN, CORRUPT)
    difference = iw.logit_diff(TARGET, FOIL)

    writes = [at.embed, at.attn_out[:], at.mlp_out[:], at.resid_post[:]]
    clean = model.run(pair.clean, capture=writes)
    corrupt = model.run(pair.corrupt, logits="last")
    clean_score, corrupt_score = (model.measure(p, difference) for p in (pair.clean, pair.corrupt))

    restored = iw.normalised(difference, clean=clean_score, corrupt=corrupt_score)
    places = list(at.resid_post[:].each_position(clean))
    grid = model.sweep(
        pair.corrupt, {place: [edit.set(place, clean[place])] for place in places}, restored, progress=False
    )
    shares = grid.stacked()[:, 0].reshape(model.n_layers, len(pair.clean))

    hidden = {i: [edit.knockout(at.pattern[:], query=-1, key=i)] for i in range(len(pair.clean))}
    blinded = model.sweep(pair.clean, hidden, difference, progress=False)
    changes = (blinded.stacked() - blinded.baseline)[:, 0]

    layers = list(range(model.n_layers))
    tokens = [f"{i} {token}" for i, token in enumerate(pair.clean.tokens)]
    seconds = time.perf_counter() - started
    return iw.Result(
        title="Who gets the drink? Patching an indirect object",
        data={"restored": labelled(shares, ("layer", "position"), coords={"layer": layers}, tokens=pair.clean.tokens)},
        views={
            "predictions": predictions_table(model, clean, corrupt),
            "hidden": iw.View.tokens(
                pair.clean.tokens,
                changes,
                label=f"change of logit({TARGET.strip()}) - logit({FOIL.strip()})",
                print_values=True,
                title="The clean prompt: the answer when the last token may not attend to a word",
            ),
            "restored": iw.View.heatmap(
                shares,
                rows=layers,
                columns=tokens,
                row_title="layer",
                column_title="token whose stream is restored",
                label="share of the answer restored",
                title="Where the clean stream restores the clean answer (0: none of it, 1: all)",
            ),
            "norms": last_token_norms(clean, layers),
        },
        checks=[*checks_of(model, pair, clean, grid, restored, (clean_score, corrupt_score))],
        provenance=Provenance(
            technique="residual stream patching",
            options={"site": "resid_post.:", "metric": str(difference), "normalised": "corrupt 0, clean 1"},
            model=f"{model.name} ({model.fingerprint})",
            prompt={"clean": CLEAN, "corrupt": CORRUPT},
            cost=Cost(forwards=grid.forwards + blinded.forwards + 4, seconds=seconds),
        ),
    )


def predictions_table(model: iw.Model, clean: iw.Run, corrupt: iw.Run, count: int = 6) -> iw.View:
    """The most likely next tokens of both prompts, side by side."""
    columns: dict[str, list[object]] = {"rank": list(range(1, count + 1))}
    for name, run in (("clean", clean), ("corrupt", corrupt)):
        probabilities, ids = run.logits[0, -1].softmax(-1).topk(count)
        columns[f"{name}: next token"] = [model.tokenizer.decode([i]) for i in ids.tolist()]
        columns[f"{name}: probability"] = probabilities.tolist()
    return iw.View.table(columns, title="What the model predicts next")


def last_token_norms(run: iw.Run, layers: list[int]) -> iw.View:
    """How long the last token's stream is after each block, and what the block's two halves wrote to it."""
    sites = {"stream": at.resid_post[:], "attention's write": at.attn_out[:], "the MLP's write": at.mlp_out[:]}
    return iw.View.series(
        {name: run[site @ -1][:, 0].norm(dim=-1) for name, site in sites.items()},
        x=layers,
        x_title="layer",
        y_title="norm",
        title="The last token of the clean prompt: its stream and what is written to it",
    )


def checks_of(
    model: iw.Model,
    pair: iw.Pair,
    clean: iw.Run,
    grid: iw.SweepResult,
    restored: iw.metrics.Metric,
    scores: tuple[torch.Tensor, torch.Tensor],
) -> list[iw.Check]:
    """What has to hold if the numbers above are right."""
    with torch.no_grad():
        plain = model.module(torch.tensor([pair.clean.ids], device=model.device)).logits
    written = clean[at.embed] + clean[at.attn_out[:]].sum(0) + clean[at.mlp_out[:]].sum(0)
    stream = clean[at.resid_post[-1]]
    last, one = at.resid_post[-1] @ -1, at.resid_post[model.n_layers // 2] @ pair.differs[0]
    corner = grid.stacked()[-1, 0]
    alone = model.measure(pair.corrupt, restored, edits=[edit.set(one, clean[one])])
    swept = grid[at.resid_post[model.n_layers // 2] @ pair.differs[0]]
    return [
        iw.Check(
            "both prompts are answered rightly",
            min(float(scores[0]), -float(scores[1])),
            0.0,
            "at least",
            note=f"logit difference {float(scores[0]):+.2f} clean, {float(scores[1]):+.2f} corrupt",
        ),
        iw.Check(
            "watched logits against the plain model's",
            float((clean.logits - plain).abs().max()),
            0.0,
            note="largest difference over all tokens",
        ),
        iw.Check(
            "embedding and all writes add up to the stream",
            float((written - stream).abs().max() / stream.abs().max()),
            1e-5,
            note="largest error over the stream's largest number",
        ),
        iw.Check(
            f"restoring {last} restores everything",
            float(corner - 1),
            1e-4,
            "within",
        ),
        iw.Check("sweep against one plain run with the same edit", float((swept - alone).abs().max()), 1e-4),
        iw.Check(
            "sweep's own spread",
            grid.spread,
            1e-4,
            note=f"an unedited row in the largest batch; {grid.skipped} of {len(grid)} places cannot matter "
            "and were not run",
        ),
    ]


if __name__ == "__main__":
    main()
