"""`python -m bench.field`: innerworks and its peers, measured side by side, each in its own environment.

Each tool's record is left in bench/out/field, and the tables of RESULTS.md are made of the records that are there. A
run that was cut short goes on with `--only`, and `--tables` makes the tables alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from bench.documented import HEADINGS
from bench.field import report
from bench.field.child import PARTS
from bench.field.environments import ROOT, NoEnvironment, ensure, python_of
from bench.field.settings import FIELD, ROWS, SMOLLM2, folder_of
from bench.markers import RESULTS, put

OUT = ROOT / "bench" / "out" / "field"
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
"""Threads that spin while they wait make a busy machine many times slower, and its figures worthless."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.field", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=report.ORDER, default=report.ORDER, help="these tools")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="these parts; others stay as they are")
    parser.add_argument("--pairs", type=int, default=7, help="how many pairs a ratio is the median of")
    parser.add_argument("--seconds", type=float, default=15.0, help="after which three pairs are enough")
    parser.add_argument(
        "--rows", nargs="+", choices=tuple(ROWS), default=tuple(ROWS), help="of the timings, only these"
    )
    parser.add_argument("--tables", action="store_true", help="measure nothing, make the tables")
    parser.add_argument(
        "--documented", action="store_true", help="run what docs/coming-from.md says of the peers instead"
    )
    parser.add_argument("--page", type=Path, default=RESULTS, help="where the tables go")
    return parser.parse_args()


def smollm2_folder() -> Path:
    """The folder of the bundled model, which every environment reads."""
    import innerworks as iw

    return Path(iw.load("smollm2-135m-instruct-q4").module.config._name_or_path)


def documented() -> None:
    """Run what the documentation says of the peers, in their environments."""
    for name in HEADINGS:
        ensure(name)
        command = [str(python_of(name)), "-m", "bench.documented", str(smollm2_folder())]
        subprocess.run(command, cwd=ROOT, env={**QUIET, **os.environ}, check=True)


def measure(only: list[str], command: list[str], out: Path) -> dict[str, str]:
    """Run the tools one after another; what stood in the way of those that did not run."""
    failed = {}
    for name in only:
        try:
            ensure(name)
        except NoEnvironment as error:
            failed[name] = f"cannot be installed: {error}"
            continue
        done = subprocess.run(
            [str(python_of(name)), "-m", f"bench.peers.{name}", "--out", str(out / f"{name}.json"), *command],
            cwd=ROOT,
            env={**QUIET, **os.environ},
            check=False,
        )
        if done.returncode:
            failed[name] = f"its process ended with {done.returncode}"
    return failed


def write(page: Path, failed: dict[str, str]) -> None:
    """The tables of what is there."""
    found = report.records(OUT)
    missing = [f"- {name}: not measured: {reason}." for name, reason in failed.items()]
    notes = "\n".join(filter(None, [report.remarks(found), *missing, report.conditions(found, "timings")]))
    put("field timings", f"{report.timings(found)}\n\n{report.processes(found)}\n\n{notes}", page)
    put("field numbers", f"{report.numbers(found)}\n\n{report.conditions(found, 'numbers')}", page)
    put("field traps", f"{report.traps(found)}\n\n{report.conditions(found, 'traps')}", page)


def main() -> None:
    """Measure, and write."""
    options = _arguments()
    if options.documented:
        return documented()
    failed: dict[str, str] = {}
    if not options.tables:
        for setting in FIELD:
            if setting.shape != SMOLLM2:
                folder_of(setting.shape)
        command = ["--parts", *options.parts, "--pairs", str(options.pairs), "--seconds", str(options.seconds)]
        command += ["--rows", *options.rows]
        failed = measure(list(options.only), [*command, "--smollm2", str(smollm2_folder())], OUT)
    write(options.page, failed)
    for name, reason in failed.items():
        print(f"{name}: not measured: {reason}")
    return None


if __name__ == "__main__":
    main()
